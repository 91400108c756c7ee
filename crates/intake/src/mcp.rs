//! What another MCP server lists, as a spec: its tools under our authentication, limits and names.
//!
//! What it says of its tools is data of somebody else's: texts are shortened and bounded, names made valid, and that a tool only
//! reads is its word for it, told as such.

use serde_json::{Map, Value, json};

use crate::{
    Finding, Level, MANY, MOST, Proposal,
    choice::Idle,
    exposure::{self, Group, expose},
    name::{self, Names},
    settle, too_many,
};
use mcp_factory_spec::secrets;

/// How long a description may be, in characters: models read all of them.
const LONGEST: usize = 4_000;

/// How a server is taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of where it is.
    pub name: Option<String>,
    /// Only tools whose names fit one of these; `*` stands for anything.
    pub tools: Vec<String>,
}

/// Makes a spec of the tools that a server lists; `connection` says how it is reached: `url` or `argv`, and `auth`.
pub fn import(
    title: &str,
    connection: Map<String, Value>,
    tools: Vec<Value>,
    options: &Options,
) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    let mut tell = |level, place: String, message: String| {
        found.push(Finding { level, place, position: None, message, hint: None });
    };
    let mut names = Names::default();
    let (mut made, mut places) = (Vec::new(), Vec::new());
    let all = tools.len();
    if all > MOST && options.tools.is_empty() {
        return Err(vec![too_many("tools", all, "choose some by their names")]);
    }
    let mut idle = Idle::default();
    let known = || tools.iter().filter_map(|tool| tool["name"].as_str());
    idle.look(&options.tools, ("no tool fits", "tools"), name::fits, known);
    for (index, tool) in tools.into_iter().enumerate() {
        let theirs = tool["name"].as_str().unwrap_or_default().to_owned();
        let place = format!("/tools/{index} ({theirs})");
        let is_chosen =
            options.tools.is_empty() || options.tools.iter().any(|pattern| crate::name::fits(pattern, &theirs));
        if !is_chosen {
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if theirs.is_empty() || theirs.len() > 128 || !theirs.chars().all(is_name) {
            tell(Level::LeftOut, place, format!("the tool `{theirs}`: a spec can't name it"));
            continue;
        }
        let ours = names.tool([theirs.clone()]);
        if ours != theirs {
            tell(Level::Note, place.clone(), format!("the tool `{theirs}` is called `{ours}`, which is free"));
        }
        made.push(self::tool(&ours, &theirs, tool));
        places.push(place);
    }
    if made.is_empty() {
        match all {
            0 => tell(Level::Error, "/tools".to_owned(), "the server lists no tools".to_owned()),
            all => found.push(idle.none_of(all, "tools")),
        }
        return Err(found);
    }
    let server = options.name.clone().unwrap_or_else(|| name::server(title));
    let mut upstream = Map::new();
    upstream.insert("name".to_owned(), "upstream".into());
    found.extend(idle.notes());
    upstream.insert("type".to_owned(), "mcp".into());
    upstream.extend(connection);
    if !options.tools.is_empty() {
        upstream.insert("tools".to_owned(), json!(options.tools));
    }
    let mut spec = Map::new();
    spec.insert("name".to_owned(), server.into());
    spec.insert("connections".to_owned(), json!([upstream]));
    if made.len() > MANY {
        expose(&mut spec, &exposure::names(&made), vec![Group::of_all("All tools of the server")]);
    }
    spec.insert("tools".to_owned(), made.into());
    settle::settle(Value::Object(spec), &places, found)
}

fn tool(ours: &str, theirs: &str, mut said: Value) -> Value {
    let mut tool = Map::new();
    tool.insert("name".to_owned(), ours.into());
    if let Some(title) =
        said["title"].as_str().or(said["annotations"]["title"].as_str()).map(|title| bounded(title, 200))
    {
        tool.insert("title".to_owned(), title.into());
    }
    let about = said["description"].as_str().map(|about| bounded(about, LONGEST)).filter(|about| !about.is_empty());
    tool.insert("description".to_owned(), about.unwrap_or_else(|| ours.replace('_', " ")).into());
    let mut input = match said["inputSchema"].take() {
        Value::Object(input) => input,
        _ => Map::from_iter([("type".to_owned(), "object".into())]),
    };
    // What they take they check themselves.
    input.shift_remove("$schema");
    input.entry("additionalProperties").or_insert(true.into());
    tool.insert("inputSchema".to_owned(), Value::Object(input));
    if let Value::Object(mut output) = said["outputSchema"].take()
        && output.get("type").is_some_and(|kind| kind == "object")
    {
        output.shift_remove("$schema");
        tool.insert("returns".to_owned(), Value::Object(output));
    }
    tool.insert("connection".to_owned(), "upstream".into());
    tool.insert("mcp".to_owned(), json!({ "tool": theirs }));
    let hints = &said["annotations"];
    let mut annotations = Map::new();
    if hints["readOnlyHint"] == true {
        annotations.insert("readOnly".to_owned(), true.into());
    } else {
        for (theirs, ours) in [("destructiveHint", "destructive"), ("idempotentHint", "idempotent")] {
            if let Some(said) = hints[theirs].as_bool() {
                annotations.insert(ours.to_owned(), said.into());
            }
        }
    }
    if !annotations.is_empty() {
        tool.insert("annotations".to_owned(), Value::Object(annotations));
    }
    Value::Object(tool)
}

/// A text of theirs, without what looks like a secret.
fn bounded(text: &str, most: usize) -> String {
    let text = secrets::redact(text.trim()).to_string();
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}
