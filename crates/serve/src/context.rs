//! What one call carries besides its arguments.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;

use crate::{
    ClientSupport, Log, LogLevel, Principal, Progress, SessionContext, SessionState, TraceParent, input::Input,
};

/// One per call. There is no token to cancel with: the caller drops the call's future.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub principal: Arc<Principal>,
    /// The id of this call, the same over retries of it inside the server.
    pub call_id: CallId,
    /// What the client can do with an answer.
    pub client: ClientSupport,
    pub progress: Progress,
    pub log: Log,
    /// What the session of this call keeps. None for a call that stands alone.
    pub session: Option<Arc<SessionState>>,
    /// The part of the server that the URL names: `reading` of `/mcp/reading`; see [`Server::has_part`](crate::Server::has_part).
    pub part: Option<Arc<str>>,
    /// What [`Server::admit`](crate::Server::admit) had to say of the caller of this request.
    pub grant: Option<Grant>,
    /// What the request says of its circumstances, where [`Config::context`](crate::http::Config::context) lets it. It is the
    /// client's word.
    pub context: SessionContext,
    /// Where the call belongs in a trace, where [`Config::trace_context`](crate::http::Config::trace_context) has it read.
    pub trace: Option<TraceParent>,
    /// What vendors say of that trace (`tracestate`), as it came.
    pub trace_state: Option<Arc<str>>,
    pub(crate) input: Input,
}

/// What a server decided about a caller before it answers; the server knows its type.
pub type Grant = Arc<dyn Any + Send + Sync>;

/// Who calls, with what was decided before the request was read.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) principal: Arc<Principal>,
    pub(crate) part: Option<Arc<str>>,
    pub(crate) grant: Option<Grant>,
    pub(crate) context: SessionContext,
}

impl From<Admitted> for CallContext {
    fn from(admitted: Admitted) -> Self {
        let Admitted { principal, part, grant, context } = admitted;
        Self { part, grant, context, ..Self::new(principal) }
    }
}

impl CallContext {
    #[must_use]
    pub fn new(principal: Arc<Principal>) -> Self {
        Self {
            principal,
            call_id: CallId::next(),
            client: ClientSupport::default(),
            progress: Progress::none(),
            log: Log::none(),
            session: None,
            part: None,
            grant: None,
            context: SessionContext::default(),
            trace: None,
            trace_state: None,
            input: Input::default(),
        }
    }

    /// The context of a call that a tool makes as a part of this one. Its progress would go back to nothing with each such
    /// call, and a question in the middle would have what came before done twice.
    #[must_use]
    pub fn step(&self, index: usize) -> Self {
        Self {
            call_id: self.call_id.step(index),
            // What comes of it is not an answer to the client.
            client: ClientSupport::default(),
            progress: Progress::none(),
            input: Input::default(),
            ..self.clone()
        }
    }

    /// Tells the caller who asked for such messages. Never a secret, nothing of other callers.
    pub fn log(&self, level: LogLevel, logger: &str, data: impl Into<Value>) {
        self.log.send(level, logger, data);
    }
}

/// Unguessable across processes, unique within one. Shown as 32 hexadecimal digits; the id of a request in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(pub(crate) u128);

impl CallId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }

    pub(crate) fn next() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let process = *PROCESS.get_or_init(|| u64::from_ne_bytes(crate::random()));
        Self(u128::from(process) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The id of a call that is made as a part of this one: another one for each, and the same over retries.
    fn step(self, index: usize) -> Self {
        // Odd numbers, so that nothing is lost: the golden ratio, as hashes have it.
        const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        Self((self.0 ^ (index as u128 + 1).wrapping_mul(SPREAD)).wrapping_mul(SPREAD))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
