//! What the official registry of MCP servers calls a `server.json`: one version of a server, and where it answers. Nothing
//! secret is in it, only what a caller has to bring.

use mcp_factory_spec::{
    Spec,
    model::{Auth, ServerName},
};
use serde_json::{Value, json};
use url::{Host, Url};

use crate::registry::Listed;

const SCHEMA: &str = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";
/// Of titles and descriptions, in characters.
const LONGEST: usize = 100;

/// The part of a name before the `/`: the factory's host in reverse, `local` where it has no name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn of(public_url: Option<&Url>) -> Self {
        let Some(Host::Domain(domain)) = public_url.and_then(Url::host) else { return Self("local".to_owned()) };
        let domain = domain.trim_end_matches('.');
        let is_plain = domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if !is_plain || domain == "localhost" || domain.is_empty() || domain.len() > 128 {
            return Self("local".to_owned());
        }
        Self(domain.rsplit('.').collect::<Vec<_>>().join("."))
    }

    pub(crate) fn name(&self, server: &str) -> String {
        format!("{}/{server}", self.0)
    }

    /// The server's own name, of a whole one.
    pub(crate) fn server<'a>(&self, name: &'a str) -> Option<&'a str> {
        let server = name.strip_prefix(&*self.0)?.strip_prefix('/')?;
        ServerName::new(server).map(|_| server)
    }
}

/// `spec` is asked what callers bring, where the server answers.
pub(crate) fn of(listed: &Listed, namespace: &Namespace, spec: Option<&Spec>) -> Value {
    let description = listed.description.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let description = description.map_or_else(|| format!("The MCP server {}", listed.server), cut);
    let mut server = json!({
        "$schema": SCHEMA,
        "name": namespace.name(&listed.server),
        "description": description,
        "version": listed.version.to_string(),
    });
    if let Some(title) = listed.title.as_deref().map(str::trim).filter(|it| !it.is_empty()) {
        server["title"] = cut(title).into();
    }
    if let Some(endpoint) = &listed.endpoint {
        let mut remote = json!({ "type": "streamable-http", "url": endpoint });
        if let Some(header) = spec.and_then(header) {
            remote["headers"] = json!([header]);
        }
        server["remotes"] = json!([remote]);
    }
    server
}

/// What clients can't find out by themselves: where they are sent to an authorization server, they are told by that.
fn header(spec: &Spec) -> Option<Value> {
    let (name, description, value) = match &spec.auth {
        Auth::None | Auth::Oauth2(_) => return None,
        Auth::ApiKey(auth) => (auth.header.to_string(), "A key of this server", None),
        Auth::Bearer(_) => ("Authorization".to_owned(), "A key of this server", Some("Bearer {key}")),
        Auth::Jwt(_) => ("Authorization".to_owned(), "A signed token of the issuer", Some("Bearer {token}")),
    };
    let mut header = json!({ "name": name, "description": description, "isRequired": true, "isSecret": true });
    if let Some(value) = value {
        let variable = value.trim_start_matches("Bearer ").trim_matches(['{', '}']);
        header["value"] = value.into();
        header["variables"] = json!({ variable: { "description": description, "isRequired": true, "isSecret": true } });
    }
    Some(header)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_begins_with_the_hosts_name_in_reverse() {
        for (url, name) in [
            ("https://mcp.example.com/factory", "com.example.mcp/shop"),
            ("http://localhost:8080", "local/shop"),
            ("http://127.0.0.1:8080", "local/shop"),
            ("http://[::1]", "local/shop"),
        ] {
            let namespace = Namespace::of(Some(&url.parse().expect("a URL")));
            assert_eq!(namespace.name("shop"), name);
            assert_eq!(namespace.server(name), Some("shop"));
            assert_eq!(namespace.server("com.example.other/shop"), None);
            assert_eq!(namespace.server("shop"), None);
        }
    }

    #[test]
    fn long_texts_are_cut_to_what_the_schema_takes() {
        assert_eq!(cut(&"ü".repeat(100)), "ü".repeat(100));
        assert_eq!(cut(&"ü".repeat(101)).chars().count(), 100);
    }
}
