//! Which networks a URL leads to, as far as it says so itself, and how its path is written.

use url::Url;

/// A part of a path, as people write it, in characters that a path can have.
pub fn in_path(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() || character == '\\' {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            written.extend(percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC));
        } else {
            written.push(character);
        }
    }
    written
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_in_characters_that_it_can_have() {
        let check = |text: &str, written: &str| assert_eq!(in_path(text), written);
        check("/pets/{id}.json", "/pets/{id}.json");
        check("/Your Pull DOC", "/Your%20Pull%20DOC");
        check("/already%20so", "/already%20so");
        check("/a\\b\t\u{a0}", "/a%5Cb%09%C2%A0");
        check("/größe;v=1,2", "/größe;v=1,2");
    }
}
