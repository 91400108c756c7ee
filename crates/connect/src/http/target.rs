//! Where a request goes: the base URL with a path and a query that can't lead elsewhere, and links to next pages that stay
//! below that base.

use ::http::{
    HeaderMap, HeaderName, Method,
    header::{CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use super::{Auth, Base, Class, Client, Error, Protocol, Request, redirect};

/// Of a request and of a response: so many, and no more bytes in all.
pub(super) const MAX_HEADERS: usize = 100;
pub(super) const MAX_HEADER_BYTES: usize = 64 << 10;

const MAX_URL: usize = 16 << 10;

/// These belong to the connection, or would make the request another one.
const REFUSED_HEADERS: [HeaderName; 8] =
    [CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A link to another page of the same upstream, as a request takes it. It may hold what only the upstream is to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Behind the path of the base URL.
    pub path: String,
    /// The whole of it, that of the base URL included.
    pub query: String,
}

/// One hop of the way.
pub(super) struct Hop {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

impl Client {
    pub(crate) fn base(&self) -> Result<Url, Error> {
        let wrong = |what: &str| Error::new(Class::Configuration, format!("the URL of `{}` {what}", self.config.name));
        let url = match &self.config.base {
            Base::Url(url) => Url::parse(url),
            Base::Secret(name) => {
                let url =
                    self.secrets.get(name).map_err(|error| Error::new(Class::Configuration, error.to_string()))?;
                Url::parse(url.expose())
            }
        };
        let mut url = url.map_err(|_| wrong("is not a URL"))?;
        if self.config.protocol == Protocol::Grpc {
            url = as_http(url).ok_or_else(|| wrong("is not a URL"))?;
        }
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("is not of http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a user or password; use `auth` instead"));
        }
        url.set_fragment(None);
        Ok(url)
    }

    pub(super) fn first_hop(&self, origin: &Url, request: &Request) -> Result<Hop, Error> {
        let mut url = origin.clone();
        check_path(&request.path)?;
        url.set_path(&format!("{}{}", origin.path().trim_end_matches('/'), request.path));
        if let Some(query) = &request.whole_query {
            url.set_query(Some(query).filter(|query| !query.is_empty()).map(String::as_str));
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        if url.as_str().len() > MAX_URL {
            return Err(Error::new(Class::BadRequest, format!("the URL is longer than {MAX_URL} bytes")));
        }
        let mut headers = self.config.headers.clone();
        for name in request.headers.keys() {
            if REFUSED_HEADERS.contains(name) || name.as_str().starts_with("proxy-") {
                return Err(Error::new(Class::BadRequest, format!("the header `{name}` can't be set by a request")));
            }
            headers.remove(name);
        }
        headers.extend(request.headers.clone());
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(Error::new(Class::BadRequest, "the request has too many headers, or too long ones"));
        }
        Ok(Hop { method: request.method.clone(), url, headers, body: request.body.clone() })
    }
}

/// `grpc:` is HTTP/2 without TLS, `grpcs:` with it. A scheme that `url` knows can't be set in the place of another.
fn as_http(url: Url) -> Option<Url> {
    let scheme = match url.scheme() {
        "grpc" => "http",
        "grpcs" => "https",
        _ => return Some(url),
    };
    Url::parse(&format!("{scheme}{}", &url[url::Position::AfterScheme..])).ok()
}

/// Where `link` leads, seen from the page at `from`: to the same origin, below the base's path, without the credential that
/// an upstream may echo.
pub(super) fn link(origin: &Url, from: &Url, auth: &Auth, link: &str) -> Result<Link, Error> {
    let host = redirect::host(origin);
    let refuse = |what: &str| {
        let message = format!("the link to the next page that `{host}` gave is refused: it {what}");
        Error::new(Class::Refused, message)
    };
    if link.len() > MAX_URL {
        return Err(refuse("is too long"));
    }
    let url = from.join(link).map_err(|_| refuse("is no URL"))?;
    // An upstream behind something that ends TLS for it takes its own scheme for `http`. Only the path and query of a link are
    // used: what is asked stays the connection's origin.
    let usual = |url: &Url| url.port().is_none() && matches!(url.scheme(), "http" | "https");
    let is_behind = usual(&url) && usual(origin) && url.host() == origin.host();
    if url.origin() != origin.origin() && !is_behind {
        return Err(refuse("leads to another host, port or scheme"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a user or password"));
    }
    let path = url.path().strip_prefix(origin.path().trim_end_matches('/'));
    let path = path
        .filter(|path| path.starts_with('/'))
        .ok_or_else(|| refuse(&format!("leads out of the path of the connection (`{}`)", origin.path())))?;
    check_path(path)?;
    let query = match url.query_pairs().any(|(key, _)| auth.is_in_query(&key)) {
        true => {
            let others = url.query_pairs().filter(|(key, _)| !auth.is_in_query(key));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish()
        }
        false => url.query().unwrap_or_default().to_owned(),
    };
    Ok(Link { path: path.to_owned(), query })
}

/// A path keeps its meaning whatever stands in its placeholders: nothing in it climbs, or ends it.
fn check_path(path: &str) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::new(Class::BadRequest, format!("the path of the request {what}")));
    // Nothing is the base URL itself.
    if !path.is_empty() && !path.starts_with('/') {
        return wrong("does not begin with `/`");
    }
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f || matches!(byte, b'?' | b'#' | b'\\')) {
        return wrong("holds a character that has to be percent-encoded");
    }
    let climbs = |segment: &str| matches!(&*percent_decode_str(segment).collect::<Vec<_>>(), b"." | b"..");
    if path.split('/').any(climbs) {
        return wrong("has a segment `.` or `..`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_below_its_base_and_loses_the_credential() {
        let origin = Url::parse("https://api.example.com/v1").unwrap();
        let from = Url::parse("https://api.example.com/v1/users?page=1&key=s3cret").unwrap();
        let auth = Auth::Query { name: "key".into(), secret: "KEY".into() };
        let check =
            |text: &str, expected: Result<(&str, &str), &str>| match (link(&origin, &from, &auth, text), expected) {
                (Ok(link), Ok((path, query))) => assert_eq!((&*link.path, &*link.query), (path, query), "{text}"),
                (Err(error), Err(part)) => {
                    assert!(
                        error.to_string().contains(part) && !error.to_string().contains("s3cret"),
                        "{text}: {error}"
                    );
                }
                (got, _) => panic!("{text}: {got:?}"),
            };
        check("?page=2&key=s3cret", Ok(("/users", "page=2")));
        check("/v1/users?after=a%2Fb+c", Ok(("/users", "after=a%2Fb+c")));
        check("https://api.example.com:443/v1/users/next#x", Ok(("/users/next", "")));
        check("https://evil.example/v1/users", Err("another host"));
        check("//evil.example/v1/users", Err("another host"));
        check("http://api.example.com/v1/users", Ok(("/users", "")));
        check("http://api.example.com:8080/v1/users", Err("another host"));
        check("https://api.example.com:8443/v1/users", Err("another host"));
        check("https://a:b@api.example.com/v1/users", Err("a user or password"));
        check("https://api.example.com@evil.example/v1/", Err("another host"));
        check("/v2/users", Err("out of the path"));
        check("/v1beta/users", Err("out of the path"));
        check("/v1", Err("out of the path"));
        check("/v1/../admin", Err("out of the path"));
        check("/v1/%2e%2e/admin", Err("out of the path"));
        check("../../admin", Err("out of the path"));
        check("file:///etc/passwd", Err("another host"));
        check("javascript:alert(1)", Err("another host"));
        check("https://", Err("is no URL"));
    }
}
