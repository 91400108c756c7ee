//! What is the same under two names, known by what it calls. What a newer import calls otherwise keeps the name it was imported
//! with, and what people call otherwise keeps theirs: who calls `delete_customer` does not find another table behind it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// Calls everything by the names it has with people: first what is imported now as it was imported last, then both as people
/// renamed it. Gives back what is called otherwise in the new import, by its name there and the one it keeps.
pub fn keep_names(base: &mut Value, ours: &Value, theirs: &mut Value) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    // Connections first: tools are told apart by them.
    for (section, identity) in
        [("connections", place as Identity), ("tools", call_on), ("tools", call), ("tools", effect)]
    {
        let names = last_names(section, identity, base, ours, theirs);
        rename(section, &names, theirs);
        if section == "tools" {
            kept.extend(names);
        }
    }
    for (section, identity) in [("connections", place as Identity), ("tools", call_on), ("tools", call)] {
        let names = renamed(section, identity, base, ours, theirs);
        rename(section, &names, base);
        rename(section, &names, theirs);
    }
    kept
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

/// Of a name, in characters.
const LONGEST: usize = 64;

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

/// What a generated statement does, and to which table, whatever columns that has.
fn effect(tool: &Value) -> Option<String> {
    let verb = tool["name"].as_str()?.split('_').next()?;
    let (does, table) = (tool["sql"].as_str()?.split_whitespace().next()?, table(tool)?);
    let parameters = tool["parameters"].as_object().into_iter().flatten();
    let mut needed: Vec<&str> =
        parameters.filter(|(_, it)| it["required"] == true).map(|(name, _)| name.as_str()).collect();
    needed.sort_unstable();
    // What a new row needs changes with its columns.
    if does == "INSERT" {
        needed.clear();
    }
    Some(format!("{verb} {} {does} {table} {}", tool["connection"], needed.join(" ")))
}

/// The first table that a statement names.
pub fn table(tool: &Value) -> Option<String> {
    let mut words = tool["sql"].as_str()?.split_whitespace();
    words.find(|word| ["FROM", "INTO", "UPDATE"].iter().any(|known| word.eq_ignore_ascii_case(known)))?;
    let mut name = String::new();
    // A quoted name may have spaces in it.
    for word in words {
        name.push_str(word);
        if name.matches(['"', '`']).count().is_multiple_of(2) {
            return Some(name);
        }
        name.push(' ');
    }
    None
}

fn elements<'s>(section: &str, spec: &'s Value) -> impl Iterator<Item = (&'s str, &'s Value)> + use<'s> {
    let list: &'s Value = &spec[section];
    list.as_array().into_iter().flatten().filter_map(|it| Some((it["name"].as_str()?, it)))
}

/// Names by what they are. Where two are the same, neither tells.
fn known<'s>(section: &str, identity: Identity, of: &'s Value) -> HashMap<String, Option<&'s str>> {
    let mut found: HashMap<String, Option<&str>> = HashMap::new();
    for (name, element) in elements(section, of) {
        if let Some(identity) = identity(element) {
            found.entry(identity).and_modify(|one| *one = None).or_insert(Some(name));
        }
    }
    found
}

fn names_of<'s>(section: &str, of: &'s Value) -> HashSet<&'s str> {
    elements(section, of).map(|(name, _)| name).collect()
}

/// What is imported now under another name than last time, by its name now and the one it had. Something else that has that name
/// now gets a number.
fn last_names(section: &str, identity: Identity, base: &Value, ours: &Value, theirs: &Value) -> Names {
    let (old, new) = (known(section, identity, base), known(section, identity, theirs));
    let mut names = Names::new();
    for (identity, now) in new {
        if let (Some(now), Some(Some(last))) = (now, old.get(&identity))
            && now != *last
        {
            names.insert(now.to_owned(), (*last).to_owned());
        }
    }
    let mut taken: HashSet<String> =
        [base, ours, theirs].iter().flat_map(|spec| names_of(section, spec)).map(str::to_owned).collect();
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
    let made = known(section, identity, ours);
    let mut names = Names::new();
    for (identity, name) in known(section, identity, base) {
        if let (Some(name), Some(Some(to))) = (name, made.get(&identity))
            && name != *to
        {
            names.insert(name.to_owned(), (*to).to_owned());
        }
    }
    // Another thing has that name, and keeps it: both are shown, and nobody guesses.
    let imported: HashSet<&str> = names_of(section, base).union(&names_of(section, theirs)).copied().collect();
    loop {
        let free: HashSet<String> = names.keys().cloned().collect();
        let before = names.len();
        names.retain(|_, to| free.contains(to) || !imported.contains(to.as_str()));
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
