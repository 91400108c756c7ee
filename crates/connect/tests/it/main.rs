//! Everything against the real thing: SQLite, PostgreSQL, MariaDB, sockets.
#![allow(clippy::unwrap_used)]

mod collect;
mod command;
mod http;
mod mysql;
mod postgres;
mod sqlite;
mod types;
