//! How many requests one host gets at once, over all connections that share these limits. Whoever waits first is served first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// Shared by the clients of one server, so that two connections to one host are no way around.
#[derive(Debug)]
pub struct Hosts {
    at_once: usize,
    gates: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Gates that nobody uses are forgotten from here on.
const MANY: usize = 64;

impl Hosts {
    /// As many as browsers and common clients open to one host, several times over.
    pub const AT_ONCE: usize = 32;

    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self { at_once: at_once.max(1), gates: Mutex::default() }
    }

    #[must_use]
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Waits for a turn, which ends when the permit is dropped.
    pub(super) async fn enter(&self, url: &Url) -> OwnedSemaphorePermit {
        let gate = self.gate(url);
        gate.acquire_owned().await.expect("a gate is never closed")
    }

    fn gate(&self, url: &Url) -> Arc<Semaphore> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let host = url.origin().ascii_serialization();
        if gates.len() >= MANY && !gates.contains_key(&host) {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        Arc::clone(gates.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.at_once))))
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new(Self::AT_ONCE)
    }
}
