//! A statement's way on a database server, the same for all drivers: take a connection, run, give it back; once more where a
//! connection turns out broken that lay idle, and running twice does no harm. Dropped on its way, it is stopped there too.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Access, DatabaseConfig, Error, Outcome, RowSink, RunOptions, Statement,
    pool::{Connector, Lease, Pool},
};

/// How long stopping a statement may take. Nobody waits for it.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What differs between servers.
pub(super) trait Driver: Connector {
    /// Refuses what must not even be sent.
    fn check(&self, _statement: &Statement) -> Result<(), Error> {
        Ok(())
    }

    /// Runs the statement on this connection, once.
    fn attempt<S: RowSink>(
        &self,
        connection: &mut Self::Connection,
        request: &Request<'_>,
        sink: &mut S,
    ) -> impl Future<Output = Result<Ran, Failure>> + Send;

    /// Forgets how the statement was prepared.
    fn forget(_connection: &mut Self::Connection, _statement: &Statement) {}

    /// Has the server stop what the connection does. The connection is not used again.
    fn stop(connection: &mut Self::Connection) -> impl Future<Output = ()> + Send;

    /// The product and its version.
    fn version(connection: &mut Self::Connection) -> impl Future<Output = Result<String, Error>> + Send;
}

#[derive(Debug)]
pub(super) struct Server<D: Driver> {
    pool: Arc<Pool<D>>,
}

/// What is to be run.
pub(super) struct Request<'a> {
    pub statement: &'a Statement,
    pub arguments: &'a [Value],
    pub options: &'a RunOptions,
}

/// What came of it.
pub(super) struct Ran {
    pub outcome: Outcome,
    /// Nothing is left to be read. Otherwise the server is stopped.
    pub finished: bool,
}

pub(super) struct Failure {
    pub error: Error,
    pub connection: State,
}

/// How a failure leaves the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Usable,
    /// Usable, once the statement is prepared again. It was not run.
    Outdated,
    /// The server is still at work on the statement.
    Busy,
    /// Gone. `sent` tells whether the statement may have been run.
    Broken {
        sent: bool,
    },
}

/// A statement on its way. Dropped before its end, it has the server stop, and its connection is closed.
struct InFlight<D: Driver>(Option<Lease<D>>);

impl<D: Driver> Server<D> {
    pub fn new(driver: D, config: Arc<DatabaseConfig>) -> Self {
        Self { pool: Pool::new(driver, config) }
    }

    pub async fn run<S: RowSink>(
        &self,
        statement: &Statement,
        arguments: Vec<Value>,
        mut sink: S,
        options: &RunOptions,
    ) -> Result<(S, Outcome), Error> {
        statement.check_single(&arguments)?;
        self.pool.connector().check(statement)?;
        let request = Request { statement, arguments: &arguments, options };
        match tokio::time::timeout(options.timeout, self.attempts(&request, &mut sink)).await {
            Ok(result) => result.map(|outcome| (sink, outcome)),
            Err(_) => Err(Error::timeout(options.timeout)),
        }
    }

    pub async fn check(&self, timeout: Duration) -> Result<String, Error> {
        let check = async {
            let mut lease = self.pool.acquire().await?;
            let version = D::version(&mut lease.connection).await?;
            lease.give_back();
            Ok(version)
        };
        tokio::time::timeout(timeout, check).await.unwrap_or_else(|_| Err(Error::timeout(timeout)))
    }

    pub fn close(&self) {
        self.pool.close();
    }

    async fn attempts<S: RowSink>(&self, request: &Request<'_>, sink: &mut S) -> Result<Outcome, Error> {
        let mut last = false;
        loop {
            let lease = self.pool.acquire().await?;
            let reused = lease.reused;
            let mut flight = InFlight(Some(lease));
            let failure = match self.pool.connector().attempt(flight.connection(), request, sink).await {
                Ok(Ran { outcome, finished }) => {
                    if finished {
                        flight.land();
                    }
                    return Ok(outcome);
                }
                Err(failure) => failure,
            };
            let again = match failure.connection {
                State::Usable => {
                    flight.land();
                    false
                }
                State::Outdated => {
                    D::forget(flight.connection(), request.statement);
                    flight.land();
                    true
                }
                State::Busy => false,
                State::Broken { sent } => {
                    flight.lose();
                    reused && (!sent || request.statement.access() == Access::Read)
                }
            };
            if last || !again {
                return Err(failure.error);
            }
            last = true;
            sink.reset();
        }
    }
}

impl<D: Driver> InFlight<D> {
    fn connection(&mut self) -> &mut D::Connection {
        &mut self.0.as_mut().expect("it has not landed").connection
    }

    fn land(mut self) {
        if let Some(lease) = self.0.take() {
            lease.give_back();
        }
    }

    fn lose(mut self) {
        self.0 = None;
    }
}

impl<D: Driver> Drop for InFlight<D> {
    fn drop(&mut self) {
        let Some(mut lease) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(STOP_TIMEOUT, D::stop(&mut lease.connection)).await;
            });
        }
    }
}

impl Failure {
    /// The statement was not run, whatever happened to the connection.
    pub fn unsent(mut self) -> Self {
        if let State::Broken { sent } = &mut self.connection {
            *sent = false;
        }
        self
    }

    /// The server is still at work.
    pub fn busy(error: Error) -> Self {
        Self { error, connection: State::Busy }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, connection: State::Usable }
    }
}
