//! Who was turned away from hosted servers, and what their specs tried and were not granted: one line in the audit log for each
//! server and reason now and then, with how many there were. Whoever knocks a million times fills no disk.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Factory, Owner,
    registry::{self, Deed, Registry},
};

/// Between two lines about the same.
const EVERY: Duration = Duration::from_secs(60);
/// Told apart at a time. What is more waits until others are written down.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Which, Noted>>);

/// Server and reason.
type Which = (Owner, Box<str>, &'static str);

#[derive(Debug, Default)]
struct Noted {
    /// Since it was last written down.
    times: u64,
    written: Option<Instant>,
}

impl Refusals {
    pub(crate) fn note(&self, owner: &Owner, server: &str, why: &'static str) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let which = (owner.clone(), server.into(), why);
        if noted.len() < MOST || noted.contains_key(&which) {
            noted.entry(which).or_default().times += 1;
        }
    }

    /// Writes down what is due. What can't be is so later.
    pub(crate) async fn flush(&self, registry: &Registry) -> Result<(), registry::Error> {
        self.flush_each(EVERY, registry).await
    }

    async fn flush_each(&self, every: Duration, registry: &Registry) -> Result<(), registry::Error> {
        let due: Vec<(Which, u64)> = {
            let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.is_empty() {
                return Ok(());
            }
            let is_over = |noted: &Noted| noted.written.is_none_or(|written| written.elapsed() >= every);
            noted.retain(|_, noted| noted.times > 0 || !is_over(noted));
            let due = noted.iter_mut().filter(|(_, noted)| noted.times > 0 && is_over(noted));
            due.map(|(which, noted)| {
                noted.written = Some(Instant::now());
                (which.clone(), std::mem::take(&mut noted.times))
            })
            .collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let lines = due.clone();
        let written = registry.write(move |transaction| {
            for ((owner, server, why), times) in &lines {
                let subject = if *times == 1 { server.to_string() } else { format!("{server} ({times} times)") };
                // Who came is nobody whom the factory knows: the line is about the owner's server.
                let deed = Deed { actor: owner, token: None, verb: "servers.call", subject: &subject, outcome: why };
                transaction.audit(owner, &deed)?;
            }
            Ok::<_, registry::Error>(())
        });
        let written = written.await;
        if written.is_err() {
            let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (which, times) in due {
                let again = noted.entry(which).or_default();
                (again.times, again.written) = (again.times + times, None);
            }
        }
        written
    }
}

impl Factory {
    /// Somebody was turned away from a server, or its spec tried what its owner was not granted.
    pub(crate) fn note_refusal(&self, owner: &Owner, server: &str, why: &'static str) {
        self.refusals().note(owner, server, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Page, Place};

    #[tokio::test]
    async fn a_million_knocks_are_a_line_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(Place::File(folder.path().join("registry.db"))).await.unwrap();
        let owner: Owner = "jane".parse().unwrap();
        let refusals = Refusals::default();
        let lines = async |every| {
            refusals.flush_each(every, &registry).await.unwrap();
            let of = owner.clone();
            let page = registry.read(move |it| it.audited(&of, &Page::default())).await;
            let page: Result<_, registry::Error> = page;
            page.unwrap().entries.into_iter().map(|it| format!("{} {}", it.subject, it.outcome)).collect::<Vec<_>>()
        };
        refusals.note(&owner, "shop", "unauthenticated");
        assert_eq!(lines(EVERY).await, ["shop unauthenticated"]);
        for _ in 0..1_000_000 {
            refusals.note(&owner, "shop", "unauthenticated");
        }
        refusals.note(&owner, "shop", "forbidden");
        assert_eq!(lines(EVERY).await, ["shop forbidden", "shop unauthenticated"]);
        assert_eq!(lines(Duration::ZERO).await[0], "shop (1000000 times) unauthenticated");
        assert_eq!(lines(Duration::ZERO).await.len(), 3);
        for server in 0..2 * MOST {
            refusals.note(&owner, &format!("made-up-{server}"), "unauthenticated");
        }
        assert!(refusals.0.lock().unwrap().len() <= MOST);
    }
}
