//! How many requests one host gets at once, over all connections that share these limits. Whoever waits first is served
//! first, and nobody alone takes more than half.

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
    gates: Mutex<HashMap<Gate, Arc<Semaphore>>>,
}

/// A host, or one caller at a host.
type Gate = (String, Option<String>);

/// The right to ask a host; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: Option<OwnedSemaphorePermit>,
    _host: OwnedSemaphorePermit,
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

    /// Of these, for one caller: the others are not kept waiting by a single one.
    #[must_use]
    pub fn at_once_each(&self) -> usize {
        self.at_once.div_ceil(2)
    }

    pub(super) async fn enter(&self, url: &Url, caller: Option<&str>) -> Turn {
        let host = url.origin().ascii_serialization();
        let own = match caller {
            Some(caller) => Some(self.pass((host.clone(), Some(caller.to_owned())), self.at_once_each()).await),
            None => None,
        };
        Turn { _own: own, _host: self.pass((host, None), self.at_once).await }
    }

    async fn pass(&self, gate: Gate, at_once: usize) -> OwnedSemaphorePermit {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
            if gates.len() >= MANY && !gates.contains_key(&gate) {
                gates.retain(|_, gate| Arc::strong_count(gate) > 1);
            }
            Arc::clone(gates.entry(gate).or_insert_with(|| Arc::new(Semaphore::new(at_once))))
        };
        gate.acquire_owned().await.expect("a gate is never closed")
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new(Self::AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn nobody_alone_keeps_a_host_from_others() {
        let hosts = Hosts::new(4);
        let url = Url::parse("https://a.example/x").unwrap();
        let enter = |caller| hosts.enter(&url, Some(caller)).now_or_never();
        let hog = [enter("alice").unwrap(), enter("alice").unwrap()];
        assert!(enter("alice").is_none(), "half of it is hers");
        let others = [enter("bob").unwrap(), enter("carol").unwrap()];
        assert!(enter("dave").is_none(), "all of it is taken");
        let elsewhere = Url::parse("https://b.example/").unwrap();
        assert!(hosts.enter(&elsewhere, Some("alice")).now_or_never().is_some());
        drop(hog);
        assert!(enter("dave").is_some() && enter("alice").is_some());
        drop(others);
    }

    #[tokio::test]
    async fn who_waits_first_is_first_and_what_is_unused_is_forgotten() {
        let hosts = Hosts::new(1);
        let url = Url::parse("https://a.example/x").unwrap();
        let first = hosts.enter(&url, None).await;
        let mut second = Box::pin(hosts.enter(&url, Some("bob")));
        assert!(second.as_mut().now_or_never().is_none());
        let mut third = Box::pin(hosts.enter(&url, Some("carol")));
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_some());
        assert!(third.as_mut().now_or_never().is_some());
        for caller in 0..1000 {
            hosts.enter(&url, Some(&caller.to_string())).await;
        }
        assert!(hosts.gates.lock().unwrap().len() <= MANY);
    }
}
