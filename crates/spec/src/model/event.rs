//! What the server publishes to subscribers (MCP Events).

use super::{EventName, PlainSchema, TriggerName};
use crate::read::object;

object! {
    /// Something that subscribers are told.
    pub struct Event {
        /// Its name.
        name: EventName,
        /// What it says.
        description: Option<String>,
        /// The trigger whose occurrences are published.
        trigger: TriggerName,
        /// What its payload is.
        payload: Option<PlainSchema>
    }
}
