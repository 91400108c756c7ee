//! MySQL and MariaDB. A connection is switched between sessions that may write and sessions that may not; statements are
//! prepared, so that values come in the binary protocol, each with its type.

mod connect;
mod value;

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use mysql_async::{
    Conn, DriverError, Error as Mysql, Opts, Params, Row, ServerError, Value as Cell,
    prelude::{Protocol, Queryable},
};
use serde_json::Value;

use self::{
    connect::{Connection, Connector},
    value::Decode,
};
use super::{
    Access, Class, Column, Columns, DatabaseConfig, Error, Outcome, Parameter, RowSink, RunOptions, Statement,
    pool::{Lease, Pool},
};
use crate::{Policy, Secrets};

/// Rows beyond those that are wanted which are let go by, before the server is asked to stop sending.
const MAX_IGNORED: usize = 256;

/// How long a request to kill a query may take. Nobody waits for it.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Server {
    config: Arc<DatabaseConfig>,
    pool: Arc<Pool<Connector>>,
}

/// A statement on its way. Dropped before its end, it has the query killed, and its connection is closed.
struct InFlight(Option<Lease<Connector>>);

enum Failure {
    /// The connection is as good as before.
    Clean(Error),
    /// The connection is gone. `sent` tells whether the statement may have been run.
    Broken { error: Error, sent: bool },
    /// The server is still at work on the statement.
    Unfinished(Error),
}

impl Server {
    pub fn new(config: Arc<DatabaseConfig>, secrets: Arc<dyn Secrets>, policy: Arc<Policy>) -> Self {
        let connector = Connector::new(config.clone(), secrets, policy);
        Self { pool: Pool::new(connector, config.clone()), config }
    }

    pub async fn run<S: RowSink>(
        &self,
        statement: &Statement,
        arguments: Vec<Value>,
        mut sink: S,
        options: &RunOptions,
    ) -> Result<(S, Outcome), Error> {
        statement.check_single(&arguments)?;
        if statement.access() == Access::Read && writes_file(statement.text()) {
            let message = "`INTO OUTFILE` and `INTO DUMPFILE` write files, and the statement was to run read-only";
            return Err(Error::new(Class::ReadOnly, message));
        }
        let all = async {
            let outcome = self.attempts(statement, &arguments, &mut sink, options).await?;
            Ok((sink, outcome))
        };
        match tokio::time::timeout(options.timeout, all).await {
            Ok(result) => result,
            Err(_) => Err(Error::timeout(options.timeout)),
        }
    }

    pub async fn check(&self, timeout: Duration) -> Result<String, Error> {
        let check = async {
            let mut lease = self.pool.acquire().await?;
            let version: Result<Option<String>, _> = lease.connection.conn.query_first("SELECT VERSION()").await;
            let version = version.map_err(|error| Failure::new(&error, true).into_error())?.unwrap_or_default();
            lease.give_back();
            let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
            Ok(format!("{product} {}", version.split('-').next().unwrap_or_default()))
        };
        tokio::time::timeout(timeout, check).await.unwrap_or_else(|_| Err(Error::timeout(timeout)))
    }

    pub fn close(&self) {
        self.pool.close();
    }

    async fn attempts<S: RowSink>(
        &self,
        statement: &Statement,
        arguments: &[Value],
        sink: &mut S,
        options: &RunOptions,
    ) -> Result<Outcome, Error> {
        let mut last = false;
        loop {
            let lease = self.pool.acquire().await?;
            let reused = lease.reused;
            let mut flight = InFlight(Some(lease));
            match self.attempt(flight.connection(), statement, arguments, sink, options).await {
                Ok((outcome, true)) => {
                    flight.land();
                    return Ok(outcome);
                }
                // Dropping the flight stops what is still being sent.
                Ok((outcome, false)) => return Ok(outcome),
                Err(Failure::Clean(error)) => {
                    flight.land();
                    return Err(error);
                }
                Err(Failure::Unfinished(error)) => return Err(error),
                Err(Failure::Broken { error, sent }) => {
                    flight.lose();
                    let again = reused && (!sent || statement.access() == Access::Read);
                    if last || !again {
                        return Err(error);
                    }
                }
            }
            last = true;
            sink.reset();
        }
    }

    /// The second value tells whether the connection can be used again.
    async fn attempt<S: RowSink>(
        &self,
        connection: &mut Connection,
        statement: &Statement,
        arguments: &[Value],
        sink: &mut S,
        options: &RunOptions,
    ) -> Result<(Outcome, bool), Failure> {
        let unsent = |error| Failure::new(&error, false);
        let reads = statement.access() == Access::Read || self.config.read_only;
        if connection.read_only != reads {
            let mode = if reads { "ONLY" } else { "WRITE" };
            connection.conn.query_drop(format!("SET SESSION TRANSACTION READ {mode}")).await.map_err(unsent)?;
            connection.read_only = reads;
        }
        if !options.session.is_empty() {
            let variables: Vec<_> = options.session.iter().map(|(name, _)| format!("@{} = ?", quoted(name))).collect();
            let values = options.session.iter().map(|(_, value)| value.as_str().into()).collect();
            let set = format!("SET {}", variables.join(", "));
            connection.conn.exec_drop(set, Params::Positional(values)).await.map_err(unsent)?;
        }
        let prepared = connection.conn.prep(statement.text()).await.map_err(unsent)?;
        let bound = bind(usize::from(prepared.num_params()), statement.parameters(), arguments)?;
        let mut result =
            connection.conn.exec_iter(&prepared, bound).await.map_err(|error| Failure::new(&error, true))?;

        let sent = |error| Failure::new(&error, true);
        let columns = result.columns().unwrap_or_else(|| Arc::from([]));
        let has_rows = !columns.is_empty();
        let decode: Vec<_> = columns.iter().map(Decode::of).collect();
        let names: Columns = columns.iter().zip(&decode).map(|(column, decode)| described(column, decode)).collect();
        if has_rows {
            sink.columns(&names);
            if let Some(index) = decode.iter().position(|decode| *decode == Decode::Unsupported) {
                return Err(Failure::Unfinished(unreadable(&names[index], "")));
            }
        }
        let mut scratch = String::new();
        let mut stopped = false;
        while has_rows && let Some(row) = result.next().await.map_err(sent)? {
            if give(&row, &decode, &names, sink, &mut scratch).map_err(Failure::Unfinished)? == ControlFlow::Break(()) {
                stopped = true;
                break;
            }
        }
        if stopped {
            let mut ignored = 0;
            while result.next().await.map_err(sent)?.is_some() {
                ignored += 1;
                // A write is let run to its end, so that it is not undone.
                if reads && ignored == MAX_IGNORED {
                    return Ok((Outcome { rows_affected: 0, has_rows, stopped }, false));
                }
            }
        }
        let rows_affected = if reads { 0 } else { result.affected_rows() };
        finish(result).await?;
        Ok((Outcome { rows_affected, has_rows, stopped }, true))
    }
}

/// The name of a variable, whatever is in it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A read-only transaction lets a SELECT write files on the server.
fn writes_file(text: &str) -> bool {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.into_iter().any(|word| word.eq_ignore_ascii_case("outfile") || word.eq_ignore_ascii_case("dumpfile"))
}

/// Reads what else a procedure returns.
async fn finish<P: Protocol>(result: mysql_async::QueryResult<'_, 'static, P>) -> Result<(), Failure> {
    result.drop_result().await.map_err(|error| Failure::new(&error, true))
}

fn give<S: RowSink>(
    row: &Row,
    decode: &[Decode],
    names: &Columns,
    sink: &mut S,
    scratch: &mut String,
) -> Result<ControlFlow<()>, Error> {
    sink.begin_row();
    for (index, decode) in decode.iter().enumerate() {
        let value = row.as_ref(index).unwrap_or(&Cell::NULL);
        match decode.cell(value, scratch) {
            Some(cell) => sink.cell(index, cell),
            None => return Err(unreadable(&names[index], " a value of")),
        }
    }
    Ok(sink.end_row())
}

fn described(column: &mysql_async::Column, decode: &Decode) -> Column {
    let name = column.name_str().as_ref().into();
    Column { name, type_name: decode.type_name(column.column_type()).into() }
}

fn unreadable(column: &Column, what: &str) -> Error {
    let Column { name, type_name } = column;
    let message = format!(
        "column `{name}` has{what} the type `{type_name}`, which can't be read exactly; cast it to text in the statement"
    );
    Error::new(Class::Unreadable, message)
}

fn bind(wanted: usize, parameters: &[Parameter], arguments: &[Value]) -> Result<Params, Failure> {
    if wanted != parameters.len() {
        return Err(Failure::Clean(Error::wrong_count(wanted, parameters.len(), arguments.len())));
    }
    if wanted == 0 {
        return Ok(Params::Empty);
    }
    let values = parameters.iter().zip(arguments).map(|(parameter, argument)| value::bind(parameter, argument));
    values.collect::<Result<_, _>>().map(Params::Positional).map_err(Failure::Clean)
}

impl InFlight {
    fn connection(&mut self) -> &mut Connection {
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

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(lease) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let opts = lease.connection.opts.clone();
                let _ = tokio::time::timeout(KILL_TIMEOUT, kill(opts, lease.connection.conn.id())).await;
                drop(lease);
            });
        }
    }
}

async fn kill(opts: Opts, id: u32) -> Result<(), Mysql> {
    let mut conn = Conn::new(opts).await?;
    // The number is the server's own; the statement has no placeholder for it.
    conn.query_drop(format!("KILL CONNECTION {id}")).await?;
    conn.disconnect().await
}

// === errors ===

impl Failure {
    fn new(error: &Mysql, sent: bool) -> Self {
        match error {
            Mysql::Server(error) => match server_error(error) {
                error if error.class() == Class::Unavailable => Self::Broken { error, sent },
                error => Self::Clean(error),
            },
            Mysql::Driver(DriverError::MixedParams | DriverError::Params(_)) => {
                Self::Clean(Error::new(Class::Rejected, "the placeholders of a statement are `?`, and nothing else"))
            }
            _ => {
                Self::Broken { error: Error::new(Class::Unavailable, "the connection to the database broke off"), sent }
            }
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Clean(error) | Self::Unfinished(error) | Self::Broken { error, .. } => error,
        }
    }
}

fn server_error(error: &ServerError) -> Error {
    let class = match (error.code, error.state.get(..2).unwrap_or_default()) {
        (1290 | 1792 | 1836, _) => Class::ReadOnly,
        (1205 | 1213, _) => Class::Busy,
        (1317 | 1969 | 3024, _) => Class::Timeout,
        (1040 | 1053 | 1927, _) | (_, "08") => Class::Unavailable,
        (3819, _) | (_, "23") => Class::Constraint,
        (1264 | 1265 | 1292 | 1366 | 1406 | 1411, _) | (_, "22") => Class::BadArgument,
        (1044 | 1045 | 1049 | 1698, _) => Class::Configuration,
        _ => Class::Rejected,
    };
    Error::new(class, error.message.clone()).with_code(error.state.clone())
}
