//! The folder of a spec, as the language asks after it.

use std::{fs, path::Path};

use mcp_factory_spec::Probe;

/// Answers about the files below a folder.
#[derive(Debug, Clone, Copy)]
pub struct Folder<'a>(pub &'a Path);

impl Folder<'_> {
    /// A link may lead out of the folder though the path itself does not.
    fn metadata(&self, path: &str) -> Option<fs::Metadata> {
        let root = fs::canonicalize(self.0).ok()?;
        let target = fs::canonicalize(self.0.join(path)).ok()?;
        if target.starts_with(root) { fs::metadata(target).ok() } else { None }
    }
}

impl Probe for Folder<'_> {
    fn is_file(&self, path: &str) -> bool {
        self.metadata(path).is_some_and(|metadata| metadata.is_file())
    }

    fn is_folder(&self, path: &str) -> bool {
        self.metadata(path).is_some_and(|metadata| metadata.is_dir())
    }
}
