//! Values of MySQL, both ways. `docs/types.md` has the table.

use std::fmt::Write;

use base64::Engine;
use mysql_async::{
    Column, Value as Mysql,
    consts::{ColumnFlags, ColumnType},
};
use serde_json::Value;

use super::super::{Cell, Error, Hint, Parameter, calendar};

/// The character set that means bytes.
const BINARY: u16 = 63;

/// What the bytes of a column are; numbers and dates tell by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    Text,
    Bytes,
    Decimal,
    Json,
    Date,
    DateTime,
    /// In UTC, as the session is.
    Timestamp,
    Bits(u32),
    Unsupported,
}

impl Decode {
    pub fn of(column: &Column) -> Self {
        match column.column_type() {
            ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => Self::Decimal,
            ColumnType::MYSQL_TYPE_JSON => Self::Json,
            ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Self::Date,
            ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2 => Self::Timestamp,
            ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => Self::DateTime,
            ColumnType::MYSQL_TYPE_BIT => Self::Bits(column.column_length()),
            ColumnType::MYSQL_TYPE_GEOMETRY | ColumnType::MYSQL_TYPE_VECTOR => Self::Unsupported,
            // Enums and sets are text whatever their character set says.
            _ if column.flags().intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG) => Self::Text,
            _ if column.character_set() == BINARY => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// For messages: `newdecimal`.
    pub fn type_name(self, ty: ColumnType) -> String {
        format!("{ty:?}").trim_start_matches("MYSQL_TYPE_").to_ascii_lowercase()
    }

    /// `None` where text is not UTF-8.
    pub fn cell<'a>(self, value: &'a Mysql, scratch: &'a mut String) -> Option<Cell<'a>> {
        scratch.clear();
        Some(match value {
            Mysql::NULL => Cell::Null,
            Mysql::Int(value) => Cell::I64(*value),
            Mysql::UInt(value) => Cell::U64(*value),
            Mysql::Float(value) => Cell::F32(*value),
            Mysql::Double(value) => Cell::F64(*value),
            Mysql::Date(year, month, day, hour, minute, second, micros) => {
                write!(scratch, "{year:04}-{month:02}-{day:02}").ok()?;
                if self == Self::Date {
                    return Some(Cell::Date(scratch));
                }
                write!(scratch, "T{hour:02}:{minute:02}:{second:02}").ok()?;
                calendar::write_fraction(scratch, u64::from(*micros));
                if self == Self::Timestamp {
                    scratch.push('Z');
                }
                Cell::Timestamp(scratch)
            }
            Mysql::Time(negative, days, hours, minutes, seconds, micros) => {
                let sign = if *negative { "-" } else { "" };
                let hours = days * 24 + u32::from(*hours);
                write!(scratch, "{sign}{hours:02}:{minutes:02}:{seconds:02}").ok()?;
                calendar::write_fraction(scratch, u64::from(*micros));
                Cell::Time(scratch)
            }
            Mysql::Bytes(bytes) => match self {
                Self::Bytes => Cell::Bytes(bytes),
                Self::Bits(length) => {
                    let all = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
                    let skip = (bytes.len() * 8).checked_sub(usize::try_from(length).ok()?)?;
                    scratch.extend(all.skip(skip).map(|bit| if bit == 1 { '1' } else { '0' }));
                    Cell::Text(scratch)
                }
                Self::Unsupported => return None,
                _ => {
                    let text = std::str::from_utf8(bytes).ok()?;
                    match self {
                        Self::Decimal => Cell::Decimal(text),
                        Self::Json => Cell::Json(text),
                        _ => Cell::Text(text),
                    }
                }
            },
        })
    }
}

pub fn bind(parameter: &Parameter, argument: &Value) -> Result<Mysql, Error> {
    Ok(match argument {
        Value::Null => Mysql::NULL,
        Value::Bool(value) => Mysql::Int(i64::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => Mysql::Int(integer),
            (_, Some(integer), _) => Mysql::UInt(integer),
            #[expect(clippy::cast_possible_truncation, reason = "whole and within the range that doubles have exactly")]
            (.., Some(real)) if parameter.hint == Hint::Integer && real.fract() == 0.0 && real.abs() < 9e15 => {
                Mysql::Int(real as i64)
            }
            (.., Some(real)) => Mysql::Double(real),
            _ => return Err(Error::argument(parameter, "is a number that mysql can't hold")),
        },
        Value::String(text) => match parameter.hint {
            Hint::Bytes => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                Mysql::Bytes(bytes.map_err(|_| Error::argument(parameter, "is not base64"))?)
            }
            Hint::Integer => match text.trim().parse() {
                Ok(integer) => Mysql::Int(integer),
                Err(_) => return Err(Error::argument(parameter, "must be an integer, not a string of another form")),
            },
            _ => Mysql::Bytes(text.clone().into_bytes()),
        },
        Value::Array(_) | Value::Object(_) => Mysql::Bytes(argument.to_string().into_bytes()),
    })
}
