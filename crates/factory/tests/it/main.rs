//! The factory against real databases: every promise of the registry is kept by SQLite and by PostgreSQL.

mod kept;
mod registry;
