//! What is the same under two names, known by what it calls. What a newer import calls otherwise keeps the name it was imported
//! with, and what people call otherwise keeps theirs: who calls `delete_customer` does not find another table behind it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::statement::table;
use crate::{database::singular, name::snake};

/// Calls what is imported now by the names that it was imported with last. Gives back what is called otherwise there, by its name
/// there and the one it keeps.
pub fn keep_last_names(base: &Value, ours: &Value, theirs: &mut Value) -> Names {
    // Connections first: tools are told apart by them.
    let names = last_names("connections", place, (base, |_| true), (theirs, |_| true), ours);
    rename("connections", &names, theirs);
    let mut kept = Names::new();
    let mut keep = |names: Names, theirs: &mut Value| {
        rename("tools", &names, theirs);
        for (new, name) in names {
            let first = kept.iter().find(|(_, so_far)| **so_far == new).map(|(first, _)| first.clone());
            kept.insert(first.unwrap_or(new), name);
        }
    };
    keep(last_names("tools", exact_on, (base, |_| true), (theirs, |_| true), ours), theirs);
    // The same on another connection, where its own is not there any more.
    let (here, there) = (names_of("connections", base), names_of("connections", theirs));
    let is_on =
        |tool: &Value, names: &HashSet<String>| tool["connection"].as_str().is_some_and(|it| names.contains(it));
    let moved = last_names("tools", exact, (base, |it| !is_on(it, &there)), (theirs, |it| !is_on(it, &here)), ours);
    keep(moved, theirs);
    // Tables have other columns now.
    let [old, new] = [base, &*theirs].map(|spec| known("tools", exact_on, spec, |_| true));
    let is_in = |of: &HashMap<String, Option<String>>, spec: &Value, tool: &Value| {
        exact_on(spec, tool).is_some_and(|identity| of.contains_key(&identity))
    };
    let changed =
        last_names("tools", effect, (base, |it| !is_in(&new, base, it)), (theirs, |it| !is_in(&old, base, it)), ours);
    keep(changed, theirs);
    kept
}

/// Calls what people renamed by their names, in what was imported last and in what is imported now.
pub fn follow_people(base: &mut Value, ours: &Value, theirs: &mut Value) {
    for (section, identity) in [("connections", place as Identity), ("tools", call_on), ("tools", call)] {
        let names = renamed(section, identity, base, ours, theirs);
        rename(section, &names, base);
        rename(section, &names, theirs);
    }
}

/// Whether nothing of what was imported last is in what is imported now: no tool by its name or by what it calls, and no
/// connection by where it leads.
pub fn are_strangers(base: &Value, theirs: &Value) -> bool {
    let has_tools = |spec: &Value| elements("tools", spec).next().is_some();
    let names: HashSet<&str> = elements("tools", base).map(|(name, _)| name).collect();
    let shares = |section: &str, identity: Identity| {
        let known: HashSet<String> = elements(section, base).filter_map(|(_, it)| identity(base, it)).collect();
        elements(section, theirs).filter_map(|(_, it)| identity(theirs, it)).any(|it| known.contains(&it))
    };
    has_tools(base)
        && has_tools(theirs)
        && !elements("tools", theirs).any(|(name, _)| names.contains(name))
        && !shares("tools", call)
        && !shares("connections", place)
}

type Identity = fn(&Value, &Value) -> Option<String>;
pub type Names = HashMap<String, String>;

/// Of a name, in characters.
const LONGEST: usize = 64;

/// Where a connection leads.
fn place(_: &Value, connection: &Value) -> Option<String> {
    let fields = ["type", "url", "envVar", "path", "argv", "use"].map(|field| connection[field].to_string());
    (connection["type"].is_string() || connection["use"].is_string()).then(|| fields.join(" "))
}

/// What a tool calls, and on which connection.
fn call_on(spec: &Value, tool: &Value) -> Option<String> {
    call(spec, tool).map(|call| format!("{} {call}", tool["connection"]))
}

fn call(_: &Value, tool: &Value) -> Option<String> {
    let said = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(http) = tool.get("http") {
        let method = http["method"].as_str().unwrap_or("GET");
        return Some(format!("http {method} {}", said(&http["path"])?));
    }
    if let Some(sql) = tool.get("sql") {
        return Some(format!("sql {}", said(sql)?.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if let Some(graphql) = tool.get("graphql") {
        let query = said(&graphql["query"])?;
        // The field of the root, and of which root.
        let operation: String = query.chars().take_while(char::is_ascii_alphabetic).collect();
        return Some(format!("graphql {operation} {}", said(&graphql["select"]).unwrap_or(query)));
    }
    if let Some(grpc) = tool.get("grpc") {
        return Some(format!("grpc {}", said(&grpc["method"])?));
    }
    tool.get("mcp").and_then(|mcp| Some(format!("mcp {}", said(&mcp["tool"])?)))
}

/// What a generated tool does with one table, whatever columns that has: `get_order` of `orders`.
fn effect(spec: &Value, tool: &Value) -> Option<String> {
    let (verb, of) = tool["name"].as_str()?.split_once('_')?;
    let table = table(spec, tool)?;
    let word = snake(&table);
    let is_generated =
        ["search", "get", "create", "update", "delete"].contains(&verb) && (of == word || of == singular(&word));
    is_generated.then(|| format!("{verb} {} {table}", tool["connection"]))
}

/// With what it says always: one path may do this or that, by its query or body.
fn exact(spec: &Value, tool: &Value) -> Option<String> {
    let mut said = Vec::new();
    constants(&tool["http"]["query"], &mut said);
    constants(&tool["http"]["body"], &mut said);
    call(spec, tool).map(|call| format!("{call} {}", said.join(" ")))
}

fn exact_on(spec: &Value, tool: &Value) -> Option<String> {
    exact(spec, tool).map(|call| format!("{} {call}", tool["connection"]))
}

fn constants(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|it| constants(it, said)),
        Value::Array(elements) => elements.iter().for_each(|it| constants(it, said)),
        Value::String(text) if text.contains('{') => {}
        constant => said.push(constant.to_string()),
    }
}

fn elements<'s>(section: &str, spec: &'s Value) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
    let list: &'s Value = &spec[section];
    list.as_array().into_iter().flatten().filter_map(|it| Some((it["name"].as_str()?, it)))
}

/// Names by what they are, of those that count. Where two are the same, neither tells.
fn known(
    section: &str,
    identity: Identity,
    of: &Value,
    counts: impl Fn(&Value) -> bool,
) -> HashMap<String, Option<String>> {
    let mut found: HashMap<String, Option<String>> = HashMap::new();
    for (name, element) in elements(section, of).filter(|(_, element)| counts(element)) {
        if let Some(identity) = identity(of, element) {
            found.entry(identity).and_modify(|one| *one = None).or_insert_with(|| Some(name.to_owned()));
        }
    }
    found
}

fn names_of(section: &str, of: &Value) -> HashSet<String> {
    elements(section, of).map(|(name, _)| name.to_owned()).collect()
}

/// What is imported now under another name than last time, by its name now and the one it had, of those that count. Something
/// else that has that name now gets a number.
fn last_names(
    section: &str,
    identity: Identity,
    (base, counted): (&Value, impl Fn(&Value) -> bool),
    (theirs, counts): (&Value, impl Fn(&Value) -> bool),
    ours: &Value,
) -> Names {
    let (old, new) = (known(section, identity, base, counted), known(section, identity, theirs, counts));
    let mut names = Names::new();
    for (identity, now) in new {
        if let (Some(now), Some(Some(last))) = (now, old.get(&identity))
            && now != *last
        {
            names.insert(now, last.clone());
        }
    }
    let mut taken: HashSet<String> = [base, ours, theirs].iter().flat_map(|spec| names_of(section, spec)).collect();
    let given: HashSet<String> = names.values().cloned().collect();
    for (name, _) in elements(section, theirs).filter(|(name, _)| given.contains(*name)) {
        if !names.contains_key(name) {
            let other = numbered(name, &taken);
            taken.insert(other.clone());
            names.insert(name.to_owned(), other);
        }
    }
    names
}

fn numbered(name: &str, taken: &HashSet<String>) -> String {
    let mut stem = name.to_owned();
    stem.truncate(LONGEST - 4);
    let mut number = 2_u32;
    loop {
        let name = format!("{stem}_{number}");
        if !taken.contains(&name) {
            return name;
        }
        number += 1;
    }
}

/// What people call otherwise, by its name in what was imported.
fn renamed(section: &str, identity: Identity, base: &Value, ours: &Value, theirs: &Value) -> Names {
    let made = known(section, identity, ours, |_| true);
    let mut names = Names::new();
    for (identity, name) in known(section, identity, base, |_| true) {
        if let (Some(name), Some(Some(to))) = (name, made.get(&identity))
            && name != *to
        {
            names.insert(name, to.clone());
        }
    }
    // Another thing has that name, and keeps it: both are shown, and nobody guesses.
    let (last, now) = (names_of(section, base), names_of(section, theirs));
    let imported = |name: &String| last.contains(name) || now.contains(name);
    loop {
        let free: HashSet<String> = names.keys().cloned().collect();
        let before = names.len();
        names.retain(|_, to| free.contains(to) || !imported(to));
        if names.len() == before {
            return names;
        }
    }
}

fn rename(section: &str, names: &Names, spec: &mut Value) {
    if names.is_empty() {
        return;
    }
    let change = |name: &mut Value| {
        if let Some(to) = name.as_str().and_then(|name| names.get(name)) {
            *name = to.as_str().into();
        }
    };
    let refers = if section == "tools" { ("toolsets", "tools") } else { ("tools", "connection") };
    for (of, field) in [(section, "name"), refers] {
        for element in spec.get_mut(of).and_then(Value::as_array_mut).into_iter().flatten() {
            match element.get_mut(field) {
                Some(Value::Array(names)) => names.iter_mut().for_each(change),
                Some(name) => change(name),
                None => {}
            }
        }
    }
}
