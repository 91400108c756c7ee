//! Starts private services for tests, in folders and on ports of their own, and stops them when the test ends, however it
//! ends. Only for tests: whatever goes wrong is a panic that says what to do.
//!
//! Every test process starts its own (a few hundred milliseconds): the data folder is made once per build folder and
//! copied. A service that is not installed fails the test and names its Debian package.

mod certificate;
mod mariadb;
mod postgres;
mod service;

pub use certificate::Certificate;
pub use mariadb::Mariadb;
pub use postgres::Postgres;
