//! The factory against real databases: every promise of the registry is kept by SQLite and by PostgreSQL.

mod crash;
mod create;
mod export;
mod hosted;
mod imported;
mod intake_database;
mod isolation;
mod kept;
mod keys;
mod old;
mod people;
mod references;
mod registry;
mod replicas;
mod shared;
mod tested;
mod trouble;
