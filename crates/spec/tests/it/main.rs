//! The language as others use it: through the crate's public face alone.

mod corpus;
mod environments;
mod language;
mod reference;
