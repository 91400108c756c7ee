//! A Postman collection.

use std::collections::BTreeMap;

use mcp_factory_intake::postman::{self, Options};
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use super::{Document, IntakeError, Proposed, Reach, document::Loaded};

/// Either `document` or `url`.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Postman {
    /// The text of the collection.
    pub document: Option<String>,
    /// Where the collection is.
    #[schema(value_type = Option<String>, example = "https://example.com/collection.json")]
    pub url: Option<Url>,
    /// The collection is at an address of a private network; that has to be granted.
    pub allow_private_network: bool,
    /// Read from there, whatever is said above.
    #[serde(skip)]
    pub from: Option<Document>,
}

impl Postman {
    pub(super) async fn propose(self, name: Option<String>, reach: &Reach) -> Result<Proposed, IntakeError> {
        let document = match self.from {
            Some(document) => document,
            None => Document::of(self.document, BTreeMap::new(), self.url, false, self.allow_private_network)?,
        };
        let Loaded { name: of, bytes, .. } = document.load(reach).await?;
        Proposed::of(of, bytes.len(), move |_| postman::import(&bytes, &Options { name })).await
    }
}
