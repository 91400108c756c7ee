//! A gRPC server, asked what it offers.

use std::time::Duration;

use mcp_factory_connect::{
    grpc::Client,
    http::{Base, ClientConfig},
};
use mcp_factory_intake::grpc::{self, Options};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{IntakeError, Proposed, Reach, document::shown};

const PATIENCE: Duration = Duration::from_secs(30);

/// Each method of a gRPC server that describes itself (server reflection) becomes a tool.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grpc {
    /// Where the server is: `grpc:` is without TLS, `grpcs:` with it.
    #[schema(value_type = String, example = "grpcs://api.example.com:443")]
    pub url: Url,
    /// It is at an address of a private network; that has to be granted.
    #[serde(default)]
    pub allow_private_network: bool,
    /// Only services that fit one of these; `*` stands for anything.
    #[serde(default)]
    pub services: Vec<String>,
}

impl Grpc {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let of = shown(&self.url);
        let failed = |why: String| IntakeError::Unreadable { of: format!("`{of}`"), why };
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return Err(failed("it holds a user or a password; put `auth` on the connection instead".to_owned()));
        }
        let config = ClientConfig {
            allow_private_network: self.allow_private_network,
            ..ClientConfig::new("the server", Base::Url(self.url.to_string()))
        };
        let client = Client::new(config, None, reach.secrets().clone(), reach.policy().clone())?;
        let pool = client.describe(PATIENCE).await.map_err(|error| failed(error.to_string()))?;
        let options = Options { name, url: Some(self.url), services: self.services, descriptors: None };
        Proposed::of(of, 0, move |_| grpc::import(&pool, &options)).await
    }
}
