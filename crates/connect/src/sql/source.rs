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
