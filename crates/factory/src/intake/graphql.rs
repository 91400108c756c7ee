//! A GraphQL endpoint, by introspection.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use mcp_factory_connect::http::{Auth, Base, Client, ClientConfig, Oversize, Request};
use mcp_factory_intake::graphql::{self, INTROSPECTION, Options};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::ToSchema;

use super::{IntakeError, Proposed, Reach, document::shown, mcp::title_of};

/// It is asked what its schema is, with the owner's secret.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Graphql {
    /// Where the endpoint is.
    #[schema(value_type = String, example = "https://api.example.com/graphql")]
    pub url: Option<Url>,
    /// It is at an address of a private network; that has to be granted.
    pub allow_private_network: bool,
    /// The secret that holds the bearer token.
    pub token_env_var: Option<String>,
    /// Only fields whose names fit one of these; `*` stands for anything.
    pub fields: Vec<String>,
}

impl Graphql {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let Some(url) = self.url else { return Err(IntakeError::Argument("it takes a `url`".to_owned())) };
        let of = format!("`{}`", shown(&url));
        let unreadable = |why: String| IntakeError::Unreadable { of: of.clone(), why };
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(unreadable("it is no `http` or `https` URL without a user".to_owned()));
        }
        let mut connection = Map::new();
        connection.insert("url".to_owned(), url.as_str().into());
        let mut auth = Auth::None;
        if let Some(variable) = self.token_env_var {
            connection.insert("auth".to_owned(), json!({ "type": "bearer", "envVar": variable }));
            auth = Auth::Bearer { secret: variable };
        }
        if self.allow_private_network {
            connection.insert("allowPrivateNetwork".to_owned(), true.into());
        }
        let config = ClientConfig {
            auth,
            allow_private_network: self.allow_private_network,
            timeout: Duration::from_secs(60),
            kept_bytes: 0,
            ..ClientConfig::new("the endpoint", Base::Url(url.as_str().to_owned()))
        };
        let client = Client::new(config, Arc::clone(reach.secrets()), Arc::clone(reach.policy()))?;
        let mut asked = Request {
            body: Some(json!({ "query": INTROSPECTION }).to_string().into()),
            max_bytes: reach.largest(),
            oversize: Oversize::Refuse,
            ..Request::new(Method::POST, "")
        };
        asked.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        asked.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = client.send(asked).await.map_err(|error| unreadable(error.to_string()))?;
        let Ok(answered) = serde_json::from_slice::<Value>(&answer.body) else {
            return Err(unreadable(format!("it answers {}, and not as GraphQL does", answer.status)));
        };
        let (title, options) = (title_of(&url), Options { name, fields: self.fields });
        let bytes = answer.body.len();
        Proposed::of(of, bytes, move |_| graphql::import(&title, connection, &answered, &options)).await
    }
}
