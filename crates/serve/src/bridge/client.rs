//! Which program asks for access. Nobody vouches for its name: what counts is where the answer is sent, and that it can
//! only be sent where the program itself said before.
//!
//! A client says so in a document at its own address (its id is the document's URL), or registers. What registers gets its
//! own data back, sealed, as its id: nothing is kept, so nobody can fill our memory.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{Bridge, documents::DocumentError, seal::Purpose};

const MOST_REDIRECTS: usize = 10;
const LONGEST_URI: usize = 2_000;
const LONGEST_NAME: usize = 100;
/// Of all redirects together: an id that is longer than a sealed text may be would open for nobody.
const LONGEST_REDIRECTS: usize = 6_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Client {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(rename = "r")]
    redirects: Vec<String>,
}

/// What a client tells of itself when it registers, and in its document.
#[derive(Debug, Deserialize)]
pub(super) struct ClientMetadata {
    #[serde(default)]
    pub(super) client_id: Option<String>,
    #[serde(default)]
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    #[serde(default)]
    response_types: Option<Vec<String>>,
}

/// The error codes of RFC 7591.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{0}")]
    Redirect(String),
    #[error("{0}")]
    Metadata(String),
    #[error(
        "this client is not known; register it at `registration_endpoint`, or use the URL of its metadata document as its id"
    )]
    Unknown,
    #[error("the metadata document of this client can't be used: {0}")]
    Document(#[from] DocumentError),
}

impl ClientError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Redirect(_) => "invalid_redirect_uri",
            Self::Metadata(_) => "invalid_client_metadata",
            Self::Unknown | Self::Document(_) => "invalid_client",
        }
    }
}

impl Client {
    pub(super) fn of(metadata: ClientMetadata) -> Result<Self, ClientError> {
        let ClientMetadata {
            client_name, redirect_uris, token_endpoint_auth_method, grant_types, response_types, ..
        } = metadata;
        if redirect_uris.is_empty() || redirect_uris.len() > MOST_REDIRECTS {
            return Err(ClientError::Redirect(format!("`redirect_uris` must hold 1 to {MOST_REDIRECTS} URIs")));
        }
        if redirect_uris.iter().map(String::len).sum::<usize>() > LONGEST_REDIRECTS {
            return Err(ClientError::Redirect(format!("`redirect_uris` have more than {LONGEST_REDIRECTS} bytes")));
        }
        for uri in &redirect_uris {
            check_redirect(uri).map_err(|why| ClientError::Redirect(format!("a redirect URI {why}")))?;
        }
        let lacks = |given: &Option<Vec<String>>, needed| {
            given.as_ref().is_some_and(|given| !given.iter().any(|given| given == needed))
        };
        if lacks(&grant_types, "authorization_code") || lacks(&response_types, "code") {
            let message = "the grant type must be `authorization_code`, the response type `code`";
            return Err(ClientError::Metadata(message.to_owned()));
        }
        // A secret is of no use to a program that everybody has; who asks for one gets none, and is told so.
        let known = ["none", "client_secret_basic", "client_secret_post"];
        if let Some(method) = token_endpoint_auth_method.filter(|method| !known.contains(&&**method)) {
            let method: String = method.chars().take(64).collect();
            return Err(ClientError::Metadata(format!("`token_endpoint_auth_method` must be `none`, not `{method}`")));
        }
        let name = client_name.map(|name| name.trim().chars().take(LONGEST_NAME).collect::<String>());
        Ok(Self { name: name.filter(|name| !name.is_empty()), redirects: redirect_uris })
    }

    /// Whether an answer may go there. Exactly as registered, but for the port of a program on the person's own machine
    /// (RFC 8252, 7.3).
    pub(super) fn allows(&self, uri: &str) -> bool {
        self.redirects.iter().any(|known| {
            known == uri
                || match (loopback_without_port(known), loopback_without_port(uri)) {
                    (Some(known), Some(asked)) => known == asked,
                    _ => false,
                }
        })
    }

    /// As RFC 7591 answers.
    pub(super) fn registered(&self, id: &str) -> Value {
        json!({
            "client_id": id,
            "client_name": self.name.as_deref().unwrap_or("unnamed"),
            "redirect_uris": self.redirects,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    }
}

impl Bridge {
    pub(super) fn register(&self, metadata: ClientMetadata) -> Result<(String, Client), ClientError> {
        let client = Client::of(metadata)?;
        let id = self.seal(Purpose::Client, &client);
        Ok((id, client))
    }

    pub(super) async fn client(&self, id: &str) -> Result<Client, ClientError> {
        if id.starts_with(Purpose::Client.prefix()) {
            return self.open(Purpose::Client, id).ok_or(ClientError::Unknown);
        }
        let Some(documents) = &self.own.documents else { return Err(ClientError::Unknown) };
        if !id.starts_with("https://") || id.len() > LONGEST_URI {
            return Err(ClientError::Unknown);
        }
        Ok(documents.client(id).await?)
    }
}

/// Where answers may be sent: to a site over TLS, to the person's own machine, to a program that took a scheme for itself.
fn check_redirect(uri: &str) -> Result<(), &'static str> {
    if uri.len() > LONGEST_URI {
        return Err("is too long");
    }
    let Ok(url) = Url::parse(uri) else { return Err("is no absolute URI") };
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("is not encrypted; use https, or a port of 127.0.0.1"),
        scheme if is_of_the_system(scheme) => Err("has a scheme that no program takes for itself"),
        _ => Ok(()),
    }
}

/// What a browser would run, or the operating system open with something of its own.
fn is_of_the_system(scheme: &str) -> bool {
    let known = [
        "javascript",
        "data",
        "file",
        "blob",
        "vbscript",
        "about",
        "view-source",
        "filesystem",
        "ws",
        "wss",
        "ftp",
        "mailto",
        "tel",
        "sms",
        "search-ms",
        "shell",
        "intent",
        "chrome",
        "jar",
    ];
    known.contains(&scheme) || scheme.starts_with("ms-")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn loopback_without_port(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok().filter(|url| url.scheme() == "http" && is_loopback(url))?;
    url.set_port(None).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(redirects: &[&str]) -> Result<Client, ClientError> {
        Client::of(serde_json::from_value(json!({ "redirect_uris": redirects })).expect("metadata"))
    }

    #[test]
    fn answers_go_to_sites_over_tls_the_own_machine_and_programs() {
        for good in [
            "https://claude.example/api/callback",
            "http://127.0.0.1:33418/callback",
            "http://localhost/callback",
            "http://[::1]:1/",
            "editor://vendor.extension/oauth/callback",
            "com.example.app:/callback",
        ] {
            assert!(client(&[good]).is_ok(), "{good}");
        }
        for bad in [
            "http://claude.example/callback",
            "https://a.example/#fragment",
            "https://user:pass@a.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "/callback",
            "http://127.0.0.1.example.com/",
            "ms-msdt:/id",
            "search-ms:query=x",
        ] {
            assert!(matches!(client(&[bad]), Err(ClientError::Redirect(_))), "{bad}");
        }
        assert!(client(&[]).is_err());
        assert!(client(&["https://a.example/"; 11]).is_err());
    }

    #[test]
    fn an_answer_goes_exactly_where_was_said_but_for_the_port_of_the_own_machine() {
        let client = client(&["https://a.example/cb", "http://127.0.0.1:1234/cb"]).expect("a client");
        for allowed in
            ["https://a.example/cb", "http://127.0.0.1:1234/cb", "http://127.0.0.1:9/cb", "http://127.0.0.1/cb"]
        {
            assert!(client.allows(allowed), "{allowed}");
        }
        for refused in [
            "https://a.example/cb/",
            "https://a.example/cb?x=1",
            "https://a.example:8443/cb",
            "https://a.example/CB",
            "https://a.example.evil.example/cb",
            "http://127.0.0.1:9/other",
            "http://localhost:9/cb",
            "http://127.0.0.2:9/cb",
            "https://127.0.0.1:1234/cb",
        ] {
            assert!(!client.allows(refused), "{refused}");
        }
    }

    /// What is handed out opens again, however much was asked for.
    #[test]
    fn the_longest_registration_is_an_id_that_is_known_again() {
        let key = crate::BridgeKey::new(b"one");
        let long = |count: usize, length: usize| {
            let uris: Vec<_> =
                (0..count).map(|n| format!("https://a.example/{}{n}", "\u{1f389}".repeat(length / 4))).collect();
            let name = "\"".repeat(200);
            Client::of(serde_json::from_value(json!({ "redirect_uris": uris, "client_name": name })).expect("metadata"))
        };
        assert!(long(10, 1_000).is_err());
        let client = long(10, 560).expect("a client");
        let id = key.seal(Purpose::Client, "https://mcp.example.com/mcp", &client);
        assert_eq!(key.open::<Client>(Purpose::Client, "https://mcp.example.com/mcp", &id), Some(client));
    }

    #[test]
    fn who_needs_a_secret_or_another_flow_is_told() {
        let of = |metadata: Value| Client::of(serde_json::from_value(metadata).expect("metadata"));
        let redirects = ["https://a.example/cb"];
        for bad in [
            json!({ "redirect_uris": redirects, "grant_types": ["client_credentials"] }),
            json!({ "redirect_uris": redirects, "response_types": ["token"] }),
            json!({ "redirect_uris": redirects, "token_endpoint_auth_method": "private_key_jwt" }),
        ] {
            assert!(matches!(of(bad.clone()), Err(ClientError::Metadata(_))), "{bad}");
        }
        let secret = json!({ "redirect_uris": redirects, "token_endpoint_auth_method": "client_secret_basic" });
        assert_eq!(of(secret).expect("a client").registered("id")["token_endpoint_auth_method"], "none");
    }
}
