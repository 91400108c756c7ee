//! Whose rows are whose. A column that said it may be gone, or have another name: a newer import then knows of no owner, and its
//! tools would answer everybody's rows. That is nobody's to decide but people's: it is a conflict like any other.

use std::collections::HashSet;

use serde_json::Value;

use super::{Conflict, Prefer, identity};

/// Tables that were scoped at the last import, are not now, and still have tools. Unless what is new counts, all stays as it was
/// imported for them.
pub fn keep(base: &Value, theirs: &mut Value, prefer: Option<Prefer>) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    for connection in base["connections"].as_array().into_iter().flatten() {
        let (name, scope) = (&connection["name"], &connection["scope"]);
        let Some(now) = position(theirs, "connections", name) else { continue };
        let still = tables(&theirs["connections"][now]["scope"]);
        let lost: HashSet<String> =
            tables(scope).into_iter().filter(|it| !still.contains(it) && has_tools(theirs, name, it)).collect();
        if lost.is_empty() {
            continue;
        }
        let new = theirs["connections"][now].get("scope").cloned();
        conflicts.push(Conflict {
            path: format!("connections[{}].scope", name.as_str().unwrap_or_default()),
            base: Some(scope.clone()),
            ours: Some(scope.clone()),
            theirs: new,
        });
        if prefer != Some(Prefer::Theirs) {
            theirs["connections"][now]["scope"] = scope.clone();
            as_before(base, theirs, name, &lost);
        }
    }
    conflicts
}

fn position(spec: &Value, section: &str, name: &Value) -> Option<usize> {
    spec[section].as_array()?.iter().position(|it| it["name"] == *name)
}

fn tables(scope: &Value) -> HashSet<String> {
    scope["tables"].as_array().into_iter().flatten().filter_map(Value::as_str).map(bare).collect()
}

/// A table without its schema and quotes.
fn bare(table: &str) -> String {
    let last = table.rsplit('.').next().unwrap_or(table);
    last.trim_matches(['"', '`']).to_lowercase()
}

fn is_about(tool: &Value, connection: &Value, tables: impl Fn(&str) -> bool) -> bool {
    tool["connection"] == *connection && identity::table(tool).is_some_and(|table| tables(&bare(&table)))
}

fn has_tools(spec: &Value, connection: &Value, table: &str) -> bool {
    spec["tools"].as_array().into_iter().flatten().any(|tool| is_about(tool, connection, |it| it == table))
}

/// Tools on these tables as they were imported last; those that are new are not there.
fn as_before(base: &Value, theirs: &mut Value, connection: &Value, lost: &HashSet<String>) {
    let Some(tools) = theirs.get_mut("tools").and_then(Value::as_array_mut) else { return };
    tools.retain_mut(|tool| {
        if !is_about(tool, connection, |it| lost.contains(it)) {
            return true;
        }
        let before = position(base, "tools", &tool["name"]).map(|at| base["tools"][at].clone());
        before.map(|before| *tool = before).is_some()
    });
}
