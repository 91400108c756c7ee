//! What a server is: the spec language, read, checked and normalised.
//!
//! Pure: no IO, no clock, no async. Files are asked after through a probe that the caller hands in. The verdict judges the
//! language alone, never what this build or this machine can run (that is `engine::Plan`'s).

mod canonical;
mod check;
pub mod diagnostic;
pub mod difference;
pub mod json_schema;
pub mod model;
pub mod path;
mod read;
pub mod render;
pub mod schedule;
mod schema_of_language;
pub mod secrets;
pub mod sql;
pub mod suggest;
pub mod syntax;
pub mod template;
pub mod uri_template;
pub mod variables;

pub use check::{AllFiles, META_TOOLS, MOST_TOOLSETS, NoFiles, Probe};
pub use diagnostic::{Code, Diagnostic, Fix, Severity, Verdict};
pub use model::Spec;
pub use read::{Reading, Source, read, reread};
pub use schema_of_language::language_schema;
pub use syntax::{Format, Node, NodeValue, Span};
pub use uri_template::UriTemplate;
