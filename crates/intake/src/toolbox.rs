//! Files of the MCP Toolbox for Databases (`tools.yaml`), in its flat and its nested form: sources become connections, tools
//! tools, toolsets and groups toolsets, auth services the server's `auth`.
//!
//! What has no counterpart is told, each with its reason: nothing is dropped silently. What a caller could say SQL with has none.

mod auth;
mod document;
mod http;
mod parameter;
pub(crate) mod source;
mod statement;
mod template;
mod tool;
mod variable;

use std::collections::BTreeMap;

use mcp_factory_spec::secrets;
use serde_json::{Map, Value, json};

use self::{
    document::{Item, Kind},
    parameter::Services,
    source::Source,
};
use crate::{
    Finding, Level, MOST, Proposal,
    exposure::{self, Group, expose},
    name::{self, Names},
    settle, too_many,
};

/// How files are taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of the first file's.
    pub name: Option<String>,
}

/// Makes one spec of all files, each with its name. Without one the findings say why.
pub fn import(files: &[(&str, &[u8])], options: &Options) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    let mut items = document::read(files, &mut found);
    if found.iter().any(|finding| finding.level == Level::Error) {
        return Err(found);
    }
    let mut of = |kind: Kind| {
        let (these, others) = std::mem::take(&mut items).into_iter().partition::<Vec<_>, _>(|item| item.kind == kind);
        items = others;
        these
    };
    let (mut sources, mut services, tools) = (of(Kind::Source), of(Kind::AuthService), of(Kind::Tool));
    let (toolsets, groups, prompts) = (of(Kind::Toolset), of(Kind::Group), of(Kind::Prompt));
    let (resources, templates, models) = (of(Kind::Resource), of(Kind::ResourceTemplate), of(Kind::EmbeddingModel));
    if tools.is_empty() {
        let message = "the file declares no tools: there is nothing to make a server of".to_owned();
        found.push(Finding { level: Level::Error, place: String::new(), position: None, message, hint: None });
        return Err(found);
    }
    if tools.len() > MOST {
        found.push(too_many("tools", tools.len(), "take some of the files"));
        return Err(found);
    }
    let served = auth::of(&mut services, &mut found);
    let known: BTreeMap<String, Result<Source, String>> =
        sources.iter_mut().map(|item| (item.name.clone(), source::of(item, &mut found))).collect();
    for (kind, items) in [("auth service", &services), ("source", &sources)] {
        items.iter().for_each(|item| rest(item, kind, &mut found));
    }
    let mut import = Import {
        found: &mut found,
        sources: known,
        services: Services { served: served.as_ref().map(|served| served.name.clone()) },
        names: Names::default(),
        tools: Vec::new(),
        places: Vec::new(),
        became: BTreeMap::new(),
        used: Vec::new(),
    };
    tools.into_iter().for_each(|item| import.tool(item));
    let (toolsets, about) = import.toolsets(toolsets, groups);
    let prompts: Vec<Value> = prompts.into_iter().filter_map(|item| import.prompt(item)).collect();
    let resources: Vec<Value> = resources.into_iter().filter_map(|item| import.resource(item)).collect();
    for item in templates.iter().chain(&models) {
        let message = format!("`{}` of `{}` has no counterpart", item.name, item.kind.plural());
        import.found.push(item.finding(Level::LeftOut, message, None));
    }
    if import.tools.is_empty() {
        let message = "none of the tools has a counterpart".to_owned();
        found.push(Finding { level: Level::Error, place: "/tools".to_owned(), position: None, message, hint: None });
        return Err(found);
    }
    let mut spec = Map::new();
    let title = files.first().map_or("", |(name, _)| stem(name));
    let server = options.name.clone().unwrap_or_else(|| match name::server(title) {
        name if matches!(&*name, "tools" | "api") => "toolbox".to_owned(),
        name => name,
    });
    spec.insert("name".to_owned(), server.into());
    if let Some(about) = about {
        spec.insert("description".to_owned(), about.into());
    }
    if let Some(served) = served {
        spec.insert("auth".to_owned(), served.auth);
    }
    let used = std::mem::take(&mut import.used);
    let connections = import.sources.values().flatten().filter(|source| used.contains(&source.name));
    let connections: Vec<Value> = connections.map(|source| Value::Object(source.connection.clone())).collect();
    let (tools, places) = (import.tools, import.places);
    expose(&mut spec, &exposure::names(&tools), toolsets);
    for (key, list) in [("connections", connections), ("tools", tools), ("prompts", prompts), ("resources", resources)]
    {
        if !list.is_empty() {
            spec.insert(key.to_owned(), list.into());
        }
    }
    settle::settle(Value::Object(spec), &places, found)
}

fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What people wrote, without what looks like a secret.
fn prose(text: &str) -> String {
    secrets::redact(text.trim()).to_string()
}

/// Tells what nobody took.
fn rest(item: &Item, what: &str, found: &mut Vec<Finding>) {
    for field in item.fields.keys() {
        let message = format!("`{field}` of the {what} `{}`", item.name);
        found.push(item.finding(Level::Partly, message, None));
    }
}

/// A spec as it is put together.
struct Import<'f> {
    found: &'f mut Vec<Finding>,
    sources: BTreeMap<String, Result<Source, String>>,
    services: Services,
    names: Names,
    tools: Vec<Value>,
    places: Vec<String>,
    /// What each tool of the file is called in the spec.
    became: BTreeMap<String, Vec<String>>,
    /// The sources of these tools.
    used: Vec<String>,
}

impl Import<'_> {
    /// Variables become their defaults, or the item can't be had.
    fn plain(&mut self, item: &mut Item) -> Result<(), String> {
        let mut used = Vec::new();
        let mut fields = Value::Object(std::mem::take(&mut item.fields));
        let replaced = variable::with_defaults(&mut fields, &mut used);
        if let Value::Object(fields) = fields {
            item.fields = fields;
        }
        if !used.is_empty() {
            let message = format!("`{}` has the defaults of `{}` written into it", item.name, used.join("`, `"));
            self.found.push(item.finding(Level::Note, message, None));
        }
        replaced.map_err(|name| format!("it reads the variable `{name}` where a spec has no place for one"))
    }

    /// Groups are toolsets that may have more than tools. The group without a name is the server: its description comes back.
    fn toolsets(&mut self, toolsets: Vec<Item>, groups: Vec<Item>) -> (Vec<Group>, Option<String>) {
        let mut made = Vec::new();
        let mut about = None;
        let shadowed: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
        for mut item in toolsets.into_iter().filter(|toolset| !shadowed.contains(&toolset.name)).chain(groups) {
            let said = item.take_text("description").map(|text| prose(&text)).filter(|text| !text.is_empty());
            if item.name.is_empty() {
                about = said;
                rest(&item, "default group", self.found);
                continue;
            }
            let listed = item.take_names("tools");
            let gone: Vec<&str> =
                listed.iter().filter(|tool| !self.became.contains_key(*tool)).map(|tool| &**tool).collect();
            let tools: Vec<String> =
                listed.iter().filter_map(|tool| self.became.get(tool)).flatten().cloned().collect();
            if !gone.is_empty() && !tools.is_empty() {
                let message = format!("the toolset `{}` is without `{}`", item.name, gone.join("`, `"));
                self.found.push(item.finding(Level::Partly, message, None));
            }
            rest(&item, "toolset", self.found);
            if tools.is_empty() {
                let message = format!("the toolset `{}`: none of its tools is there", item.name);
                self.found.push(item.finding(Level::LeftOut, message, None));
                continue;
            }
            let about = said.unwrap_or_else(|| item.name.replace(['_', '-'], " "));
            made.push(Group { name: item.name, about, tools });
        }
        (made, about)
    }

    fn prompt(&mut self, mut item: Item) -> Option<Value> {
        let made = self.plain(&mut item).and_then(|()| prompt(&mut item, &self.services));
        match made {
            Ok(prompt) => {
                rest(&item, "prompt", self.found);
                Some(prompt)
            }
            Err(why) => {
                let message = format!("the prompt `{}`: {why}", item.name);
                self.found.push(item.finding(Level::LeftOut, message, None));
                None
            }
        }
    }

    fn resource(&mut self, mut item: Item) -> Option<Value> {
        let kind = item.take_text("type").unwrap_or_default();
        let text = self.plain(&mut item).and_then(|()| match &*kind {
            "text" => item.take_text("text").ok_or_else(|| "it has no text".to_owned()),
            other => Err(format!("a resource of the type `{other}` has no counterpart in a file that was only read")),
        });
        let text = match text {
            Ok(text) if secrets::redact(&text) == text => text,
            Ok(_) => return self.no_resource(&item, "its text holds what looks like a secret"),
            Err(why) => return self.no_resource(&item, &why),
        };
        let uri = item.take_text("uri").unwrap_or_else(|| format!("text://{}", item.name));
        let mut resource = Map::new();
        resource.insert("uri".to_owned(), uri.into());
        resource.insert("name".to_owned(), item.name.clone().into());
        for field in ["title", "description"] {
            if let Some(said) = item.take_text(field) {
                resource.insert(field.to_owned(), prose(&said).into());
            }
        }
        let mime = item.take_text("mimeType").unwrap_or_else(|| "text/plain".to_owned());
        resource.insert("mimeType".to_owned(), mime.into());
        resource.insert("text".to_owned(), text.into());
        rest(&item, "resource", self.found);
        Some(Value::Object(resource))
    }

    fn no_resource(&mut self, item: &Item, why: &str) -> Option<Value> {
        self.found.push(item.finding(Level::LeftOut, format!("the resource `{}`: {why}", item.name), None));
        None
    }
}

fn prompt(item: &mut Item, services: &Services) -> Result<Value, String> {
    item.take("type");
    let parameters = parameter::all(
        item.take_list("arguments")
            .into_iter()
            .map(|mut argument| {
                if argument.get("type").is_none() && argument.is_object() {
                    argument["type"] = "string".into();
                }
                argument
            })
            .collect(),
        &mut Names::default(),
        services,
    )?;
    let mut messages = Vec::new();
    for message in item.take_list("messages") {
        let role = message["role"].as_str().unwrap_or("user");
        let content = message["content"].as_str().ok_or("a message of it is no text")?;
        messages.push(json!({ "role": role, "text": http::text(&template::parse(content)?, &parameters)? }));
    }
    let mut prompt = Map::new();
    prompt.insert("name".to_owned(), item.name.clone().into());
    for field in ["title", "description"] {
        if let Some(said) = item.take_text(field) {
            prompt.insert(field.to_owned(), prose(&said).into());
        }
    }
    let arguments = parameters.iter().map(|parameter| {
        let about = parameter.schema.as_ref().and_then(|schema| schema.get("description")).cloned();
        // Within a text, an argument has to be there.
        let mut argument = json!({ "name": parameter.placeholder, "required": true });
        if let Some(about) = about {
            argument["description"] = about;
        }
        argument
    });
    let arguments: Vec<Value> = arguments.collect();
    if !arguments.is_empty() {
        prompt.insert("arguments".to_owned(), arguments.into());
    }
    prompt.insert("messages".to_owned(), messages.into());
    Ok(Value::Object(prompt))
}
