//! What keeps a stream open: the credential of the request that opened it. It ends when its caller is sent away, and when
//! the credential would not let in the same caller any more: it expired, was revoked or rotated, or other authenticators
//! judge it now.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, request::Parts};
use tokio::time::Instant;

use crate::{
    Authentication, Live, Principal,
    departures::{Event, Since},
    live::Serving,
};

/// Of one stream.
pub(crate) struct Standing {
    live: Live,
    since: Since,
    principal: Arc<Principal>,
    /// With the credential.
    head: Parts,
    /// When the credential is judged once more.
    due: Instant,
}

/// Between two looks at a credential whose authenticator says nothing by itself: one that its issuer alone can revoke.
const LOOK: Duration = Duration::from_secs(10);

impl Standing {
    /// `head` as it was judged.
    pub(crate) fn of(live: &Live, serving: &Serving, head: &Parts, principal: &Arc<Principal>) -> Self {
        let (live, since, principal, head) = (live.clone(), serving.since().clone(), principal.clone(), copied(head));
        let mut standing = Self { live, since, principal, head, due: Instant::now() };
        standing.due = standing.next_look();
        standing
    }

    /// Waits until it may not stay open. May be dropped while it waits.
    pub(crate) async fn over(&mut self) {
        loop {
            tokio::select! {
                biased;
                event = self.since.next() => match event {
                    Event::Gone(whose, _) if whose.is(&self.principal) => return,
                    Event::Gone(..) => continue,
                    // Due from now on, even if this is dropped before it is known.
                    Event::LookAgain => self.due = Instant::now(),
                },
                () = tokio::time::sleep_until(self.due) => {}
            }
            if !self.is_good().await {
                return;
            }
            self.due = self.next_look();
        }
    }

    async fn is_good(&self) -> bool {
        let front = self.live.front();
        let outcome = match front.authenticator.judge_again(&self.head) {
            Authentication::Ready(outcome) => outcome,
            Authentication::Pending(outcome) => outcome.await,
        };
        match outcome {
            Ok(now) => {
                let is_entry = front.authenticator.names_entry(&now);
                (&now.id, &now.tenant) == (&self.principal.id, &self.principal.tenant)
                    && (!is_entry || now.token == self.principal.token)
            }
            // Nobody can say at the moment, which is no reason to send anybody away.
            Err(challenge) => challenge.status() == StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn next_look(&self) -> Instant {
        let expires = self.live.front().authenticator.expires_at(&self.head, &self.principal);
        // What is over and still good has some leeway.
        let left = expires.and_then(|time| time.duration_since(std::time::SystemTime::now()).ok());
        Instant::now() + left.map_or(LOOK, |left| left.min(LOOK))
    }
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
