//! What a GraphQL endpoint says of itself (introspection), as a spec: each field of `Query` and `Mutation` becomes a tool, its
//! arguments variables. Selection sets are chosen here, so deep and no deeper, and bounded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    Finding, Level, MANY, Proposal,
    name::fits,
    name::{self, Names},
    settle, text,
};

/// Asked of the endpoint. Types are followed seven wraps deep, as everybody does.
pub const INTROSPECTION: &str = "query Introspection { __schema { queryType { name } mutationType { name } types { kind name description \
    fields(includeDeprecated: false) { name description args { name description defaultValue type { ...T } } type { ...T } } \
    inputFields { name description defaultValue type { ...T } } enumValues(includeDeprecated: false) { name } possibleTypes { name } } } } \
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
    ofType { kind name ofType { kind name } } } } } } } }";

/// How deep objects are selected within each other.
const DEEPEST: usize = 3;
/// Fields of one selection set in all.
const MOST_FIELDS: usize = 120;
/// How deep input objects are described.
const DEEPEST_INPUT: usize = 4;

/// How an endpoint is taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of where it is.
    pub name: Option<String>,
    /// Only fields whose names fit one of these; `*` stands for anything.
    pub fields: Vec<String>,
}

/// Makes a spec of what introspection answered; `connection` says how the endpoint is reached.
pub fn import(
    title: &str,
    connection: Map<String, Value>,
    answer: &Value,
    options: &Options,
) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    let mut tell = |level, place: String, message: String| {
        found.push(Finding { level, place, position: None, message, hint: None });
    };
    let schema = answer.pointer("/data/__schema").unwrap_or(&answer["__schema"]);
    let listed = schema["types"].as_array().map(Vec::as_slice).unwrap_or_default();
    let types: Types<'_> = Types(listed.iter().filter_map(|it| Some((it["name"].as_str()?, it))).collect());
    let mut names = Names::default();
    let (mut tools, mut places) = (Vec::new(), Vec::new());
    let mut all = 0;
    for (operation, root) in [("query", "queryType"), ("mutation", "mutationType")] {
        let Some(root) = schema[root]["name"].as_str().and_then(|name| types.0.get(name)) else { continue };
        for field in root["fields"].as_array().into_iter().flatten() {
            let theirs = field["name"].as_str().unwrap_or_default();
            all += 1;
            if theirs.is_empty() || !options.fields.is_empty() && !options.fields.iter().any(|it| fits(it, theirs)) {
                continue;
            }
            let place = format!("/{operation}/{theirs}");
            match tool(operation, theirs, field, &types, &mut names) {
                Some(tool) => {
                    tools.push(tool);
                    places.push(place);
                }
                None => tell(Level::LeftOut, place, format!("the field `{theirs}`: nothing of it can be selected")),
            }
        }
    }
    if tools.is_empty() {
        let message = match all {
            0 => "the endpoint says nothing of its schema: introspection may be turned off".to_owned(),
            all => format!("none of the {all} fields was chosen"),
        };
        tell(Level::Error, "/data/__schema".to_owned(), message);
        return Err(found);
    }
    let server = options.name.clone().unwrap_or_else(|| name::server(title));
    let mut api = Map::new();
    api.insert("name".to_owned(), "api".into());
    api.insert("type".to_owned(), "graphql".into());
    api.extend(connection);
    let mut spec = json!({ "name": server, "connections": [api] });
    if tools.len() > MANY {
        spec["toolsets"] = json!([{ "name": "all", "description": "All fields of the schema", "tools": ["*"] }]);
        spec["exposure"] = json!({ "mode": "dynamic", "modern": "search" });
    }
    spec["tools"] = tools.into();
    settle::settle(spec, &places, found)
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
    let (mut declared, mut passed) = (Vec::new(), Vec::new());
    let (mut properties, mut required, mut variables) = (Map::new(), Vec::new(), Map::new());
    for argument in field["args"].as_array().into_iter().flatten() {
        let name = argument["name"].as_str().filter(|name| is_name(name))?;
        let parameter = parameter_names.parameter(name, "argument");
        let default = argument["defaultValue"].is_string();
        let mut schema = types.input(&argument["type"], 0);
        if let Some(about) = argument["description"].as_str().map(|about| text::plain(about, text::PARAMETER)) {
            schema["description"] = about.into();
        }
        if unwrapped(&argument["type"]).0 && !default {
            required.push(Value::from(parameter.as_str()));
        }
        // Its default is the endpoint's to say: a variable that is left out counts as none.
        declared.push(format!("${name}: {}", written(&argument["type"], 0)?));
        passed.push(format!("{name}: ${name}"));
        variables.insert(name.to_owned(), format!("{{{parameter}}}").into());
        properties.insert(parameter, schema);
    }
    let mut left = MOST_FIELDS;
    let selection = types.selection(&field["type"], 0, &mut left)?;
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
    if operation == "query" {
        tool.insert("annotations".to_owned(), json!({ "readOnly": true }));
    }
    Some(Value::Object(tool))
}

impl Types<'_> {
    fn get(&self, name: &str) -> &Value {
        self.0.get(name).copied().unwrap_or(&Value::Null)
    }

    /// The schema of a value that callers hand in.
    fn input(&self, kind: &Value, depth: usize) -> Value {
        if depth > 32 {
            return json!({});
        }
        match kind["kind"].as_str() {
            Some("NON_NULL") => return self.input(&kind["ofType"], depth + 1),
            Some("LIST") => return json!({ "type": "array", "items": self.input(&kind["ofType"], depth + 1) }),
            _ => {}
        }
        let name = kind["name"].as_str().unwrap_or_default();
        let known = self.get(name);
        match (known["kind"].as_str(), name) {
            (_, "String" | "ID") => json!({ "type": "string" }),
            (_, "Int") => json!({ "type": "integer" }),
            (_, "Float") => json!({ "type": "number" }),
            (_, "Boolean") => json!({ "type": "boolean" }),
            (Some("ENUM"), _) => {
                let values = known["enumValues"].as_array().into_iter().flatten().map(|value| value["name"].clone());
                json!({ "enum": values.collect::<Vec<_>>() })
            }
            (Some("INPUT_OBJECT"), _) if depth < DEEPEST_INPUT => {
                let (mut properties, mut required) = (Map::new(), Vec::new());
                for field in known["inputFields"].as_array().into_iter().flatten() {
                    let name = field["name"].as_str().unwrap_or_default().to_owned();
                    if unwrapped(&field["type"]).0 && !field["defaultValue"].is_string() {
                        required.push(Value::from(name.as_str()));
                    }
                    properties.insert(name, self.input(&field["type"], depth + 1));
                }
                json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
            }
            (Some("INPUT_OBJECT"), _) => json!({ "type": "object" }),
            // A scalar of theirs may be anything.
            _ => json!({}),
        }
    }

    /// ` { a b { c } }`, nothing for what has no fields; `None` where nothing can be selected.
    fn selection(&self, kind: &Value, depth: usize, left: &mut usize) -> Option<String> {
        let known = self.get(unwrapped(kind).2);
        match known["kind"].as_str() {
            Some("OBJECT" | "INTERFACE" | "UNION") => {}
            _ => return Some(String::new()),
        }
        if depth >= DEEPEST {
            return None;
        }
        let mut chosen = Vec::new();
        if known["kind"] != "OBJECT" {
            chosen.push("__typename".to_owned());
        }
        let needs_nothing = |field: &Value| {
            let mut arguments = field["args"].as_array().into_iter().flatten();
            arguments.all(|it| !unwrapped(&it["type"]).0 || it["defaultValue"].is_string())
        };
        for field in known["fields"].as_array().into_iter().flatten().filter(|field| needs_nothing(field)) {
            let Some(name) = field["name"].as_str().filter(|name| is_name(name)) else { continue };
            if *left == 0 {
                break;
            }
            *left -= 1;
            chosen.extend(self.selection(&field["type"], depth + 1, left).map(|inner| format!("{name}{inner}")));
        }
        (!chosen.is_empty()).then(|| format!(" {{ {} }}", chosen.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        let named = |kind: &str, name: &str| json!({ "kind": kind, "name": name });
        let must = |inner: Value| json!({ "kind": "NON_NULL", "ofType": inner });
        let list = |inner: Value| json!({ "kind": "LIST", "ofType": inner });
        let field = |name: &str, kind: Value, args: Value| json!({ "name": name, "type": kind, "args": args });
        let argument =
            |name: &str, kind: Value, default: Value| json!({ "name": name, "type": kind, "defaultValue": default });
        let id = || argument("id", must(named("SCALAR", "ID")), Value::Null);
        json!({ "data": { "__schema": { "queryType": { "name": "Query" }, "mutationType": { "name": "Mutation" }, "types": [
            { "kind": "OBJECT", "name": "Query", "fields": [
                field("hotel", named("OBJECT", "Hotel"), json!([id()])),
                field("hotelsIn", must(list(must(named("OBJECT", "Hotel")))), json!([argument("stars", list(must(named("ENUM", "Stars"))), json!("[ONE]"))])),
                field("count", named("SCALAR", "Int"), json!([])),
            ] },
            { "kind": "OBJECT", "name": "Mutation", "fields": [
                field("add", named("UNION", "Added"), json!([argument("hotel", must(named("INPUT_OBJECT", "HotelInput")), Value::Null)])),
            ] },
            { "kind": "OBJECT", "name": "Hotel", "fields": [
                field("name", must(named("SCALAR", "String")), json!([])),
                field("owner", named("OBJECT", "Hotel"), json!([])),
                field("room", named("OBJECT", "Hotel"), json!([id()])),
            ] },
            { "kind": "ENUM", "name": "Stars", "enumValues": [{ "name": "ONE" }, { "name": "TWO" }] },
            { "kind": "UNION", "name": "Added", "possibleTypes": [] },
            { "kind": "INPUT_OBJECT", "name": "HotelInput", "inputFields": [
                argument("name", must(named("SCALAR", "String")), Value::Null), argument("parent", named("INPUT_OBJECT", "HotelInput"), Value::Null),
            ] },
        ] } } })
    }

    #[test]
    fn fields_become_tools_with_variables_and_selections_that_end() {
        let connection = Map::from_iter([("url".to_owned(), "https://api.example.com/graphql".into())]);
        let proposal = import("hotels", connection.clone(), &schema(), &Options::default()).unwrap();
        let spec = proposal.spec.canonical();
        let query = |tool: usize| spec["tools"][tool]["graphql"]["query"].as_str().unwrap().to_owned();
        assert_eq!(query(0), "query($id: ID!) { hotel(id: $id) { name owner { name owner { name } } } }");
        assert!(query(1).starts_with("query($stars: [Stars!]) { hotelsIn(stars: $stars) { name"), "{}", query(1));
        assert_eq!(query(2), "query { count }");
        assert_eq!(query(3), "mutation($hotel: HotelInput!) { add(hotel: $hotel) { __typename } }");
        assert_eq!(spec["tools"][1]["name"], "hotels_in");
        assert_eq!(spec["tools"][0]["graphql"]["variables"], json!({ "id": "{id}" }));
        assert_eq!(spec["tools"][3].get("annotations"), None);
        let chosen = Options { fields: vec!["hotel*".to_owned()], ..Options::default() };
        assert_eq!(import("hotels", connection.clone(), &schema(), &chosen).unwrap().spec.tools.len(), 2);
        let found = import("hotels", connection, &json!({ "errors": [] }), &chosen).unwrap_err();
        assert!(found[0].message.contains("introspection may be turned off"), "{found:?}");
    }
}
