//! Which networks a URL leads to, as far as it says so itself.

use url::Url;

/// Whether it is on this machine or in a network of its own, where a request goes only when the spec says so.
pub fn is_private(url: &Url) -> bool {
    // With a scheme that `url` does not know, such as `grpc:`, every host is a name to it.
    let host = url.host_str().and_then(|host| url::Host::parse(host).ok());
    match host {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost") || !name.contains('.'),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
        None => false,
    }
}
