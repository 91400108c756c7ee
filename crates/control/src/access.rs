//! Who asks: an API token of the factory on each request, and how often they may.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _};
use mcp_factory::{Caller, Factory, Owner};
use mcp_serve::{Authentication, Authenticator as _, BearerTokens, Gate, Limits, Principal, Rate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Control, Problem, Readiness};

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    factory: Factory,
    tokens: BearerTokens,
    /// Of users that there are: nobody else gets as far.
    rates: Mutex<HashMap<Owner, Arc<Gate>>>,
    /// For streams of theirs.
    seats: Mutex<HashMap<Owner, Arc<Semaphore>>>,
}

/// Streams that one user may have open.
const STREAMS: usize = 32;
/// Between two looks whether a stream may go on.
const LOOK: Duration = Duration::from_secs(1);

impl Access {
    #[must_use]
    pub fn new(factory: Factory) -> Self {
        let tokens = BearerTokens::new(factory.api_tokens());
        Self(Arc::new(Inner { factory, tokens, rates: Mutex::default(), seats: Mutex::default() }))
    }

    async fn admit(&self, head: &Parts) -> Result<Caller, Problem> {
        let (caller, principal) = self.judge(head).await?;
        self.enter(&caller, &principal).await?;
        Ok(caller)
    }

    async fn judge(&self, head: &Parts) -> Result<(Caller, Arc<Principal>), Problem> {
        let outcome = match self.0.tokens.authenticate(head) {
            Authentication::Ready(outcome) => outcome,
            Authentication::Pending(outcome) => outcome.await,
        };
        let principal = outcome.map_err(|challenge| {
            let code = match challenge.status() {
                StatusCode::UNAUTHORIZED => "unauthenticated",
                _ => "invalid-credential",
            };
            let problem = Problem::new(challenge.status(), code, challenge.message());
            challenge.headers().fold(problem, |problem, (name, value)| problem.with_header(name, value))
        })?;
        Ok((self.0.factory.caller(&principal).await?, principal))
    }

    /// Who a verified credential belongs to, for the protocol of agents: the same users, roles and rates.
    pub(crate) async fn grant(&self, principal: &Principal) -> Result<Caller, mcp_serve::Error> {
        let caller = self.0.factory.caller(principal).await.map_err(not_admitted)?;
        let gate = self.gate(&caller).await.map_err(not_admitted)?;
        gate.enter(principal)?;
        Ok(caller)
    }

    /// S5-61: as many requests in a minute as this user may make.
    async fn enter(&self, caller: &Caller, principal: &Principal) -> Result<(), Problem> {
        let gate = self.gate(caller).await?;
        let Err(error) = gate.enter(principal) else { return Ok(()) };
        let after = match &error {
            mcp_serve::Error::RateLimited { retry_after } => retry_after.as_secs() + 1,
            _ => 1,
        };
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", error.to_string());
        Err(problem.with_header(header::RETRY_AFTER, HeaderValue::from(after)))
    }

    /// Of this user, whichever way they come.
    async fn gate(&self, caller: &Caller) -> Result<Arc<Gate>, mcp_factory::Error> {
        let calls = self.0.factory.user(caller).await?.limits.requests_per_minute.get();
        let limits = Limits { rate: Some(Rate { calls, per: Duration::from_secs(60) }), concurrency: None };
        let mut rates = self.0.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = rates.entry(caller.actor().clone()).or_insert_with(|| Arc::new(Gate::new(&limits)));
        if *gate.limits() != limits {
            *gate = Arc::new(Gate::new(&limits));
        }
        Ok(gate.clone())
    }

    pub(crate) fn factory(&self) -> &Factory {
        &self.0.factory
    }
}

fn not_admitted(error: mcp_factory::Error) -> mcp_serve::Error {
    if error.is_refusal() {
        return mcp_serve::Error::AccessDenied;
    }
    mcp_serve::Error::Internal { source: error.into() }
}

/// Before any route.
pub async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match access.admit(&head).await {
        Ok(caller) => {
            head.extensions.insert(Admitted(caller));
            next.run(Request::from_parts(head, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whoever asks, for handlers.
#[derive(Debug, Clone)]
pub struct Admitted(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        head.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route is served to people who were not asked who they are");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the factory failed; its log says why")
        })
    }
}

/// What keeps a stream open: the credential that it was asked with, as long as it would let in the same caller, and the factory, until
/// it ends.
#[derive(Debug)]
pub struct Standing {
    access: Access,
    readiness: Readiness,
    was_ready: bool,
    caller: Caller,
    /// With the credential.
    head: Parts,
}

impl FromRequestParts<Control> for Standing {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, control: &Control) -> Result<Self, Problem> {
        let Admitted(caller) = Admitted::from_request_parts(head, control).await?;
        let (access, readiness) = (control.access.clone(), control.readiness.clone());
        Ok(Self { access, was_ready: readiness.get(), readiness, caller, head: head.clone() })
    }
}

impl Standing {
    /// A stream that ends when it has to; one of those that a user may have open.
    pub fn hold<S: Stream>(self, stream: S) -> Result<impl Stream<Item = S::Item>, Problem> {
        let seat = self.seat()?;
        Ok(stream.take_until(async move {
            self.gone().await;
            drop(seat);
        }))
    }

    fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let mut seats = self.access.0.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = seats.entry(self.caller.actor().clone()).or_insert_with(|| Arc::new(Semaphore::new(STREAMS)));
        seats.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{STREAMS} streams are open, as many as a user may have; close one first");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail)
                .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
        })
    }

    async fn gone(&self) {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let is_same = self.access.judge(&self.head).await.is_ok_and(|(caller, _)| caller == self.caller);
            if !is_same || (self.was_ready && !self.readiness.get()) {
                return;
            }
        }
    }
}
