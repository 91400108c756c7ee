//! Runs one statement on one connection, on the thread that it is called on.

use std::{fmt::Write, ops::ControlFlow, sync::Arc};

use base64::Engine;
use rusqlite::{
    CachedStatement, Error as Sqlite, ErrorCode, Statement as Prepared,
    types::{ToSqlOutput, Value as Owned, ValueRef},
};
use serde_json::Value;

use super::{
    super::{
        Access, Cell, Class, Column, Columns, DatabaseConfig, Error, Hint, Outcome, Parameter, RowSink, Statement,
        calendar,
    },
    open::Session,
};

pub enum Failure {
    /// The watch stopped it.
    Interrupted,
    /// It is for the connection that writes. Nothing was done.
    Writes,
    /// Somebody else holds a lock. Nothing was done.
    Locked(Error),
    Error(Error),
}

/// The columns of a statement, with what their declared types make of a stored value.
#[derive(Debug, Clone)]
pub struct Shape {
    columns: Columns,
    kinds: Arc<[Kind]>,
}

/// SQLite stores what it is given. A declared type is followed where the value has the form of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Bool,
    Decimal,
    Date,
    Time,
    Timestamp,
    Json,
}

pub fn execute<S: RowSink>(
    session: &Session,
    config: &DatabaseConfig,
    statement: &Statement,
    arguments: &[Value],
    sink: &mut S,
) -> Result<Outcome, Failure> {
    let result = run(session, config, statement, arguments, sink);
    if !session.connection.is_autocommit() && !session.hold.is_held() {
        session.connection.execute_batch("ROLLBACK").ok();
        let message = "a statement can't begin a transaction; each is one by itself";
        return Err(Failure::Error(Error::new(Class::Rejected, message)));
    }
    result
}

fn run<S: RowSink>(
    session: &Session,
    config: &DatabaseConfig,
    statement: &Statement,
    arguments: &[Value],
    sink: &mut S,
) -> Result<Outcome, Failure> {
    let connection = &session.connection;
    let mut prepared = connection.prepare_cached(statement.text()).map_err(failure)?;
    let writes = !prepared.readonly();
    if writes && (statement.access() == Access::Read || config.read_only) {
        let message = format!("the statement writes, and it was to run read-only on `{}`", config.name);
        return Err(Failure::Error(Error::new(Class::ReadOnly, message)));
    }
    if writes && session.access == Access::Read {
        return Err(Failure::Writes);
    }
    bind(&mut prepared, statement.parameters(), arguments)?;
    let changes = if writes { connection.total_changes() } else { 0 };

    let mut kinds: Option<Arc<[Kind]>> = None;
    let mut scratch = String::new();
    let mut stopped = false;
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(failure)? {
        if stopped {
            continue;
        }
        // Only after the first step: a changed table is noticed there.
        let kinds = kinds.get_or_insert_with(|| start(row.as_ref(), statement, sink));
        sink.begin_row();
        for (index, kind) in kinds.iter().enumerate() {
            let value = row.get_ref(index).map_err(failure)?;
            let cell = cell(value, *kind, &mut scratch).ok_or_else(|| unreadable(statement, index))?;
            sink.cell(index, cell);
        }
        if sink.end_row() == ControlFlow::Break(()) {
            stopped = true;
            // What a write still has to say is read to its end, so that it is not undone.
            if !writes {
                break;
            }
        }
    }
    drop(rows);
    let has_rows = prepared.column_count() > 0;
    if has_rows && kinds.is_none() {
        start(&prepared, statement, sink);
    }
    let rows_affected = if writes && connection.total_changes() != changes { connection.changes() } else { 0 };
    Ok(Outcome { rows_affected, has_rows, stopped })
}

fn start<S: RowSink>(prepared: &Prepared<'_>, statement: &Statement, sink: &mut S) -> Arc<[Kind]> {
    let shape = shape(prepared, statement);
    sink.columns(&shape.columns);
    shape.kinds
}

fn unreadable(statement: &Statement, index: usize) -> Failure {
    let name = shape_name(statement, index);
    Failure::Error(Error::new(
        Class::Unreadable,
        format!("column `{name}` holds text that is not UTF-8; cast it to BLOB"),
    ))
}

fn shape_name(statement: &Statement, index: usize) -> String {
    let shape = statement.0.shape.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    shape.as_ref().and_then(|shape| shape.columns.get(index)).map_or_else(String::new, |column| column.name.to_string())
}

/// Kept with the statement while the database says the same of it.
fn shape(prepared: &Prepared<'_>, statement: &Statement) -> Shape {
    let mut kept = statement.0.shape.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(shape) = &*kept {
        let same = shape.columns.len() == prepared.column_count()
            && prepared.columns().zip(shape.columns.iter()).all(|(now, then)| {
                now.name() == &*then.name && now.decl_type().unwrap_or_default() == &*then.type_name
            });
        if same {
            return shape.clone();
        }
    }
    let columns: Columns = prepared
        .columns()
        .map(|column| Column { name: column.name().into(), type_name: column.decl_type().unwrap_or_default().into() })
        .collect();
    let kinds = columns.iter().map(|column| Kind::declared(&column.type_name)).collect();
    let shape = Shape { columns, kinds };
    *kept = Some(shape.clone());
    shape
}

impl Kind {
    fn declared(type_name: &str) -> Self {
        let name = type_name.to_ascii_uppercase();
        let name = name.split('(').next().unwrap_or_default().trim();
        match name {
            "BOOLEAN" | "BOOL" => Self::Bool,
            "DECIMAL" | "NUMERIC" => Self::Decimal,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "DATETIME" | "TIMESTAMP" => Self::Timestamp,
            "JSON" => Self::Json,
            _ => Self::Plain,
        }
    }
}

/// `None` where text is not UTF-8.
fn cell<'a>(value: ValueRef<'a>, kind: Kind, scratch: &'a mut String) -> Option<Cell<'a>> {
    Some(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(integer) => match (kind, integer) {
            (Kind::Bool, 0 | 1) => Cell::Bool(integer == 1),
            (Kind::Decimal, _) => Cell::Decimal(formatted(scratch, format_args!("{integer}"))),
            _ => Cell::I64(integer),
        },
        ValueRef::Real(real) => match kind {
            // The shortest digits that name this very number.
            Kind::Decimal if real.is_finite() => Cell::Decimal(formatted(scratch, format_args!("{real}"))),
            _ => Cell::F64(real),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok()?;
            match kind {
                Kind::Decimal if calendar::is_decimal(text) => Cell::Decimal(text),
                Kind::Date if calendar::is_date(text) => Cell::Date(text),
                Kind::Time if calendar::is_time(text) => Cell::Time(text),
                Kind::Timestamp if calendar::is_timestamp(text) => {
                    Cell::Timestamp(formatted(scratch, format_args!("{}T{}", &text[..10], &text[11..])))
                }
                Kind::Json if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => Cell::Json(text),
                _ => Cell::Text(text),
            }
        }
    })
}

fn formatted<'a>(scratch: &'a mut String, arguments: std::fmt::Arguments<'_>) -> &'a str {
    scratch.clear();
    scratch.write_fmt(arguments).expect("writing into a string never fails");
    scratch
}

fn bind(prepared: &mut CachedStatement<'_>, parameters: &[Parameter], arguments: &[Value]) -> Result<(), Failure> {
    if prepared.parameter_count() != parameters.len() || arguments.len() != parameters.len() {
        return Err(Failure::Error(Error::wrong_count(prepared.parameter_count(), parameters.len(), arguments.len())));
    }
    for (index, (parameter, argument)) in parameters.iter().zip(arguments).enumerate() {
        let value = argument_value(parameter, argument).map_err(Failure::Error)?;
        prepared.raw_bind_parameter(index + 1, value).map_err(failure)?;
    }
    Ok(())
}

fn argument_value<'a>(parameter: &Parameter, argument: &'a Value) -> Result<ToSqlOutput<'a>, Error> {
    let borrowed = |text: &'a str| ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()));
    Ok(match argument {
        Value::Null => ToSqlOutput::Owned(Owned::Null),
        Value::Bool(value) => ToSqlOutput::Owned(Owned::Integer(i64::from(*value))),
        Value::Number(number) => ToSqlOutput::Owned(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Owned::Integer(integer),
            (_, Some(_), _) => return Err(Error::argument(parameter, "is an integer above 9223372036854775807")),
            (.., Some(real)) => Owned::Real(real),
            _ => return Err(Error::argument(parameter, "is a number that sqlite can't hold")),
        }),
        Value::String(text) if parameter.hint == Hint::Bytes => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|_| Error::argument(parameter, "is not base64"))?;
            ToSqlOutput::Owned(Owned::Blob(bytes))
        }
        Value::String(text) => borrowed(text),
        Value::Array(_) | Value::Object(_) => ToSqlOutput::Owned(Owned::Text(argument.to_string())),
    })
}

// === errors ===

impl Failure {
    pub fn into_error(self) -> Error {
        match self {
            Self::Writes => Error::new(Class::ReadOnly, "the statement writes on a connection that reads"),
            Self::Interrupted => Error::new(Class::Timeout, "the statement was stopped"),
            Self::Locked(error) | Self::Error(error) => error,
        }
    }
}

fn failure(error: Sqlite) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Failure::Interrupted,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Locked(self::error(&error)),
        _ => Failure::Error(self::error(&error)),
    }
}

/// With the name of the file: where it lies on this machine is nothing that callers are told.
pub fn open_error(config: &DatabaseConfig, error: &Sqlite) -> Error {
    let error = self::error(error);
    let (file, why) = match &config.source {
        super::Source::Path(path) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let why = error.message().replace(&*path.to_string_lossy(), &file);
            (format!(" `{file}`"), why)
        }
        _ => (String::new(), error.message().to_owned()),
    };
    Error::new(Class::Unavailable, format!("opening the database{file} of `{}` failed: {why}", config.name))
        .with_code(error.code().unwrap_or("SQLITE_ERROR"))
}

pub fn error(error: &Sqlite) -> Error {
    let (code, message) = match error {
        Sqlite::SqliteFailure(code, message) => (code, message.clone().unwrap_or_else(|| code.to_string())),
        Sqlite::SqlInputError { error, msg, .. } => (error, msg.clone()),
        Sqlite::MultipleStatement => return Error::new(Class::Rejected, "several statements in one are refused"),
        other => return Error::new(Class::Rejected, other.to_string()),
    };
    let class = match code.code {
        ErrorCode::ConstraintViolation => Class::Constraint,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Class::Busy,
        ErrorCode::ReadOnly => Class::ReadOnly,
        ErrorCode::OperationInterrupted => Class::Timeout,
        ErrorCode::TypeMismatch => Class::BadArgument,
        ErrorCode::CannotOpen
        | ErrorCode::NotADatabase
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::SystemIoFailure
        | ErrorCode::DiskFull
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::PermissionDenied => Class::Unavailable,
        _ => Class::Rejected,
    };
    Error::new(class, message).with_code(code_name(code.extended_code))
}

fn code_name(code: i32) -> String {
    let name = match code {
        1 => "SQLITE_ERROR",
        5 => "SQLITE_BUSY",
        6 => "SQLITE_LOCKED",
        8 => "SQLITE_READONLY",
        9 => "SQLITE_INTERRUPT",
        11 => "SQLITE_CORRUPT",
        13 => "SQLITE_FULL",
        14 => "SQLITE_CANTOPEN",
        18 => "SQLITE_TOOBIG",
        20 => "SQLITE_MISMATCH",
        23 => "SQLITE_AUTH",
        26 => "SQLITE_NOTADB",
        275 => "SQLITE_CONSTRAINT_CHECK",
        787 => "SQLITE_CONSTRAINT_FOREIGNKEY",
        1299 => "SQLITE_CONSTRAINT_NOTNULL",
        1555 => "SQLITE_CONSTRAINT_PRIMARYKEY",
        1811 => "SQLITE_CONSTRAINT_TRIGGER",
        2067 => "SQLITE_CONSTRAINT_UNIQUE",
        2579 => "SQLITE_CONSTRAINT_ROWID",
        3091 => "SQLITE_CONSTRAINT_DATATYPE",
        other => return format!("SQLITE_{other}"),
    };
    name.to_owned()
}
