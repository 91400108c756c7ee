//! What is stored: whole numbers and texts, the same in both databases.

use super::{Error, Timestamp};
use crate::Owner;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

/// One row, read column by column in the order of the statement.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Value>);

/// Read from a column.
pub trait Column: Sized {
    /// `None` when something else is stored there.
    fn read(value: Value) -> Option<Self>;
}

impl Row {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    pub fn take<T: Column>(&mut self) -> Result<T, Error> {
        self.0.next().and_then(T::read).ok_or(Error::Content)
    }
}

impl Column for i64 {
    fn read(value: Value) -> Option<Self> {
        if let Value::Integer(number) = value { Some(number) } else { None }
    }
}

impl Column for u64 {
    fn read(value: Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for u32 {
    fn read(value: Value) -> Option<Self> {
        i64::read(value)?.try_into().ok()
    }
}

impl Column for bool {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(|number| number != 0)
    }
}

impl Column for String {
    fn read(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl Column for Timestamp {
    fn read(value: Value) -> Option<Self> {
        i64::read(value).map(Self)
    }
}

impl Column for Owner {
    fn read(value: Value) -> Option<Self> {
        String::read(value)?.parse().ok()
    }
}

impl Column for semver::Version {
    fn read(value: Value) -> Option<Self> {
        Self::parse(&String::read(value)?).ok()
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::read(value).map(Some) }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Integer(is.into())
    }
}

/// PostgreSQL's texts have no NUL; what is said of us in one need not either.
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Owner> for Value {
    fn from(owner: &Owner) -> Self {
        owner.as_str().into()
    }
}

impl From<&semver::Version> for Value {
    fn from(version: &semver::Version) -> Self {
        version.to_string().as_str().into()
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.0)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of a statement, behind the owner.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::registry::value::Value::from($value)),*] };
}
pub(super) use values;
