//! The factory: every verb of the product, once. What is typed, sent over HTTP or asked for by an agent calls the same ones.
//!
//! [`registry`] is what is remembered, and the only place with the factory's own SQL. It never calls anything here: what it
//! keeps and what runs ([`deploy`]) meet in the facade. [`lifecycle`] says what a deployment may do next.

pub mod deploy;
pub mod lifecycle;
pub mod owner;
pub mod registry;

pub use owner::{Operator, Owner, OwnerError};
