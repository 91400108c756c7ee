//! Host and Origin: a web page must not reach a server through a name of its own (DNS rebinding) or from a foreign site.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{HOST, ORIGIN},
};

use super::ConfigError;
use crate::wire::{Refusal, code};

#[derive(Debug, Default)]
pub(super) struct Guard {
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Result<Self, ConfigError> {
        let hosts = hosts
            .iter()
            .map(|host| {
                let (name, port) = split(host).ok_or_else(|| ConfigError::Host { host: host.clone() })?;
                Ok((name.to_ascii_lowercase(), port))
            })
            .collect::<Result<_, ConfigError>>()?;
        for origin in origins {
            if origin != "null" && origin.split_once("://").and_then(|(_, authority)| split(authority)).is_none() {
                return Err(ConfigError::Origin { origin: origin.clone() });
            }
        }
        Ok(Self { hosts, origins: origins.to_vec() })
    }

    /// `local` is the address that the connection came in on. Returns the web page that calls, if one does.
    pub(super) fn check<'a>(
        &self,
        uri: &Uri,
        headers: &'a HeaderMap,
        local: Option<IpAddr>,
    ) -> Result<Option<&'a HeaderValue>, Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let (Some(host), None) = (host, hosts.next()) else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "one `Host` header is needed"));
        };
        // A request line with a full URL has a second host.
        for host in [Some(host), uri.authority().map(http::uri::Authority::as_str)].into_iter().flatten() {
            if !self.host_is_allowed(host, local) {
                tracing::warn!(host = begin(host), "refused a request for a host that is not allowed");
                return Err(Refusal::new(StatusCode::FORBIDDEN, code::FORBIDDEN, "this host is not served here"));
            }
        }
        for origin in headers.get_all(ORIGIN) {
            if !origin.to_str().is_ok_and(|origin| self.origin_is_allowed(origin)) {
                let origin = begin(origin.to_str().unwrap_or("no text"));
                tracing::warn!(origin, "refused a request from an origin that is not allowed");
                let message = "web pages of this origin may not call";
                return Err(Refusal::new(StatusCode::FORBIDDEN, code::FORBIDDEN, message));
            }
        }
        Ok(headers.get(ORIGIN))
    }

    fn host_is_allowed(&self, host: &str, local: Option<IpAddr>) -> bool {
        let Some((name, port)) = split(host) else { return false };
        is_loopback(name)
            || local.is_some_and(|local| address(name).is_some_and(|host| host == local.to_canonical()))
            || self.hosts.iter().any(|(allowed, allowed_port)| {
                allowed.eq_ignore_ascii_case(name) && (allowed_port.is_none() || *allowed_port == port)
            })
    }

    fn origin_is_allowed(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
            || origin.split_once("://").is_some_and(|(scheme, authority)| {
                matches!(scheme, "http" | "https") && split(authority).is_some_and(|(name, _)| is_loopback(name))
            })
    }
}

/// As much of it as a log needs: strangers send it.
fn begin(text: &str) -> &str {
    &text[..text.floor_char_boundary(256)]
}

/// Name and port of `name`, `name:port`, `[v6]` and `[v6]:port`.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        (&authority[..address.len() + 2], rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("0")))
    } else {
        match authority.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (authority, Some("0")),
        }
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let port = port?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port: u16 = port.parse().ok()?;
    Some((name, (port != 0).then_some(port)))
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || address(name).is_some_and(|address| address.is_loopback())
}

fn address(name: &str) -> Option<IpAddr> {
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    // Names are told from addresses without parsing most of them.
    if !name.starts_with(|first: char| first.is_ascii_hexdigit() || first == ':') {
        return None;
    }
    name.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let hosts = ["mcp.example.com".to_owned(), "other.example.com:8443".to_owned()];
        Guard::new(&hosts, &["https://app.example.com".to_owned()]).expect("guard")
    }

    #[test]
    fn only_loopback_the_own_address_and_allowed_names_are_hosts() {
        let local = Some("192.168.1.2".parse().expect("address"));
        for (host, allowed) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:1", true),
            ("127.9.9.9", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]", true),
            ("192.168.1.2:80", true),
            ("192.168.1.3:80", false),
            ("mcp.example.com", true),
            ("MCP.example.com:9", true),
            ("other.example.com:8443", true),
            ("other.example.com", false),
            ("other.example.com:8444", false),
            ("evil.com", false),
            ("localhost.evil.com", false),
            ("localhost@evil.com", false),
            ("evil.com@localhost", false),
            ("127.0.0.1.nip.io", false),
            ("2130706433", false),
            ("0x7f.1", false),
            ("localhost:80:80", false),
            ("localhost:x", false),
            ("localhost:+80", false),
            ("[::1", false),
            ("[localhost]", false),
            ("", false),
            (":80", false),
        ] {
            assert_eq!(guard().host_is_allowed(host, local), allowed, "{host}");
        }
    }

    #[test]
    fn only_loopback_and_listed_origins_may_call() {
        for (origin, allowed) in [
            ("http://localhost:3000", true),
            ("https://127.0.0.1", true),
            ("http://[::1]:3000", true),
            ("https://app.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://app.example.com.evil.com", false),
            ("https://evil.com", false),
            ("null", false),
            ("file://localhost", false),
            ("localhost", false),
            ("", false),
        ] {
            assert_eq!(guard().origin_is_allowed(origin), allowed, "{origin}");
        }
    }
}
