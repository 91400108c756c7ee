//! Callers who are sent away: their streams end at once, their calls and sessions after a grace.
//!
//! That they are let in no more is the business of whoever authenticates them.

use std::{fmt, time::Duration};

use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Error, Principal, TokenId};

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

#[derive(Clone)]
pub(crate) struct Departures(broadcast::Sender<(Whose, Duration)>);

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Departures(..)")
    }
}

impl Default for Departures {
    fn default() -> Self {
        Self(broadcast::Sender::new(Self::KEPT))
    }
}

impl Departures {
    /// Departures that wait for a call or a stream to look at them.
    const KEPT: usize = 1_024;

    pub(crate) fn announce(&self, whose: Whose, grace: Duration) {
        let _ = self.0.send((whose, grace));
    }

    /// Of those from now on.
    pub(crate) fn watch(&self) -> Departure {
        Departure(self.0.subscribe())
    }

    /// Runs a call until it ends, or until the grace of its caller is over, which drops it.
    pub(crate) async fn unless_gone<T>(
        &self,
        principal: &Principal,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut departure = self.watch();
        let over = async {
            let grace = departure.of(principal).await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            outcome = call => outcome,
            () = over => Err(Error::AccessDenied),
        }
    }
}

pub(crate) struct Departure(broadcast::Receiver<(Whose, Duration)>);

impl Departure {
    /// Waits until this caller is sent away; the grace it has.
    pub(crate) async fn of(&mut self, principal: &Principal) -> Duration {
        loop {
            match self.0.recv().await {
                Ok((whose, grace)) if whose.is(principal) => return grace,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}
