//! Another MCP server.

use std::{sync::Arc, time::Duration};

use mcp_factory_connect::{
    command::ProgramError,
    http::{Auth, Base, ClientConfig},
    mcp::{Bounds, Error, Server},
};
use mcp_factory_intake::mcp::{self, Options};
use mcp_factory_spec::secrets;
use serde::Deserialize;
use serde_json::{Map, json};
use url::Url;
use utoipa::ToSchema;

use super::{IntakeError, Proposed, Reach, document::shown};

/// Either `url` or `argv`. What it lists is asked for with the owner's secret.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mcp {
    /// Where the server answers.
    #[schema(value_type = Option<String>, example = "https://mcp.example.com/mcp")]
    pub url: Option<Url>,
    /// A program that speaks MCP on stdio, with its arguments. Programs have to be granted.
    pub argv: Vec<String>,
    /// The secret that holds the bearer token.
    pub token_env_var: Option<String>,
    /// Only tools whose names fit one of these; `*` stands for anything.
    pub tools: Vec<String>,
}

/// A program may have to be fetched and compiled before it says anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a program that ended: lines, and characters of one.
const LAST_LINES: usize = 10;
const LONGEST_LINE: usize = 200;

impl Mcp {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let mut connection = Map::new();
        let (of, server) = match (&self.url, self.argv.is_empty()) {
            (Some(url), true) => {
                connection.insert("url".to_owned(), url.as_str().into());
                (format!("`{}`", shown(url)), self.at(url, reach)?)
            }
            (None, false) => {
                if self.token_env_var.is_some() {
                    return Err(IntakeError::Argument("`tokenEnvVar` is for a server at a `url`".to_owned()));
                }
                connection.insert("argv".to_owned(), json!(self.argv));
                (format!("`{}`", self.argv.join(" ")), self.started(reach)?)
            }
            _ => return Err(IntakeError::Argument("it takes either `url` or `argv`".to_owned())),
        };
        if let Some(variable) = &self.token_env_var {
            connection.insert("auth".to_owned(), json!({ "type": "bearer", "envVar": variable }));
        }
        let bounds = Bounds { timeout: PATIENCE, max_bytes: reach.largest(), caller: None };
        let listed = server.tools(&bounds).await;
        let tools = listed.map_err(|error| IntakeError::Unreadable { of: of.clone(), why: why(&error) })?;
        let title = match &self.url {
            Some(url) => title_of(url),
            None => {
                self.argv.iter().rev().find(|word| !word.starts_with('-')).map_or("", |word| base_name(word)).to_owned()
            }
        };
        let options = Options { name, tools: self.tools };
        Proposed::of(of, 0, move |_| mcp::import(&title, connection, tools, &options)).await
    }

    fn at(&self, url: &Url, reach: &Reach) -> Result<Server, IntakeError> {
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            let why = "it is no `http` or `https` URL without a user".to_owned();
            return Err(IntakeError::Unreadable { of: format!("`{}`", shown(url)), why });
        }
        let mut config = ClientConfig::new("upstream", Base::Url(String::new()));
        if let Some(secret) = &self.token_env_var {
            config.auth = Auth::Bearer { secret: secret.clone() };
        }
        Ok(Server::at(url, config, Arc::clone(reach.secrets()), Arc::clone(reach.policy()))?)
    }

    fn started(&self, reach: &Reach) -> Result<Server, IntakeError> {
        let unreadable = |why: String| IntakeError::Unreadable { of: format!("`{}`", self.argv[0]), why };
        let folder = std::env::current_dir().map_err(|error| unreadable(error.to_string()))?;
        match Server::program("upstream", &self.argv, &folder, reach.policy()) {
            Ok(server) => Ok(server),
            Err(ProgramError::Denied(denied)) => Err(denied.into()),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}

/// With the last words of a program, each in a line of its own.
fn why(error: &Error) -> String {
    let Error::Ended { complaints, .. } = error else { return error.to_string() };
    let lines: Vec<&str> = complaints.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return format!("{error}, and wrote nothing to standard error");
    }
    let mut why = format!("{error}; the end of what it wrote to standard error:");
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        let line: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect();
        why.push_str("\n    ");
        why.push_str(&secrets::redact(&line));
    }
    why
}

/// What a server at a URL is called.
pub(super) fn title_of(url: &Url) -> String {
    let named = url.path().split('/').rfind(|step| !matches!(*step, "" | "mcp" | "servers" | "graphql" | "api"));
    let host = url.host_str().unwrap_or_default();
    named.unwrap_or_else(|| host.trim_start_matches("mcp.").trim_start_matches("www.")).to_owned()
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
