//! MySQL and MariaDB. A connection is switched between sessions that may write and sessions that may not; statements are
//! prepared, so that values come in the binary protocol, each with its type.

mod connect;
mod value;

use std::{ops::ControlFlow, sync::Arc};

use mysql_async::{
    Conn, DriverError, Error as Mysql, Opts, Params, Row, ServerError, Value as Cell,
    prelude::{Protocol, Queryable},
};
use serde_json::Value;

pub use self::connect::Connector;
use self::{connect::Connection, value::Decode};
use super::{
    Access, Class, Column, Columns, Error, Outcome, Parameter, RowSink, RunOptions, Statement,
    server::{Driver, Failure, Ran, Request, State},
};

/// Rows beyond those that are wanted which are let go by, before the server is asked to stop sending.
const MAX_IGNORED: usize = 256;

impl Driver for Connector {
    fn check(&self, statement: &Statement) -> Result<(), Error> {
        if statement.access() == Access::Read && writes_file(statement.text()) {
            let message = "`INTO OUTFILE` and `INTO DUMPFILE` write files, and the statement was to run read-only";
            return Err(Error::new(Class::ReadOnly, message));
        }
        Ok(())
    }

    async fn attempt<S: RowSink>(
        &self,
        connection: &mut Connection,
        &Request { statement, arguments, options }: &Request<'_>,
        sink: &mut S,
    ) -> Result<Ran, Failure> {
        let unsent = |error| failure(&error).unsent();
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
        let ran = self.exec(connection, statement, arguments, reads, sink).await;
        if statement.0.keeps_session {
            return self.told(connection, ran, options).await;
        }
        // What it may have left for the next call goes with everything that the session has.
        let ran = self.told(connection, ran, options).await;
        connection.read_only = false;
        match (ran, connection.conn.reset().await) {
            (ran, Ok(true)) => ran,
            (Ok(ran), _) => Ok(Ran { finished: false, ..ran }),
            (Err(failure), _) => Err(Failure::busy(failure.error)),
        }
    }

    async fn stop(connection: &mut Connection) {
        let _ = kill(connection.opts.clone(), connection.conn.id()).await;
    }

    async fn version(connection: &mut Connection) -> Result<String, Error> {
        let version: Result<Option<String>, _> = connection.conn.query_first("SELECT VERSION()").await;
        let version = version.map_err(|error| failure(&error).error)?.unwrap_or_default();
        let product = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
        Ok(format!("{product} {}", version.split('-').next().unwrap_or_default()))
    }
}

impl Connector {
    /// Whether the session still says of the caller what it was told.
    async fn told(
        &self,
        connection: &mut Connection,
        ran: Result<Ran, Failure>,
        options: &RunOptions,
    ) -> Result<Ran, Failure> {
        let ran = ran?;
        if options.session.is_empty() || !ran.finished {
            return Ok(ran);
        }
        let same: Vec<_> = options.session.iter().map(|(name, _)| format!("BINARY @{} <=> ?", quoted(name))).collect();
        let values = options.session.iter().map(|(_, value)| value.as_str().into()).collect();
        let ask = format!("SELECT {}", same.join(" AND "));
        let told: Option<bool> =
            connection.conn.exec_first(ask, Params::Positional(values)).await.map_err(|error| failure(&error))?;
        if told == Some(true) { Ok(ran) } else { Err(Failure::busy(Error::changed_session())) }
    }

    async fn exec<S: RowSink>(
        &self,
        connection: &mut Connection,
        statement: &Statement,
        arguments: &[Value],
        reads: bool,
        sink: &mut S,
    ) -> Result<Ran, Failure> {
        let unsent = |error| failure(&error).unsent();
        let prepared = connection.conn.prep(statement.text()).await.map_err(unsent)?;
        let bound = bind(usize::from(prepared.num_params()), statement.parameters(), arguments)?;
        let mut result = connection.conn.exec_iter(&prepared, bound).await.map_err(|error| failure(&error))?;

        let sent = |error| failure(&error);
        let columns = result.columns().unwrap_or_else(|| Arc::from([]));
        let has_rows = !columns.is_empty();
        let decode: Vec<_> = columns.iter().map(Decode::of).collect();
        let names: Columns = columns.iter().zip(&decode).map(|(column, decode)| described(column, decode)).collect();
        if has_rows {
            sink.columns(&names);
            if let Some(index) = decode.iter().position(|decode| *decode == Decode::Unsupported) {
                return Err(Failure::busy(unreadable(&names[index], "")));
            }
        }
        let mut scratch = String::new();
        let mut stopped = false;
        while has_rows && let Some(row) = result.next().await.map_err(sent)? {
            if give(&row, &decode, &names, sink, &mut scratch).map_err(Failure::busy)? == ControlFlow::Break(()) {
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
                    return Ok(Ran { outcome: Outcome { rows_affected: 0, has_rows, stopped }, finished: false });
                }
            }
        }
        let rows_affected = if reads { 0 } else { result.affected_rows() };
        finish(result).await?;
        Ok(Ran { outcome: Outcome { rows_affected, has_rows, stopped }, finished: true })
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
    result.drop_result().await.map_err(|error| failure(&error))
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
        return Err(Error::wrong_count(wanted, parameters.len(), arguments.len()).into());
    }
    if wanted == 0 {
        return Ok(Params::Empty);
    }
    let values = parameters.iter().zip(arguments).map(|(parameter, argument)| value::bind(parameter, argument));
    values.collect::<Result<_, _>>().map(Params::Positional).map_err(Failure::from)
}

async fn kill(opts: Opts, id: u32) -> Result<(), Mysql> {
    let mut conn = Conn::new(opts).await?;
    // The number is the server's own; the statement has no placeholder for it.
    conn.query_drop(format!("KILL CONNECTION {id}")).await?;
    conn.disconnect().await
}

// === errors ===

/// Where the connection broke off, the statement may have been run.
fn failure(error: &Mysql) -> Failure {
    let broken = |error| Failure { error, connection: State::Broken { sent: true } };
    match error {
        Mysql::Server(error) => match server_error(error) {
            error if error.class() == Class::Unavailable => broken(error),
            error => error.into(),
        },
        Mysql::Driver(DriverError::MixedParams | DriverError::Params(_)) => {
            Error::new(Class::Rejected, "the placeholders of a statement are `?`, and nothing else").into()
        }
        _ => broken(Error::new(Class::Unavailable, "the connection to the database broke off")),
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
