//! An OpenAPI document.

use std::collections::BTreeMap;

use mcp_factory_intake::openapi::{self, Options};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{
    Document, IntakeError, Proposed, Reach,
    document::{Loaded, shown},
};

/// Either `document` or `url`; tags, paths, methods and operations choose, and have to fit all at once.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Openapi {
    /// The text of the document.
    pub document: Option<String>,
    /// Further files that it refers to: their texts by their paths relative to it.
    pub files: BTreeMap<String, String>,
    /// Where the document is.
    #[schema(value_type = Option<String>, example = "https://api.example.com/openapi.json")]
    pub url: Option<Url>,
    /// Also fetch what it refers to by URL.
    pub fetch_references: bool,
    /// The document is at an address of a private network; that has to be granted.
    pub allow_private_network: bool,
    /// Only operations with one of these tags.
    pub tags: Vec<String>,
    /// Only paths that fit one of these; `*` stands for anything.
    pub paths: Vec<String>,
    /// Only these methods.
    pub methods: Vec<String>,
    /// Only operations of these ids.
    pub operations: Vec<String>,
    /// Where the API is, if the document does not say; without a path it gets that of the document's server.
    #[schema(value_type = Option<String>)]
    pub base_url: Option<Url>,
    /// Read from there, whatever is said above.
    #[serde(skip)]
    pub from: Option<Document>,
}

impl Openapi {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        if let Some(base) = self.base_url.as_ref().filter(|base| !matches!(base.scheme(), "http" | "https")) {
            let base = shown(base);
            return Err(IntakeError::Argument(format!("`--base-url` is a URL of `http` or `https`, not `{base}`")));
        }
        let document = match self.from {
            Some(document) => document.with_references(self.fetch_references),
            None => {
                let (references, private) = (self.fetch_references, self.allow_private_network);
                Document::of(self.document, self.files, self.url, references, private)?
            }
        };
        let origin = match &document {
            Document::Url { url, .. } => Some(url.clone()),
            _ => None,
        };
        let options = Options {
            name,
            base: self.base_url,
            origin,
            tags: self.tags,
            paths: self.paths,
            methods: self.methods,
            operations: self.operations,
        };
        let Loaded { name: of, bytes, files } = document.load(reach).await?;
        Proposed::of(of, bytes.len(), move |of| openapi::import(of, bytes, &*files, &options)).await
    }
}
