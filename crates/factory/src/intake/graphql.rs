//! A GraphQL endpoint, by introspection.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, header};
use mcp_factory_connect::http::{
    self as http_client, Auth, Base, Class, Client, ClientConfig, Oversize, Request, Response,
};
use mcp_factory_intake::graphql::{self, INTROSPECTION, Options};
use serde::Deserialize;
use serde_json::{Map, json};
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
    /// Whoever types a URL means the place where it leads, wherever that is.
    #[serde(skip)]
    pub is_typed: bool,
}

impl Graphql {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let Some(url) = self.url else { return Err(IntakeError::Argument("it takes a `url`".to_owned())) };
        let of = format!("`{}`", shown(&url));
        let unreadable = |why: String| IntakeError::Unreadable { of: of.clone(), why };
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(unreadable("it is no `http` or `https` URL without a user".to_owned()));
        }
        let auth = match &self.token_env_var {
            Some(variable) => Auth::Bearer { secret: variable.clone() },
            None => Auth::None,
        };
        let mut private = self.allow_private_network;
        let mut answer = introspected(&url, auth.clone(), private, reach).await?;
        // By its name it may have been public.
        if self.is_typed && !private && matches!(&answer, Err(error) if error.class() == Class::Refused) {
            private = true;
            answer = introspected(&url, auth, private, reach).await?;
        }
        let answer = answer.map_err(|error| unreadable(error.to_string()))?;
        let kind = answer.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let answered = graphql::answered(&answer.status.to_string(), kind, &answer.body).map_err(unreadable)?;
        let mut connection = Map::new();
        connection.insert("url".to_owned(), url.as_str().into());
        if let Some(variable) = self.token_env_var {
            connection.insert("auth".to_owned(), json!({ "type": "bearer", "envVar": variable }));
        }
        if private {
            connection.insert("allowPrivateNetwork".to_owned(), true.into());
        }
        let (title, options) = (title_of(&url), Options { name, fields: self.fields });
        let bytes = answer.body.len();
        Proposed::of(of, bytes, move |_| graphql::import(&title, connection, &answered, &options)).await
    }
}

/// What it says of its schema, or what it says instead.
async fn introspected(
    url: &Url,
    auth: Auth,
    private: bool,
    reach: &Reach,
) -> Result<Result<Response, http_client::Error>, IntakeError> {
    let config = ClientConfig {
        auth,
        allow_private_network: private,
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
    Ok(client.send(asked).await)
}
