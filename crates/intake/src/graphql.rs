//! What a GraphQL endpoint says of itself (introspection), as a spec: each field of `Query` and `Mutation` becomes a tool, its
//! arguments variables. Selection sets are chosen here, so deep and no deeper, and bounded.

mod input;
mod selection;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::{input::Inputs, selection::Selecting};
use crate::{
    Finding, Level, MANY, MOST, Proposal,
    exposure::{self, Group, expose},
    name::{self, Names, fits},
    settle, text, too_many,
};

/// Asked of the endpoint. Types are followed seven wraps deep, as everybody does.
pub const INTROSPECTION: &str = "query Introspection { __schema { queryType { name } mutationType { name } subscriptionType { name } \
    types { kind name description \
    fields(includeDeprecated: true) { name description isDeprecated deprecationReason \
    args { name description defaultValue type { ...T } } type { ...T } } \
    inputFields { name description defaultValue type { ...T } } enumValues(includeDeprecated: false) { name } possibleTypes { name } } } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name } } } } } } } }";

/// How an endpoint is taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of where it is.
    pub name: Option<String>,
    /// Only fields whose names fit one of these; `*` stands for anything.
    pub fields: Vec<String>,
}

/// What an endpoint answered, if it says anything of its schema; else what it did answer, and what may be done.
pub fn answered(status: &str, kind: Option<&str>, body: &[u8]) -> Result<Value, String> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        let kind = kind.map_or_else(|| "no `Content-Type`".to_owned(), |kind| format!("`{}`", text::plain(kind, 80)));
        return Err(format!(
            "it answers {status} with {kind}, and no JSON; look whether this is the URL of the GraphQL endpoint, whose path is often \
             `/graphql`, and whether it takes a token (`--token-env-var`)"
        ));
    };
    if answer["data"]["__schema"].is_object() {
        return Ok(answer);
    }
    let errors = answer["errors"].as_array().into_iter().flatten();
    let said: Vec<String> = errors
        .filter_map(|it| it["message"].as_str())
        .take(3)
        .map(|it| format!("`{}`", text::plain(it, 200)))
        .collect();
    Err(match said.as_slice() {
        [] => format!(
            "it answers {status} with JSON that is no answer of GraphQL; look whether this is the URL of the GraphQL endpoint, \
             whose path is often `/graphql`, and whether it takes a token (`--token-env-var`)"
        ),
        said => format!(
            "it answers {status} and does not tell its schema: {}; where introspection is for some callers only, pass their token \
             (`--token-env-var`); where it is turned off, turn it on for as long as this takes, or write `graphql` tools by hand",
            said.join(", ")
        ),
    })
}

/// Makes a spec of what introspection answered; `connection` says how the endpoint is reached.
pub fn import(
    title: &str,
    connection: Map<String, Value>,
    answer: &Value,
    options: &Options,
) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    let tell = |found: &mut Vec<Finding>, level, place: String, message: String| {
        found.push(Finding { level, place, position: None, message, hint: None });
    };
    let schema = answer.pointer("/data/__schema").unwrap_or(&answer["__schema"]);
    let listed = schema["types"].as_array().map(Vec::as_slice).unwrap_or_default();
    let types: Types<'_> = Types(listed.iter().filter_map(|it| Some((it["name"].as_str()?, it))).collect());
    let mut names = Names::default();
    let (mut tools, mut places) = (Vec::new(), Vec::new());
    let mut all = 0;
    for (operation, root) in
        [("query", "queryType"), ("mutation", "mutationType"), ("subscription", "subscriptionType")]
    {
        let Some(root) = schema[root]["name"].as_str().and_then(|name| types.0.get(name)) else { continue };
        for field in root["fields"].as_array().into_iter().flatten() {
            let theirs = field["name"].as_str().unwrap_or_default();
            all += 1;
            if theirs.is_empty() || !options.fields.is_empty() && !options.fields.iter().any(|it| fits(it, theirs)) {
                continue;
            }
            let place = format!("/{operation}/{theirs}");
            let refused = if operation == "subscription" {
                Some("a subscription goes on for as long as somebody listens, and a tool answers once".to_owned())
            } else if is_deprecated(field) && !options.fields.iter().any(|it| it == theirs) {
                let reason = field["deprecationReason"].as_str().map(|reason| text::plain(reason, 200));
                let reason = reason.filter(|reason| !reason.is_empty());
                Some(reason.map_or_else(|| "deprecated".to_owned(), |reason| format!("deprecated: {reason}")))
            } else {
                None
            };
            if let Some(why) = refused {
                tell(&mut found, Level::LeftOut, place, format!("the field `{}`: {why}", text::plain(theirs, 80)));
                continue;
            }
            if tools.len() == MOST {
                found.push(too_many(
                    "fields",
                    root["fields"].as_array().map_or(0, Vec::len),
                    "choose some by their names",
                ));
                return Err(found);
            }
            match tool(operation, theirs, field, &types, &mut names) {
                Some(tool) => {
                    tools.push(tool);
                    places.push(place);
                }
                None => {
                    let message = format!("the field `{}`: nothing of it can be selected", text::plain(theirs, 80));
                    tell(&mut found, Level::LeftOut, place, message);
                }
            }
        }
    }
    if tools.is_empty() {
        let message = match all {
            0 => "the endpoint says nothing of its schema: introspection may be turned off".to_owned(),
            all => format!("none of the {all} fields was chosen and can be a tool"),
        };
        tell(&mut found, Level::Error, "/data/__schema".to_owned(), message);
        return Err(found);
    }
    let server = options.name.clone().unwrap_or_else(|| name::server(title));
    let mut api = Map::new();
    api.insert("name".to_owned(), "api".into());
    api.insert("type".to_owned(), "graphql".into());
    api.extend(connection);
    let mut spec = Map::new();
    spec.insert("name".to_owned(), server.into());
    spec.insert("connections".to_owned(), json!([api]));
    if tools.len() > MANY {
        expose(&mut spec, &exposure::names(&tools), vec![Group::of_all("All fields of the schema")]);
    }
    spec.insert("tools".to_owned(), tools.into());
    settle::settle(Value::Object(spec), &places, found)
}

/// Types by their names.
struct Types<'s>(BTreeMap<&'s str, &'s Value>);

/// A type without its wraps: whether it has to be there, whether it is a list, its name.
fn unwrapped(kind: &Value) -> (bool, bool, &str) {
    let (mut required, mut list, mut kind) = (false, false, kind);
    for depth in 0..16 {
        match kind["kind"].as_str() {
            Some("NON_NULL") => required |= depth == 0,
            Some("LIST") => list = true,
            _ => break,
        }
        kind = &kind["ofType"];
    }
    (required, list, kind["name"].as_str().unwrap_or_default())
}

/// As a query writes it: `[ID!]!`.
fn written(kind: &Value, depth: usize) -> Option<String> {
    let inner = || written(&kind["ofType"], depth + 1);
    match kind["kind"].as_str()? {
        _ if depth > 16 => None,
        "NON_NULL" => Some(format!("{}!", inner()?)),
        "LIST" => Some(format!("[{}]", inner()?)),
        _ => kind["name"].as_str().filter(|name| is_name(name)).map(str::to_owned),
    }
}

/// A name of GraphQL, so that nothing else gets into a query.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 200
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn tool(operation: &str, theirs: &str, field: &Value, types: &Types<'_>, names: &mut Names) -> Option<Value> {
    if !is_name(theirs) {
        return None;
    }
    let mut parameter_names = Names::default();
    let mut inputs = Inputs::new(types);
    let (mut declared, mut passed) = (Vec::new(), Vec::new());
    let (mut properties, mut required, mut variables) = (Map::new(), Vec::new(), Map::new());
    for argument in field["args"].as_array().into_iter().flatten() {
        let name = argument["name"].as_str().filter(|name| is_name(name))?;
        let parameter = parameter_names.parameter(name, "argument");
        let default = argument["defaultValue"].is_string();
        let mut schema = inputs.schema(&argument["type"]);
        describe(argument, text::PARAMETER, &mut schema);
        if unwrapped(&argument["type"]).0 && !default {
            required.push(Value::from(parameter.as_str()));
        }
        // Its default is the endpoint's to put in: a variable that is left out counts as none, if it may be.
        let kind = written(&argument["type"], 0)?;
        declared.push(format!("${name}: {}", if default { kind.trim_end_matches('!') } else { &kind }));
        passed.push(format!("{name}: ${name}"));
        variables.insert(name.to_owned(), format!("{{{parameter}}}").into());
        properties.insert(parameter, schema);
    }
    let selection = Selecting::new(types).of(&field["type"])?;
    let parenthesised =
        |list: &[String]| if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
    let query = format!("{operation}{} {{ {theirs}{}{selection} }}", parenthesised(&declared), parenthesised(&passed));
    let id = names.tool([name::tool(Some(theirs), operation, theirs), name::tool(None, operation, theirs)]);
    let about =
        field["description"].as_str().map(|about| text::plain(about, text::TOOL)).filter(|about| !about.is_empty());
    let mut graphql = json!({ "query": query, "select": format!("/{theirs}") });
    if !variables.is_empty() {
        graphql["variables"] = Value::Object(variables);
    }
    let mut tool = Map::new();
    tool.insert("name".to_owned(), id.clone().into());
    tool.insert("description".to_owned(), about.unwrap_or_else(|| id.replace('_', " ")).into());
    if !properties.is_empty() {
        let schema = json!({ "type": "object", "properties": properties, "required": required });
        tool.insert("inputSchema".to_owned(), schema);
    }
    tool.insert("connection".to_owned(), "api".into());
    tool.insert("graphql".to_owned(), graphql);
    // What a mutation does, its endpoint knows alone.
    let annotations = if operation == "query" { json!({ "readOnly": true }) } else { json!({ "destructive": true }) };
    tool.insert("annotations".to_owned(), annotations);
    Some(Value::Object(tool))
}

/// What is said of an argument or a field of an input, and what it is where it is left out.
fn describe(input: &Value, most: usize, schema: &mut Value) {
    let mut about = input["description"].as_str().map(|about| text::plain(about, most)).unwrap_or_default();
    text::tell_default(input["defaultValue"].as_str().unwrap_or_default(), &mut about);
    if !about.is_empty() {
        schema["description"] = about.into();
    }
}

impl<'s> Types<'s> {
    fn get(&self, name: &str) -> &'s Value {
        self.0.get(name).copied().unwrap_or(&Value::Null)
    }
}

/// What is on its way out is no part of what is new.
fn is_deprecated(field: &Value) -> bool {
    field["isDeprecated"] == true
}

#[cfg(test)]
mod tests;
