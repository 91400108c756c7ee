//! Log messages for the caller who asked for them: `notifications/message`.
//!
//! A caller of 2026-07-28 asks in each request (`logLevel`), an older one once for its session (`logging/setLevel`).
//! Whoever logs here keeps secrets, and what belongs to other callers, out of it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

use crate::news::{News, Throttle};

/// How bad it is, as syslog has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    Debug = 1,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warning, "warning"),
        (Self::Error, "error"),
        (Self::Critical, "critical"),
        (Self::Alert, "alert"),
        (Self::Emergency, "emergency"),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(level, _)| level)
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|(level, _)| *level as u8 == number).map(|(level, _)| level)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize - 1].1
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Handed to every call in its [`CallContext`](crate::CallContext).
#[derive(Debug, Clone, Default)]
pub struct Log(Option<Arc<Logger>>);

#[derive(Debug)]
struct Logger {
    least: LogLevel,
    throttle: Mutex<Throttle>,
    news: mpsc::Sender<News>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) level: LogLevel,
    pub(crate) logger: Box<str>,
    pub(crate) data: Value,
}

/// Messages that may come at once, and the time between any more.
const BURST: u32 = 40;
const EVERY: Duration = Duration::from_millis(50);

impl Log {
    /// For a caller who did not ask.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new(least: LogLevel, news: mpsc::Sender<News>) -> Self {
        Self(Some(Arc::new(Logger { least, throttle: Mutex::new(Throttle::new(BURST, EVERY)), news })))
    }

    /// Whether a message of this level would be sent; lets a tool skip making it.
    #[must_use]
    pub fn wants(&self, level: LogLevel) -> bool {
        self.0.as_ref().is_some_and(|logger| level >= logger.least && !logger.news.is_closed())
    }

    /// `logger` says what speaks (`sql`, `http`, the name of a tool), `data` is a text or any JSON.
    pub fn send(&self, level: LogLevel, logger: &str, data: impl Into<Value>) {
        let Some(to) = self.0.as_ref().filter(|_| self.wants(level)) else { return };
        if to.throttle.lock().unwrap_or_else(PoisonError::into_inner).admits() {
            let _ = to.news.try_send(News::Message(Message { level, logger: logger.into(), data: data.into() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::news;

    #[test]
    fn levels_are_read_and_written_and_ordered() {
        for (level, name) in LogLevel::ALL {
            assert_eq!(LogLevel::parse(name), Some(level));
            assert_eq!(LogLevel::from_number(level as u8), Some(level));
            assert_eq!(level.to_string(), name);
        }
        assert!(LogLevel::Warning > LogLevel::Info);
        assert_eq!((LogLevel::parse("loud"), LogLevel::from_number(0)), (None, None));
    }

    #[test]
    fn only_what_was_asked_for_is_sent() {
        let (news, mut messages) = news::channel();
        let log = Log::new(LogLevel::Warning, news);
        log.send(LogLevel::Info, "sql", "unheard");
        log.send(LogLevel::Error, "sql", "heard");
        let Ok(News::Message(heard)) = messages.try_recv() else { panic!("a message") };
        assert_eq!((heard.level, &*heard.logger, heard.data), (LogLevel::Error, "sql", Value::from("heard")));
        assert!(messages.try_recv().is_err());
        assert!(!log.wants(LogLevel::Notice));
        Log::none().send(LogLevel::Emergency, "sql", "unheard");
    }
}
