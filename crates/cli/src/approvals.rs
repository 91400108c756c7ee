//! Where people approve calls, for the servers of this program.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use mcp_serve::Approvals;
use url::Url;

use crate::exit;

/// One for the program: what waits outlives a spec that is read anew.
pub fn of_this_program() -> Approvals {
    static APPROVALS: LazyLock<Approvals> = LazyLock::new(Approvals::default);
    APPROVALS.clone()
}

/// What `--public-url` says.
pub fn public_url(text: &str) -> anyhow::Result<Url> {
    let refused = |why: &str| {
        let message = format!("`--public-url` {why}");
        Err(exit::usage(message, "write scheme, name and, if need be, port and path, as in `https://mcp.example.com`"))
    };
    let Ok(url) = Url::parse(text) else { return refused("is no URL") };
    match url.scheme() {
        "http" | "https" if !url.has_host() => refused("names no host"),
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => refused("holds a password"),
        "http" | "https" if url.query().is_some() || url.fragment().is_some() => refused("has a query or a fragment"),
        "http" | "https" => Ok(url),
        _ => refused("is neither http nor https"),
    }
}

/// Where somebody on this machine finds what listens there.
pub fn reached(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(host, address.port())
}

/// The same, also for who is next to it.
pub fn url_of(address: SocketAddr) -> Url {
    Url::parse(&format!("http://{}", reached(address))).expect("an address makes a URL")
}

/// The page is served under its own URL: its name is one of the server's, and its form comes from there.
pub fn allow(base: &Url, hosts: &mut Vec<String>, origins: &mut Vec<String>) {
    if let Some(host) = base.host_str() {
        hosts.push(base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")));
    }
    origins.push(base.origin().ascii_serialization());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_can_begin_a_link_are_taken() {
        for url in ["https://mcp.example.com", "http://192.168.1.5:8080/factory", "https://[::1]:1/"] {
            assert!(public_url(url).is_ok(), "{url}");
        }
        for url in
            ["mcp.example.com", "ftp://a", "https://", "https://a:b@c", "https://a?b", "https://a#b", "file:///etc"]
        {
            assert!(public_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_url_of_an_address_can_be_opened() {
        for (address, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080/"),
            ("[::]:80", "http://[::1]/"),
            ("192.168.1.5:81", "http://192.168.1.5:81/"),
        ] {
            assert_eq!(url_of(address.parse().unwrap()).as_str(), url);
        }
    }
}
