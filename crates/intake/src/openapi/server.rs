//! Where the API is.

use url::Url;

use super::{
    Options,
    document::{At, Resolver, Version},
};
use crate::text;

/// Where it is, as far as the document says, and what is wrong with what it says.
#[derive(Debug, Default)]
pub struct Server {
    pub url: Option<Url>,
    pub note: Option<String>,
}

/// The first server of the nearest list, with its variables' defaults. No URL where the document does not say, or says only a path
/// and nobody said where it is or where the document came from.
pub fn of<'d>(lists: &[At<'d>], root: At<'d>, resolver: &Resolver<'d>, options: &Options) -> Server {
    let mut note = None;
    let written = match resolver.version() {
        Version::V2 => old(root),
        _ => match lists.iter().find_map(|at| at.get("servers")?.items().next()) {
            None => None,
            Some(server) => match with_defaults(server, resolver, &mut note) {
                Ok(url) => Some(url),
                Err(_) if options.base.is_some() => path_of(server, resolver),
                Err(message) => return Server { url: None, note: Some(message) },
            },
        },
    };
    let written = written.as_deref().map(str::trim).filter(|written| !written.is_empty());
    let (url, is_said) = match &options.base {
        None => (url(written, options.origin.as_ref()), false),
        Some(base) => match written.and_then(|written| said(written, base)) {
            Some(url) => (Some(url), true),
            None => (below(base, written), false),
        },
    };
    if let (true, Some(url), Some(base)) = (is_said, &url, options.base.as_ref().and_then(|it| plain(it.clone())))
        && *url != base
    {
        note = Some(format!("`{base}` is not used: the document says that the API is at `{url}`"));
    }
    Server { url, note }
}

fn url(written: Option<&str>, origin: Option<&Url>) -> Option<Url> {
    plain(match (written, origin) {
        (Some(written), Some(origin)) => origin.join(written).ok()?,
        (Some(written), None) => Url::parse(written).ok()?,
        // A document without servers has the one `/`.
        (None, Some(origin)) => origin.join("/").ok()?,
        (None, None) => return None,
    })
}

/// A server that is more than a path says itself where it is.
fn said(written: &str, base: &Url) -> Option<Url> {
    let is_whole = written.starts_with("//") || Url::parse(written).is_ok();
    is_whole.then(|| base.join(written).ok()).flatten().and_then(plain)
}

/// A base with a path is all of it: who writes one has the server's own in it, or a gateway's in its place.
fn below(base: &Url, written: Option<&str>) -> Option<Url> {
    let path = written.filter(|written| base.path() == "/" && Url::parse(written).is_err());
    plain(path.and_then(|path| base.join(path).ok()).unwrap_or_else(|| base.clone()))
}

fn plain(mut url: Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    // A secret has no place in a spec, and an example of one none in a URL.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

fn old(root: At<'_>) -> Option<String> {
    let path = root.text("basePath").unwrap_or("/");
    let Some(host) = root.text("host") else { return root.text("basePath").map(str::to_owned) };
    let schemes: Vec<&str> =
        root.get("schemes").into_iter().flat_map(At::items).filter_map(|scheme| scheme.node.as_str()).collect();
    let scheme = if schemes.is_empty() || schemes.contains(&"https") { "https" } else { "http" };
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{host}{slash}{path}"))
}

/// The error says of which variable nothing tells what it stands for.
fn with_defaults<'d>(server: At<'d>, resolver: &Resolver<'d>, note: &mut Option<String>) -> Result<String, String> {
    let server = resolver.resolve(server).unwrap_or(server);
    let template = server.text("url").unwrap_or_default();
    let mut url = template.to_owned();
    let (mut empty, mut chosen) = (None, None);
    for (name, variable) in server.get("variables").into_iter().flat_map(At::entries) {
        let default = variable.get("default").map(|default| match default.node.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        let is_default = default.is_some();
        let first = || variable.get("enum")?.items().next()?.node.as_str().map(str::to_owned);
        let Some(value) = default.or_else(first) else { continue };
        let stands = format!("{{{name}}}");
        url = url.replace(&stands, &value);
        let is_of_host = authority(template).contains(&stands);
        let (name, shown) = (text::plain(name, 80), text::plain(&value, 80));
        if !is_default {
            *note =
                Some(format!("the server's variable `{name}` has no `default`: `{shown}` is taken, its first value"));
        } else if is_of_host && value.is_empty() {
            empty.get_or_insert(name);
        } else if is_of_host {
            chosen.get_or_insert((name, shown));
        }
    }
    if let Some((variable, _)) = url.split_once('{').and_then(|(_, behind)| behind.split_once('}')) {
        let variable = text::plain(variable, 80);
        return Err(format!("the server's variable `{variable}` has no `default`, which it has to have"));
    }
    let host = authority(&url).rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    if let Some(variable) = empty.filter(|_| host.trim_end_matches('.').split('.').any(str::is_empty)) {
        return Err(format!(
            "the `default` of the server's variable `{variable}` is empty, so that the document does not say where the API is"
        ));
    }
    if let (None, Some((variable, value))) = (&note, chosen) {
        *note = Some(format!("the server's variable `{variable}` is `{value}`, its default: the API is at `{url}`"));
    }
    Ok(url)
}

/// The host of a URL, with what stands beside it before the path.
fn authority(url: &str) -> &str {
    url.split_once("//").map_or("", |(_, behind)| behind.split(['/', '?', '#']).next().unwrap_or_default())
}

/// Of a server whose host nobody knows.
fn path_of<'d>(server: At<'d>, resolver: &Resolver<'d>) -> Option<String> {
    let server = resolver.resolve(server).unwrap_or(server);
    let (_, behind) = server.text("url")?.split_once("//")?;
    let path = &behind[behind.find('/')?..];
    (!path.contains('{')).then(|| path.to_owned())
}
