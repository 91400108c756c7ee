//! What completes the arguments of prompts and the variables of resource templates while a person types.

use super::{ConnectionName, Sql};
use crate::read::object;

object! {
    /// Where the values come from that complete what a person types: a list, or a statement.
    pub struct Completion {
        /// The values, of which those are shown that begin with what was typed.
        values as "enum": Vec<String>,
        /// The connection of `sql`. May be left out when exactly one suits.
        connection: Option<ConnectionName>,
        /// A statement that reads; its first column has the values. `:value` is what was typed so far, other arguments are
        /// there by their names, or NULL as long as they are not filled in.
        sql: Option<Sql>
    }
}
