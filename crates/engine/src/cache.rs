//! Answers that are kept for a while, for one caller each: nobody is ever answered with what was made for somebody else.
//!
//! The key is the tool, the caller with tenant and claims (a statement may use them), and the arguments in whatever order they
//! came. Whoever asks for an answer that is being made waits for it; when the one who makes it gives up, the next makes it.
//! Failures go to those who wait and are not kept. What is kept is bounded in number and bytes, and forgotten with the engine.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mcp_serve::{CallContext, Content, Principal, ToolResult};
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Answers of one server.
const MOST_ANSWERS: u64 = 10_000;
const MOST_BYTES: u64 = 32 << 20;
/// How often those that are over are looked for; they are never given out, whenever that is.
const SWEEP: Duration = Duration::from_secs(30);

type Key = [u8; 32];

/// The kept answers of all tools of a server.
#[derive(Debug)]
pub struct Answers {
    kept: Cache<Key, Arc<Answer>, Weight>,
    swept: Mutex<Instant>,
}

#[derive(Debug)]
struct Answer {
    result: ToolResult,
    bytes: u64,
    made: Instant,
    /// Not beyond the moment it was made, where it is a failure.
    until: Instant,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Arc<Answer>> for Weight {
    fn weight(&self, _: &Key, answer: &Arc<Answer>) -> u64 {
        answer.bytes.max(MOST_BYTES / MOST_ANSWERS)
    }
}

impl Answers {
    #[must_use]
    pub fn new() -> Self {
        let options = OptionsBuilder::new()
            .shards(4)
            .estimated_items_capacity(MOST_ANSWERS as usize)
            .weight_capacity(MOST_BYTES)
            .build()
            .expect("both capacities are given");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { kept: Cache::with_options(options, Weight, hasher, lifecycle), swept: Mutex::new(Instant::now()) }
    }

    /// The kept answer, or the one that `work` gives, which is kept for `ttl` unless it is a failure.
    pub async fn get(&self, key: Key, ttl: Duration, work: impl Future<Output = ToolResult>) -> ToolResult {
        let asked = Instant::now();
        let making = loop {
            match self.kept.get_value_or_guard_async(&key).await {
                Ok(answer) if answer.serves(asked) => return answer.result.clone(),
                Ok(old) => drop(self.kept.remove_if(&key, |answer| Arc::ptr_eq(answer, &old))),
                Err(making) => break making,
            }
        };
        // Dropped here, the right to make the answer goes to the next who waits.
        let result = work.await;
        let made = Instant::now();
        let bytes = bytes(&result).filter(|_| !result.is_error);
        let until = if bytes.is_some() { made + ttl } else { made };
        let answer = Arc::new(Answer { bytes: bytes.unwrap_or_default(), result: result.clone(), made, until });
        // It may be too large to be kept; those who wait get it all the same.
        let _ = making.insert(Arc::clone(&answer));
        if bytes.is_none() {
            self.kept.remove_if(&key, |kept| Arc::ptr_eq(kept, &answer));
        }
        self.sweep(made);
        result
    }

    fn sweep(&self, now: Instant) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if now - *swept >= SWEEP {
            *swept = now;
            drop(swept);
            self.kept.retain(|_, answer| now < answer.until);
        }
    }
}

impl Answer {
    /// Whether it is still good, or was made while somebody waited for it.
    fn serves(&self, asked: Instant) -> bool {
        self.made >= asked || Instant::now() < self.until
    }
}

/// What an answer was made for. Numbers are told apart by how they are written.
#[must_use]
pub fn key(tool: &str, cx: &CallContext, arguments: &Map<String, Value>) -> Key {
    let Principal { id, tenant, claims, .. } = &*cx.principal;
    let mut hash = Sha256::new();
    text(&mut hash, tool);
    text(&mut hash, id);
    hash.update([u8::from(tenant.is_some())]);
    text(&mut hash, tenant.as_deref().unwrap_or_default());
    object(&mut hash, claims);
    object(&mut hash, arguments);
    hash.finalize().into()
}

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

fn object(hash: &mut Sha256, fields: &Map<String, Value>) {
    hash.update((fields.len() as u64).to_be_bytes());
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    for (name, field) in sorted {
        text(hash, name);
        value(hash, field);
    }
}

/// How deep arguments and claims may be was checked where they came in.
fn value(hash: &mut Sha256, one: &Value) {
    match one {
        Value::Null => hash.update(b"n"),
        Value::Bool(yes) => hash.update(if *yes { b"t" } else { b"f" }),
        Value::Number(number) => {
            hash.update(b"d");
            text(hash, &number.to_string());
        }
        Value::String(string) => {
            hash.update(b"s");
            text(hash, string);
        }
        Value::Array(items) => {
            hash.update(b"a");
            hash.update((items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| value(hash, item));
        }
        Value::Object(fields) => {
            hash.update(b"o");
            object(hash, fields);
        }
    }
}

/// How large an answer is; `None` for what is no answer yet, which is never kept.
fn bytes(result: &ToolResult) -> Option<u64> {
    let blocks = |blocks| serde_json::to_vec(blocks).map_or(MOST_BYTES as usize, |json| json.len());
    let bytes = match &result.content {
        Content::Json(json) => json.get().len(),
        Content::Blocks(content) => blocks(content),
        Content::Both { blocks: content, json } => blocks(content) + json.get().len(),
        _ => return None,
    };
    Some(bytes as u64)
}

#[cfg(test)]
mod tests;
