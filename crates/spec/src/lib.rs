//! What a server is: the spec language, read, checked and normalised.
//!
//! Pure: no IO, no clock, no async. Files are asked after through a probe that the caller hands in. The verdict judges the
//! language alone, never what this build or this machine can run (that is `engine::Plan`'s).

pub mod diagnostic;
pub mod path;
pub mod render;
pub mod secrets;
pub mod suggest;
pub mod syntax;

pub use diagnostic::{Code, Diagnostic, Fix, Severity, Verdict};
pub use syntax::{Format, Node, NodeValue, Span};
