//! A pool of connections to one server: bounded, opened when needed, closed when idle. Whoever has a [`Lease`] gives the
//! connection back whole, or drops it and with it the connection.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{Class, DatabaseConfig, Error};

/// Opens the connections of one driver.
pub(super) trait Connector: Send + Sync + Sized + 'static {
    type Connection: Send + std::fmt::Debug + 'static;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Error>> + Send;

    /// Whether a connection that lay idle for so long still answers.
    fn answers(&self, connection: &mut Self::Connection, idle: Duration) -> impl Future<Output = bool> + Send;
}

#[derive(Debug)]
pub(super) struct Pool<C: Connector> {
    connector: C,
    config: Arc<DatabaseConfig>,
    permits: Arc<Semaphore>,
    /// The one used last is at the end and goes first, so that those that are too many grow old.
    idle: Mutex<Vec<Idle<C::Connection>>>,
}

#[derive(Debug)]
struct Idle<T> {
    connection: T,
    since: Instant,
}

/// A connection and the right to have one.
#[derive(Debug)]
pub(super) struct Lease<C: Connector> {
    pub connection: C::Connection,
    /// It was used before, so it may have been broken since.
    pub reused: bool,
    pool: Arc<Pool<C>>,
    _permit: OwnedSemaphorePermit,
}

impl<C: Connector> Pool<C> {
    pub fn new(connector: C, config: Arc<DatabaseConfig>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(config.pool.max));
        Arc::new(Self { connector, config, permits, idle: Mutex::default() })
    }

    pub fn connector(&self) -> &C {
        &self.connector
    }

    /// Waits for a free connection no longer than the pool's acquire timeout. The caller has a deadline of its own.
    pub async fn acquire(self: &Arc<Self>) -> Result<Lease<C>, Error> {
        let timeout = self.config.pool.acquire_timeout;
        let permit = match tokio::time::timeout(timeout, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(Error::closed(&self.config.name)),
            Err(_) => return Err(Error::busy(&self.config.name, self.config.pool.max, timeout)),
        };
        while let Some(Idle { mut connection, since }) = self.pop() {
            if self.connector.answers(&mut connection, since.elapsed()).await {
                return Ok(Lease { connection, reused: true, pool: self.clone(), _permit: permit });
            }
        }
        let connection = tokio::time::timeout(timeout, self.connector.connect()).await.map_err(|_| {
            let message = format!("`{}` did not answer within {}s", self.config.name, timeout.as_secs_f64());
            Error::new(Class::Unavailable, message)
        })??;
        Ok(Lease { connection, reused: false, pool: self.clone(), _permit: permit })
    }

    pub fn close(&self) {
        self.permits.close();
        self.lock().clear();
    }

    fn pop(&self) -> Option<Idle<C::Connection>> {
        self.lock().pop()
    }

    fn put(self: &Arc<Self>, connection: C::Connection) {
        if self.permits.is_closed() {
            return;
        }
        let mut idle = self.lock();
        idle.push(Idle { connection, since: Instant::now() });
        if idle.len() == 1 {
            tokio::spawn(Self::retire(Arc::downgrade(self), self.config.pool.idle_timeout));
        }
    }

    /// Closes what has been idle for too long, until nothing is left.
    async fn retire(pool: Weak<Self>, idle_timeout: Duration) {
        loop {
            let oldest = {
                let Some(pool) = pool.upgrade() else { return };
                let mut idle = pool.lock();
                idle.retain(|idle| idle.since.elapsed() < idle_timeout);
                match idle.iter().map(|idle| idle.since).min() {
                    Some(oldest) => oldest,
                    None => return,
                }
            };
            tokio::time::sleep_until(oldest + idle_timeout).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle<C::Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connector> Lease<C> {
    pub fn give_back(self) {
        let Self { connection, pool, .. } = self;
        pool.put(connection);
    }
}
