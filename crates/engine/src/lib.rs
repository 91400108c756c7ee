//! Runs a spec: a [`Plan`] compiles it, an [`Engine`] answers calls as an [`mcp_serve::Server`].
//!
//! Everything that can be done once is done when the plan is made: schemas compiled, statements and templates parsed, lists
//! serialised. A call checks its arguments, runs, and writes its answer.

mod answer;
mod arguments;
pub mod authentication;
mod cache;
mod completion;
mod confirm;
mod cursor;
mod engine;
mod exposure;
mod folder;
mod interned;
mod json;
mod per;
mod plan;
mod prompt;
mod pulse;
mod resource;
mod rows;
mod session;
mod shape;
mod story;
mod tasks;
mod tool;
mod values;

pub use answer::{NO_SUCH_ROW, SEVERAL_ROWS};
pub use arguments::REFUSED;
pub use cursor::CursorKey;
pub use engine::Engine;
pub use folder::Folder;
pub use plan::{Files, Plan, Problem, Shared, SharedGround, Surroundings, limits, listed, rate};
pub use tasks::Tasks;
pub use tool::sql::Paging;
