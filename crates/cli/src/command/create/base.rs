//! What was imported last into a file, which stands beside it as `FILE.imported`: nobody edits it. Its first line says of what it
//! was made, and what was chosen of that.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use mcp_factory_spec::Spec;
use serde_json::Value;

use crate::load;

const ORIGIN: &str = "# origin: ";

pub struct Base {
    pub text: String,
    pub origin: Option<Value>,
}

pub fn beside(file: &Path) -> PathBuf {
    let mut name: OsString = file.into();
    name.push(".imported");
    name.into()
}

impl Base {
    /// Of this file, if there is one that can be read.
    pub fn read(file: &Path) -> Option<(Self, Spec)> {
        let document = load::document(&beside(file)).ok()?;
        let text = String::from_utf8(document.bytes).ok()?;
        let origin = text.lines().next().and_then(|line| serde_json::from_str(line.strip_prefix(ORIGIN)?).ok());
        Some((Self { text, origin }, document.reading.spec?))
    }

    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let beside = beside(file);
        let origin = self.origin.as_ref().map(|origin| format!("{ORIGIN}{origin}\n")).unwrap_or_default();
        fs::write(&beside, origin + &self.text).with_context(|| format!("can't write `{}`", beside.display()))
    }
}
