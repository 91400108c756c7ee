//! What an MCP server talks to: databases, HTTP upstreams, programs, secrets, and the operator's policy.
//!
//! Knows no tool and no protocol. Everything here takes plain configuration, does no IO before it is used, and is bounded:
//! in time, in connections, in bytes. Nothing here logs an argument or puts a secret into an error.

mod address;
pub mod command;
pub mod grpc;
pub mod http;
pub mod mcp;
pub mod policy;
pub mod secrets;
pub mod sql;
pub mod tls;
pub mod trace;

pub use policy::{Denied, Grant, Policy};
pub use secrets::{Environment, FixedSecrets, Secret, SecretError, Secrets, SecretsFile, Subject};
