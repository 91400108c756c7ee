//! The URL of a request: where its server is, its path and its query.

use serde_json::{Value, json};
use url::Url;

use super::variables::{self, Piece, Variables, scalar};
use crate::{name, network, openapi::document::At};

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Base {
    /// As the collection says it.
    pub written: String,
    pub url: Option<Url>,
}

/// A URL, taken apart.
#[derive(Debug)]
pub struct Parts {
    pub base: Base,
    /// With its variables, and with `:name` steps.
    pub path: String,
    pub query: Vec<Pair>,
    /// What is said of the `:name` steps.
    pub steps: Vec<Pair>,
}

/// A name with a value, as queries, forms and headers list them.
#[derive(Debug, Clone, Default)]
pub struct Pair {
    pub key: String,
    pub value: String,
    pub disabled: bool,
    pub about: Option<String>,
    pub is_file: bool,
}

impl Base {
    /// `url`, or the `envVar` that holds it.
    pub fn place(&self, prefix: &str) -> Value {
        if let Some(url) = &self.url {
            return json!({ "url": url.as_str().trim_end_matches('/') });
        }
        let name = variables::whole(&self.written).map(name::snake).unwrap_or_default();
        let name = name::variable(if name.is_empty() { "url" } else { &name });
        let name = if name.starts_with(prefix) { name } else { format!("{prefix}_{name}") };
        json!({ "envVar": &name[..name.len().min(64)] })
    }

    pub fn is_private(&self) -> bool {
        self.url.as_ref().is_some_and(network::is_private)
    }
}

/// The error says why nobody could call it.
pub fn read(at: At<'_>, variables: &Variables<'_>) -> Result<Parts, String> {
    let raw = match (at.node.as_str(), at.text("raw")) {
        (Some(raw), _) => raw.to_owned(),
        (None, Some(raw)) if !raw.trim().is_empty() => raw.to_owned(),
        _ => put_together(at),
    };
    let raw = raw.trim();
    if raw.is_empty() {
        return Err("it has no URL".to_owned());
    }
    let raw = raw.split('#').next().unwrap_or(raw);
    let (front, asked) = raw.split_once('?').map_or((raw, ""), |(front, asked)| (front, asked));
    let (scheme, rest) = match front.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, front),
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if host.is_empty() {
        return Err("its URL names no server".to_owned());
    }
    let written = scheme.map_or_else(|| host.to_owned(), |scheme| format!("{scheme}://{host}"));
    let base = Base { url: variables.resolve(&written).and_then(|url| usable(&url)), written };
    let listed = pairs(at.get("query"));
    let query = if at.get("query").is_some() { listed } else { of_text(asked) };
    Ok(Parts { base, path: path.to_owned(), query, steps: pairs(at.get("variable")) })
}

/// A URL that may stand in a spec.
fn usable(text: &str) -> Option<Url> {
    let text = text.trim();
    let mut url =
        if text.contains("://") { Url::parse(text).ok() } else { Url::parse(&format!("https://{text}")).ok() }?;
    // Postman asks without TLS where nothing is said; here that is for machines nearby.
    if !text.contains("://") && network::is_private(&url) {
        url = Url::parse(&format!("http://{text}")).ok()?;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// From its pieces, where it is not said as a whole.
fn put_together(at: At<'_>) -> String {
    let joined = |key: &str, between: &str| match at.get(key) {
        Some(list) if list.items().next().is_some() => {
            let step =
                |step: At<'_>| scalar(step).or_else(|| step.text("value").map(str::to_owned)).unwrap_or_default();
            list.items().map(step).collect::<Vec<_>>().join(between)
        }
        Some(text) => scalar(text).unwrap_or_default(),
        None => String::new(),
    };
    let host = joined("host", ".");
    let port = at.get("port").and_then(scalar).map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = at.text("protocol").map(|scheme| format!("{}://", scheme.trim_end_matches("://"))).unwrap_or_default();
    let path = joined("path", "/");
    if host.is_empty() { String::new() } else { format!("{scheme}{host}{port}/{}", path.trim_start_matches('/')) }
}

/// A list of `{ key, value }`.
pub fn pairs(list: Option<At<'_>>) -> Vec<Pair> {
    let of = |at: At<'_>| {
        let key = at.text("key").or_else(|| at.text("id"))?.trim().to_owned();
        let about = at.get("description").and_then(|about| about.node.as_str().or_else(|| about.text("content")));
        (!key.is_empty()).then(|| Pair {
            key,
            value: at.get("value").and_then(scalar).unwrap_or_default(),
            disabled: at.flag("disabled") == Some(true),
            about: about.map(str::to_owned),
            is_file: at.text("type") == Some("file"),
        })
    };
    list.into_iter().flat_map(At::items).filter_map(of).collect()
}

/// `a=1&b=2`
pub fn of_text(text: &str) -> Vec<Pair> {
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(key, value)| Pair { key: decode(key), value: decode(value), ..Pair::default() }).collect()
}

/// The steps of a path with placeholders; `parameter` says how what stands there is called.
pub fn path(path: &str, mut parameter: impl FnMut(&str, bool) -> String) -> String {
    let mut written = String::new();
    for step in path.split('/').filter(|step| !step.is_empty()) {
        written.push('/');
        if let Some(name) = step.strip_prefix(':').filter(|name| !name.is_empty() && !name.contains("{{")) {
            written.push_str(&format!("{{{}}}", parameter(name, true)));
            continue;
        }
        for piece in variables::pieces(step) {
            match piece {
                Piece::Text(text) => {
                    written.push_str(&network::in_path(text).replace('{', "{{").replace('}', "}}"));
                }
                Piece::Variable(name) => written.push_str(&format!("{{{}}}", parameter(name, false))),
            }
        }
    }
    match path.ends_with('/') || written.is_empty() {
        true => written + "/",
        false => written,
    }
}
