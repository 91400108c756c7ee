//! Postman collections (v2.0 and v2.1): each request becomes a tool, each folder a toolset, each server and credential a
//! connection.
//!
//! What a request says with its saved values is what a call may say otherwise: path variables, the query and the fields of the
//! body become parameters. No value that may be a secret is copied, and no script is run.

mod auth;
mod body;
mod request;
mod sample;
mod url;
mod variables;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::{
    auth::{Auth, Secrets},
    variables::Variables,
};
use crate::{
    Finding, Level, MANY, MOST, Proposal,
    exposure::{self, Group, expose},
    name::{self, Names},
    openapi::{document::At, security},
    settle, text, too_many,
};
use mcp_factory_spec::{Format, syntax};

/// How large a collection may be.
const LARGEST: usize = 64 << 20;

/// How a collection is taken.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of the collection's.
    pub name: Option<String>,
}

/// Makes a spec of a collection. Without one the findings say why.
pub fn import(bytes: &[u8], options: &Options) -> Result<Proposal, Vec<Finding>> {
    if let Some(page) = Finding::of_page("/", bytes) {
        return Err(vec![page]);
    }
    let (root, diagnostics) = syntax::read_within(bytes, Format::Json, LARGEST);
    let level = if root.is_some() { Level::Note } else { Level::Error };
    let found = diagnostics.into_iter().map(|diagnostic| Finding {
        level,
        place: "/".to_owned(),
        position: Some(diagnostic.span.start),
        message: diagnostic.message,
        hint: diagnostic.help,
    });
    let mut found: Vec<Finding> = found.collect();
    let Some(root) = root else { return Err(found) };
    let root = At { node: &root, file: 0 };
    // Exported by its API, it stands within `collection`.
    let root = root.get("collection").filter(|inner| inner.get("item").is_some()).unwrap_or(root);
    let error = |message: &str| Finding {
        level: Level::Error,
        place: "/".to_owned(),
        position: Some(root.position()),
        message: message.to_owned(),
        hint: Some("export it from Postman as a collection v2.1".to_owned()),
    };
    let schema = root.get("info").and_then(|info| info.text("schema")).unwrap_or_default();
    if root.get("item").is_none() || root.get("info").is_none() {
        let none = error("the document is no Postman collection: it has no `info` or no `item`");
        found.push(Finding { hint: Finding::other_kind(root.node).or(none.hint), ..none });
        return Err(found);
    }
    if schema.contains("/v1.") {
        found.push(error("collections of version 1 are not read"));
        return Err(found);
    }
    let (requests, folders) = counted(root);
    if requests.max(folders) > MOST {
        let what = if requests > MOST { "requests" } else { "folders" };
        found.push(too_many(what, requests.max(folders), "take a part of the collection"));
        return Err(found);
    }
    let mut import = Import::new(root, options, found);
    let auth = auth::of(root);
    import.items(root, "", &[], auth.as_ref());
    import.finish(root)
}

/// How many requests and folders there are.
fn counted(folder: At<'_>) -> (usize, usize) {
    let items = folder.get("item").into_iter().flat_map(At::items);
    items.fold((0, 0), |(requests, folders), item| match item.get("item") {
        Some(_) => {
            let (inner, within) = counted(item);
            (requests + inner, folders + within + 1)
        }
        None => (requests + 1, folders),
    })
}

/// A spec as it is put together.
struct Import<'d> {
    found: Vec<Finding>,
    server: String,
    prefix: String,
    secrets: Secrets,
    variables: Variables<'d>,
    names: Names,
    tools: Vec<Value>,
    places: Vec<String>,
    /// With what tells one from another.
    connections: Vec<(Value, Value, Option<Value>)>,
    /// Folders in their order: the way to each, what is said of it, its tools.
    folders: Vec<(Vec<String>, String, Vec<String>)>,
    /// The tools of requests in no folder, by the first step of their paths.
    steps: BTreeMap<String, Vec<String>>,
    scripts: usize,
}

impl<'d> Import<'d> {
    fn new(root: At<'d>, options: &Options, found: Vec<Finding>) -> Self {
        let title = root.get("info").and_then(|info| info.text("name")).unwrap_or_default();
        let server = options.name.clone().unwrap_or_else(|| name::server(title));
        Self {
            found,
            prefix: name::variable(&server),
            secrets: Secrets::new(name::variable(&server)),
            server,
            variables: Variables::of(root),
            names: Names::default(),
            tools: Vec::new(),
            places: Vec::new(),
            connections: Vec::new(),
            folders: Vec::new(),
            steps: BTreeMap::new(),
            scripts: 0,
        }
    }

    fn items(&mut self, folder: At<'d>, place: &str, way: &[String], auth: Option<&Auth<'d>>) {
        if way.is_empty() {
            self.scripts += scripts(folder);
        }
        for (index, item) in folder.get("item").into_iter().flat_map(At::items).enumerate() {
            let place = format!("{place}/item/{index}");
            self.scripts += scripts(item);
            let own = auth::of(item);
            let auth = own.as_ref().or(auth);
            if item.get("item").is_some() {
                let mut way = way.to_vec();
                way.push(item.text("name").unwrap_or("folder").to_owned());
                self.folders.push((way.clone(), describe(item).unwrap_or_default(), Vec::new()));
                self.items(item, &place, &way, auth);
            } else if let Some(request) = item.get("request") {
                let own = auth::of(request);
                self.request(item, request, &place, way, own.as_ref().or(auth));
            }
        }
    }

    fn request(&mut self, item: At<'d>, request: At<'d>, place: &str, way: &[String], auth: Option<&Auth<'d>>) {
        let name = item.text("name").unwrap_or_default();
        let shown = format!("{place} ({name})");
        let mut made = match request::read(request, &self.variables) {
            Ok(made) => made,
            Err(why) => return self.tell(Level::LeftOut, item, &shown, why),
        };
        for what in std::mem::take(&mut made.left_out) {
            self.tell(Level::Partly, item, &shown, what);
        }
        let credential = match auth.map(|auth| auth.credential(&mut self.secrets)) {
            Some(Ok(credential)) => credential,
            Some(Err(why)) => {
                self.tell(Level::Partly, item, &shown, why);
                None
            }
            None => None,
        };
        let mut credentials: Vec<Value> = credential.into_iter().collect();
        for said in std::mem::take(&mut made.credentials) {
            let place = said.place();
            if credentials.iter().any(|other| security::place(other) == place) {
                let message = format!("`{}`: another credential stands in the {place}", said.key);
                self.tell(Level::Partly, item, &shown, message);
                continue;
            }
            credentials.push(said.of(&mut self.secrets));
        }
        let credential = match credentials.len() {
            0 | 1 => credentials.pop(),
            _ => Some(Value::Array(credentials)),
        };
        for note in std::mem::take(&mut self.secrets.notes) {
            self.tell(Level::Note, item, &shown, note);
        }
        let connection = self.connection(&made, credential, item, &shown);
        let is_path = name.contains("://") || name.starts_with(['/', '{']);
        let names = [
            name::tool(Some(name).filter(|_| !is_path), &made.method, &made.path),
            name::tool(None, &made.method, &made.path),
        ];
        let id = self.names.tool(names);
        let mut tool = Map::new();
        tool.insert("name".to_owned(), id.clone().into());
        let about = describe(request).or_else(|| describe(item)).unwrap_or_else(|| text::plain(name, text::TOOL));
        let about = if about.is_empty() { format!("{} {}", made.method, made.path) } else { about };
        tool.insert("description".to_owned(), about.into());
        if !made.parameters.is_empty() {
            tool.insert("parameters".to_owned(), Value::Object(made.parameters));
        }
        if let Some(returns) = sample::of_answers(item) {
            tool.insert("returns".to_owned(), returns);
        }
        tool.insert("connection".to_owned(), connection.into());
        let annotations = match &*made.method {
            "GET" | "HEAD" | "OPTIONS" => Some(json!({ "readOnly": true })),
            "DELETE" => Some(json!({ "destructive": true })),
            _ => None,
        };
        tool.extend(annotations.map(|annotations| ("annotations".to_owned(), annotations)));
        tool.insert("http".to_owned(), Value::Object(made.http));
        match self.folders.iter_mut().find(|(folder, ..)| folder == way) {
            Some((.., tools)) => tools.push(id),
            None => self.steps.entry(exposure::first_step(&made.path).to_owned()).or_default().push(id),
        }
        self.tools.push(Value::Object(tool));
        self.places.push(shown);
    }

    /// The connection for a server and a credential: one for all requests that have both in common.
    fn connection(&mut self, made: &request::Request, auth: Option<Value>, item: At<'d>, place: &str) -> String {
        let at = made.base.place(&self.prefix);
        if let Some((connection, ..)) = self.connections.iter().find(|(_, known, a)| *known == at && *a == auth) {
            return connection["name"].as_str().unwrap_or_default().to_owned();
        }
        if let Some(env) = at.get("envVar").and_then(Value::as_str) {
            let message = format!("the collection does not say where `{}` is", made.base.written);
            let position = Some(item.position());
            let hint = Some(format!("set `{env}` to its URL, or write `url` at the connection"));
            self.found.push(Finding { level: Level::Note, place: place.to_owned(), position, message, hint });
        }
        let name = match self.connections.len() {
            0 => "api".to_owned(),
            before => format!("api_{}", before + 1),
        };
        let mut connection = Map::new();
        connection.insert("name".to_owned(), name.clone().into());
        connection.insert("type".to_owned(), "http".into());
        connection.extend(at.as_object().cloned().unwrap_or_default());
        if let Some(auth) = &auth {
            connection.insert("auth".to_owned(), auth.clone());
        }
        if made.base.is_private() {
            connection.insert("allowPrivateNetwork".to_owned(), true.into());
        }
        self.connections.push((Value::Object(connection), at, auth));
        name
    }

    fn tell(&mut self, level: Level, item: At<'d>, place: &str, message: String) {
        let (place, position) = (place.to_owned(), Some(item.position()));
        self.found.push(Finding { level, place, position, message, hint: None });
    }

    fn finish(mut self, root: At<'d>) -> Result<Proposal, Vec<Finding>> {
        if self.scripts > 0 {
            let message = format!("{} scripts, which ran before or after requests", self.scripts);
            self.tell(Level::Partly, root, "/event", message);
        }
        if self.tools.is_empty() {
            let message = "the collection has no requests: there is nothing to make tools of".to_owned();
            self.tell(Level::Error, root, "/item", message);
            return Err(self.found);
        }
        let info = root.get("info").unwrap_or(root);
        let mut spec = Map::new();
        spec.insert("name".to_owned(), self.server.into());
        let title = info.text("name").map(|title| text::plain(title, 100)).filter(|title| !title.is_empty());
        spec.extend(title.map(|title| ("title".to_owned(), title.into())));
        spec.extend(describe(info).map(|about| ("description".to_owned(), about.into())));
        let connections: Vec<Value> = self.connections.into_iter().map(|(connection, ..)| connection).collect();
        spec.insert("connections".to_owned(), connections.into());
        let folders = self.folders.into_iter().map(|(way, about, tools)| {
            let about = if about.is_empty() { text::plain(&way.join(" / "), 200) } else { about };
            Group { name: name::snake(&way.join(" ")), about, tools }
        });
        // What is in no folder needs no group where all are listed.
        let steps = if self.tools.len() > MANY { self.steps } else { BTreeMap::new() };
        let steps = steps.into_iter().map(|(step, tools)| Group { name: name::snake(&step), about: step, tools });
        expose(&mut spec, &exposure::names(&self.tools), folders.chain(steps).collect());
        spec.insert("tools".to_owned(), self.tools.into());
        settle::settle(Value::Object(spec), &self.places, self.found)
    }
}

/// A description is a text, or `{ content, type }`.
fn describe(at: At<'_>) -> Option<String> {
    let said = at.get("description")?;
    let written = said.node.as_str().or_else(|| said.text("content"))?;
    Some(text::plain(written, text::TOOL)).filter(|about| !about.is_empty())
}

/// The scripts that an item has.
fn scripts(item: At<'_>) -> usize {
    let says = |line: At<'_>| line.node.as_str().is_some_and(|line| !line.trim().is_empty());
    let events = item.get("event").into_iter().flat_map(At::items).filter(|event| event.flag("disabled") != Some(true));
    let scripts = events.filter_map(|event| event.get("script")?.get("exec"));
    scripts.filter(|exec| says(*exec) || exec.items().any(says)).count()
}
