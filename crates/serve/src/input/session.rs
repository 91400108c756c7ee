//! Asking over the session of an older client: the call waits until the person answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleServer,
    model::{CancelledNotificationParam, RequestId},
    service::{Peer, PeerRequestOptions, RequestHandle, ServiceError},
};

use super::{Ask, Reply};
use crate::{Error, Principal, limits::Gate};

/// How long a person may think.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Questions that wait at once.
const MOST: usize = 100;
const MOST_OF_ONE: usize = 12;

pub(crate) struct Session {
    peer: Peer<RoleServer>,
    principal: Arc<Principal>,
    waiting: Arc<Waiting>,
    gate: Arc<Gate>,
}

impl Session {
    pub(crate) fn new(
        peer: Peer<RoleServer>,
        principal: Arc<Principal>,
        waiting: Arc<Waiting>,
        gate: Arc<Gate>,
    ) -> Self {
        Self { peer, principal, waiting, gate }
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Reply, Error> {
        let _place = self.waiting.enter(&self.principal).ok_or(Error::Busy)?;
        let _pause = self.gate.pause();
        let request = ask.in_session();
        let mut options = PeerRequestOptions::no_options();
        options.timeout = Some(PATIENCE);
        let sent = self.peer.send_cancellable_request(request, options).await.map_err(internal)?;
        let mut asked = Asked { peer: self.peer.clone(), id: Some(sent.id.clone()) };
        let said = RequestHandle::await_response(sent).await;
        asked.id = None;
        match said {
            Ok(said) => Ok(ask.of_session(said).unwrap_or_else(|| unanswered(ask))),
            Err(ServiceError::Timeout { .. }) => Ok(ask.unanswered()),
            Err(ServiceError::McpError(_) | ServiceError::UnexpectedResponse) => Ok(unanswered(ask)),
            Err(error) => Err(internal(error)),
        }
    }
}

/// The client could not, though it said that it can.
fn unanswered(ask: &Ask) -> Reply {
    tracing::warn!("a client that can be asked, as it declares, did not answer");
    ask.unanswered()
}

fn internal(error: ServiceError) -> Error {
    Error::Internal { source: Box::new(error) }
}

/// Tells the client when the question is of no use any more: the call was cancelled.
struct Asked {
    peer: Peer<RoleServer>,
    id: Option<RequestId>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else { return };
        let peer = self.peer.clone();
        runtime.spawn(async move {
            let params = CancelledNotificationParam::new(Some(id), Some("the call was cancelled".to_owned()));
            let _ = peer.notify_cancelled(params).await;
        });
    }
}

/// Who waits for an answer. Each is a call that is kept, so nobody gets many.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<(String, Option<String>), usize>>);

impl Waiting {
    fn enter(self: &Arc<Self>, principal: &Principal) -> Option<Place> {
        let who = (principal.id.clone(), principal.tenant.clone());
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.values().sum::<usize>() >= MOST || waiting.get(&who).is_some_and(|count| *count >= MOST_OF_ONE) {
            return None;
        }
        *waiting.entry(who.clone()).or_default() += 1;
        Some(Place { waiting: self.clone(), who })
    }
}

struct Place {
    waiting: Arc<Waiting>,
    who: (String, Option<String>),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_the_places_and_places_are_given_back() {
        let waiting = Arc::new(Waiting::default());
        let places: Vec<_> = std::iter::from_fn(|| waiting.enter(&Principal::trusted("alice"))).collect();
        assert_eq!(places.len(), MOST_OF_ONE);
        let _bob = waiting.enter(&Principal::trusted("bob")).expect("a place for somebody else");
        drop(places);
        assert!(waiting.enter(&Principal::trusted("alice")).is_some());
        assert_eq!(waiting.0.lock().unwrap().len(), 1, "only bob is remembered");
    }
}
