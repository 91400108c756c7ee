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
pub(super) type Owner = (usize, Option<String>, String);

/// To read one.
pub(super) struct Turn<'a> {
    _of_all: SemaphorePermit<'a>,
    _own: Option<Place<'a, Owner>>,
}

/// Where a body that may become large gets its turn.
pub(super) struct Turns<'a> {
    pub(super) large: &'a LargeBodies,
    pub(super) owner: Option<Owner>,
    pub(super) patience: Duration,
}

impl<'a> Turns<'a> {
    pub(super) async fn wait(self) -> Result<Box<Turn<'a>>, Refusal> {
        self.large.turn(self.owner, self.patience).await
    }
}

/// Bytes of a body that anybody may send at any time.
pub(super) const SMALL: usize = 64 * 1024;
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

/// What a body says of itself before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
    /// It may become as long as any.
    Unknown,
}

pub(super) fn size(headers: &HeaderMap) -> Size {
    match headers.get(CONTENT_LENGTH).map(|length| length.to_str().ok().and_then(|length| length.parse::<u64>().ok())) {
        None => Size::Unknown,
        Some(Some(length)) if length <= SMALL as u64 => Size::Small,
        Some(_) => Size::Large,
    }
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
        for (length, is) in [
            ("0", Size::Small),
            ("65536", Size::Small),
            ("65537", Size::Large),
            ("-1", Size::Large),
            ("a lot", Size::Large),
        ] {
            assert_eq!(size(&of(length)), is, "{length}");
        }
        assert_eq!(size(&HeaderMap::new()), Size::Unknown);
    }
}
