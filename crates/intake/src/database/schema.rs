//! What a database says of itself: tables, views, columns and keys, as they matter to somebody who makes tools of them.

use mcp_factory_spec::sql::Dialect;

/// The tables of one database that may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    pub dialect: Dialect,
    /// MariaDB answers rows of what it inserts, MySQL does not.
    pub answers_inserts: bool,
    pub tables: Vec<Table>,
    /// What could not be read, for people.
    pub unread: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The schema, where it has to be written.
    pub schema: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub comment: String,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub unique: Vec<Vec<String>>,
    pub references: Vec<Reference>,
    pub row_security: RowSecurity,
    /// What the connection's user may do.
    pub insertable: bool,
    pub updatable: bool,
    pub deletable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Table,
    View,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RowSecurity {
    #[default]
    None,
    /// It holds for whoever connects. The settings are what its policies ask for.
    Holds { settings: Vec<String> },
    /// It is there, and whoever connects is above it.
    PassedBy { settings: Vec<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    /// As the database writes the type, where a value may have to be cast to it.
    pub declared: Option<String>,
    pub nullable: bool,
    pub default: Default,
    /// The database gives it another value with each change of its row, unless the change says one: `ON UPDATE` of MySQL.
    pub moves: bool,
    pub comment: String,
    /// The only values there may be.
    pub values: Vec<String>,
    pub minimum: Option<i64>,
    pub maximum: Option<i64>,
    /// Characters.
    pub longest: Option<u64>,
    /// Whether texts that differ in case or accents are different to the database.
    pub tells_letters_apart: bool,
    /// Of MySQL, where it is not Unicode: not every text can be written in it.
    pub charset: Option<String>,
}

/// As much of a type as matters for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Integer,
    /// A float.
    Number,
    Decimal,
    Boolean,
    Text,
    Uuid,
    Date,
    Time,
    Timestamp,
    Json,
    Bytes,
    /// Bytes of MySQL that are a key, such as `BINARY(16)` with a UUID: read and given in hexadecimal.
    Hex,
    /// Of MySQL: readable as text, and no value of JSON becomes one.
    Geometry,
    /// An array of something, as JSON.
    Array,
    /// Readable as it is, and best compared with nothing: an interval, a range, an address.
    Other,
    /// Only readable when it is cast to text.
    Opaque,
    /// Made for searching and not for reading, or of a type that is not known.
    Index,
}

/// Where a value comes from that nobody gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    None,
    /// A value that can be written again as it stands.
    Simple(String),
    /// Something only the database can make.
    Made,
    /// Nobody can give one.
    Generated,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub columns: Vec<String>,
    pub schema: Option<String>,
    pub table: String,
    pub to: Vec<String>,
}

impl Table {
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key, else the first unique key that is never NULL.
    #[must_use]
    pub fn key(&self) -> Option<&[String]> {
        let certain = |key: &&Vec<String>| {
            key.iter().all(|name| self.column(name).is_some_and(|column| !column.nullable || self.primary_key == **key))
        };
        let primary = Some(&self.primary_key).filter(|key| !key.is_empty());
        primary.or_else(|| self.unique.iter().find(certain)).map(Vec::as_slice)
    }

    /// Only keys of other tables, with hardly anything of its own: which of the ones belong to which of the others.
    #[must_use]
    pub fn is_link(&self) -> bool {
        let [one, other] = self.references.as_slice() else { return false };
        let of_keys = |name: &String| one.columns.contains(name) || other.columns.contains(name);
        self.kind == Kind::Table
            && one.columns.len() == 1
            && other.columns.len() == 1
            && one.columns != other.columns
            && self.primary_key.len() == 2
            && self.primary_key.iter().all(of_keys)
    }

    /// For people.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Column {
    /// Whether rows can be sorted by it, with what is sorted coming back as it went out.
    #[must_use]
    pub fn sorts(&self) -> bool {
        use ColumnKind::{Boolean, Date, Decimal, Integer, Text, Time, Timestamp, Uuid};
        matches!(self.kind, Integer | Decimal | Boolean | Text | Uuid | Date | Time | Timestamp)
    }
}
