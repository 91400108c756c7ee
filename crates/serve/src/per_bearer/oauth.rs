//! Where clients of a per-bearer server get their tokens.

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use serde_json::json;
use url::Url;

use super::PerBearerError;
use crate::ProtectedResource;

/// Somebody else's authorization server; what it issues is added as tokens.
#[derive(Debug, Clone)]
pub struct OAuth {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    /// For clients that can't do without (deprecated by MCP in favour of client metadata documents).
    pub registration_endpoint: Option<String>,
}

impl OAuth {
    const METADATA: &str = "/.well-known/oauth-authorization-server";

    /// This server, as its authorization server knows it.
    pub(super) fn resource(&self, url: &str) -> Result<ProtectedResource, PerBearerError> {
        let failed = |error: &dyn std::fmt::Display| PerBearerError::OAuth { why: error.to_string() };
        for (name, value) in [
            ("issuer", Some(&self.issuer)),
            ("authorization_endpoint", Some(&self.authorization_endpoint)),
            ("token_endpoint", Some(&self.token_endpoint)),
            ("registration_endpoint", self.registration_endpoint.as_ref()),
        ] {
            if value.is_some_and(|value| Url::parse(value).is_err()) {
                return Err(PerBearerError::OAuth { why: format!("`{name}` is no URL") });
            }
        }
        let url = Url::parse(url).map_err(|error| failed(&error))?;
        ProtectedResource::new(&url, std::slice::from_ref(&self.issuer), Vec::new(), &[])
            .map_err(|error| failed(&error))
    }

    /// The issuer's metadata here too, for clients that ask the server itself.
    pub(super) fn routes(&self, routes: Router) -> Router {
        let mut metadata = json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
        });
        if let Some(registration) = &self.registration_endpoint {
            metadata["registration_endpoint"] = json!(registration);
        }
        let metadata = metadata.to_string();
        routes.route(Self::METADATA, get(move || async move { ([(CONTENT_TYPE, "application/json")], metadata) }))
    }
}
