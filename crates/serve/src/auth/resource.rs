//! What a server says about itself as an OAuth 2.1 resource: the document of RFC 9728, and the challenges that lead to it.

use bytes::Bytes;
use http::{HeaderValue, Uri};
use serde_json::json;
use url::Url;

/// Where the document is found, below the origin of the server; the path of the endpoint goes behind it.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// One server, as its authorization server knows it.
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    resource: String,
    metadata: String,
    scopes: Vec<String>,
    document: Bytes,
}

/// Why a URL can't be that of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` can't be the URL of a server: {why}")]
pub struct ResourceError {
    url: String,
    why: &'static str,
}

impl ProtectedResource {
    /// `url` is where this very server is served: `https://mcp.example.com/mcp`. Every caller needs `scopes`; all that any
    /// tool may need are `supported`.
    pub fn new(
        url: &Url,
        authorization_servers: &[String],
        scopes: Vec<String>,
        supported: &[String],
    ) -> Result<Self, ResourceError> {
        let refused = |why| Err(ResourceError { url: crate::fetch::shown(url), why });
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return refused("write scheme and name, as in `https://mcp.example.com/mcp`");
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return refused("it has a query, a fragment or a password");
        }
        if authorization_servers.is_empty() {
            return refused("nobody issues tokens for it");
        }
        if let Some(scope) = scopes.iter().chain(supported).find(|scope| !is_scope(scope)) {
            tracing::debug!(%scope, "no scope");
            return refused("a scope holds a blank, a quote or another character that scopes can't have");
        }
        let path = url.path().trim_end_matches('/');
        let origin = url.origin().ascii_serialization();
        let resource = format!("{origin}{path}");
        let mut document = json!({
            "resource": resource,
            "authorization_servers": authorization_servers,
            "bearer_methods_supported": ["header"],
        });
        let mut all: Vec<&String> = scopes.iter().chain(supported).collect();
        all.sort();
        all.dedup();
        if !all.is_empty() {
            document["scopes_supported"] = json!(all);
        }
        Ok(Self {
            metadata: format!("{origin}{WELL_KNOWN}{path}"),
            document: document.to_string().into(),
            resource,
            scopes,
        })
    }

    /// What tokens for this server name as their audience.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The document, as JSON.
    #[must_use]
    pub fn document(&self) -> Bytes {
        self.document.clone()
    }

    /// The scopes that every caller needs.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// For a request without a credential.
    #[must_use]
    pub fn unauthenticated(&self) -> HeaderValue {
        self.challenge("", &self.scopes)
    }

    /// For a token that is not good here, or not any more.
    #[must_use]
    pub fn invalid_token(&self) -> HeaderValue {
        self.challenge(", error=\"invalid_token\"", &self.scopes)
    }

    /// For a token that lacks `scopes`. Names them with those that every caller needs: a client asks for what it is told.
    #[must_use]
    pub fn insufficient_scope(&self, scopes: &[String]) -> HeaderValue {
        let mut all = self.scopes.clone();
        all.extend(scopes.iter().filter(|scope| is_scope(scope) && !self.scopes.contains(scope)).cloned());
        self.challenge(", error=\"insufficient_scope\"", &all)
    }

    fn challenge(&self, error: &str, scopes: &[String]) -> HeaderValue {
        let scope = if scopes.is_empty() { String::new() } else { format!(", scope=\"{}\"", scopes.join(" ")) };
        HeaderValue::try_from(format!("Bearer realm=\"mcp\"{error}, resource_metadata=\"{}\"{scope}", self.metadata))
            .expect("URLs and scopes are header text")
    }

    /// Whether the document is asked for: at the root, or behind the path of the endpoint.
    pub(crate) fn is_at(&self, uri: &Uri, endpoint: &str) -> bool {
        uri.path()
            .strip_prefix(WELL_KNOWN)
            .is_some_and(|rest| rest.is_empty() || rest == endpoint || self.metadata.ends_with(uri.path()))
    }
}

/// RFC 6749, 3.3.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(url: &str) -> Result<ProtectedResource, ResourceError> {
        let url = Url::parse(url).expect("a URL");
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        ProtectedResource::new(&url, &words(&["https://login.example.com"]), words(&["mcp"]), &words(&["stock", "mcp"]))
    }

    /// S4-40: the server's own URL and the list of authorization servers.
    #[test]
    fn the_document_names_this_server_and_who_issues_its_tokens() {
        let resource = resource("https://mcp.example.com/servers/a/mcp/").expect("a resource");
        let document: serde_json::Value = serde_json::from_slice(&resource.document()).expect("JSON");
        assert_eq!(
            document,
            json!({
                "resource": "https://mcp.example.com/servers/a/mcp",
                "authorization_servers": ["https://login.example.com"],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["mcp", "stock"],
            })
        );
        assert_eq!(
            resource.insufficient_scope(&["stock".to_owned(), "mcp".to_owned()]),
            "Bearer realm=\"mcp\", error=\"insufficient_scope\", resource_metadata=\"https://mcp.example.com/.well-known/\
             oauth-protected-resource/servers/a/mcp\", scope=\"mcp stock\""
        );
    }

    #[test]
    fn the_document_is_at_the_root_and_behind_the_path() {
        let resource = resource("https://mcp.example.com/servers/a/mcp").expect("a resource");
        for (path, found) in [
            (WELL_KNOWN.to_owned(), true),
            (format!("{WELL_KNOWN}/mcp"), true),
            (format!("{WELL_KNOWN}/servers/a/mcp"), true),
            (format!("{WELL_KNOWN}/servers/b/mcp"), false),
            (format!("{WELL_KNOWN}x"), false),
            ("/mcp".to_owned(), false),
        ] {
            assert_eq!(resource.is_at(&path.parse().expect("a path"), "/mcp"), found, "{path}");
        }
    }

    #[test]
    fn only_plain_urls_are_resources() {
        for url in ["https://mcp.example.com/mcp?token=x", "https://a:b@example.com/", "file:///mcp", "https://a/#b"] {
            assert!(resource(url).is_err(), "{url}");
        }
    }
}
