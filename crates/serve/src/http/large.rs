//! Bodies that take much memory are read a few at a time: else a caller with many connections could fill it, however little
//! each request may be.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, RETRY_AFTER},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Principal,
    places::{Place, Places},
    wire::{Refusal, code},
};

/// Of all servers at a listener.
pub(super) struct LargeBodies {
    all: Semaphore,
    of_one: Places<Owner>,
}

/// The server, tenant and id.
type Owner = (usize, Option<String>, String);

/// To read one.
pub(super) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _own: Option<Place<'a, Owner>>,
}

/// Bytes of a body that anybody may send at any time.
const SMALL: u64 = 64 * 1024;
const AT_ONCE: usize = 32;
/// Of one principal, where callers are told apart.
const OF_ONE: usize = 8;

impl Default for LargeBodies {
    fn default() -> Self {
        Self { all: Semaphore::new(AT_ONCE), of_one: Places::new(OF_ONE) }
    }
}

impl LargeBodies {
    /// Waits, with the body unread, but not for ever. Boxed: most requests have none.
    pub(super) async fn turn(&self, owner: Option<Owner>, patience: Duration) -> Result<Box<Turn<'_>>, Refusal> {
        let turn = async {
            let own = match owner {
                Some(owner) => Some(self.of_one.enter(owner).await),
                None => None,
            };
            Box::new(Turn { _of_all: self.all.acquire().await.expect("the semaphore is never closed"), _own: own })
        };
        tokio::time::timeout(patience, turn).await.map_err(|_| {
            let message = "too many large requests at once; try again in a moment";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, message)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
        })
    }
}

/// A body without a length may become as long as any.
pub(super) fn is_small(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= SMALL)
}

/// Who has places of their own at a server.
pub(super) fn owner<T>(server: &Arc<T>, principal: &Principal) -> Owner {
    (Arc::as_ptr(server).addr(), principal.tenant.clone(), principal.id.clone())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// of many connections each with a body that comes slowly, one caller had all the memory that there was.
    #[tokio::test(start_paused = true)]
    async fn one_caller_reads_a_few_large_bodies_at_once_and_others_go_on() {
        let large = LargeBodies::default();
        let server = Arc::new(());
        let of = |user| Some(owner(&server, &Principal::trusted(user)));
        let patience = Duration::from_secs(30);
        let has = |turn: Result<Box<_>, Refusal>| turn.unwrap_or_else(|_| panic!("a turn"));
        let mut held = Vec::new();
        for _ in 0..OF_ONE {
            held.push(has(large.turn(of("eve"), patience).await));
        }
        let refused = large.turn(of("eve"), patience).await.err().expect("no turn");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        drop(has(large.turn(of("bob"), patience).now_or_never().expect("another caller")));
        held.pop();
        held.push(has(large.turn(of("eve"), patience).now_or_never().expect("a place is free")));
        // Where nobody is told apart, there are as many as for all.
        for _ in OF_ONE..AT_ONCE {
            held.push(has(large.turn(None, patience).await));
        }
        assert!(large.turn(of("bob"), patience).await.is_err());
    }

    #[test]
    fn only_a_length_says_that_a_body_is_small() {
        let of = |length: &str| [(CONTENT_LENGTH, HeaderValue::try_from(length).expect("text"))].into_iter().collect();
        for (length, small) in [("0", true), ("65536", true), ("65537", false), ("-1", false), ("a lot", false)] {
            assert_eq!(is_small(&of(length)), small, "{length}");
        }
        assert!(!is_small(&HeaderMap::new()));
    }
}
