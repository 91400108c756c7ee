//! Everything against the real thing: SQLite, PostgreSQL, MariaDB, sockets.
#![allow(clippy::unwrap_used)]

mod collect;
mod command;
mod http;
mod http_answers;
mod http_tokens;
mod mysql;
mod postgres;
mod servers;
mod sqlite;
mod sqlite_hold;
mod types;
