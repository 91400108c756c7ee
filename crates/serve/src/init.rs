//! Something that is made once for all callers, and may fail to be.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Shared, WeakShared},
};
use tokio::time::Instant;

use crate::BoxFuture;

/// A cell that is filled by one attempt at a time. Whoever comes meanwhile waits for that attempt and gets what it gets, its
/// error too; the next one tries again, after the second failure in a row only when the back-off is over.
///
/// An attempt belongs to all who wait for it: it goes on when the first of them leaves and ends with the last. A panic in it
/// is its error.
pub struct Init<T, E>(Arc<Inner<T, E>>);

struct Inner<T, E> {
    value: OnceLock<T>,
    tries: Mutex<Tries<T, E>>,
    back_off: BackOff,
}

type Attempt<T, E> = BoxFuture<'static, Result<T, InitError<E>>>;

struct Tries<T, E> {
    running: Option<WeakShared<Attempt<T, E>>>,
    failures: u32,
    last: Option<(InitError<E>, Instant)>,
}

/// How long to wait between attempts: nothing after the first failure, then `first`, doubled with each, at most `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    pub first: Duration,
    pub most: Duration,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), most: Duration::from_secs(30) }
    }
}

impl BackOff {
    fn after(self, failures: u32) -> Duration {
        let Some(doubled) = failures.checked_sub(2) else { return Duration::ZERO };
        self.first.saturating_mul(2_u32.saturating_pow(doubled)).min(self.most)
    }
}

/// Why there is nothing yet. Its text is the cause's.
#[derive(Debug, thiserror::Error)]
pub enum InitError<E> {
    #[error("{cause}")]
    Failed {
        cause: Arc<E>,
        /// Until then, the same answer is given without another attempt.
        retry_after: Duration,
    },
    #[error("the initialisation panicked")]
    Panicked { retry_after: Duration },
}

impl<E> Clone for InitError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Failed { cause, retry_after } => Self::Failed { cause: cause.clone(), retry_after: *retry_after },
            Self::Panicked { retry_after } => Self::Panicked { retry_after: *retry_after },
        }
    }
}

impl<E> InitError<E> {
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Failed { retry_after, .. } | Self::Panicked { retry_after } => *retry_after,
        }
    }

    fn again_after(mut self, after: Duration) -> Self {
        match &mut self {
            Self::Failed { retry_after, .. } | Self::Panicked { retry_after } => *retry_after = after,
        }
        self
    }
}

impl<T, E> Default for Init<T, E> {
    fn default() -> Self {
        Self::new(BackOff::default())
    }
}

impl<T, E> Clone for Init<T, E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, E> fmt::Debug for Init<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Init").field("done", &self.0.value.get().is_some()).finish_non_exhaustive()
    }
}

impl<T, E> Init<T, E> {
    #[must_use]
    pub fn new(back_off: BackOff) -> Self {
        let tries = Tries { running: None, failures: 0, last: None };
        Self(Arc::new(Inner { value: OnceLock::new(), tries: Mutex::new(tries), back_off }))
    }

    /// What was made, if it was.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.0.value.get()
    }

    /// Whether an attempt runs that somebody waits for.
    pub(crate) fn is_running(&self) -> bool {
        self.0.tries().running.as_ref().is_some_and(|running| running.upgrade().is_some())
    }
}

impl<T, E> Inner<T, E> {
    fn tries(&self) -> MutexGuard<'_, Tries<T, E>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> Init<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// What was made before, or by the attempt that runs, or by `init`.
    pub async fn get_or_init<A>(&self, init: impl FnOnce() -> A + Send + 'static) -> Result<T, InitError<E>>
    where
        A: Future<Output = Result<T, E>> + Send + 'static,
    {
        if let Some(value) = self.get() {
            return Ok(value.clone());
        }
        let attempt = self.attempt(init)?;
        attempt.await
    }

    /// The attempt that runs, or another one. The error of the last one, if it is too early for that.
    fn attempt<A>(&self, init: impl FnOnce() -> A + Send + 'static) -> Result<Shared<Attempt<T, E>>, InitError<E>>
    where
        A: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut tries = self.0.tries();
        if let Some(running) = tries.running.as_ref().and_then(WeakShared::upgrade) {
            return Ok(running);
        }
        // It may have ended since we looked.
        if let Some(value) = self.get() {
            let value = value.clone();
            return Ok((Box::pin(std::future::ready(Ok(value))) as Attempt<T, E>).shared());
        }
        if let Some((error, at)) = &tries.last {
            let left = at.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(error.clone().again_after(left));
            }
        }
        let inner = self.0.clone();
        // Made by the attempt itself, so that a panic in the making is caught, too.
        let made = AssertUnwindSafe(async move { init().await }).catch_unwind();
        let attempt: Attempt<T, E> = Box::pin(async move {
            let outcome = match made.await {
                Ok(Ok(value)) => return Ok(inner.succeeded(value)),
                Ok(Err(error)) => InitError::Failed { cause: Arc::new(error), retry_after: Duration::ZERO },
                Err(_panic) => InitError::Panicked { retry_after: Duration::ZERO },
            };
            Err(inner.failed(outcome))
        });
        let attempt = attempt.shared();
        tries.running = attempt.downgrade();
        Ok(attempt)
    }
}

impl<T: Clone, E> Inner<T, E> {
    fn succeeded(&self, value: T) -> T {
        let _ = self.value.set(value.clone());
        *self.tries() = Tries { running: None, failures: 0, last: None };
        value
    }

    fn failed(&self, error: InitError<E>) -> InitError<E> {
        let mut tries = self.tries();
        tries.running = None;
        tries.failures = tries.failures.saturating_add(1);
        let wait = self.back_off.after(tries.failures);
        let error = error.again_after(wait);
        tries.last = Some((error.clone(), Instant::now() + wait));
        error
    }
}

#[cfg(test)]
mod tests;
