//! What a server said lately: calls that ended, and what its parts told. Bounded in bytes and lines, so that a server that
//! talks a lot forgets sooner, and takes nothing from others. Arguments and answers are never in it.

mod heard;

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use chrono::{DateTime, SecondsFormat, Utc};
use mcp_serve::{
    CallId, Principal,
    middleware::{Observer, Outcome, ToolCall},
    visible,
};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

pub use self::heard::tap;
pub(super) use self::heard::{HearLayer, heard_by};
use super::{Ledger, redaction::Redactions};

/// Clones share it.
#[derive(Clone)]
pub struct LogRing(Arc<Inner>);

struct Inner {
    bounds: LogBounds,
    redactions: Redactions,
    kept: Mutex<Kept>,
    /// Told of news, where somebody waits for it.
    news: Notify,
    followers: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Default 64 KiB.
    pub bytes: usize,
    /// Default 1,000.
    pub lines: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { bytes: 64 * 1024, lines: 1_000 }
    }
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Of the next line; the first is 1.
    next: u64,
    closed: bool,
}

#[derive(Debug, Clone)]
pub struct Line {
    /// One more than that of the line before.
    pub number: u64,
    pub at: SystemTime,
    pub level: Level,
    pub said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Info,
    Warning,
    Error,
}

#[derive(Debug, Clone)]
pub enum Said {
    /// A call that ended.
    Call { request: CallId, principal: Arc<Principal>, tool: Box<str>, outcome: Outcome, took: Duration },
    /// Whatever else is worth a line.
    Text { source: Cow<'static, str>, message: Box<str>, fields: Box<[(&'static str, Box<str>)]> },
}

/// Which lines somebody wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// The last so many; all that are kept if there is none.
    pub tail: Option<usize>,
    /// From then on.
    pub since: Option<SystemTime>,
}

impl LogRing {
    #[must_use]
    pub fn new(bounds: LogBounds) -> Self {
        let kept = Mutex::new(Kept { next: 1, ..Kept::default() });
        let (news, followers, redactions) = (Notify::new(), AtomicUsize::new(0), Redactions::default());
        Self(Arc::new(Inner { bounds, redactions, kept, news, followers }))
    }

    pub(crate) fn say(&self, level: Level, source: &'static str, message: impl AsRef<str>) {
        let message = cut(self.redacted(message.as_ref()));
        self.push(level, Said::Text { source: source.into(), message, fields: Box::default() });
    }

    fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.redactions.redact(text)
    }

    /// What must not be in it.
    pub(super) fn redactions(&self) -> &Redactions {
        &self.0.redactions
    }

    fn push(&self, level: Level, said: Said) {
        let size = said.bytes();
        {
            let mut kept = self.lock();
            if kept.closed {
                return;
            }
            let number = kept.next;
            kept.next += 1;
            kept.bytes += size;
            kept.lines.push_back(Line { number, at: SystemTime::now(), level, said });
            while kept.bytes > self.0.bounds.bytes || kept.lines.len() > self.0.bounds.lines {
                let Some(oldest) = kept.lines.pop_front() else { break };
                kept.bytes -= oldest.said.bytes();
            }
        }
        if self.0.followers.load(SeqCst) > 0 {
            self.0.news.notify_waiters();
        }
    }

    /// The lines that are kept and asked for, oldest first.
    #[must_use]
    pub fn read(&self, asked: Asked) -> Vec<Line> {
        self.lock().read(asked)
    }

    /// The same, and each line that comes after them.
    #[must_use]
    pub fn follow(&self, asked: Asked) -> Follower {
        self.0.followers.fetch_add(1, SeqCst);
        let kept = self.lock();
        let first = kept.read(asked);
        let next = kept.next;
        drop(kept);
        Follower { ring: self.clone(), first, next }
    }

    /// Nothing comes any more: followers end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.news.notify_waiters();
    }

    /// Somebody waits for news.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.0.followers.load(SeqCst) > 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LogRing {
    fn default() -> Self {
        Self::new(LogBounds::default())
    }
}

impl fmt::Debug for LogRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRing").field("lines", &self.lock().lines.len()).finish_non_exhaustive()
    }
}

impl Kept {
    fn read(&self, Asked { tail, since }: Asked) -> Vec<Line> {
        // Clocks go back at times: what is asked for are the lines behind the first that is young enough.
        let from =
            since.map_or(0, |since| self.lines.iter().position(|line| line.at >= since).unwrap_or(self.lines.len()));
        let from = from.max(self.lines.len().saturating_sub(tail.unwrap_or(usize::MAX)));
        self.lines.range(from..).cloned().collect()
    }
}

/// Somebody who reads along. Whoever reads more slowly than a server talks is told how much was missed.
#[derive(Debug)]
pub struct Follower {
    ring: LogRing,
    first: Vec<Line>,
    next: u64,
}

/// Lines, and how many are missing before them.
#[derive(Debug, Clone)]
pub struct News {
    pub missed: u64,
    pub lines: Vec<Line>,
}

impl Follower {
    /// `None` when the server is gone and all was read. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<News> {
        if !self.first.is_empty() {
            return Some(News { missed: 0, lines: std::mem::take(&mut self.first) });
        }
        loop {
            let mut news = std::pin::pin!(self.ring.0.news.notified());
            // From before the look on, so that nothing is lost in between.
            news.as_mut().enable();
            {
                let kept = self.ring.lock();
                if kept.next > self.next {
                    let oldest = kept.lines.front().map_or(kept.next, |line| line.number);
                    let missed = oldest.saturating_sub(self.next);
                    let from = usize::try_from(self.next.max(oldest) - oldest).unwrap_or(usize::MAX);
                    let lines = kept.lines.range(from.min(kept.lines.len())..).cloned().collect();
                    self.next = kept.next;
                    return Some(News { missed, lines });
                }
                if kept.closed {
                    return None;
                }
            }
            news.await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ring.0.followers.fetch_sub(1, SeqCst);
    }
}

/// Longer ones are cut.
const LONGEST: usize = 4 * 1024;

fn cut(message: Cow<'_, str>) -> Box<str> {
    if message.len() <= LONGEST {
        return message.into();
    }
    format!("{}…", &message[..message.floor_char_boundary(LONGEST)]).into()
}

impl Said {
    /// About what a line takes in memory.
    fn bytes(&self) -> usize {
        size_of::<Line>()
            + match self {
                Self::Call { tool, .. } => tool.len(),
                Self::Text { source, message, fields } => {
                    let fields: usize = fields.iter().map(|field| size_of_val(field) + field.1.len()).sum();
                    source.len() + message.len() + fields
                }
            }
    }
}

impl Level {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Line {
    /// As programs read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        put("line", self.number.into());
        put("at", self.time().into());
        put("level", self.level.as_str().into());
        match &self.said {
            Said::Call { request, principal, tool, outcome, took } => {
                put("event", "call".into());
                put("request", request.to_string().into());
                put("principal", principal.id.clone().into());
                put("tool", (**tool).into());
                put("outcome", outcome.as_str().into());
                put("took_ms", json!(millis(*took)));
            }
            Said::Text { source, message, fields } => {
                put("event", "message".into());
                put("source", (**source).into());
                put("message", (**message).into());
                if !fields.is_empty() {
                    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(&**value)));
                    put("fields", Value::Object(fields.collect()));
                }
            }
        }
        Value::Object(line)
    }

    fn time(&self) -> String {
        DateTime::<Utc>::from(self.at).to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// With three digits behind the point.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// As people read it: one line, whatever is in it.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<7} ", self.time(), self.level.as_str())?;
        match &self.said {
            Said::Call { request, principal, tool, outcome, took } => {
                let (tool, principal) = (visible(tool), visible(&principal.id));
                let took = millis(*took);
                write!(f, "{tool} for {principal}: {}, {took} ms, request {request}", outcome.as_str())
            }
            Said::Text { source, message, fields } => {
                write!(f, "{source}: {}", visible(message))?;
                fields.iter().try_for_each(|(name, value)| write!(f, " {name}={}", visible(value)))
            }
        }
    }
}

/// Writes calls into the ring as they end, and has them counted.
pub(super) struct Calls {
    pub(super) server: Arc<str>,
    pub(super) ring: LogRing,
    pub(super) ledger: Arc<dyn Ledger>,
}

impl Observer for Calls {
    type Seen = (CallId, Arc<Principal>, Box<str>);

    fn begin(&self, call: &ToolCall) -> Self::Seen {
        // Names come from callers, who may send what they like.
        let tool = &call.tool[..call.tool.floor_char_boundary(128)];
        (call.cx.call_id, call.cx.principal.clone(), tool.into())
    }

    fn end(&self, (request, principal, tool): Self::Seen, outcome: Outcome, took: Duration) {
        let level = match outcome {
            Outcome::Ok | Outcome::InputRequired | Outcome::Cancelled => Level::Info,
            Outcome::ToolError | Outcome::Refused => Level::Warning,
            Outcome::InternalError | Outcome::Panicked => Level::Error,
        };
        self.ledger.called(&self.server, &tool, outcome, took);
        self.ring.push(level, Said::Call { request, principal, tool, outcome, took });
    }
}

#[cfg(test)]
mod tests;
