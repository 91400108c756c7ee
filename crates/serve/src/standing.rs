//! What keeps a stream open: the credential of the request that opened it. It ends when its caller is sent away, and when
//! the credential would not let in the same caller any more: it expired, was revoked or rotated, or other authenticators
//! judge it now.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, request::Parts};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    Authentication, Authenticator, Challenge, Live, Principal,
    departures::{Event, Since},
    live::Serving,
};

/// Of one stream.
pub(crate) struct Standing {
    live: Live,
    since: Since,
    principal: Arc<Principal>,
    /// With the credential.
    head: Arc<Parts>,
    /// When the credential is judged once more.
    due: Instant,
    /// A judgement that takes its time. It goes on while the stream has something to say, so that whatever else happens, it
    /// comes to its end.
    judging: Option<JoinHandle<Judged>>,
    /// Something happened since it began.
    again: bool,
    /// When the credential was last known to be good.
    good: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Good,
    Over,
    /// Nobody can say at the moment.
    Unknown,
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some(judging) = &self.judging {
            judging.abort();
        }
    }
}

/// Between two looks at a credential whose authenticator says nothing by itself: one that its issuer alone can revoke.
const LOOK: Duration = Duration::from_secs(10);

/// For how long a stream may stay though nobody can say whether its credential is good.
const UNKNOWN: Duration = Duration::from_mins(5);

impl Standing {
    /// `head` as it was judged.
    pub(crate) fn of(live: &Live, serving: &Serving, head: &Parts, principal: &Arc<Principal>) -> Self {
        let (live, since, principal) = (live.clone(), serving.since().clone(), principal.clone());
        let (head, now) = (Arc::new(copied(head)), Instant::now());
        let mut standing = Self { live, since, principal, head, due: now, judging: None, again: false, good: now };
        standing.due = standing.next_look();
        standing
    }

    /// Waits until it may not stay open. May be dropped while it waits.
    pub(crate) async fn over(&mut self) {
        loop {
            let judged = tokio::select! {
                biased;
                event = self.since.next() => {
                    match event {
                        Event::Gone(whose, _) if whose.is(&self.principal) => return,
                        Event::Gone(..) => {}
                        Event::LookAgain if self.judging.is_some() => self.again = true,
                        // Due from now on, even if this is dropped before it is known.
                        Event::LookAgain => self.due = Instant::now(),
                    }
                    continue;
                }
                judged = end_of(&mut self.judging) => judged,
                () = tokio::time::sleep_until(self.due), if self.judging.is_none() => match self.judge() {
                    Some(judged) => judged,
                    None => continue,
                },
            };
            let now = Instant::now();
            match judged {
                Judged::Over => return,
                Judged::Good => self.good = now,
                // No reason to send anybody away, unless it lasts: who is to be sent away may be the one who sees to that.
                Judged::Unknown if now >= self.good + UNKNOWN => return,
                Judged::Unknown => {}
            }
            self.due = if std::mem::take(&mut self.again) { now } else { self.next_look() };
        }
    }

    /// At once, or in a task of its own.
    fn judge(&mut self) -> Option<Judged> {
        let front = self.live.front();
        if let Authentication::Ready(outcome) = front.authenticator.judge_again(&self.head) {
            return Some(judged(&*front.authenticator, &outcome, &self.principal));
        }
        let (head, principal) = (self.head.clone(), self.principal.clone());
        self.judging = Some(tokio::spawn(async move {
            let outcome = match front.authenticator.judge_again(&head) {
                Authentication::Ready(outcome) => outcome,
                Authentication::Pending(outcome) => outcome.await,
            };
            judged(&*front.authenticator, &outcome, &principal)
        }));
        None
    }

    fn next_look(&self) -> Instant {
        let expires = self.live.front().authenticator.expires_at(&self.head, &self.principal);
        // What is over and still good has some leeway.
        let left = expires.and_then(|time| time.duration_since(std::time::SystemTime::now()).ok());
        Instant::now() + left.map_or(LOOK, |left| left.min(LOOK))
    }
}

fn judged(
    authenticator: &dyn Authenticator,
    outcome: &Result<Arc<Principal>, Challenge>,
    principal: &Principal,
) -> Judged {
    match outcome {
        Ok(now) => {
            let is_entry = authenticator.names_entry(now);
            let same = (&now.id, &now.tenant) == (&principal.id, &principal.tenant)
                && (!is_entry || now.token == principal.token);
            if same { Judged::Good } else { Judged::Over }
        }
        Err(challenge) if challenge.status() == StatusCode::SERVICE_UNAVAILABLE => Judged::Unknown,
        Err(_) => Judged::Over,
    }
}

/// What a judgement came to, once there is one. A panic in it is nobody's good credential.
async fn end_of(judging: &mut Option<JoinHandle<Judged>>) -> Judged {
    let Some(running) = judging else { return std::future::pending().await };
    let judged = running.await.unwrap_or(Judged::Over);
    *judging = None;
    judged
}

/// With headers of its own: those of a request keep all that was read with them. A stream outlives the server that it met.
fn copied(head: &Parts) -> Parts {
    let mut copy = head.clone();
    copy.extensions.remove::<Serving>();
    copy.headers = HeaderMap::with_capacity(head.headers.keys_len());
    for (name, value) in &head.headers {
        let mut own = HeaderValue::from_bytes(value.as_bytes()).expect("it was a value");
        own.set_sensitive(value.is_sensitive());
        copy.headers.append(name, own);
    }
    copy
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Departures, TenantContext, ToolServer, http::Config};

    /// An issuer that needs a second to say that a token is not good any more, or that nobody can say.
    #[derive(Debug)]
    struct Slow {
        says: Challenge,
        asked: AtomicUsize,
    }

    impl Authenticator for Slow {
        fn authenticate<'a>(&'a self, _: &'a Parts) -> Authentication<'a> {
            Authentication::Pending(Box::pin(async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(self.says.clone())
            }))
        }
    }

    async fn standing(says: Challenge) -> (Standing, Live, Arc<Slow>) {
        let server = ToolServer::new("one", "1").build().expect("a server");
        let slow = Arc::new(Slow { says, asked: AtomicUsize::new(0) });
        let live = Live::new(server, slow.clone(), Config::default());
        let alice = Principal::trusted("alice");
        let serving = live.serving(|| TenantContext::new(alice.clone())).await.expect("served");
        let head = http::Request::new(()).into_parts().0;
        (Standing::of(&live, &serving, &head, &alice), live, slow)
    }

    /// A stream that has something to say all the time, while keys change all the time: `over` is dropped again and again.
    async fn is_over_within(standing: &mut Standing, live: &Live, most: Duration) -> bool {
        let end = Instant::now() + most;
        while Instant::now() < end {
            Departures::of(live.inner()).look_again();
            if tokio::time::timeout(Duration::from_millis(100), standing.over()).await.is_ok() {
                return true;
            }
        }
        false
    }

    /// S4-36: a judgement that began anew with every change never ended.
    #[tokio::test(start_paused = true)]
    async fn no_number_of_changes_keeps_a_stream_open_whose_credential_is_over() {
        let (mut standing, live, slow) = standing(Challenge::malformed("revoked", "")).await;
        assert!(is_over_within(&mut standing, &live, Duration::from_secs(3)).await);
        assert_eq!(slow.asked.load(Ordering::SeqCst), 1, "asked once, not with every change");
    }

    /// Whoever can keep an issuer busy could keep a stream open for ever.
    #[tokio::test(start_paused = true)]
    async fn a_stream_that_nobody_can_judge_ends_after_a_while() {
        let (mut standing, live, _) = standing(Challenge::unavailable("busy", Duration::from_secs(1))).await;
        assert!(!is_over_within(&mut standing, &live, UNKNOWN - LOOK).await, "not at once");
        assert!(is_over_within(&mut standing, &live, LOOK * 3).await);
    }
}
