//! Files of the MCP Toolbox for Databases.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mcp_factory_intake::{
    Finding, Level, Proposal,
    toolbox::{self, Options},
};
use mcp_factory_spec::model::ConnectionKind;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Document, IntakeError, Proposed, Reach};

/// One file as `document`, or several as `files`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Toolbox {
    /// The text of a `tools.yaml`, in the flat or the nested form.
    pub document: Option<String>,
    /// The texts of several files by their names. They make one server.
    pub files: BTreeMap<String, String>,
    /// Read from there, whatever is said above.
    #[serde(skip)]
    pub from: Vec<Document>,
}

/// How many files one server may be made of.
const MOST_FILES: usize = 100;

impl Toolbox {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let folders = folders(&self.from);
        if self.from.len().max(self.files.len()) > MOST_FILES {
            return Err(IntakeError::Argument(format!("a server is made of at most {MOST_FILES} files")));
        }
        match (self.document, self.from.is_empty()) {
            (_, false) => {
                for document in self.from {
                    let loaded = document.load(reach).await?;
                    files.push((loaded.name, loaded.bytes));
                }
            }
            (Some(text), true) if self.files.is_empty() => files.push(("the document".to_owned(), text.into_bytes())),
            (None, true) if !self.files.is_empty() => {
                files.extend(self.files.into_iter().map(|(name, text)| (name, text.into_bytes())));
            }
            _ => return Err(IntakeError::Argument("it takes either `document`, the text, or `files`".to_owned())),
        }
        let of = files.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ");
        // A text without a file has no name to call a server by.
        let options = Options { name };
        let import = move |_: &str| {
            let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
            let mut proposal = toolbox::import(&files, &options)?;
            find_databases(&mut proposal, &folders);
            Ok(proposal)
        };
        Proposed::of(of, 0, import).await
    }
}

/// Where a relative path of files that were typed may lead: from the working directory, as the Toolbox has it, or from their own.
fn folders(typed: &[Document]) -> Vec<PathBuf> {
    let of_file = |document: &Document| match document {
        Document::File { path, .. } => path.parent().map(Path::to_owned),
        Document::Text { .. } | Document::Url { .. } => None,
    };
    let own = typed.iter().filter_map(of_file);
    let here = (!typed.is_empty()).then(PathBuf::new);
    here.into_iter().chain(own).filter_map(|folder| std::path::absolute(Path::new(".").join(folder)).ok()).collect()
}

/// A spec may be kept anywhere, and its relative paths begin there; so the file that is meant is said by its whole path.
fn find_databases(proposal: &mut Proposal, folders: &[PathBuf]) {
    if folders.is_empty() {
        return;
    }
    for connection in &mut proposal.spec.connections {
        let Some(ConnectionKind::Sqlite(file)) = &mut connection.kind else { continue };
        let Some(path) = file.path.as_mut().filter(|path| Path::new(path).is_relative()) else { continue };
        let found = folders.iter().map(|folder| folder.join(&*path)).find(|file| file.is_file());
        let (message, hint) = match found.as_deref().and_then(Path::to_str) {
            Some(found) => {
                let message = format!("the file `{path}` of `{}` is `{found}`", connection.name);
                found.clone_into(path);
                (message, None)
            }
            None => {
                let message =
                    format!("there is no file `{path}` of `{}`, here or beside the Toolbox's own", connection.name);
                (message, Some("it will be looked for, and made, in the folder of the spec".to_owned()))
            }
        };
        proposal.findings.push(Finding { level: Level::Note, place: String::new(), position: None, message, hint });
    }
}
