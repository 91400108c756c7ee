//! `tasks/get`, `tasks/update` and `tasks/cancel`, for requests that declare the extension, and `notifications/tasks` for
//! those who listen.

use std::{collections::VecDeque, sync::Arc};

use http::StatusCode;
use serde_json::Value;
use tokio::sync::broadcast;

use super::{
    endpoint::Shared,
    stateless::{enter, invalid, run},
};
use crate::{
    CallContext, Error, Tasks, TenantContext,
    context::Admitted,
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
    caller: Admitted,
) -> Result<Vec<u8>, Refusal> {
    let Request { id, params, method } = request;
    let (cx, _permit) = enter(serving, caller, version, request)?;
    if !cx.client.tasks {
        return Err(Refusal::of(&Error::needs_tasks(), cx.call_id, version));
    }
    let task = params.task_id.as_deref().ok_or_else(|| invalid("`taskId` is missing"))?;
    match &**method {
        "tasks/get" => {
            let task = run(serving, tasks.get(&cx, task), &cx, version).await?;
            return Ok(serving.replies.task(id, version, &task));
        }
        "tasks/update" => {
            let responses = params.input_responses.ok_or_else(|| invalid("`inputResponses` is missing"))?;
            let responses =
                serde_json::from_str(responses.get()).map_err(|_| invalid("`inputResponses` must be an object"))?;
            run(serving, tasks.update(&cx, task, responses), &cx, version).await?;
        }
        "tasks/cancel" => run(serving, tasks.cancel(&cx, task), &cx, version).await?,
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, crate::wire::code::METHOD_NOT_FOUND, "unknown method")),
    }
    Ok(serving.replies.empty(id, version))
}

/// The tasks that one listener hears of: its own, and what they are at the moment it is told.
pub(super) struct Watched {
    shared: Arc<Shared>,
    cx: CallContext,
    caller: TenantContext,
    ids: Vec<Arc<str>>,
    changes: broadcast::Receiver<Arc<str>>,
    /// To be told, whatever changes.
    due: VecDeque<Arc<str>>,
}

impl Watched {
    /// Those of `asked` that are the caller's. `None` where there are no tasks.
    pub(super) async fn of(
        shared: &Arc<Shared>,
        serving: &Serving,
        request: &Request<'_>,
        caller: Admitted,
        asked: Vec<String>,
    ) -> Result<Option<Self>, Refusal> {
        let (cx, _permit) = enter(serving, caller, Version::V2026_07_28, request)?;
        let Some(tasks) = serving.server.tasks() else { return Ok(None) };
        if !cx.client.tasks {
            return Err(Refusal::of(&Error::needs_tasks(), cx.call_id, Version::V2026_07_28));
        }
        // From before the first look on, so that nothing is lost in between.
        let changes = tasks.changes();
        let (mut ids, mut due) = (Vec::new(), VecDeque::new());
        for id in asked {
            if let Ok(task) = tasks.get(&cx, &id).await {
                let id: Arc<str> = id.into();
                // Nothing will be heard of it any more.
                if task.status().is_terminal() {
                    due.push_back(Arc::clone(&id));
                }
                ids.push(id);
            }
        }
        let caller = serving.caller(&cx.principal);
        Ok(Some(Self { shared: Arc::clone(shared), cx, caller, ids, changes, due }))
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.ids.iter().map(ToString::to_string).collect()
    }

    /// Parameters of the next notification.
    async fn next(&mut self) -> Value {
        loop {
            if let Some(id) = self.due.front().cloned() {
                // By the server of now: it may be another one than the one that was asked.
                let task = match self.shared.live.serving(|| self.caller.clone()).await {
                    Ok(serving) => match serving.server.tasks() {
                        Some(tasks) => tasks.get(&self.cx, &id).await.ok(),
                        None => None,
                    },
                    Err(_) => None,
                };
                // Not before, as whoever waits here may be dropped.
                self.due.pop_front();
                if let Some(task) = task {
                    return serde_json::to_value(task).expect("tasks are JSON");
                }
                continue;
            }
            match self.changes.recv().await {
                Ok(id) if self.ids.contains(&id) => self.due.push_back(id),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => self.due.extend(self.ids.iter().cloned()),
                Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

/// Waits for ever where nothing is listened to.
pub(super) async fn next(watched: &mut Option<Watched>) -> Value {
    match watched {
        Some(watched) => watched.next().await,
        None => std::future::pending().await,
    }
}
