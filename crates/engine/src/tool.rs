//! One tool, compiled: what every call goes through, whatever the tool does.

pub mod command;
pub mod fixed;
pub mod graphql;
pub mod grpc;
pub mod http;
pub mod mcp;
pub mod sql;
pub mod steps;

use std::{sync::Arc, time::Duration};

use mcp_serve::{CallContext, Error, Gate, ParameterHeader, Permit, ToolResult};
use serde_json::{Map, Value};

use crate::{
    arguments::Arguments,
    cache::{self, Answers},
    confirm::{Confirm, Verdict},
    pulse, story,
};

/// Where the spec sets no timeout, a call of another system still ends.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub struct Tool {
    pub name: Arc<str>,
    pub scopes: Vec<String>,
    pub arguments: Arguments,
    /// What clients of 2026-07-28 repeat in headers, because the schema says so.
    pub headers: Vec<ParameterHeader>,
    pub timeout: Option<Duration>,
    pub max_bytes: Option<u64>,
    /// A call may outlast its request.
    pub task: bool,
    pub gate: Gate,
    /// It changes nothing, so it may be called unasked.
    pub read_only: bool,
    /// Whatever it changes was made by the spec itself.
    pub seeded: bool,
    /// A person is asked before it runs.
    pub confirm: Option<Confirm>,
    /// Where its answers are kept, and how long.
    pub cache: Option<(Arc<Answers>, Duration)>,
    pub kind: Kind,
}

/// What a tool does, ready to run.
#[derive(Debug)]
pub enum Kind {
    Sql(Box<sql::SqlTool>),
    Http(Box<http::HttpTool>),
    Grpc(Box<grpc::GrpcTool>),
    Command(Box<command::CommandTool>),
    Graphql(Box<graphql::GraphqlTool>),
    Mcp(Box<mcp::McpTool>),
    Fixed(ToolResult),
    Steps(steps::StepsTool),
    /// Declared, and not implemented yet.
    Stub,
}

impl Kind {
    /// Whether it is known to change nothing, without the author's word for it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Sql(sql) => sql.reads(),
            Self::Http(http) => http.is_safe(),
            Self::Graphql(graphql) => graphql.reads(),
            Self::Fixed(_) => true,
            Self::Steps(steps) => steps.reads(),
            Self::Grpc(_) | Self::Command(_) | Self::Mcp(_) | Self::Stub => false,
        }
    }

    /// Whether it can be believed to change nothing when its author says so. A statement that writes can't, nor can steps
    /// that call such a tool.
    #[must_use]
    pub fn may_only_read(&self) -> bool {
        match self {
            Self::Sql(sql) => sql.reads(),
            Self::Graphql(graphql) => graphql.reads(),
            Self::Steps(steps) => steps.reads(),
            _ => true,
        }
    }

    #[must_use]
    pub fn is_seeded(&self) -> bool {
        match self {
            Self::Sql(sql) => sql.is_seeded(),
            Self::Http(_) | Self::Grpc(_) | Self::Graphql(_) | Self::Command(_) | Self::Mcp(_) | Self::Stub => false,
            Self::Fixed(_) => true,
            Self::Steps(steps) => steps.is_seeded(),
        }
    }
}

/// A call that passed every check and may run, now or as a task.
#[derive(Debug)]
pub struct Admitted {
    arguments: Map<String, Value>,
    _permit: Permit,
}

/// What the checks came to.
#[derive(Debug)]
pub enum Admission {
    Admitted(Admitted),
    /// Answered without running.
    Answered(ToolResult),
}

impl Tool {
    pub async fn call(&self, cx: &CallContext, arguments: Map<String, Value>) -> Result<ToolResult, Error> {
        match self.admit(cx, arguments).await? {
            Admission::Admitted(call) => Ok(self.run(cx, call).await),
            Admission::Answered(result) => Ok(result),
        }
    }

    /// Everything that is checked before a call runs; a person may be asked, too.
    pub async fn admit(&self, cx: &CallContext, arguments: Map<String, Value>) -> Result<Admission, Error> {
        self.allows(cx)?;
        if let Some(confirm) = &self.confirm {
            // Rare, and larger than a call should be.
            return Box::pin(self.confirmed(cx, arguments, confirm)).await;
        }
        let permit = self.gate.enter(&cx.principal)?;
        Ok(match self.arguments.check(arguments) {
            Ok(arguments) => Admission::Admitted(Admitted { arguments, _permit: permit }),
            Err(faults) => Admission::Answered(ToolResult::error(faults)),
        })
    }

    /// While a person thinks, the call takes no place of those that run. What it is refused then leaves the approval as it
    /// was.
    async fn confirmed(
        &self,
        cx: &CallContext,
        arguments: Map<String, Value>,
        confirm: &Confirm,
    ) -> Result<Admission, Error> {
        let arguments = match self.arguments.check(arguments) {
            Ok(arguments) => arguments,
            Err(faults) => return Ok(Admission::Answered(ToolResult::error(faults))),
        };
        let permission = match confirm.ask(cx, &arguments).await? {
            Verdict::Yes(permission) => permission,
            Verdict::No(answer) => return Ok(Admission::Answered(answer)),
        };
        let permit = self.gate.enter(&cx.principal)?;
        Ok(if permission.redeem() {
            Admission::Admitted(Admitted { arguments, _permit: permit })
        } else {
            Admission::Answered(confirm.used())
        })
    }

    /// The scopes of the caller.
    pub fn allows(&self, cx: &CallContext) -> Result<(), Error> {
        let missing = self.scopes.iter().any(|scope| !cx.principal.scopes.allow(scope));
        if missing { Err(Error::InsufficientScope { scopes: self.scopes.clone() }) } else { Ok(()) }
    }

    pub async fn run(&self, cx: &CallContext, call: Admitted) -> ToolResult {
        // Boxed as below: what stands around it holds it several times over.
        let work = pulse::during(cx, self.timeout, Box::pin(self.answer(cx, call.arguments)));
        story::told(cx, &self.name, work).await
    }

    async fn answer(&self, cx: &CallContext, arguments: Map<String, Value>) -> ToolResult {
        let Some((answers, ttl)) = &self.cache else {
            return run_kind(&self.kind, &self.name, self.timeout, cx, arguments).await;
        };
        let key = cache::key(&self.name, cx, &arguments);
        let work = run_kind(&self.kind, &self.name, self.timeout, cx, arguments);
        // Whoever waits for somebody else's answer waits no longer than for their own.
        within(self.timeout, answers.get(key, *ttl, work)).await
    }
}

/// Runs with arguments that were checked. The timeout drops the work, which cancels it.
pub async fn run_kind(
    kind: &Kind,
    name: &str,
    timeout: Option<Duration>,
    cx: &CallContext,
    arguments: Map<String, Value>,
) -> ToolResult {
    // Boxed, since every wrapper around a future holds it two or three times over: together they filled a stack.
    let work = async {
        match kind {
            Kind::Sql(sql) => Box::pin(sql.call(cx, arguments, timeout)).await,
            Kind::Http(http) => Box::pin(http.call(cx, arguments, timeout)).await,
            Kind::Grpc(grpc) => Box::pin(grpc.call(cx, &arguments, timeout)).await,
            Kind::Command(command) => Box::pin(command.call(cx, &arguments, timeout)).await,
            Kind::Graphql(graphql) => Box::pin(graphql.call(cx, arguments, timeout)).await,
            Kind::Mcp(mcp) => Box::pin(mcp.call(cx, arguments, timeout)).await,
            Kind::Fixed(result) => result.clone(),
            Kind::Steps(steps) => steps.call(cx, arguments).await,
            Kind::Stub => ToolResult::error(format!("the tool `{name}` is not implemented yet")),
        }
    };
    within(timeout, work).await
}

/// A little less than the whole call has, so that who knows what took so long is heard first.
fn upstream_time(timeout: Option<Duration>) -> Duration {
    let timeout = timeout.unwrap_or(LONGEST);
    timeout - (timeout / 50).min(Duration::from_millis(50))
}

async fn within(timeout: Option<Duration>, work: impl Future<Output = ToolResult>) -> ToolResult {
    let Some(timeout) = timeout else { return work.await };
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => result,
        Err(_) => {
            ToolResult::error(format!("the call took longer than its limit of {} and was stopped", humane(timeout)))
        }
    }
}

/// `30s`, `250ms`.
pub(crate) fn humane(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

#[cfg(test)]
mod tests {
    use mcp_serve::Principal;

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn a_call_that_waits_is_small() {
        let tool = Tool {
            name: "small".into(),
            scopes: Vec::new(),
            arguments: Arguments::compile(&serde_json::json!({})).unwrap(),
            headers: Vec::new(),
            timeout: None,
            max_bytes: None,
            task: false,
            gate: Gate::new(&mcp_serve::Limits::none()),
            read_only: true,
            seeded: false,
            confirm: None,
            cache: None,
            kind: Kind::Stub,
        };
        let cx = CallContext::new(Principal::local());
        let size = size_of_val(&tool.call(&cx, Map::new()));
        assert!(size < 8 * 1024, "{size} bytes");
    }
}
