//! `tasks/get`, `tasks/update` and `tasks/cancel`, for requests that declare the extension.

use std::sync::Arc;

use http::StatusCode;

use super::stateless::{enter, invalid, run};
use crate::{
    Error, Principal, Tasks,
    live::Serving,
    wire::{Refusal, Request, Version},
};

/// The methods that name a task. `tasks/list` and `tasks/result` are of older drafts, and unknown.
pub(super) fn is_method(method: &str) -> bool {
    matches!(method, "tasks/get" | "tasks/update" | "tasks/cancel")
}

pub(super) async fn answer(
    serving: &Serving,
    tasks: &dyn Tasks,
    version: Version,
    request: &Request<'_>,
    principal: Arc<Principal>,
) -> Result<Vec<u8>, Refusal> {
    let Request { id, params, method } = request;
    let (cx, _permit) = enter(serving, principal, version, request)?;
    if !cx.client.tasks {
        return Err(Refusal::of(&Error::needs_tasks(), cx.call_id, version));
    }
    let task = params.task_id.as_deref().ok_or_else(|| invalid("`taskId` is missing"))?;
    match &**method {
        "tasks/get" => {
            let task = run(tasks.get(&cx, task), &cx, version).await?;
            return Ok(serving.replies.task(id, version, &task));
        }
        "tasks/update" => {
            let responses = params.input_responses.ok_or_else(|| invalid("`inputResponses` is missing"))?;
            let responses =
                serde_json::from_str(responses.get()).map_err(|_| invalid("`inputResponses` must be an object"))?;
            run(tasks.update(&cx, task, responses), &cx, version).await?;
        }
        "tasks/cancel" => run(tasks.cancel(&cx, task), &cx, version).await?,
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, crate::wire::code::METHOD_NOT_FOUND, "unknown method")),
    }
    Ok(serving.replies.empty(id, version))
}
