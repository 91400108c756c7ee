//! What this build can't run yet. What would be unsafe to leave out is refused; what is merely not there is told.

use mcp_factory_spec::{
    Spec,
    model::{
        Access, Auth, Connection, ConnectionKind, Content, GrpcServer, HttpServer, McpServer, OutboundAuth, Step,
        ToolKind,
    },
};

use super::Problem;

/// Adds a problem for everything that can't run, and returns what is left alone harmlessly.
pub fn check(spec: &Spec, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut refuse = |path: String, what: &str| {
        let message = format!("this build can't run {what} yet");
        problems.push(Problem { code: "plan/not-supported", path, message });
    };
    for (position, connection) in spec.connections.iter().enumerate() {
        let path = format!("connections[{position}]");
        for (field, what) in connection_gaps(connection) {
            refuse(format!("{path}{field}"), what);
        }
    }
    for (position, tool) in spec.tools.iter().enumerate() {
        let path = format!("tools[{position}]");
        match &tool.kind {
            None | Some(ToolKind::Command(_) | ToolKind::Graphql(_) | ToolKind::Grpc(_) | ToolKind::Mcp(_)) => {}
            Some(ToolKind::Steps(steps)) => step_gaps(steps, spec, &path, &mut refuse),
            Some(kind) => kind_gaps(kind, &path, &mut refuse),
        }
        if tool.paginate.is_some() && !matches!(tool.kind, Some(ToolKind::Sql(_) | ToolKind::Http(_)) | None) {
            refuse(format!("{path}.paginate"), "`paginate` beside anything but `sql` and `http`");
        }
    }
    for (position, resource) in spec.resources.iter().enumerate() {
        if let Content::Kind { kind, .. } = &resource.content {
            kind_gaps(kind, &format!("resources[{position}]"), &mut refuse);
        }
    }
    if let Access::Header(header) = &spec.access
        && header.signature.is_some()
        && !header.trusted_proxies.is_empty()
    {
        refuse("permissions.trustedProxies".to_owned(), "`trustedProxies` beside `signature`");
    }
    approvers(spec, problems);
    notices(spec)
}

/// Where nobody says who they are, nobody can be told from the caller.
fn approvers(spec: &Spec, problems: &mut Vec<Problem>) {
    for (position, tool) in spec.tools.iter().enumerate() {
        let Some(group) = tool.confirm.as_ref().and_then(|confirm| confirm.by.as_ref()) else { continue };
        if spec.auth == Auth::None {
            let message = format!(
                "somebody of `{group}` is to approve, and without `auth` nobody has to say who they are: set it up, with keys \
                 that have groups"
            );
            problems.push(Problem { code: "plan/unusable", path: format!("tools[{position}].confirm.by"), message });
        }
    }
}

fn connection_gaps(connection: &Connection) -> Vec<(&'static str, &'static str)> {
    let mut gaps = Vec::new();
    match &connection.kind {
        None => gaps.push((".use", "connections that an operator shares")),
        Some(ConnectionKind::Http(HttpServer { auth, .. }) | ConnectionKind::Graphql(HttpServer { auth, .. }))
            if auth.iter().any(|auth| matches!(auth, OutboundAuth::Principal(_))) =>
        {
            gaps.push((".auth", "the caller's own credential for an upstream"));
        }
        Some(ConnectionKind::Grpc(GrpcServer { auth, .. }) | ConnectionKind::Mcp(McpServer { auth, .. }))
            if matches!(auth, Some(OutboundAuth::Principal(_))) =>
        {
            gaps.push((".auth", "the caller's own credential for an upstream"));
        }
        // Connections of other types matter through the tools that use them.
        Some(_) => {}
    }
    gaps
}

fn kind_gaps(kind: &ToolKind, path: &str, refuse: &mut impl FnMut(String, &str)) {
    match kind {
        ToolKind::Sql(_) | ToolKind::Http(_) | ToolKind::Static(_) => {}
        other => refuse(format!("{path}.{}", other.key()), &format!("`{}` tools", other.key())),
    }
}

/// Somebody who is asked in the middle might say no, and what was done before stays done. Who says yes would have it done
/// twice: a confirmed call is a repeated one.
fn step_gaps(steps: &[Step], spec: &Spec, path: &str, refuse: &mut impl FnMut(String, &str)) {
    for (index, step) in steps.iter().enumerate() {
        let Step::Call(call) = step else { continue };
        let called = spec.tools.iter().find(|tool| tool.name == call.call);
        if called.is_some_and(|called| called.confirm.is_some()) {
            let what = format!(
                "a confirmation in the middle of steps (`{}` asks for one; put `confirm` on this tool, and call one without)",
                call.call
            );
            refuse(format!("{path}.steps[{index}].call"), &what);
        }
    }
}

fn notices(spec: &Spec) -> Vec<String> {
    let mut notices = Vec::new();
    if !spec.triggers.is_empty() {
        notices.push("this build fires no triggers; the tools are served without them".to_owned());
    }
    if !spec.events.is_empty() {
        notices.push("this build publishes no events".to_owned());
    }
    notices
}
