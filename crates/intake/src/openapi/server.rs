//! Where the API is.

use url::Url;

use super::document::{At, Resolver, Version};

/// The first server of the nearest list, with its variables' defaults. `None` where the document does not say, or says
/// only a path and nobody said where the document came from.
pub fn url<'d>(lists: &[At<'d>], root: At<'d>, resolver: &Resolver<'d>, base: Option<&Url>) -> Option<Url> {
    let written = match resolver.version() {
        Version::V2 => old(root),
        _ => {
            lists.iter().find_map(|at| at.get("servers")?.items().next()).map(|server| with_defaults(server, resolver))
        }
    };
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

fn with_defaults<'d>(server: At<'d>, resolver: &Resolver<'d>) -> String {
    let server = resolver.resolve(server).unwrap_or(server);
    let mut url = server.text("url").unwrap_or_default().to_owned();
    for (name, variable) in server.get("variables").into_iter().flat_map(At::entries) {
        let default = variable.get("default").map(|default| match default.node.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        });
        let first = || Some(variable.get("enum")?.items().next()?.node.as_str()?.to_owned());
        if let Some(value) = default.or_else(first) {
            url = url.replace(&format!("{{{name}}}"), &value);
        }
    }
    url
}
