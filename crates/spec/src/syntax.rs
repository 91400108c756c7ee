//! Bytes become a [`Node`] tree with positions. YAML 1.2 core and JSON, strict and bounded.

mod node;

pub use node::{Entry, Node, NodeValue, Position, Span};
