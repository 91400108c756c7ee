//! Calls that outlast their request: the Tasks extension (`io.modelcontextprotocol/tasks`).
//!
//! The server decides. To a caller whose request declared the extension it may answer a call with
//! [`Content::Task`](crate::Content::Task) as soon as the task would survive a crash; the caller then asks here. Who owns
//! a task, and how long it is kept, is the business of whoever implements [`Tasks`].

use std::sync::Arc;

use rmcp::model::{DetailedTask, InputResponses};
use tokio::sync::broadcast;

use crate::{BoxFuture, CallContext, Error};

pub(crate) const EXTENSION: &str = rmcp::model::TASKS_EXTENSION_ID;

/// The tasks of a server. A task of somebody else is as unknown as one that never was.
pub trait Tasks: Send + Sync {
    /// How far a task is, and its result when it is done.
    fn get<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<DetailedTask, Error>>;

    /// Answers to what a task asked for. Answers to anything else are left alone.
    fn update<'a>(
        &'a self,
        cx: &'a CallContext,
        id: &'a str,
        responses: InputResponses,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Stops the work, unless it is over.
    fn cancel<'a>(&'a self, cx: &'a CallContext, id: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// The ids of tasks whose status changes from now on, whosever they are.
    fn changes(&self) -> broadcast::Receiver<Arc<str>>;
}
