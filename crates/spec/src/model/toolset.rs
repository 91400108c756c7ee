//! Tools under one name.

use super::{ToolPattern, ToolsetName};
use crate::read::object;

object! {
    /// Tools under one name.
    pub struct Toolset {
        /// Its name.
        name: ToolsetName,
        /// What its tools are good for.
        description: Option<String>,
        /// The tools: names, or patterns with `*`.
        tools: Vec<ToolPattern>,
        /// The scopes that a caller needs for all of them.
        scopes: Vec<String>
    }
}
