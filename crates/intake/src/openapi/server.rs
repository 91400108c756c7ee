//! Where the API is.

use url::Url;

use super::document::{At, Resolver, Version};
use crate::text;

/// Where it is, as far as the document says, and what is wrong with what it says.
#[derive(Debug, Default)]
pub struct Server {
    pub url: Option<Url>,
    pub note: Option<String>,
}

/// The first server of the nearest list, with its variables' defaults. No URL where the document does not say, or says only a path
/// and nobody said where the document came from.
pub fn of<'d>(lists: &[At<'d>], root: At<'d>, resolver: &Resolver<'d>, base: Option<&Url>) -> Server {
    let mut note = None;
    let written = match resolver.version() {
        Version::V2 => old(root),
        _ => match lists.iter().find_map(|at| at.get("servers")?.items().next()) {
            None => None,
            Some(server) => match with_defaults(server, resolver, &mut note) {
                Ok(url) => Some(url),
                Err(variable) => {
                    let variable = text::plain(&variable, 80);
                    let message = format!("the server's variable `{variable}` has no `default`, which it has to have");
                    return Server { url: None, note: Some(message) };
                }
            },
        },
    };
    Server { url: url(written, base), note }
}

fn url(written: Option<String>, base: Option<&Url>) -> Option<Url> {
    let written = written.filter(|written| !written.trim().is_empty());
    let url = match (written, base) {
        (Some(written), Some(base)) => base.join(written.trim()).ok()?,
        (Some(written), None) => Url::parse(written.trim()).ok()?,
        (None, Some(base)) => base.join("/").ok()?,
        (None, None) => return None,
    };
    let mut url = Some(url).filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
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

/// The error is a variable of which nothing says what it stands for.
fn with_defaults<'d>(server: At<'d>, resolver: &Resolver<'d>, note: &mut Option<String>) -> Result<String, String> {
    let server = resolver.resolve(server).unwrap_or(server);
    let mut url = server.text("url").unwrap_or_default().to_owned();
    for (name, variable) in server.get("variables").into_iter().flat_map(At::entries) {
        let default = variable.get("default").map(|default| match default.node.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        let mut first = || {
            let first = variable.get("enum")?.items().next()?.node.as_str()?;
            let (name, value) = (text::plain(name, 80), text::plain(first, 80));
            *note =
                Some(format!("the server's variable `{name}` has no `default`: `{value}` is taken, its first value"));
            Some(first.to_owned())
        };
        if let Some(value) = default.or_else(&mut first) {
            url = url.replace(&format!("{{{name}}}"), &value);
        }
    }
    match url.split_once('{').and_then(|(_, behind)| behind.split_once('}')) {
        Some((variable, _)) => Err(variable.to_owned()),
        None => Ok(url),
    }
}
