//! PostgreSQL. A read runs in a transaction of its own that can't write; its BEGIN and COMMIT travel with the statement, so
//! they cost no round trip. Types of parameters are the server's own inference, and values travel as text one way and as
//! binary the other.

mod connect;
mod decode;
mod encode;

use std::{ops::ControlFlow, pin::pin, sync::Arc};

use futures_util::{FutureExt, TryStreamExt, future};
use serde_json::Value;
use tokio_postgres::{RowStream, error::SqlState, types::Type};

pub use self::connect::Connector;
use self::{
    connect::{Connection, Settings},
    decode::{Decode, Raw},
    encode::Bound,
};
use super::{
    Access, Class, Column, Columns, Error, Outcome, Parameter, RowSink, Statement,
    server::{Driver, Failure, Ran, Request, State},
};

/// Statements kept prepared on one connection.
const MAX_PREPARED: usize = 256;

/// Rows beyond those that are wanted which are let go by, before the server is asked to stop sending.
const MAX_IGNORED: usize = 256;

#[derive(Debug)]
pub struct Prepared {
    statement: tokio_postgres::Statement,
    columns: Columns,
    decode: Vec<Decode>,
}

impl Driver for Connector {
    async fn attempt<S: RowSink>(
        &self,
        connection: &mut Connection,
        &Request { statement, arguments, options }: &Request<'_>,
        sink: &mut S,
    ) -> Result<Ran, Failure> {
        let prepared = connection.prepare(statement).await?;
        let parameters = statement.parameters();
        let bound = bind(&prepared, parameters, arguments)?;
        let failed = |error: tokio_postgres::Error| failure(&error, parameters);
        let settings = connection.settings(options.session.len()).await.map_err(failed)?;
        let client = &connection.client;

        let reads = statement.access() == Access::Read || self.config.read_only;
        let begin = match (reads, options.session.is_empty()) {
            (true, _) => Some("BEGIN READ ONLY"),
            (false, false) => Some("BEGIN"),
            (false, true) => None,
        };
        let query = client.query_raw(&prepared.statement, &bound);
        let mut told = Vec::new();
        let stream = match begin {
            None => query.await,
            // The order of polling is the order of sending. Where a setting fails, so does everything behind it.
            Some(begin) => {
                let set = async {
                    let Some(settings) = &settings else { return Ok(Vec::new()) };
                    let values = options.session.iter().flat_map(|(name, value)| [name, value]);
                    values_of(client, &settings.set, values.collect()).await
                };
                let (begun, set, stream) = future::join3(client.batch_execute(begin), set, query).await;
                begun.and(set).and_then(|values| {
                    told = values;
                    stream
                })
            }
        };
        let result = match stream {
            Ok(stream) => read(connection, &prepared, stream, sink, parameters, reads).await,
            Err(error) => Err(failed(error)),
        };
        let result = match (result, settings) {
            // Where it was cancelled the transaction is over, and what it set undone.
            (Ok((outcome, false)), Some(settings)) => {
                let names = options.session.iter().map(|(name, _)| name).collect();
                let now = values_of(&connection.client, &settings.ask, names).await.map_err(failed);
                now.and_then(|now| if now == told { Ok(outcome) } else { Err(Error::changed_session().into()) })
            }
            (result, _) => result.map(|(outcome, _)| outcome),
        };
        let client = &connection.client;
        let committed = match (begin, &result) {
            (None, _) => Ok(()),
            (Some(_), Ok(_)) if !reads => client.batch_execute("COMMIT").await,
            // Sent and not waited for: whatever runs next on this connection comes behind it. A read has nothing to commit,
            // and what it may have set for the session is undone.
            (Some(_), _) => {
                send_only(client, "ROLLBACK");
                Ok(())
            }
        };
        if !reads {
            send_only(client, &self.reset());
        }
        committed.map_err(failed)?;
        result.map(|outcome| Ran { outcome, finished: true })
    }

    fn forget(connection: &mut Connection, statement: &Statement) {
        connection.prepared.remove(&statement.0.key);
        connection.settings = None;
    }

    async fn stop(connection: &mut Connection) {
        cancel(connection).await;
    }

    async fn version(connection: &mut Connection) -> Result<String, Error> {
        let row = connection.client.query_one("SHOW server_version", &[]).await;
        let version = row.map_err(|error| database_error(&error, &[]))?.try_get::<_, String>(0);
        Ok(format!("PostgreSQL {}", version.unwrap_or_default()))
    }
}

async fn read<S: RowSink>(
    connection: &Connection,
    prepared: &Prepared,
    stream: RowStream,
    sink: &mut S,
    parameters: &[Parameter],
    reads: bool,
) -> Result<(Outcome, bool), Failure> {
    let failed = |error: tokio_postgres::Error| failure(&error, parameters);
    let has_rows = !prepared.columns.is_empty();
    if has_rows {
        sink.columns(&prepared.columns);
    }
    let mut stream = pin!(stream);
    let mut scratch = String::new();
    let (mut stopped, mut cancelled) = (false, false);
    while let Some(row) = stream.try_next().await.map_err(failed)? {
        sink.begin_row();
        for (index, decode) in prepared.decode.iter().enumerate() {
            let raw: Option<Raw<'_>> = row.try_get(index).map_err(failed)?;
            match raw {
                None => sink.cell(index, super::Cell::Null),
                Some(Raw(bytes)) => match decode.cell(bytes, &mut scratch) {
                    Some(cell) => sink.cell(index, cell),
                    None => {
                        let error = unreadable(&prepared.columns[index]);
                        return Err(Failure::busy(error));
                    }
                },
            }
        }
        if sink.end_row() == ControlFlow::Break(()) {
            stopped = true;
            break;
        }
    }
    if stopped {
        let mut ignored = 0;
        loop {
            match stream.try_next().await {
                Ok(Some(_)) => ignored += 1,
                Ok(None) => break,
                // That is the answer to the request below.
                Err(error) if cancelled && error.code() == Some(&SqlState::QUERY_CANCELED) => break,
                Err(error) => return Err(failed(error)),
            }
            // A write is let run to its end, so that it is not undone.
            if reads && ignored == MAX_IGNORED {
                ignored += 1;
                cancelled = true;
                cancel(connection).await;
            }
        }
    }
    let rows_affected = if reads { 0 } else { stream.rows_affected().unwrap_or(0) };
    Ok((Outcome { rows_affected, has_rows, stopped }, cancelled))
}

impl Connection {
    async fn prepare(&mut self, statement: &Statement) -> Result<Arc<Prepared>, Failure> {
        if let Some(prepared) = self.prepared.get(&statement.0.key) {
            return Ok(prepared.clone());
        }
        let parameters = statement.parameters();
        let inner = self.infer(statement).await.map_err(|error| failure(&error, parameters).unsent())?;
        let decode: Vec<_> = inner.columns().iter().map(|column| Decode::of(column.type_())).collect();
        let columns: Columns = inner
            .columns()
            .iter()
            .map(|column| Column { name: column.name().into(), type_name: column.type_().name().into() })
            .collect();
        if let Some(index) = decode.iter().position(|decode| !decode.is_supported()) {
            return Err(unreadable(&columns[index]).into());
        }
        let prepared = Arc::new(Prepared { statement: inner, columns, decode });
        if self.prepared.len() >= MAX_PREPARED {
            self.prepared.clear();
        }
        self.prepared.insert(statement.0.key.clone(), prepared.clone());
        Ok(prepared)
    }

    /// Sets this many settings until the end of the transaction. All calls of a pool have the same number.
    async fn settings(&mut self, count: usize) -> Result<Option<Settings>, tokio_postgres::Error> {
        let is_right = |settings: &&Settings| settings.ask.params().len() == count;
        if count == 0 {
            return Ok(None);
        }
        if let Some(prepared) = self.settings.as_ref().filter(is_right) {
            return Ok(Some(prepared.clone()));
        }
        let set: Vec<_> =
            (0..count).map(|n| format!("pg_catalog.set_config(${}, ${}, true)", 2 * n + 1, 2 * n + 2)).collect();
        let ask: Vec<_> = (0..count).map(|n| format!("pg_catalog.current_setting(${}, true)", n + 1)).collect();
        let settings = Settings {
            set: self.client.prepare(&format!("SELECT {}", set.join(", "))).await?,
            ask: self.client.prepare(&format!("SELECT {}", ask.join(", "))).await?,
        };
        self.settings = Some(settings.clone());
        Ok(Some(settings))
    }

    /// Where the server can't tell the type of a parameter, the schema's is given for that one.
    async fn infer(&self, statement: &Statement) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        let parameters = statement.parameters();
        let mut types: Vec<Type> = Vec::new();
        loop {
            let error = match self.client.prepare_typed(statement.text(), &types).await {
                Ok(prepared) => return Ok(prepared),
                Err(error) => error,
            };
            let unclear =
                matches!(error.code(), Some(&SqlState::INDETERMINATE_DATATYPE | &SqlState::AMBIGUOUS_PARAMETER));
            let index = error.as_db_error().and_then(|db| parameter_number(db.message()));
            match index {
                Some(index) if unclear && index < parameters.len() => {
                    types.resize(types.len().max(index + 1), Type::UNKNOWN);
                    if types[index] != Type::UNKNOWN {
                        return Err(error);
                    }
                    types[index] = encode::fallback(parameters[index].hint);
                }
                _ => return Err(error),
            }
        }
    }
}

fn bind(prepared: &Prepared, parameters: &[Parameter], arguments: &[Value]) -> Result<Vec<Bound>, Failure> {
    let types = prepared.statement.params();
    if types.len() != parameters.len() || arguments.len() != parameters.len() {
        return Err(Error::wrong_count(types.len(), parameters.len(), arguments.len()).into());
    }
    let bound = types.iter().zip(parameters).zip(arguments);
    Ok(bound.map(|((ty, parameter), value)| encode::bind(parameter, ty, value)).collect::<Result<_, _>>()?)
}

/// The columns of one row, as text.
async fn values_of(
    client: &tokio_postgres::Client,
    statement: &tokio_postgres::Statement,
    parameters: Vec<&String>,
) -> Result<Vec<Option<String>>, tokio_postgres::Error> {
    let mut rows = pin!(client.query_raw(statement, parameters).await?);
    let mut values = Vec::new();
    while let Some(row) = rows.try_next().await? {
        values = (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
    }
    Ok(values)
}

fn send_only(client: &tokio_postgres::Client, text: &str) {
    let _ = client.batch_execute(text).now_or_never();
}

async fn cancel(connection: &Connection) {
    let _ = connection.client.cancel_token().cancel_query(connection.tls.clone()).await;
}

// === errors ===

fn failure(error: &tokio_postgres::Error, parameters: &[Parameter]) -> Failure {
    const GONE: [SqlState; 3] = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    // Its message is in the server's language; where in the server it comes from is not.
    let changed = error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::FEATURE_NOT_SUPPORTED && db.routine() == Some("RevalidateCachedQuery")
    });
    let connection = match error.code() {
        // It did not come from the server.
        None => State::Broken { sent: true },
        Some(code) if GONE.contains(code) => State::Broken { sent: true },
        Some(code) if changed || *code == SqlState::INVALID_SQL_STATEMENT_NAME => State::Outdated,
        Some(_) => State::Usable,
    };
    Failure { error: database_error(error, parameters), connection }
}

fn unreadable(column: &Column) -> Error {
    let Column { name, type_name } = column;
    let message = format!(
        "column `{name}` has the type `{type_name}`, which can't be read exactly; write `{name}::text` (or another type) in the statement"
    );
    Error::new(Class::Unreadable, message)
}

fn database_error(error: &tokio_postgres::Error, parameters: &[Parameter]) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::new(Class::Unavailable, "the connection to the database broke off");
    };
    let code = db.code().code();
    let class = match (&code[..2], code) {
        (_, "57014") => Class::Timeout,
        (_, "25006") => Class::ReadOnly,
        (_, "22012") => Class::Rejected,
        (_, "40001" | "40P01" | "55P03") => Class::Busy,
        ("08" | "57" | "53", _) => Class::Unavailable,
        ("23", _) => Class::Constraint,
        ("22", _) => Class::BadArgument,
        ("28", _) => Class::Configuration,
        _ => Class::Rejected,
    };
    let mut message = db.message().to_owned();
    if class == Class::BadArgument
        && let Some(parameter) = db.where_().and_then(parameter_number).and_then(|index| parameters.get(index))
    {
        message = format!("argument `{}`: {message}", parameter.name);
    }
    for (word, more) in [("", db.detail().filter(|_| has_plain_detail(code))), ("hint: ", db.hint())] {
        if let Some(more) = more {
            message.push_str("; ");
            message.push_str(word);
            message.push_str(more);
        }
    }
    Error::new(class, message).with_code(code)
}

/// Whether the DETAIL of such an error may be shown. That of a check or of NOT NULL is the whole row, with columns that no tool
/// answers; of these it is a key, and of others what is wrong with an argument or with the statement.
fn has_plain_detail(code: &str) -> bool {
    const OF_KEYS: [SqlState; 3] =
        [SqlState::FOREIGN_KEY_VIOLATION, SqlState::UNIQUE_VIOLATION, SqlState::EXCLUSION_VIOLATION];
    OF_KEYS.iter().any(|of_keys| of_keys.code() == code) || matches!(code.get(..2), Some("22" | "42"))
}

/// The index of `$3` in a message of the server.
fn parameter_number(message: &str) -> Option<usize> {
    let (_, behind) = message.split_once('$')?;
    let digits = behind.len() - behind.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    behind[..digits].parse::<usize>().ok()?.checked_sub(1)
}
