//! Files and folders that a spec names: within its folder, and there.

use super::Checker;
use crate::{Code, path::Path};

/// What a path must lead to.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    File,
    Folder,
    /// It is made when it is not there.
    Made,
}

impl Checker<'_> {
    pub(super) fn check_file(&mut self, path: &str, kind: Kind, at: &Path) {
        if !self.has(at) {
            return;
        }
        if path.trim().is_empty() {
            return self.report(Code::Missing, at, "the path is empty", None);
        }
        if path.contains('\0') {
            return self.report(Code::Path, at, "the path holds a null character", None);
        }
        if leaves(path) {
            let message = format!("`{path}` leaves the folder of the spec");
            return self.report(Code::Path, at, message, Some("relative paths stay within it".to_owned()));
        }
        let (found, what) = match kind {
            Kind::File => (self.probe.is_file(path), "file"),
            Kind::Folder => (self.probe.is_folder(path), "folder"),
            Kind::Made => return,
        };
        if !found {
            self.report(Code::FileMissing, at, format!("there is no {what} `{path}`"), None);
        }
    }
}

/// Whether a relative path leads out of where it starts, on any system.
pub(super) fn leaves(path: &str) -> bool {
    if path.starts_with('~') {
        return true;
    }
    let mut depth = 0_i64;
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}
