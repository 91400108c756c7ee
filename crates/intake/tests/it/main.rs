//! Documents, and what becomes of them.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod database;
mod hostile;
mod openapi;
mod postman;
mod toolbox;
