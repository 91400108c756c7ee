//! Where a redirect may lead, and what goes with it.

use ::http::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION, USER_AGENT},
};
use url::Url;

/// How many are followed.
pub(super) const MAX: usize = 5;

/// What a response asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Not a redirect: the response is the answer.
    Answer,
    Follow {
        url: Url,
        method: Method,
        keep_body: bool,
        same_origin: bool,
    },
    Refuse(Refusal),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it redirects to something that is no URL")]
    NoUrl,
    #[error("it redirects from https to http")]
    Downgrade,
    #[error("it redirects to `{host}`; if that is meant, add it to `allowHosts` of the connection")]
    Elsewhere { host: String },
}

/// Without `allow_hosts` anywhere.
pub(super) fn next(
    status: StatusCode,
    headers: &HeaderMap,
    from: &Url,
    origin: &Url,
    method: &Method,
    allow_hosts: Option<&[String]>,
) -> Next {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Next::Answer;
    }
    let Some(location) = headers.get(LOCATION) else { return Next::Answer };
    let url = location.to_str().ok().and_then(|location| from.join(location).ok());
    let Some(mut url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some()) else {
        return Next::Refuse(Refusal::NoUrl);
    };
    if from.scheme() == "https" && url.scheme() == "http" {
        return Next::Refuse(Refusal::Downgrade);
    }
    let same_origin = url.origin() == origin.origin();
    let upgraded = url.host() == origin.host()
        && (origin.scheme(), url.scheme()) == ("http", "https")
        && origin.port().is_none()
        && url.port().is_none();
    let may_leave = || allow_hosts.is_none_or(|hosts| hosts.iter().any(|allowed| names(allowed, &url)));
    if !same_origin && !upgraded && !may_leave() {
        return Next::Refuse(Refusal::Elsewhere { host: host(&url) });
    }
    // User info in a location would become a credential.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let to_get = match status {
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    };
    let method = if to_get { Method::GET } else { method.clone() };
    Next::Follow { url, method, keep_body: !to_get, same_origin }
}

/// What may be sent to another origin: nothing that the upstream was told in confidence.
pub(super) fn headers_for_others(headers: &HeaderMap) -> HeaderMap {
    let harmless = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT];
    headers
        .iter()
        .filter(|(name, _)| harmless.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// `api.example.com`, or with its port where it is not the scheme's own.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn names(allowed: &str, url: &Url) -> bool {
    let with_port = |port| format!("{}:{port}", url.host_str().unwrap_or_default());
    allowed.eq_ignore_ascii_case(&host(url))
        || url.port_or_known_default().is_some_and(|port| allowed.eq_ignore_ascii_case(&with_port(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(status: u16, from: &str, location: &str, method: Method) -> Next {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        let from = Url::parse(from).unwrap();
        let allow = ["cdn.example.com".to_owned(), "other.example.com:8443".to_owned()];
        next(StatusCode::from_u16(status).unwrap(), &headers, &from, &from, &method, Some(&allow))
    }

    #[test]
    fn a_redirect_stays_on_its_host() {
        let from = "https://api.example.com/a/b";
        let check = |location: &str, expected: Result<(&str, bool), Refusal>| {
            let got = match follow(307, from, location, Method::GET) {
                Next::Follow { url, same_origin, .. } => Ok((url.to_string(), same_origin)),
                Next::Refuse(refusal) => Err(refusal),
                Next::Answer => panic!("{location} is a redirect"),
            };
            assert_eq!(got, expected.map(|(url, same)| (url.to_owned(), same)), "{location}");
        };
        let elsewhere = |host: &str| Err(Refusal::Elsewhere { host: host.to_owned() });
        check("/c", Ok(("https://api.example.com/c", true)));
        check("c?d=e#f", Ok(("https://api.example.com/a/c?d=e", true)));
        check("https://user:pass@api.example.com/", Ok(("https://api.example.com/", true)));
        check("https://api.example.com:443/", Ok(("https://api.example.com/", true)));
        check("https://cdn.example.com/x", Ok(("https://cdn.example.com/x", false)));
        check("https://other.example.com:8443/", Ok(("https://other.example.com:8443/", false)));
        check("https://other.example.com/", elsewhere("other.example.com"));
        check("https://api.example.com:8443/", elsewhere("api.example.com:8443"));
        check("//evil.example/", elsewhere("evil.example"));
        check("https://api.example.com.evil.example/", elsewhere("api.example.com.evil.example"));
        check("https://0x7f.1/", elsewhere("127.0.0.1"));
        check("http://api.example.com/", Err(Refusal::Downgrade));
        check("file:///etc/passwd", Err(Refusal::NoUrl));
        check("javascript:alert(1)", Err(Refusal::NoUrl));
    }

    #[test]
    fn an_upgrade_to_https_is_followed_as_another_origin() {
        let upgrade = follow(308, "http://api.example.com/a", "https://api.example.com/a", Method::GET);
        assert!(matches!(upgrade, Next::Follow { same_origin: false, .. }), "{upgrade:?}");
        let port = follow(308, "http://api.example.com:8080/a", "https://api.example.com/a", Method::GET);
        assert!(matches!(port, Next::Refuse(_)), "{port:?}");
    }

    #[test]
    fn the_method_changes_only_where_it_must() {
        let check = |status, method: Method, expected: Method, body| {
            let Next::Follow { method, keep_body, .. } = follow(status, "https://a.example/", "/b", method) else {
                panic!("{status} is followed")
            };
            assert_eq!((method, keep_body), (expected, body), "{status}");
        };
        for status in [301, 302] {
            check(status, Method::POST, Method::GET, false);
            check(status, Method::PUT, Method::PUT, true);
        }
        check(303, Method::POST, Method::GET, false);
        check(303, Method::DELETE, Method::GET, false);
        check(303, Method::HEAD, Method::HEAD, true);
        for status in [307, 308] {
            check(status, Method::POST, Method::POST, true);
        }
        assert_eq!(follow(304, "https://a.example/", "/b", Method::GET), Next::Answer);
        assert_eq!(follow(201, "https://a.example/", "/b", Method::POST), Next::Answer);
    }
}
