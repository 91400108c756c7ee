//! OpenAPI documents: Swagger 2.0, OpenAPI 3.0 to 3.2, JSON or YAML. Each operation becomes a tool, each way to identify oneself
//! a connection.
//!
//! What a document says wrongly in one place costs that place: the operation is left out and told, or the value is free.

mod answer;
mod body;
pub(crate) mod document;
mod kinds;
mod media;
mod merge;
mod operation;
mod paging;
mod parameter;
mod schema;
pub mod security;
mod server;
mod written;

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};
use url::Url;

pub use self::document::{Files, NoFiles};
use self::{
    document::{At, Document, Resolver},
    operation::Operation,
    security::{Credential, Variables},
    server::Server,
};
use crate::{
    Finding, Level, MANY, MOST, Proposal,
    choice::Idle,
    exposure::{self, Group, expose},
    name,
    name::Names,
    name::fits,
    network, settle, text, too_many,
};

/// How much is made of a document before it is given up: a schema can be referred to by every operation. What a spec has room
/// for is less, once answers are left out of it.
const LARGEST: usize = 48_000_000;

/// What is taken of a document, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of the title.
    pub name: Option<String>,
    /// Where the API is, if the document does not say: whole, or, without a path, with that of the document's server.
    pub base: Option<Url>,
    /// Where the document came from: its servers are relative to it where there is no base.
    pub origin: Option<Url>,
    /// Only operations with one of these tags.
    pub tags: Vec<String>,
    /// Only paths that fit one of these; `*` stands for anything.
    pub paths: Vec<String>,
    /// Only these methods.
    pub methods: Vec<String>,
    /// Only operations of these ids.
    pub operations: Vec<String>,
}

/// Makes a spec of a document; `name` says what the document is called. Without one the findings say why.
///
/// A document of many megabytes is handed over, so that its text is gone when its tools are made.
pub fn import(
    name: &str,
    bytes: impl AsRef<[u8]>,
    files: &dyn Files,
    options: &Options,
) -> Result<Proposal, Vec<Finding>> {
    let (document, found) = Document::read(name, bytes.as_ref(), files)?;
    drop(bytes);
    let (Written { spec, places }, found) = made_of(&document, options, found)?;
    // Nor is the document there any more when the spec is read, which takes as much.
    drop(document);
    settle::settle_text(spec, &places, found)
}

/// What was made of a document.
struct Written {
    /// As JSON.
    spec: Vec<u8>,
    /// Of each tool where in the document it came from.
    places: Vec<String>,
}

fn made_of(
    document: &Document,
    options: &Options,
    mut found: Vec<Finding>,
) -> Result<(Written, Vec<Finding>), Vec<Finding>> {
    let resolver = Resolver::new(document);
    let root = document.root();
    let mut import = Import::new(root, &resolver, options, &mut found);
    let operations = operation::list(root, &resolver);
    if operations.is_empty() {
        let message = "the document has no operations: there is nothing to make tools of".to_owned();
        let position = Some(root.position());
        found.push(Finding { level: Level::Error, place: "/paths".to_owned(), position, message, hint: None });
        return Err(found);
    }
    let all = operations.len();
    let chosen: Vec<&Operation<'_>> = operations.iter().filter(|operation| options.want(operation)).collect();
    let idle = options.idle(&operations);
    if chosen.is_empty() {
        found.push(idle.none_of(all, "operations"));
        return Err(found);
    }
    import.found.extend(idle.notes());
    let choose = "choose some of them by tag, path, method or operation";
    if chosen.len() > MOST {
        found.push(too_many("operations", chosen.len(), choose));
        return Err(found);
    }
    for operation in chosen {
        import.tool(operation);
        if import.tools.len() > LARGEST {
            let message = format!("its tools would make a spec of more than {} MB", LARGEST / 1_000_000);
            let hint = Some(choose.to_owned());
            found.push(Finding { level: Level::Error, place: String::new(), position: None, message, hint });
            return Err(found);
        }
    }
    if import.places.is_empty() {
        let message = "none of the operations that were chosen can be a tool".to_owned();
        found.push(Finding { level: Level::Error, place: String::new(), position: None, message, hint: None });
        return Err(found);
    }
    let written = import.finish();
    Ok((written, found))
}

impl Options {
    fn want(&self, operation: &Operation<'_>) -> bool {
        let any = |list: &[String], fits: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|it| fits(it));
        operation.wanted != Some(false)
            && any(&self.tags, &|tag| operation.tags.iter().any(|it| it.eq_ignore_ascii_case(tag)))
            && any(&self.paths, &|pattern| fits(pattern, operation.path))
            && any(&self.methods, &|method| method.eq_ignore_ascii_case(operation.method))
            && any(&self.operations, &|id| operation.id == Some(id))
    }

    /// What of it fits no operation.
    fn idle(&self, operations: &[Operation<'_>]) -> Idle {
        let known = || operations.iter().filter(|operation| operation.wanted != Some(false));
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let mut idle = Idle::default();
        let tags = || known().flat_map(|operation| operation.tags.iter().copied());
        idle.look(&self.tags, ("none has the tag", "tags"), same, tags);
        let paths = || known().map(|operation| operation.path);
        idle.look(&self.paths, ("no path fits", "paths"), fits, paths);
        let methods = || known().map(|operation| operation.method);
        idle.look(&self.methods, ("none has the method", "methods"), same, methods);
        let ids = || known().filter_map(|operation| operation.id);
        idle.look(&self.operations, ("none has the id", "ids"), |one, other| one == other, ids);
        idle
    }
}

/// A spec as it is put together.
struct Import<'d, 'r, 'o> {
    root: At<'d>,
    resolver: &'r Resolver<'d>,
    options: &'o Options,
    found: &'o mut Vec<Finding>,
    server: String,
    prefix: String,
    variables: Variables,
    names: Names,
    /// As JSON, one behind the other: the text of so many says the same in a fraction of the memory.
    tools: Vec<u8>,
    /// What each of them is called, and where in the document it came from.
    called: Vec<String>,
    places: Vec<String>,
    connections: Vec<(Value, Option<Credential>, Value)>,
    told: HashSet<String>,
    toolsets: BTreeMap<String, Vec<String>>,
}

impl<'d, 'r, 'o> Import<'d, 'r, 'o> {
    fn new(root: At<'d>, resolver: &'r Resolver<'d>, options: &'o Options, found: &'o mut Vec<Finding>) -> Self {
        let title = root.get("info").and_then(|info| info.text("title")).unwrap_or_default();
        let server = options.name.clone().unwrap_or_else(|| name::server(title));
        Self {
            variables: Variables::new(name::variable(&server)),
            prefix: name::variable(&server),
            server,
            root,
            resolver,
            options,
            found,
            names: Names::default(),
            tools: Vec::new(),
            called: Vec::new(),
            places: Vec::new(),
            connections: Vec::new(),
            told: HashSet::new(),
            toolsets: BTreeMap::new(),
        }
    }

    fn tool(&mut self, operation: &Operation<'d>) {
        let lists = [operation.at, operation.item, self.root];
        let server = server::of(&lists, self.root, self.resolver, self.options);
        let asked = security::of(operation.at, self.root, self.resolver, server.url.as_ref(), &mut self.variables);
        for note in asked.notes {
            // The same of many operations is told at the first.
            if self.told.insert(note.clone()) {
                self.tell(Level::Note, operation, note, None);
            }
        }
        let credential = asked.credential;
        let carried: Vec<String> = credential.iter().flat_map(|it| it.carried_by.clone()).collect();
        let tool = match operation.tool(self.root, self.resolver, &carried) {
            Ok(tool) => tool,
            Err(why) => return self.tell(Level::LeftOut, operation, why, None),
        };
        for what in tool.left_out {
            self.tell(Level::Partly, operation, what, None);
        }
        let connection = self.connection(operation, server, credential);
        let said = operation.name.or(operation.id);
        let names =
            [name::tool(said, operation.method, operation.path), name::tool(None, operation.method, operation.path)];
        let name = self.names.tool(names);
        let mut spec = Map::new();
        spec.insert("name".to_owned(), name.clone().into());
        spec.extend(tool.spec);
        spec.insert("connection".to_owned(), connection.into());
        for tag in &operation.tags {
            self.toolsets.entry((*tag).to_owned()).or_default().push(name.clone());
        }
        if operation.tags.is_empty() {
            self.toolsets.entry(exposure::first_step(operation.path).to_owned()).or_default().push(name.clone());
        }
        self.tools.push(if self.places.is_empty() { b'[' } else { b',' });
        serde_json::to_writer(&mut self.tools, &spec).expect("keys are texts");
        self.called.push(name);
        self.places.push(operation.place());
    }

    fn tell(&mut self, level: Level, operation: &Operation<'d>, message: String, hint: Option<String>) {
        let (place, position) = (operation.place(), Some(operation.at.position()));
        self.found.push(Finding { level, place, position, message, hint });
    }

    /// The connection for a server and a credential: one for all operations that have both in common.
    fn connection(&mut self, operation: &Operation<'d>, server: Server, credential: Option<Credential>) -> String {
        let Server { url, note } = server;
        let (key, value) = match &url {
            Some(url) => ("url", url.as_str().to_owned()),
            None => ("envVar", format!("{}_URL", self.prefix)),
        };
        let place = json!({ key: value });
        if let Some((connection, ..)) = self.connections.iter().find(|(_, c, p)| *c == credential && *p == place) {
            return connection["name"].as_str().unwrap_or_default().to_owned();
        }
        let position = note.as_ref().map(|_| operation.at.position());
        let message = note.or_else(|| url.is_none().then(|| "the document does not say where the API is".to_owned()));
        // The same of many connections is told at the first.
        if let Some(message) = message.filter(|message| self.told.insert(message.clone())) {
            let hint = url.is_none().then(|| format!("set `{value}`, or write `url` at the connection"));
            self.found.push(Finding { level: Level::Note, place: "/servers".to_owned(), position, message, hint });
        }
        let wanted = match &credential {
            Some(credential) if !self.connections.is_empty() => {
                let scheme = name::snake(&credential.scheme);
                if scheme.starts_with("api_") { scheme } else { format!("api_{scheme}") }
            }
            None if !self.connections.is_empty() => "api_open".to_owned(),
            _ => "api".to_owned(),
        };
        let mut wanted = wanted;
        wanted.truncate(56);
        let is_taken = |name: &str| self.connections.iter().any(|(connection, ..)| connection["name"] == name);
        let name = std::iter::once(wanted.clone())
            .chain((2..).map(|number| format!("{wanted}_{number}")))
            .find(|name| !is_taken(name))
            .expect("numbers don't end");
        let mut connection = Map::new();
        connection.insert("name".to_owned(), name.clone().into());
        connection.insert("type".to_owned(), "http".into());
        connection.insert(key.to_owned(), place[key].clone());
        if let Some(credential) = &credential {
            connection.insert("auth".to_owned(), credential.auth.clone());
        }
        if url.as_ref().is_some_and(network::is_private) {
            connection.insert("allowPrivateNetwork".to_owned(), true.into());
        }
        self.connections.push((Value::Object(connection), credential, place));
        name
    }

    fn finish(self) -> Written {
        let info = self.root.get("info");
        let mut spec = Map::new();
        spec.insert("name".to_owned(), self.server.into());
        let title = info.and_then(|info| info.text("title")).map(|title| text::plain(title, 100));
        if let Some(title) = title.filter(|title| !title.is_empty()) {
            spec.insert("title".to_owned(), title.into());
        }
        let about = info.and_then(|info| info.text("description")).map(|about| text::plain(about, text::TOOL));
        if let Some(about) = about.filter(|about| !about.is_empty()) {
            spec.insert("description".to_owned(), about.into());
        }
        let connections: Vec<Value> = self.connections.into_iter().map(|(connection, ..)| connection).collect();
        spec.insert("connections".to_owned(), connections.into());
        if self.places.len() > MANY {
            let tags: BTreeMap<&str, &str> = self
                .root
                .get("tags")
                .into_iter()
                .flat_map(At::items)
                .filter_map(|tag| Some((tag.text("name")?, tag.text("description")?)))
                .collect();
            let groups = self.toolsets.into_iter().map(|(tag, tools)| {
                let about = tags.get(&*tag).map(|about| text::plain(about, 200)).filter(|about| !about.is_empty());
                Group { name: name::snake(&tag), about: about.unwrap_or(tag), tools }
            });
            expose(&mut spec, &self.called.iter().map(String::as_str).collect::<Vec<_>>(), groups.collect());
        }
        let mut text = serde_json::to_vec(&spec).expect("keys are texts");
        text.pop();
        text.extend_from_slice(b",\"tools\":");
        text.extend_from_slice(&self.tools);
        text.extend_from_slice(b"]}");
        Written { spec: text, places: self.places }
    }
}
