//! What the operator reads, and what must never be there.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use mcp_serve::{BearerTokens, KeyList, http::Config};
use serde_json::json;
use tracing::Level;

use crate::{auth::with_keys, sessions, support::Running};

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("lock").clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Of this thread, on which everything in these tests runs.
pub fn read(level: Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn the_cause_of_an_internal_error_is_found_by_the_id_that_the_caller_has() {
    let (log, _guard) = read(Level::ERROR);
    let running = Running::start().await;
    let reply = running.ask_modern("tools/call", json!({"name": "broken"})).await;
    let id = reply.json()["error"]["data"]["requestId"].as_str().expect("an id").to_owned();
    let text = log.text();
    let line = text.lines().find(|line| line.contains(&id)).expect("a line");
    assert!(line.contains("hunter2"), "{line}");
}

#[tokio::test]
async fn a_call_is_one_line_without_its_arguments() {
    let (log, _guard) = read(Level::DEBUG);
    let running = Running::start().await;
    for (tool, outcome) in [("echo", "ok"), ("picture", "tool error"), ("nope", "refused"), ("panic", "panicked")] {
        running.ask_modern("tools/call", json!({"name": tool, "arguments": {"a": "private-argument"}})).await;
        let text = log.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("tool called")).collect();
        let line = lines.last().expect("a line");
        let fields =
            [format!("tool=\"{tool}\""), format!("outcome=\"{outcome}\""), "principal=\"anonymous\"".to_owned()];
        for field in fields {
            assert!(line.contains(&field), "{line}");
        }
    }
    let call = running.spawn(running.modern("tools/call", json!({"name": "wait"}), &[]));
    running.server.until_waiting(1).await;
    call.abort();
    running.server.until_dropped(1).await;
    assert!(log.text().contains("outcome=\"cancelled\""), "{}", log.text());
    assert!(!log.text().contains("private-argument"));
}

#[tokio::test]
async fn no_credential_is_ever_logged() {
    let (log, _guard) = read(Level::TRACE);
    let running = with_keys().await;
    for key in ["key-of-alice", "key-of-eve"] {
        running.ask(running.modern("tools/call", json!({"name": "echo"}), &[("x-api-key", key)])).await;
    }
    let key = [("x-api-key", "key-of-alice")];
    let (session, _) = sessions::open(&running, &key).await;
    sessions::ask(&running, &session, &key, "tools/call", json!({"name": "broken"})).await;
    running.stopped().await;

    let tokens = BearerTokens::new(KeyList::parse("token-of-carol").expect("tokens"));
    let running = Running::with(Config::default(), tokens).await;
    let token = [("authorization", "Bearer token-of-carol")];
    let (session, _) = sessions::open(&running, &token).await;
    sessions::ask(&running, &session, &token, "tools/call", json!({"name": "panic"})).await;
    running.stopped().await;

    let text = log.text();
    assert!(text.contains("tool called"), "the test reads the log");
    for secret in ["key-of-alice", "key-of-eve", "token-of-carol"] {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
