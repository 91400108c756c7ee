//! From what a spec says of a database to where it is. Nothing of a URL is ever in a message but host, port and database.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Class, Error, Source};
use crate::{Secret, Secrets};

/// Where a sqlite database is.
#[derive(Debug, Clone)]
pub(super) enum Target {
    File(PathBuf),
    /// The URI of a database that the connections of this process share.
    Memory(String),
}

impl Target {
    pub fn unique_memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Memory(format!("file:/mcp-factory-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Source {
    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory)
    }

    /// The URL of a server.
    pub(super) fn url(&self, secrets: &dyn Secrets) -> Result<Secret, Error> {
        match self {
            Self::Url(url) => Ok(Secret::new(url.clone())),
            Self::Secret(name) => secrets.get(name).map_err(|error| configuration(error.to_string())),
            Self::Path(_) | Self::Memory => Err(configuration("a database server needs a URL")),
        }
    }
}

pub(super) fn sqlite_path(source: &Source, secrets: &dyn Secrets) -> Result<PathBuf, Error> {
    let text = match source {
        Source::Path(path) => return Ok(path.clone()),
        Source::Memory => return Err(configuration("a database in memory has no path")),
        Source::Url(text) => Secret::new(text.clone()),
        Source::Secret(name) => secrets.get(name).map_err(|error| configuration(error.to_string()))?,
    };
    let text = text.expose();
    let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
    if path.is_empty() || path.contains('\0') {
        return Err(configuration("the path of the sqlite database is empty or holds a NUL"));
    }
    Ok(PathBuf::from(path))
}

pub(super) fn configuration(message: impl Into<String>) -> Error {
    Error::new(Class::Configuration, message)
}

/// Takes options out of a URL that the driver does not know, or does not mean as we do. Works on text, since a URL of
/// PostgreSQL may have several hosts.
pub(super) fn take_options(url: &str, names: &[&str]) -> (Secret, Vec<Option<String>>) {
    let mut taken = vec![None; names.len()];
    let Some((place, query)) = url.split_once('?') else { return (Secret::new(url), taken) };
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match names.iter().position(|name| *name == key) {
            Some(index) => taken[index] = Some(value.into_owned()),
            None => drop(kept.append_pair(&key, &value)),
        }
    }
    // PostgreSQL's driver reads `+` as itself.
    let kept = kept.finish().replace('+', "%20");
    let url = if kept.is_empty() { place.to_owned() } else { format!("{place}?{kept}") };
    (Secret::new(url), taken)
}
