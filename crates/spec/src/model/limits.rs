//! What is bounded, and how a bound is taken away.

use std::num::{NonZeroU32, NonZeroU64};

use serde_json::{Value, json};

use super::{Duration, Rate, Size};
use crate::{
    Node, NodeValue,
    path::Path,
    read::{Field, Reader, object},
    schema_of_language::Schemas,
};

/// A bound, or the word `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap<T> {
    None,
    At(T),
}

impl<T: Copy> Cap<T> {
    /// The bound, unless there is none.
    #[must_use]
    pub fn at(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::At(bound) => Some(bound),
        }
    }
}

impl<T: Field> Field for Cap<T> {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            NodeValue::String(text) if &**text == "none" => Some(Self::None),
            _ => T::read(node, at, reader).map(Self::At),
        }
    }

    fn write(&self) -> Value {
        match self {
            Self::None => "none".into(),
            Self::At(bound) => bound.write(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "anyOf": [{ "const": "none" }, T::schema(schemas)] })
    }
}

object! {
    /// What the server bounds for all tools together.
    pub struct Limits {
        /// Calls of one principal.
        rate_per_principal: Cap<Rate> = Cap::At(Rate::per_minute(600)),
        /// Calls at once.
        concurrency: Cap<NonZeroU32> = Cap::At(NonZeroU32::new(100).expect("a hundred is not zero"))
    }
}

impl Limits {
    /// The largest body of a request, in bytes.
    pub const REQUEST_BODY: u64 = 4 << 20;
    /// How deep arguments may be nested.
    pub const ARGUMENTS_DEPTH: usize = 64;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate_per_principal: Cap::At(Rate::per_minute(600)),
            concurrency: Cap::At(NonZeroU32::new(100).expect("a hundred is not zero")),
        }
    }
}

object! {
    /// What is bounded for each call of a tool. A result that is cut says so.
    pub struct ToolLimits {
        /// How long a call may take.
        timeout: Cap<Duration> = Cap::At(Duration::from_secs(30)),
        /// How many rows a result may have.
        max_rows: Cap<NonZeroU64> = Cap::At(NonZeroU64::new(1000).expect("a thousand is not zero")),
        /// How large a result may be.
        max_bytes: Cap<Size> = Cap::At(Size::from_bytes(1 << 20)),
        /// How often it may be called.
        rate: Cap<Rate> = Cap::None,
        /// How many calls may run at once.
        concurrency: Cap<NonZeroU32> = Cap::None
    }
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            timeout: Cap::At(Duration::from_secs(30)),
            max_rows: Cap::At(NonZeroU64::new(1000).expect("a thousand is not zero")),
            max_bytes: Cap::At(Size::from_bytes(1 << 20)),
            rate: Cap::None,
            concurrency: Cap::None,
        }
    }
}
