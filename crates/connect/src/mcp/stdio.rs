//! A program that speaks MCP on its standard input and output, one message a line. It runs as long as somebody holds it, and is
//! started again when it has ended.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Era, Error, Message, Reply, reply_of};
use crate::command::{self, LastWords, Talk, Talking};

/// How it is started.
#[derive(Debug, Clone)]
pub struct Start {
    pub program: command::Program,
    pub arguments: Vec<String>,
    /// Absolute.
    pub folder: PathBuf,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct Program {
    name: String,
    start: Start,
    live: Mutex<Option<Arc<Live>>>,
    generations: AtomicU64,
}

/// For what has ended to be looked after.
const PATIENCE: Duration = Duration::from_secs(1);
/// The largest line that is read.
const LONGEST: usize = 16 << 20;

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A run of it.
#[derive(Debug)]
struct Live {
    generation: u64,
    lines: mpsc::Sender<String>,
    waiting: Waiting,
    next: AtomicU64,
    ended: watch::Receiver<Option<LastWords>>,
}

/// A request that waits for its answer. Whoever stops waiting says so.
struct Asked {
    id: u64,
    live: Arc<Live>,
    is_answered: bool,
}

impl Program {
    pub fn new(name: String, start: Start) -> Self {
        Self { name, start, live: Mutex::default(), generations: AtomicU64::new(1) }
    }

    fn live(&self) -> Option<Arc<Live>> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().filter(|live| !live.lines.is_closed()).map(Arc::clone)
    }

    pub fn is_alive(&self, generation: u64) -> bool {
        self.live().is_some_and(|live| live.generation == generation)
    }

    /// Starts it anew, and says which run this is. Only the one who finds out what it speaks does that.
    pub async fn begin(&self) -> Result<u64, Error> {
        let Start { program, arguments, folder, environment } = self.start.clone();
        let talk = Talk { arguments, folder, environment, longest_line: LONGEST };
        let talking = program.talk(talk).await.map_err(|error| self.broken(error.to_string()))?;
        let Talking { input: lines, output: mut said, ended } = talking;
        let waiting = Waiting::default();
        let (router, answers) = (Arc::clone(&waiting), lines.downgrade());
        tokio::spawn(async move {
            while let Some(line) = said.recv().await {
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                if message.get("method").is_some() {
                    // It may be asked whether we are there, and nothing else.
                    if let (Some(id), Some(answers)) = (message.get("id"), answers.upgrade()) {
                        let answer = match message["method"] == "ping" {
                            true => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
                            false => {
                                let error = json!({ "code": -32601, "message": "nothing is offered to servers" });
                                json!({ "jsonrpc": "2.0", "id": id, "error": error })
                            }
                        };
                        // Who asks faster than it reads gets no answer.
                        let _ = answers.try_send(answer.to_string());
                    }
                } else if let Some(id) = message["id"].as_u64() {
                    let asked = router.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                    asked.map(|asked| asked.send(message));
                }
            }
            router.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        let live = Live { generation, lines, waiting, next: AtomicU64::new(1), ended };
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(live));
        Ok(generation)
    }

    pub async fn send(&self, message: &Message<'_>, era: &Era) -> Result<Reply, Error> {
        let Some(live) = self.live() else { return Ok(Reply::Gone) };
        let id = live.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        live.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let mut asked = Asked { id, live: Arc::clone(&live), is_answered: false };
        if live.lines.send(message.json(id, era).to_string()).await.is_err() {
            return Ok(Reply::Gone);
        }
        let Ok(answer) = answer.await else { return Err(self.ended(&live).await) };
        asked.is_answered = true;
        if answer.to_string().len() > message.bounds.max_bytes {
            return Err(self.broken(format!("answers with more than {} bytes", message.bounds.max_bytes)));
        }
        Ok(reply_of(answer))
    }

    pub async fn notify(&self, method: &str) -> Result<(), Error> {
        let Some(live) = self.live() else { return Err(self.gone().await) };
        match live.lines.send(json!({ "jsonrpc": "2.0", "method": method }).to_string()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended(&live).await),
        }
    }

    /// Why the run that was begun last is no more.
    pub async fn gone(&self) -> Error {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match live {
            Some(live) => self.ended(&live).await,
            None => self.broken("was never started"),
        }
    }

    async fn ended(&self, live: &Live) -> Error {
        let mut ended = live.ended.clone();
        let last_words = match tokio::time::timeout(PATIENCE, ended.wait_for(Option::is_some)).await {
            Ok(Ok(last_words)) => last_words.clone(),
            _ => None,
        };
        let LastWords { status, complaints } = last_words.unwrap_or_default();
        let how = status.map(|status| format!(" ({status})")).unwrap_or_default();
        Error::Ended { server: self.name.clone(), how, complaints }
    }

    fn broken(&self, what: impl Into<String>) -> Error {
        Error::Broken { server: self.name.clone(), what: what.into() }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        self.live.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        let params = json!({ "requestId": self.id });
        let told = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        let _ = self.live.lines.try_send(told.to_string());
    }
}
