//! PostgreSQL's binary values, exactly. `docs/types.md` has the table.

mod values;

use std::{fmt::Write, sync::Arc};

use tokio_postgres::types::{FromSql, Kind, Type};

use super::super::{
    Cell,
    calendar::{self, Micros},
};
use values::{Reader, address, array, hstore, numeric, range};

/// How the values of a type are read. Worked out once, when a statement is prepared.
#[derive(Debug, Clone)]
pub enum Decode {
    Bool,
    Int2,
    Int4,
    Int8,
    Unsigned4,
    Unsigned8,
    Float4,
    Float8,
    Numeric,
    Text,
    /// A version byte, then text.
    VersionedText,
    Bytes,
    Json,
    Jsonb,
    Date,
    Time,
    TimeZoned,
    Timestamp,
    TimestampZoned,
    Interval,
    Uuid,
    Address,
    Mac,
    Bits,
    LogPosition,
    Hstore,
    Void,
    Array(Box<Decode>),
    Range(Box<Decode>),
    Multirange(Box<Decode>),
    Composite(Arc<[(String, Decode)]>),
    /// A row without a declared type: an array of its fields.
    Record,
    Unsupported,
}

/// The bytes of a value, whatever its type.
#[derive(Debug)]
pub struct Raw<'a>(pub &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Decode {
    pub fn of(ty: &Type) -> Self {
        match ty.kind() {
            Kind::Array(element) => return Self::Array(Box::new(Self::of(element))),
            Kind::Range(element) => return Self::Range(Box::new(Self::of(element))),
            Kind::Multirange(element) => return Self::Multirange(Box::new(Self::Range(Box::new(Self::of(element))))),
            Kind::Domain(base) => return Self::of(base),
            Kind::Enum(_) => return Self::Text,
            Kind::Composite(fields) => {
                return Self::Composite(
                    fields.iter().map(|field| (field.name().to_owned(), Self::of(field.type_()))).collect(),
                );
            }
            _ => {}
        }
        match *ty {
            Type::BOOL => Self::Bool,
            Type::INT2 => Self::Int2,
            Type::INT4 => Self::Int4,
            Type::INT8 => Self::Int8,
            Type::OID | Type::XID | Type::CID => Self::Unsigned4,
            Type::XID8 => Self::Unsigned8,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::XML | Type::CHAR => {
                Self::Text
            }
            Type::JSONPATH => Self::VersionedText,
            Type::BYTEA => Self::Bytes,
            Type::JSON => Self::Json,
            Type::JSONB => Self::Jsonb,
            Type::DATE => Self::Date,
            Type::TIME => Self::Time,
            Type::TIMETZ => Self::TimeZoned,
            Type::TIMESTAMP => Self::Timestamp,
            Type::TIMESTAMPTZ => Self::TimestampZoned,
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::INET | Type::CIDR => Self::Address,
            Type::MACADDR | Type::MACADDR8 => Self::Mac,
            Type::BIT | Type::VARBIT => Self::Bits,
            Type::PG_LSN => Self::LogPosition,
            Type::VOID => Self::Void,
            Type::RECORD => Self::Record,
            _ => match ty.name() {
                "citext" => Self::Text,
                "hstore" => Self::Hstore,
                "ltree" | "lquery" => Self::VersionedText,
                _ => Self::Unsupported,
            },
        }
    }

    /// Whether there is a way for every value of the type.
    pub fn is_supported(&self) -> bool {
        match self {
            Self::Unsupported => false,
            Self::Array(element) | Self::Range(element) | Self::Multirange(element) => element.is_supported(),
            Self::Composite(fields) => fields.iter().all(|(_, field)| field.is_supported()),
            _ => true,
        }
    }

    /// `None` where the bytes are not what the type says.
    pub fn cell<'a>(&self, bytes: &'a [u8], scratch: &'a mut String) -> Option<Cell<'a>> {
        scratch.clear();
        let mut reader = Reader::new(bytes);
        Some(match self {
            Self::Bool => Cell::Bool(reader.u8()? != 0),
            Self::Int2 => Cell::I64(reader.i16()?.into()),
            Self::Int4 => Cell::I64(reader.i32()?.into()),
            Self::Int8 => Cell::I64(reader.i64()?),
            Self::Unsigned4 => Cell::I64(i64::from(reader.i32()?.cast_unsigned())),
            Self::Unsigned8 => Cell::U64(reader.i64()?.cast_unsigned()),
            Self::Float4 => Cell::F32(f32::from_be_bytes(reader.array()?)),
            Self::Float8 => Cell::F64(f64::from_be_bytes(reader.array()?)),
            Self::Numeric => {
                numeric(reader, scratch)?;
                Cell::Decimal(scratch)
            }
            Self::Text => Cell::Text(std::str::from_utf8(bytes).ok()?),
            Self::VersionedText => Cell::Text(std::str::from_utf8(bytes.get(1..)?).ok()?),
            Self::Bytes => Cell::Bytes(bytes),
            Self::Json => Cell::Json(std::str::from_utf8(bytes).ok()?),
            Self::Jsonb => Cell::Json(std::str::from_utf8(bytes.get(1..)?).ok()?),
            Self::Date => {
                match reader.i32()? {
                    i32::MAX => scratch.push_str("infinity"),
                    i32::MIN => scratch.push_str("-infinity"),
                    days => calendar::write_date(scratch, i64::from(days) + calendar::DAYS_TO_2000),
                }
                Cell::Date(scratch)
            }
            Self::Time => {
                calendar::write_time(scratch, Micros(reader.i64()?));
                Cell::Time(scratch)
            }
            Self::TimeZoned => {
                calendar::write_time(scratch, Micros(reader.i64()?));
                calendar::write_offset(scratch, -reader.i32()?);
                Cell::Time(scratch)
            }
            Self::Timestamp | Self::TimestampZoned => {
                match reader.i64()? {
                    i64::MAX => scratch.push_str("infinity"),
                    i64::MIN => scratch.push_str("-infinity"),
                    micros => {
                        calendar::write_timestamp_2000(scratch, Micros(micros));
                        if matches!(self, Self::TimestampZoned) {
                            scratch.push('Z');
                        }
                    }
                }
                Cell::Timestamp(scratch)
            }
            Self::Interval => {
                let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
                match (micros, days, months) {
                    (i64::MAX, i32::MAX, i32::MAX) => scratch.push_str("infinity"),
                    (i64::MIN, i32::MIN, i32::MIN) => scratch.push_str("-infinity"),
                    _ => calendar::write_interval(scratch, months, days, Micros(micros)),
                }
                Cell::Interval(scratch)
            }
            Self::Uuid => {
                for (index, byte) in reader.array::<16>()?.into_iter().enumerate() {
                    let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                    write!(scratch, "{dash}{byte:02x}").ok()?;
                }
                Cell::Uuid(scratch)
            }
            Self::Address => {
                address(reader, scratch)?;
                Cell::Text(scratch)
            }
            Self::Mac => {
                for (index, byte) in bytes.iter().enumerate() {
                    let colon = if index == 0 { "" } else { ":" };
                    write!(scratch, "{colon}{byte:02x}").ok()?;
                }
                Cell::Text(scratch)
            }
            Self::Bits => {
                let length = usize::try_from(reader.i32()?).ok()?;
                for index in 0..length {
                    let bit = reader.rest().get(index / 8)? >> (7 - index % 8) & 1;
                    scratch.push(if bit == 1 { '1' } else { '0' });
                }
                Cell::Text(scratch)
            }
            Self::LogPosition => {
                let position = reader.i64()?.cast_unsigned();
                write!(scratch, "{:X}/{:X}", position >> 32, position & 0xffff_ffff).ok()?;
                Cell::Text(scratch)
            }
            Self::Hstore => {
                hstore(reader, scratch)?;
                Cell::Nested(scratch)
            }
            Self::Void => Cell::Null,
            Self::Array(element) => {
                array(reader, element, scratch)?;
                Cell::Nested(scratch)
            }
            Self::Multirange(range) => {
                scratch.push('{');
                for index in 0..reader.i32()? {
                    if index > 0 {
                        scratch.push(',');
                    }
                    let bytes = reader.sized()??;
                    range.text(bytes, scratch)?;
                }
                scratch.push('}');
                Cell::Text(scratch)
            }
            Self::Range(element) => {
                range(reader, element, scratch)?;
                Cell::Text(scratch)
            }
            Self::Composite(fields) => {
                if usize::try_from(reader.i32()?).ok()? != fields.len() {
                    return None;
                }
                scratch.push('{');
                for (index, (name, decode)) in fields.iter().enumerate() {
                    scratch.push_str(if index == 0 { "" } else { "," });
                    Cell::Text(name).push_json(scratch);
                    scratch.push(':');
                    reader.i32()?;
                    decode.json(reader.sized()?, scratch)?;
                }
                scratch.push('}');
                Cell::Nested(scratch)
            }
            Self::Record => {
                scratch.push('[');
                for index in 0..reader.i32()? {
                    scratch.push_str(if index == 0 { "" } else { "," });
                    let ty = Type::from_oid(reader.i32()?.cast_unsigned())?;
                    Self::of(&ty).json(reader.sized()?, scratch)?;
                }
                scratch.push(']');
                Cell::Nested(scratch)
            }
            Self::Unsupported => return None,
        })
    }

    fn json(&self, bytes: Option<&[u8]>, out: &mut String) -> Option<()> {
        match bytes {
            None => out.push_str("null"),
            Some(bytes) => self.cell(bytes, &mut String::new())?.push_json(out),
        }
        Some(())
    }

    /// The value as plain text, as it stands in a range.
    fn text(&self, bytes: &[u8], out: &mut String) -> Option<()> {
        let mut scratch = String::new();
        match self.cell(bytes, &mut scratch)? {
            Cell::I64(value) => write!(out, "{value}").ok()?,
            Cell::F64(value) => write!(out, "{value}").ok()?,
            Cell::F32(value) => write!(out, "{value}").ok()?,
            Cell::Decimal(text)
            | Cell::Text(text)
            | Cell::Timestamp(text)
            | Cell::Date(text)
            | Cell::Time(text)
            | Cell::Interval(text)
            | Cell::Uuid(text) => out.push_str(text),
            _ => return None,
        }
        Some(())
    }
}
