//! Callers who are sent away, and what is open of theirs: calls end after a grace, sessions when they are idle or after it,
//! streams at once.
//!
//! What happened is a chain of links, each of which leads to the next. A request holds the link that was the last when it
//! came, before it was known who sent it ([`Front`](crate::live::Front)), and so every later one: nothing is missed however
//! late it looks, and what nobody can ask for any more is gone. A request that never waits doesn't look at all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{Error, Principal, TokenId, live};

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Whoever came with this credential.
    Token(TokenId),
    /// Whoever is this principal.
    Principal { id: String, tenant: Option<String> },
}

impl Whose {
    #[must_use]
    pub fn principal(principal: &Principal) -> Self {
        Self::Principal { id: principal.id.clone(), tenant: principal.tenant.clone() }
    }

    pub(crate) fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Token(token) => principal.token.as_ref() == Some(token),
            Self::Principal { id, tenant } => *id == principal.id && *tenant == principal.tenant,
        }
    }
}

/// Where an [`Authenticator`](crate::Authenticator) tells that somebody whom it let in before is not let in any more.
#[derive(Clone)]
pub struct Departures(Weak<live::Inner>);

impl Departures {
    pub(crate) fn of(live: &Arc<live::Inner>) -> Self {
        Self(Arc::downgrade(live))
    }

    /// What is open of theirs ends, calls and sessions with [`Config::grace`](crate::http::Config::grace).
    pub fn tell(&self, whose: Whose) {
        if let Some(live) = self.0.upgrade() {
            live.departed(whose);
        }
    }

    /// Some credentials may not be good any more: what streams have is judged once more.
    pub fn look_again(&self) {
        if let Some(live) = self.0.upgrade() {
            live.look_again();
        }
    }

    pub(crate) fn live(&self) -> &Weak<live::Inner> {
        &self.0
    }
}

/// All who serve with something that lets callers in.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Vec<Departures>>);

impl Reports {
    pub(crate) fn to(&self, departures: &Departures) {
        let mut known = self.lock();
        known.retain(|known| known.0.strong_count() > 0 && !known.0.ptr_eq(&departures.0));
        known.push(departures.clone());
    }

    pub(crate) fn tell(&self, whose: &Whose) {
        let known = self.lock().clone();
        known.into_iter().for_each(|departures| departures.tell(whose.clone()));
    }

    pub(crate) fn look_again(&self) {
        let known = self.lock().clone();
        known.iter().for_each(Departures::look_again);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Departures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Departures(..)")
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Gone(Whose, Duration),
    /// Credentials are judged by others now, or otherwise.
    LookAgain,
}

/// The end of the chain, and those who wait for its next link.
#[derive(Default)]
pub(crate) struct Chain {
    last: Mutex<Arc<Link>>,
    /// Several, so that calls that wait don't meet at one lock.
    waiting: [Notify; 16],
}

struct Link {
    /// `None`: the first, before anything happened.
    event: Option<Event>,
    next: OnceLock<Arc<Link>>,
}

impl Default for Link {
    fn default() -> Self {
        Self { event: None, next: OnceLock::new() }
    }
}

/// One after the other: a long chain would go too deep.
impl Drop for Link {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.next.take();
        }
    }
}

impl Chain {
    /// Those who wait don't know before [`wake`](Self::wake).
    pub(crate) fn append(self: &Arc<Self>, event: Event) -> Since {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let link = Arc::new(Link { event: Some(event), next: OnceLock::new() });
        let appended = last.next.set(link.clone());
        debug_assert!(appended.is_ok(), "the last link has none after it, and who appends holds the lock");
        *last = link.clone();
        Since { link, chain: self.clone() }
    }

    pub(crate) fn wake(&self) {
        for waiting in &self.waiting {
            waiting.notify_waiters();
        }
    }

    pub(crate) fn now(self: &Arc<Self>) -> Since {
        Since { link: self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(), chain: self.clone() }
    }
}

/// A moment, and all that happened after it.
#[derive(Clone)]
pub(crate) struct Since {
    link: Arc<Link>,
    chain: Arc<Chain>,
}

impl fmt::Debug for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Since(..)")
    }
}

impl Since {
    /// What happened and was not looked at yet.
    pub(crate) fn next_now(&mut self) -> Option<&Event> {
        self.link = self.link.next.get()?.clone();
        self.link.event.as_ref()
    }

    /// May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> &Event {
        // Any of them will do; callers have theirs at other addresses.
        let place = (std::ptr::from_ref(self).addr() >> 7) % self.chain.waiting.len();
        loop {
            // From before the look on, so that nothing is lost in between.
            let news = self.chain.waiting[place].notified();
            if self.link.next.get().is_some() {
                break;
            }
            news.await;
        }
        self.next_now().expect("there is a link, and only the first has no event")
    }

    /// Whether this caller was sent away meanwhile; the grace it has.
    pub(crate) fn departed(&mut self, principal: &Principal) -> Option<Duration> {
        while let Some(event) = self.next_now() {
            if let Event::Gone(whose, grace) = event
                && whose.is(principal)
            {
                return Some(*grace);
            }
        }
        None
    }

    /// Waits until the grace of this caller is over. Whoever is sent away twice has the shorter one.
    async fn over(&mut self, principal: &Principal) {
        let mut end: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                event = self.next() => if let Event::Gone(whose, grace) = event
                    && whose.is(principal)
                {
                    let then = Instant::now() + *grace;
                    end = Some(end.map_or(then, |end| end.min(then)));
                },
                () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return,
            }
        }
    }

    /// Runs a call until it ends, or until the grace of its caller is over, which drops it. One that is done when it is
    /// polled first costs nothing.
    pub(crate) async fn unless_gone<T>(
        &self,
        principal: &Principal,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let over = async { self.clone().over(principal).await };
        tokio::select! {
            biased;
            outcome = call => outcome,
            () = over => Err(Error::AccessDenied),
        }
    }
}

#[cfg(test)]
mod tests;
