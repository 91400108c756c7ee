//! Which toolsets a caller sees.

use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::ToolsetName;
use crate::{
    Node,
    path::Path,
    read::{Field, Reader, object, words},
    schema_of_language::Schemas,
};

object! {
    /// Which toolsets a caller sees.
    pub struct Exposure {
        /// Whether callers turn toolsets on.
        mode: Mode = Mode::Static,
        /// How clients of 2026-07-28 do it.
        modern: Modern = Modern::Search,
        /// What is on from the start.
        initial: Initial = Initial::Toolsets(Vec::new()),
        /// What may be turned on. Left out: every toolset.
        allow: Option<Vec<ToolsetName>>,
        /// How many may be on at once.
        max_active: Option<NonZeroU32>,
        /// Tools are named `toolset.tool`.
        namespace: bool = false
    }
}

impl Default for Exposure {
    fn default() -> Self {
        Self {
            mode: Mode::Static,
            modern: Modern::Search,
            initial: Initial::Toolsets(Vec::new()),
            allow: None,
            max_active: None,
            namespace: false,
        }
    }
}

words! {
    /// Whether callers turn toolsets on.
    pub enum Mode {
        /// The list is what it is.
        Static = "static",
        /// Callers turn toolsets on and off.
        Dynamic = "dynamic",
    }
}

words! {
    /// How clients of 2026-07-28 reach toolsets.
    pub enum Modern {
        /// By `search_tools` and `call_tool`.
        Search = "search",
        /// By a signed activation handle.
        Handle = "handle",
        /// By the toolset's own URL.
        Url = "url",
    }
}

/// What is on from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Initial {
    All,
    Toolsets(Vec<ToolsetName>),
}

impl Field for Initial {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        if node.as_str().is_some() {
            return reader.word(node, at, &["ALL"]).map(|_| Self::All);
        }
        Vec::read(node, at, reader).map(Self::Toolsets)
    }

    fn write(&self) -> Value {
        match self {
            Self::All => "ALL".into(),
            Self::Toolsets(toolsets) => toolsets.write(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "anyOf": [{ "const": "ALL" }, Vec::<ToolsetName>::schema(schemas)] })
    }
}
