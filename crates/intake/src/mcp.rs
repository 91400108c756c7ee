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
    settle, text, too_many,
};
use mcp_factory_spec::{model::UpstreamTool, secrets};

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
        if UpstreamTool::new(&theirs).is_none() {
            tell(Level::LeftOut, place, format!("the tool `{}`: a spec can't name it", text::plain(&theirs, 80)));
            continue;
        }
        let is_fitting = theirs.len() <= 128 && theirs.chars().all(is_name);
        let wanted = if is_fitting { theirs.clone() } else { name::tool(Some(&theirs), "MCP", &theirs) };
        let ours = names.tool([wanted]);
        if ours != theirs {
            let why = if is_fitting { "which is free" } else { "in letters that a name may have" };
            tell(Level::Note, place.clone(), format!("the tool `{theirs}` is called `{ours}`, {why}"));
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
    found.extend(idle.notes());
    let server = options.name.clone().unwrap_or_else(|| name::server(title));
    let mut upstream = Map::new();
    upstream.insert("name".to_owned(), "upstream".into());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_whose_name_has_other_letters_gets_a_name_and_is_called_by_its_own() {
        let connection = Map::from_iter([("url".to_owned(), "https://mcp.example.com/mcp".into())]);
        let tools = ["fs/read", "fs.read", "fs_read", "lies Datei", ""].map(|name| json!({ "name": name }));
        let made = import("files", connection, tools.to_vec(), &Options::default()).expect("a spec");
        let spec = made.spec.canonical();
        let named = |at: usize| (spec["tools"][at]["name"].clone(), spec["tools"][at]["mcp"]["tool"].clone());
        let expected =
            [("fs_read", "fs/read"), ("fs.read", "fs.read"), ("fs_read_2", "fs_read"), ("lies_datei", "lies Datei")];
        for (at, (ours, theirs)) in expected.into_iter().enumerate() {
            assert_eq!(named(at), (ours.into(), theirs.into()));
        }
        let told: Vec<String> = made.findings.iter().map(Finding::to_string).collect();
        assert_eq!(
            told,
            [
                "note: the tool `fs/read` is called `fs_read`, in letters that a name may have (at /tools/0 (fs/read))",
                "note: the tool `fs_read` is called `fs_read_2`, which is free (at /tools/2 (fs_read))",
                "note: the tool `lies Datei` is called `lies_datei`, in letters that a name may have (at /tools/3 (lies Datei))",
                "left out: the tool ``: a spec can't name it (at /tools/4 ())",
            ]
        );
    }
}
