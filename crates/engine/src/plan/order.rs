//! Tools whose steps call others are compiled after those.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use mcp_factory_spec::{
    Spec,
    model::{self, Step, ToolKind},
};

use super::Builder;
use crate::tool::Tool;

/// All tools, by name. What can't be compiled is reported, and what calls it goes with it.
pub fn tools(spec: &Spec, builder: &mut Builder<'_>) -> HashMap<String, Arc<Tool>> {
    let mut compiled: HashMap<String, Arc<Tool>> = HashMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut waiting: Vec<(usize, &model::Tool)> = spec.tools.iter().enumerate().collect();
    loop {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.iter().partition(|(_, tool)| called(tool).all(|name| seen.contains(name)));
        for (position, tool) in &ready {
            seen.insert(tool.name.as_str());
            if called(tool).all(|name| compiled.contains_key(name))
                && let Some(tool) = builder.tool(*position, tool, &compiled)
            {
                compiled.insert(tool.name.to_string(), Arc::new(tool));
            }
        }
        waiting = rest;
        if ready.is_empty() || waiting.is_empty() {
            break;
        }
    }
    // `spec` has found these already; here it is what keeps a call from going round for ever.
    for (position, tool) in waiting {
        let message = format!("the steps of `{}` come back to it, or call a tool that there is not", tool.name);
        builder.report(format!("tools[{position}].steps"), message.into());
    }
    compiled
}

/// The tools that its steps call.
fn called(tool: &model::Tool) -> impl Iterator<Item = &str> {
    let steps = match &tool.kind {
        Some(ToolKind::Steps(steps)) => steps.as_slice(),
        _ => &[],
    };
    steps.iter().filter_map(|step| match step {
        Step::Call(call) => Some(call.call.as_str()),
        Step::Return(_) => None,
    })
}
