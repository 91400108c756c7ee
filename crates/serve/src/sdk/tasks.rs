//! The methods of the Tasks extension, for requests that come by the SDK. It has checked by then that the client declared it.

use rmcp::{
    ErrorData, RoleServer,
    model::{CancelTaskParams, ErrorCode, GetTaskParams, GetTaskResult, UpdateTaskParams},
    service::RequestContext,
};

use super::{Adapter, run};
use crate::{Tasks, live::Serving};

impl Adapter {
    fn tasks<'a>(serving: &'a Serving, modern: bool, method: &'static str) -> Result<&'a dyn Tasks, ErrorData> {
        let tasks = serving.server.tasks().filter(|_| modern);
        tasks.ok_or_else(|| ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    pub(super) async fn task(
        &self,
        request: GetTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let (call, version, modern) = self.call(&cx).await?;
        let serving = self.serving(&cx.extensions).await?;
        let tasks = Self::tasks(&serving, modern, "tasks/get")?;
        let _permit = Self::enter(&serving, &call, version)?;
        let mut result =
            GetTaskResult::new(run(&serving, tasks.get(&call, &request.task_id), &call, version, &cx.ct).await?);
        result.meta = serving.meta(modern);
        Ok(result)
    }

    pub(super) async fn answer_task(
        &self,
        request: UpdateTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (call, version, modern) = self.call(&cx).await?;
        let serving = self.serving(&cx.extensions).await?;
        let tasks = Self::tasks(&serving, modern, "tasks/update")?;
        let _permit = Self::enter(&serving, &call, version)?;
        run(&serving, tasks.update(&call, &request.task_id, request.input_responses), &call, version, &cx.ct).await
    }

    pub(super) async fn end_task(
        &self,
        request: CancelTaskParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let (call, version, modern) = self.call(&cx).await?;
        let serving = self.serving(&cx.extensions).await?;
        let tasks = Self::tasks(&serving, modern, "tasks/cancel")?;
        let _permit = Self::enter(&serving, &call, version)?;
        run(&serving, tasks.cancel(&call, &request.task_id), &call, version, &cx.ct).await
    }
}
