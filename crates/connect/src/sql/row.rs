//! How rows leave a driver: pushed cell by cell, borrowed from its buffers.

use std::{fmt, io::Write, ops::ControlFlow, sync::Arc};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};

/// Takes the rows of one statement. [`columns`](Self::columns) comes first and once (again after a
/// [`reset`](Self::reset)), then for each row `begin_row`, a `cell` per column in order, `end_row`.
pub trait RowSink: Send + 'static {
    fn columns(&mut self, columns: &Columns);

    fn begin_row(&mut self) {}

    fn cell(&mut self, index: usize, cell: Cell<'_>);

    /// `Break` when nothing more is wanted: the database is told to stop.
    fn end_row(&mut self) -> ControlFlow<()>;

    /// Forgets everything it was given: the statement is run again.
    fn reset(&mut self);
}

/// One value, exactly as the database has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    /// A `real` or `float4`, not widened: `0.1` stays `0.1`.
    F32(f32),
    /// May be NaN or infinite, which JSON has no number for.
    F64(f64),
    /// Digits of any precision, or `NaN`, `Infinity`, `-Infinity`.
    Decimal(&'a str),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// One JSON value, as the database wrote it.
    Json(&'a str),
    /// `2026-11-21T04:47:15.5Z` (RFC 3339, UTC) with a time zone, the same without `Z` for one without; may be
    /// `infinity` or `-infinity`.
    Timestamp(&'a str),
    Date(&'a str),
    Time(&'a str),
    /// ISO 8601: `P1Y2M3DT4H5M6.7S`
    Interval(&'a str),
    Uuid(&'a str),
    /// An array, composite, range or hstore as one JSON value; its elements follow the same rules.
    Nested(&'a str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: Arc<str>,
    /// The database's own name of the type, for messages. Empty where it has none (an expression in SQLite).
    pub type_name: Arc<str>,
}

impl Cell<'_> {
    /// The value as JSON, by the rules of `docs/types.md`: 64-bit integers are numbers, decimals strings, bytes base64,
    /// and a float that JSON has no number for is a string (`"NaN"`, `"Infinity"`, `"-Infinity"`).
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = match *self {
            Self::Null => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::I64(value) => write!(out, "{value}"),
            Self::U64(value) => write!(out, "{value}"),
            Self::F32(value) if value.is_finite() => return write_serialized(out, &value),
            Self::F64(value) if value.is_finite() => return write_serialized(out, &value),
            Self::F32(value) => write!(out, "{}", not_finite(value.into())),
            Self::F64(value) => write!(out, "{}", not_finite(value)),
            Self::Json(text) | Self::Nested(text) => out.write_all(text.as_bytes()),
            Self::Bytes(bytes) => write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD)),
            Self::Decimal(text)
            | Self::Text(text)
            | Self::Timestamp(text)
            | Self::Date(text)
            | Self::Time(text)
            | Self::Interval(text)
            | Self::Uuid(text) => return write_serialized(out, text),
        };
        written.expect("writing to memory never fails");
    }

    /// The same, behind the text of a value that holds this one.
    pub(super) fn push_json(&self, out: &mut String) {
        let mut json = Vec::new();
        self.write_json(&mut json);
        out.push_str(std::str::from_utf8(&json).expect("JSON is UTF-8"));
    }
}

fn write_serialized<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("numbers and text can be written to memory");
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "\"NaN\""
    } else if value > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    }
}

/// The columns of a statement. Clones share memory, so that what a caller derives from them can be kept: see
/// [`same`](Self::same).
#[derive(Clone, PartialEq, Eq)]
pub struct Columns(Arc<[Column]>);

impl Columns {
    /// Whether both are one allocation, which an unchanged statement gives on every run on a connection.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromIterator<Column> for Columns {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Self {
        Self(columns.into_iter().collect())
    }
}

impl std::ops::Deref for Columns {
    type Target = [Column];

    fn deref(&self) -> &[Column] {
        &self.0
    }
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
