//! What is the same under two names. People rename what was imported; a newer import still means it by what it calls. Their name
//! stays, and what is new of it comes in under that name.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Calls what people renamed by their names, in what was imported last and in what is imported now.
pub fn keep_names(base: &mut Value, ours: &Value, theirs: &mut Value) {
    // Connections first: tools are told apart by them.
    let sections: [(&str, Identity); 3] = [("connections", place), ("tools", call_on), ("tools", call)];
    for (section, identity) in sections {
        let (old, new) = renamed(section, identity, base, ours, theirs);
        rename(section, &old, base);
        rename(section, &new, theirs);
    }
}

/// Whether nothing of what was imported last is in what is imported now: no tool by its name or by what it calls, and no
/// connection by where it leads.
pub fn are_strangers(base: &Value, theirs: &Value) -> bool {
    let has_tools = |spec: &Value| elements("tools", spec).next().is_some();
    let names: HashSet<&str> = elements("tools", base).map(|(name, _)| name).collect();
    let shares = |section: &str, identity: Identity| {
        let known: HashSet<String> = elements(section, base).filter_map(|(_, it)| identity(it)).collect();
        elements(section, theirs).filter_map(|(_, it)| identity(it)).any(|it| known.contains(&it))
    };
    has_tools(base)
        && has_tools(theirs)
        && !elements("tools", theirs).any(|(name, _)| names.contains(name))
        && !shares("tools", call)
        && !shares("connections", place)
}

type Identity = fn(&Value) -> Option<String>;
type Names = HashMap<String, String>;

/// Where a connection leads.
fn place(connection: &Value) -> Option<String> {
    let fields = ["type", "url", "envVar", "path", "argv", "use"].map(|field| connection[field].to_string());
    (connection["type"].is_string() || connection["use"].is_string()).then(|| fields.join(" "))
}

/// What a tool calls, and on which connection.
fn call_on(tool: &Value) -> Option<String> {
    call(tool).map(|call| format!("{} {call}", tool["connection"]))
}

fn call(tool: &Value) -> Option<String> {
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

fn elements<'s>(section: &str, spec: &'s Value) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
    let list: &'s Value = &spec[section];
    list.as_array().into_iter().flatten().filter_map(|it| Some((it["name"].as_str()?, it)))
}

/// The names of those that only one of two specs has, by what they are. Where two are the same, neither tells.
fn unknown<'s>(section: &str, identity: Identity, of: &'s Value, to: &Value) -> HashMap<String, Option<&'s str>> {
    let known: HashSet<&str> = elements(section, to).map(|(name, _)| name).collect();
    let mut found: HashMap<String, Option<&str>> = HashMap::new();
    for (name, element) in elements(section, of).filter(|(name, _)| !known.contains(name)) {
        if let Some(identity) = identity(element) {
            found.entry(identity).and_modify(|one| *one = None).or_insert(Some(name));
        }
    }
    found
}

/// What people call otherwise: its name in what was imported last, and in what is imported now.
fn renamed(section: &str, identity: Identity, base: &Value, ours: &Value, theirs: &Value) -> (Names, Names) {
    let (mut old, mut new) = (Names::new(), Names::new());
    let gone = unknown(section, identity, base, ours);
    if gone.is_empty() {
        return (old, new);
    }
    let made = unknown(section, identity, ours, base);
    let newer = unknown(section, identity, theirs, base);
    let known: HashSet<&str> = elements(section, theirs).map(|(name, _)| name).collect();
    for (identity, name) in gone {
        let (Some(name), Some(Some(to))) = (name, made.get(&identity)) else { continue };
        // What is imported now may call it otherwise, too.
        let from = if known.contains(name) { Some(name) } else { newer.get(&identity).copied().flatten() };
        // Another thing has that name now: both are shown, and nobody guesses.
        if from != Some(*to) && known.contains(to) {
            continue;
        }
        old.insert(name.to_owned(), (*to).to_owned());
        if let Some(from) = from {
            new.insert(from.to_owned(), (*to).to_owned());
        }
    }
    (old, new)
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
