//! `mcp-factory connect NAME --client CLIENT`: what a client has to be told to use a server, printed or written into its
//! configuration. No secret is in it: on stdio there is none, and for a URL the client is told where it finds the key.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::{
    api::{self, Api},
    args::connect::{Client, Connect},
    exit, output, program,
};

/// Where a client that is given a URL finds the key.
const KEY: &str = "MCP_FACTORY_KEY";

pub fn run(args: &Connect) -> anyhow::Result<ExitCode> {
    if args.http && args.client == Client::ClaudeDesktop {
        return Err(exit::usage(
            "the configuration of `claude-desktop` is for servers that it starts",
            "leave `--http` out, or add the URL as a connector in its settings",
        ));
    }
    if !args.http && (args.reach.api.is_some() || args.reach.registry.is_some()) {
        return Err(exit::usage(
            "a client starts a server on the data folder of this machine, and the URL of a registry holds a password",
            "pass `--http`: the client then asks the factory that runs",
        ));
    }
    api::with(&args.reach, args.output, async |api| {
        let server = api.get(&["mcp", "servers", &args.name]).send().await?;
        let entry = if args.http { by_url(args, api, &server).await? } else { by_program(args)? };
        let file = args.client.file()?;
        let list = args.client.list();
        let mut config = json!({ list: { &args.name: entry } });
        if args.http && args.client == Client::Vscode && !server["auth"].eq("none") {
            let name = format!("Key of {}", args.name);
            config["inputs"] = json!([{ "type": "promptString", "id": KEY, "description": name, "password": true }]);
        }
        let outcome = if args.write { write(&file, &config)? } else { Outcome::Printed };
        let shown = json!({
            "client": args.client.word(), "file": file.display().to_string(), "config": config, "outcome": outcome.word(),
        });
        output::print(api.output(), &shown, |_| text(args, &file, &config, outcome, &server))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The client starts the server, in a folder of its own choice and with an environment of its own.
fn by_program(args: &Connect) -> anyhow::Result<Value> {
    let data = api::data_folder(&args.reach)?;
    let data = fs::canonicalize(&data).with_context(|| format!("can't find `{}`", data.display()))?;
    let program = program::path()?;
    let (program, data) = (word(&program)?, word(&data)?);
    let mut entry = json!({ "command": program, "args": ["stdio", args.name, "--data", data] });
    if matches!(args.client, Client::ClaudeCode | Client::Vscode) {
        entry["type"] = "stdio".into();
    }
    Ok(entry)
}

async fn by_url(args: &Connect, api: &Api, server: &Value) -> anyhow::Result<Value> {
    let name = &args.name;
    let serving = &server["deployment"]["serving"];
    let endpoint = serving["endpoint"].as_str().ok_or_else(|| {
        let deploy = program::line(&format!("deploy {}", program::quoted(name)));
        exit::hinted(format!("`{name}` does not run, so that it has no URL"), format!("`{deploy}`"))
    })?;
    let mut entry = match args.client {
        Client::Cursor => json!({ "url": endpoint }),
        _ => json!({ "type": "http", "url": endpoint }),
    };
    let key = match args.client {
        Client::Cursor => format!("${{env:{KEY}}}"),
        Client::Vscode => format!("${{input:{KEY}}}"),
        Client::ClaudeCode | Client::ClaudeDesktop => format!("${{{KEY}}}"),
    };
    // What runs says itself what callers bring. It asks for nothing, or the client finds out by itself whom to ask, where it
    // says nothing.
    let ask = || api.get(&["mcp", "servers", name, "export"]).query("format", Some("server.json"));
    let declared = match ask().query("version", serving["version"].as_str()).send().await {
        Ok(declared) => declared,
        // What is edited is not registered.
        Err(_) => ask().send().await?,
    };
    for header in declared["remotes"][0]["headers"].as_array().into_iter().flatten() {
        let Some(name) = header["name"].as_str() else { continue };
        let scheme = header["value"].as_str().and_then(|value| Some(value.split_once('{')?.0)).unwrap_or_default();
        entry["headers"] = json!({ name: format!("{scheme}{key}") });
    }
    Ok(entry)
}

fn word(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("`{}` can't be written into a configuration: it is no text", path.display()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Printed,
    Written,
    Unchanged,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Printed => "printed",
            Self::Written => "written",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What else is in the file stays as it is. In one step: a client may read it at any time.
fn write(file: &Path, config: &Value) -> anyhow::Result<Outcome> {
    // What a link leads to is changed, and the link stays.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let shown = file.display();
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("can't read `{shown}`"))?,
    };
    let known: Value = match text.trim() {
        "" => Value::Object(Map::new()),
        text => serde_json::from_str(text).map_err(|error| {
            exit::hinted(
                format!("`{shown}` is no plain JSON, and is left alone: {error}"),
                "leave `--write` out, and copy what is printed into the file",
            )
        })?,
    };
    let merged = merge(known.clone(), config).ok_or_else(|| {
        exit::hinted(
            format!("`{shown}` holds something else than a configuration, and is left alone"),
            "leave `--write` out, and copy what is printed into the file",
        )
    })?;
    if merged == known {
        return Ok(Outcome::Unchanged);
    }
    let folder = file.parent().context("the file is in no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("can't write beside `{shown}`"))?;
    if let Ok(before) = fs::metadata(&file) {
        draft.as_file().set_permissions(before.permissions())?;
    }
    draft.write_all(format!("{merged:#}\n").as_bytes())?;
    draft.persist(&file).with_context(|| format!("can't write `{shown}`"))?;
    Ok(Outcome::Written)
}

/// Lists by the ids of their entries, everything else by name. `None` where another kind of value is in the way.
fn merge(mut known: Value, config: &Value) -> Option<Value> {
    let fields = known.as_object_mut()?;
    for (name, value) in config.as_object()? {
        match (value, fields.entry(name).or_insert_with(|| empty(value))) {
            (Value::Object(new), Value::Object(list)) => list.extend(new.clone()),
            (Value::Array(new), Value::Array(list)) => {
                for entry in new {
                    list.retain(|known| known["id"] != entry["id"]);
                    list.push(entry.clone());
                }
            }
            _ => return None,
        }
    }
    Some(known)
}

fn empty(value: &Value) -> Value {
    if value.is_array() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }
}

fn text(args: &Connect, file: &Path, config: &Value, outcome: Outcome, server: &Value) -> String {
    let (name, client, file) = (&args.name, args.client.word(), file.display());
    let mut text = match outcome {
        Outcome::Printed => format!("{config:#}\n\nThis goes into `{file}`; `--write` puts it there.\n"),
        Outcome::Written => format!("`{name}` is in `{file}`; start {client} again, or have it read that anew.\n"),
        Outcome::Unchanged => format!("`{name}` is in `{file}` already.\n"),
    };
    if args.http && !server["auth"].eq("none") && args.client != Client::Vscode {
        let issue = program::line(&format!("keys issue {name} NAME"));
        text.push_str(&format!("{client} finds the key in `{KEY}`: `{issue}` makes one.\n"));
    }
    text
}

impl Client {
    /// Where it keeps its configuration: that of the user, or of the project in this folder.
    fn file(self) -> anyhow::Result<PathBuf> {
        let home = || {
            let home = std::env::home_dir().filter(|home| home.is_absolute());
            home.ok_or_else(|| exit::usage("it is not known where your configuration is", "set `HOME`"))
        };
        Ok(match self {
            Self::ClaudeDesktop if cfg!(target_os = "macos") => {
                home()?.join("Library/Application Support/Claude/claude_desktop_config.json")
            }
            Self::ClaudeDesktop => {
                let folder =
                    std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
                let folder = folder.map_or_else(|| Ok::<_, anyhow::Error>(home()?.join(".config")), Ok)?;
                folder.join("Claude/claude_desktop_config.json")
            }
            Self::ClaudeCode => std::env::current_dir()?.join(".mcp.json"),
            Self::Cursor => home()?.join(".cursor/mcp.json"),
            Self::Vscode => std::env::current_dir()?.join(".vscode/mcp.json"),
        })
    }

    const fn list(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            _ => "mcpServers",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
        }
    }
}
