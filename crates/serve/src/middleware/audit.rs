//! Who did what, when, and how it ended. Of arguments only those that somebody listed, and never a result.

mod log;

use std::{
    collections::BTreeSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value};

pub use log::AuditLog;

use super::{Observer, Outcome, ToolCall};
use crate::{CallId, Error, Principal};

/// One call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuditRecord {
    pub at: SystemTime,
    /// The id that the log and error messages show.
    pub request: CallId,
    pub principal: Arc<Principal>,
    pub server: String,
    /// As the caller wrote it, at most 128 bytes.
    pub tool: String,
    /// The listed ones.
    pub arguments: Map<String, Value>,
    pub outcome: Outcome,
    pub took: Duration,
}

/// Hands a record of each call to a function, which must not wait: a channel's `try_send`, a line in a buffer. An
/// [`AuditLog`] has one that writes lines of JSON.
pub struct Audit {
    sink: Box<dyn Fn(AuditRecord) + Send + Sync>,
    admits: Box<dyn Fn() -> bool + Send + Sync>,
    arguments: BTreeSet<String>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

impl Audit {
    pub fn new(sink: impl Fn(AuditRecord) + Send + Sync + 'static) -> Self {
        Self { sink: Box::new(sink), admits: Box::new(|| true), arguments: BTreeSet::new() }
    }

    /// Calls are refused ([`Error::Unaudited`]) while there is no room for their records. Asked before each; it must not
    /// wait.
    #[must_use]
    pub fn admitting(mut self, has_room: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.admits = Box::new(has_room);
        self
    }

    /// Names of arguments that may be written down.
    #[must_use]
    pub fn with_arguments<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.arguments.extend(names.into_iter().map(Into::into));
        self
    }
}

impl Observer for Audit {
    type Seen = AuditRecord;

    fn begin(&self, call: &ToolCall) -> AuditRecord {
        let listed = |name: &String| Some((name.clone(), call.arguments.get(name)?.clone()));
        AuditRecord {
            at: SystemTime::now(),
            request: call.cx.call_id,
            principal: call.cx.principal.clone(),
            server: call.server.implementation().name.clone(),
            tool: cut(&call.tool).to_owned(),
            arguments: self.arguments.iter().filter_map(listed).collect(),
            outcome: Outcome::Cancelled,
            took: Duration::ZERO,
        }
    }

    fn admit(&self) -> Result<(), Error> {
        if (self.admits)() { Ok(()) } else { Err(Error::Unaudited) }
    }

    fn end(&self, record: AuditRecord, outcome: Outcome, took: Duration) {
        (self.sink)(AuditRecord { outcome, took, ..record });
    }
}

/// Names come from callers, who may send what they like.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(128)]
}

/// A line in the log for each call, at the level `info`, without arguments.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CallLog;

impl Observer for CallLog {
    type Seen = Option<(CallId, Arc<Principal>, String)>;

    fn begin(&self, call: &ToolCall) -> Self::Seen {
        tracing::enabled!(tracing::Level::INFO)
            .then(|| (call.cx.call_id, call.cx.principal.clone(), cut(&call.tool).to_owned()))
    }

    fn end(&self, seen: Self::Seen, outcome: Outcome, took: Duration) {
        let Some((request, principal, tool)) = seen else { return };
        let took_ms = took.as_secs_f64() * 1000.0;
        tracing::info!(%request, principal = principal.id, tool, outcome = outcome.as_str(), took_ms, "tool called");
    }
}
