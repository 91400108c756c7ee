//! Files of the MCP Toolbox for Databases.

use std::collections::BTreeMap;

use mcp_factory_intake::toolbox::{self, Options};
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
            toolbox::import(&files, &options)
        };
        Proposed::of(of, 0, import).await
    }
}
