//! The factory: every verb of the product, once. What is typed, sent over HTTP or asked for by an agent calls the same ones.
//!
//! [`registry`] is what is remembered, and the only place with the factory's own SQL. It never calls anything here: what it
//! keeps and what runs ([`deploy`]) meet in the facade. [`lifecycle`] says what a deployment may do next.

mod audit;
mod call;
mod caller;
mod catalogue;
mod connections;
pub mod deploy;
mod deployments;
mod edits;
mod error;
pub mod events;
mod export;
mod factory;
mod files;
pub mod grants;
mod ground;
mod hosting;
pub mod intake;
mod invoke;
mod keeping;
mod key;
pub mod keys;
pub mod lifecycle;
mod metrics;
mod owner;
mod refusals;
pub mod registry;
mod replicas;
mod schemas;
mod search;
mod secrets;
mod server_json;
mod servers;
mod spec;
mod standalone;
pub mod suite;
#[cfg(feature = "telemetry")]
pub mod telemetry;
mod telling;
mod tester;
mod tests;
mod tokens;
mod turns;
mod usage;
mod users;
mod vault;
mod versions;

pub use caller::{Caller, Expected};
pub use catalogue::Published;
pub use connections::GrantedConnection;
pub use deployments::Commanded;
pub use edits::{Edited, NotEdited, edited_version};
pub use error::Error;
pub use export::{ExportFormat, Exported};
pub use factory::{Change, Config, Factory};
pub use files::Files;
pub use ground::NeededSecret;
pub use key::{FactoryKey, KeyTooShort};
pub use keys::NewKey;
pub use mcp_factory_connect::Secret;
pub use mcp_factory_engine::Problem;
/// What verbs take and give of the language.
pub use mcp_factory_spec as language;
pub use metrics::Metrics;
pub use owner::{Operator, Owner, OwnerError};
pub use schemas::{ColumnShown, ConnectionSchema, TableShown};
pub use search::Found;
pub use servers::{Created, Details, Outcome};
pub use spec::{Submission, Validation};
pub use standalone::Standalone;
pub use tokens::Issued;
pub use vault::OwnerSecrets;
