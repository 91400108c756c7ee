//! Whose rows are whose. A column that said it may be gone, or have another name: a newer import then knows of no owner, and its
//! tools would answer everybody's rows. That is nobody's to decide but people's: it is a conflict like any other.

use std::collections::HashSet;

use mcp_factory_spec::sql::Scope;
use serde_json::{Value, json};

use super::{
    Conflict, Prefer,
    statement::{is_bound, mentions, template},
};

/// What was bound to the caller and is not now. Unless what is new counts, such a tool stays as it was imported, and one that is
/// new is not there.
pub fn keep(base: &Value, ours: &Value, theirs: &mut Value, prefer: Option<Prefer>) -> Vec<Conflict> {
    let mut conflicts = Vec::new();
    let open = open(base, ours, theirs);
    for connection in list(base, "connections") {
        let name = connection["name"].as_str().unwrap_or_default();
        let of_it = |tool: &&String| named(theirs, "tools", tool).is_some_and(|tool| tool["connection"] == name);
        let open: HashSet<String> = open.iter().filter(of_it).cloned().collect();
        if open.is_empty() {
            keep_tables(connection, ours, theirs);
            continue;
        }
        match declared(connection, ours) {
            Some(scope) => conflicts.push(Conflict {
                path: format!("connections[{name}].scope"),
                base: Some(scope.clone()),
                ours: named(ours, "connections", name).map(|it| it["scope"].clone()),
                theirs: named(theirs, "connections", name).and_then(|it| it.get("scope")).cloned(),
            }),
            None => conflicts.extend(open.iter().map(|tool| {
                let of = |spec: &Value| named(spec, "tools", tool).map(|it| it["sql"].clone());
                Conflict { path: format!("tools[{tool}].sql"), base: of(base), ours: of(ours), theirs: of(theirs) }
            })),
        }
        if prefer != Some(Prefer::Theirs) {
            as_before(base, theirs, &open);
            keep_tables(connection, ours, theirs);
        }
    }
    conflicts
}

fn list<'s>(spec: &'s Value, section: &str) -> impl Iterator<Item = &'s Value> + use<'s> {
    let list: &'s Value = &spec[section];
    list.as_array().into_iter().flatten()
}

fn named<'s>(spec: &'s Value, section: &str, name: &str) -> Option<&'s Value> {
    list(spec, section).find(|it| it["name"] == name)
}

/// The scope that was imported. Not where people took it away.
fn declared<'s>(connection: &'s Value, ours: &Value) -> Option<&'s Value> {
    let scope = connection.get("scope")?;
    let here = named(ours, "connections", connection["name"].as_str()?)?;
    here.get("scope").map(|_| scope)
}

fn tables(scope: &Value) -> Vec<String> {
    list(scope, "tables").filter_map(Value::as_str).map(bare).collect()
}

fn bare(table: &str) -> String {
    table.rsplit('.').next().unwrap_or(table).to_lowercase()
}

/// Tools that reach everybody's rows where it was the caller's.
fn open(base: &Value, ours: &Value, theirs: &Value) -> Vec<String> {
    let is_open = |tool: &&Value| {
        let name = tool["name"].as_str().unwrap_or_default();
        let before = named(base, "tools", name);
        if before == Some(*tool) || tool["sql"].is_null() {
            return false;
        }
        let was_bound = before.is_some_and(is_bound) && named(ours, "tools", name).is_some_and(is_bound);
        was_bound && !is_bound(tool) || reaches_what_was_scoped(base, ours, theirs, tool)
    };
    let open = list(theirs, "tools").filter(is_open);
    open.filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
}

/// Tables that the new import has no owner for.
fn reaches_what_was_scoped(base: &Value, ours: &Value, theirs: &Value, tool: &Value) -> bool {
    let of = |spec| named(spec, "connections", tool["connection"].as_str().unwrap_or_default());
    let Some(scope) = of(base).and_then(|it| declared(it, ours)) else { return false };
    let still = of(theirs).map_or_else(Vec::new, |it| tables(&it["scope"]));
    let left: Vec<String> = tables(scope).into_iter().filter(|it| !still.contains(it)).collect();
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    let Some(column) = scope["column"].as_str().filter(|_| !left.is_empty()) else { return false };
    let scope = Scope { column, by: scope["by"].as_str().unwrap_or("principal.id"), tables: &left };
    // What can't be read reaches whatever it names.
    template(theirs, tool).map_or_else(
        || left.iter().any(|table| mentions(tool, table)),
        |template| !template.unscoped(&scope).is_empty(),
    )
}

fn as_before(base: &Value, theirs: &mut Value, open: &HashSet<String>) {
    let Some(tools) = theirs.get_mut("tools").and_then(Value::as_array_mut) else { return };
    tools.retain_mut(|tool| {
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        let before = named(base, "tools", &name);
        match (open.contains(&name), before) {
            (false, _) => true,
            (true, Some(before)) => {
                *tool = before.clone();
                true
            }
            (true, None) => false,
        }
    });
}

/// A table whose rows are somebody's stays declared so, while there are tools that name it: people's own are checked by that.
fn keep_tables(connection: &Value, ours: &Value, theirs: &mut Value) {
    let Some(scope) = declared(connection, ours) else { return };
    let name = connection["name"].as_str().unwrap_or_default();
    let Some(now) = named(theirs, "connections", name) else { return };
    let is_other = now.get("scope").is_some_and(|it| it["column"] != scope["column"]);
    let still = tables(&now["scope"]);
    let is_used = |table: &str| {
        let table = bare(table);
        let tools = list(ours, "tools").chain(list(theirs, "tools"));
        !still.contains(&table) && tools.filter(|it| it["connection"] == name).any(|it| mentions(it, &table))
    };
    let kept: Vec<Value> = list(scope, "tables").filter(|table| table.as_str().is_some_and(is_used)).cloned().collect();
    if kept.is_empty() || is_other {
        return;
    }
    let connections = theirs.get_mut("connections").and_then(Value::as_array_mut);
    let Some(now) = connections.and_then(|all| all.iter_mut().find(|it| it["name"] == name)) else { return };
    if now.get("scope").is_none() {
        now["scope"] = scope.clone();
        now["scope"]["tables"] = json!([]);
    }
    if let Some(tables) = now["scope"].get_mut("tables").and_then(Value::as_array_mut) {
        tables.extend(kept);
        tables.sort_by_key(ToString::to_string);
    }
}
