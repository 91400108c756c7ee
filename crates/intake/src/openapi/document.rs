//! An OpenAPI document with the files it refers to, read once. References are followed where they are met, so that cycles cost
//! nothing until somebody walks them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use mcp_factory_spec::{
    Format, Node, NodeValue,
    syntax::{self, Position},
};

use super::kinds::Kinds;
use crate::{Finding, Level, text};

/// How many references may lead to each other.
const LONGEST_WAY: usize = 32;
/// How many files one document may consist of.
const MOST_FILES: usize = 500;
/// Of so many that were not read, it is told why.
const MOST_MISSING: usize = 20;
/// How large each may be. The largest public ones have 20 MB.
const LARGEST: usize = 64 << 20;

/// In so few entries a key is looked for one by one.
const FEW: usize = 16;

/// Files beside the document, by their paths relative to it.
pub trait Files {
    /// The error says why there is none, as in "`x.yaml` was not read: …".
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// For documents that consist of one file.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("only the document was given".to_owned())
    }
}

/// Which language the document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V2,
    V30,
    V31,
}

/// The document, and every file that something in it refers to.
#[derive(Debug)]
pub struct Document {
    /// The first one is the document; its name is empty.
    files: Vec<(String, Node)>,
    pub version: Version,
}

/// A value of the document, and the file it is in.
#[derive(Debug, Clone, Copy)]
pub struct At<'d> {
    pub node: &'d Node,
    pub file: usize,
}

impl<'d> At<'d> {
    pub fn get(self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| Self { node, ..self })
    }

    pub fn text(self, key: &str) -> Option<&'d str> {
        self.node.get(key).and_then(Node::as_str)
    }

    pub fn flag(self, key: &str) -> Option<bool> {
        match self.node.get(key)?.value {
            NodeValue::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    pub fn items(self) -> impl Iterator<Item = Self> + use<'d> {
        let items: &'d [Node] = match &self.node.value {
            NodeValue::Sequence(items) => items,
            _ => &[],
        };
        items.iter().map(move |node| Self { node, ..self })
    }

    pub fn entries(self) -> impl Iterator<Item = (&'d str, Self)> + use<'d> {
        let entries: &'d [syntax::Entry] = match &self.node.value {
            NodeValue::Mapping(entries) => entries,
            _ => &[],
        };
        entries.iter().map(move |entry| (&*entry.key, Self { node: &entry.value, ..self }))
    }

    /// A value as people read it: a text as it is, a number as it was written, anything else as JSON.
    pub fn shown(self) -> String {
        match &self.node.value {
            NodeValue::String(text) => text.to_string(),
            NodeValue::Number(_, written) => written.to_string(),
            _ => self.node.to_json().to_string(),
        }
    }

    pub fn is_mapping(self) -> bool {
        matches!(self.node.value, NodeValue::Mapping(_))
    }

    pub fn position(self) -> Position {
        self.node.span.start
    }
}

impl Document {
    /// What can't be read at all is one error. What is only against the rules of YAML or JSON is told, and read on.
    pub fn read(name: &str, bytes: &[u8], files: &dyn Files) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut found = Vec::new();
        let root = parse("", name, bytes, &mut found)?;
        let version = match version(&root) {
            Ok((version, note)) => {
                found.extend(note);
                version
            }
            Err(finding) => return Err(vec![finding]),
        };
        let mut document = Self { files: vec![(String::new(), root)], version };
        document.read_others(files, &mut found);
        Ok((document, found))
    }

    /// Files that are referred to, and the files that those refer to.
    fn read_others(&mut self, files: &dyn Files, found: &mut Vec<Finding>) {
        let mut asked: HashSet<String> = HashSet::new();
        let mut missing: Vec<(String, String)> = Vec::new();
        let mut next = 0;
        while next < self.files.len() {
            let mut targets = Vec::new();
            let (base, root) = &self.files[next];
            references(root, &mut |target| {
                if let Some(path) = file_of(base, target) {
                    targets.push(path);
                }
            });
            for path in targets {
                if !asked.insert(path.clone()) {
                    continue;
                }
                let read = match self.files.len() > MOST_FILES {
                    true => Err(format!("a document refers to at most {MOST_FILES} files")),
                    false => files.read(&path),
                };
                let parsed = read.and_then(|bytes| {
                    parse(&path, &path, &bytes, found).map_err(|findings| {
                        findings.into_iter().next().map_or_else(String::new, |finding| finding.message)
                    })
                });
                match parsed {
                    Ok(node) => self.files.push((path, node)),
                    Err(why) => missing.push((path, why)),
                }
            }
            next += 1;
        }
        tell_missing(missing, found);
    }

    pub fn root(&self) -> At<'_> {
        At { node: &self.files[0].1, file: 0 }
    }
}

/// Follows references, and remembers where they led.
#[derive(Debug)]
pub struct Resolver<'d> {
    document: &'d Document,
    followed: RefCell<HashMap<(usize, &'d str), Option<At<'d>>>>,
    /// Mappings that are looked into often, such as all schemas, by their keys.
    indexed: RefCell<HashMap<*const Node, HashMap<&'d str, &'d Node>>>,
    pub kinds: Kinds<'d>,
}

impl<'d> Resolver<'d> {
    pub fn new(document: &'d Document) -> Self {
        Self { document, followed: RefCell::default(), indexed: RefCell::default(), kinds: Kinds::default() }
    }

    pub fn version(&self) -> Version {
        self.document.version
    }

    pub fn root(&self) -> At<'d> {
        self.document.root()
    }

    /// What a value means: itself, or what it refers to. The error is the reference that leads nowhere.
    pub fn resolve(&self, at: At<'d>) -> Result<At<'d>, &'d str> {
        let mut at = at;
        for _ in 0..LONGEST_WAY {
            let Some(target) = at.text("$ref") else { return Ok(at) };
            at = self.follow(at.file, target).ok_or(target)?;
        }
        Err("a reference that leads back to itself")
    }

    pub fn follow(&self, file: usize, target: &'d str) -> Option<At<'d>> {
        let key = (file, target);
        if let Some(known) = self.followed.borrow().get(&key) {
            return *known;
        }
        let found = self.find(file, target);
        self.followed.borrow_mut().insert(key, found);
        found
    }

    fn find(&self, file: usize, target: &str) -> Option<At<'d>> {
        let document: &'d Document = self.document;
        let files = &document.files;
        let file = match file_of(&files[file].0, target) {
            None => file,
            Some(path) => files.iter().position(|(name, _)| *name == path)?,
        };
        let pointer = target.split_once('#').map_or("", |(_, pointer)| pointer);
        let mut node = &files[file].1;
        for step in pointer.split('/').skip(1) {
            let step = decode(step);
            node = match &node.value {
                NodeValue::Sequence(items) => items.get(step.parse::<usize>().ok()?)?,
                NodeValue::Mapping(entries) if entries.len() > FEW => {
                    let mut indexed = self.indexed.borrow_mut();
                    let index = indexed
                        .entry(std::ptr::from_ref(node))
                        .or_insert_with(|| entries.iter().map(|entry| (&*entry.key, &entry.value)).collect());
                    index.get(&*step)?
                }
                _ => node.get(&step)?,
            };
        }
        // A name that stands for a place (`$anchor`) is not looked for.
        (pointer.is_empty() || pointer.starts_with('/')).then_some(At { node, file })
    }
}

/// What refers to them is told where it stands; here is why.
fn tell_missing(missing: Vec<(String, String)>, found: &mut Vec<Finding>) {
    let mut note = |message| {
        found.push(Finding { level: Level::Note, place: String::new(), position: None, message, hint: None });
    };
    let rest = missing.len().saturating_sub(MOST_MISSING);
    for (path, why) in missing.into_iter().take(MOST_MISSING) {
        note(format!("`{}` was not read: {}", text::plain(&path, 200), text::plain(&why, 300)));
    }
    if rest > 0 {
        note(format!("{rest} further files were not read"));
    }
}

/// One step of a JSON pointer within a URL's fragment.
pub fn decode(step: &str) -> String {
    let step = percent_encoding::percent_decode_str(step).decode_utf8_lossy();
    step.replace("~1", "/").replace("~0", "~")
}

/// One step of a JSON pointer, as it is shown.
pub fn encode(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn parse(file: &str, name: &str, bytes: &[u8], found: &mut Vec<Finding>) -> Result<Node, Vec<Finding>> {
    if let Some(page) = Finding::of_page(file, bytes) {
        return Err(vec![page]);
    }
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    // Many are called `.yaml` or nothing, and are JSON.
    let format = if first == Some(&b'{') { Format::Json } else { Format::of_file(name) };
    let (root, diagnostics) = syntax::read_within(bytes, format, LARGEST);
    let mut findings: Vec<Finding> = Vec::new();
    let mut told: HashMap<String, (usize, usize)> = HashMap::new();
    for diagnostic in diagnostics {
        // The same is told once, such as that status codes should stand in quotes.
        let (first, times) = told.entry(diagnostic.message.clone()).or_insert((findings.len(), 0));
        *times += 1;
        if *times > 1 {
            findings[*first].message = format!("{} ({times} times)", diagnostic.message);
            continue;
        }
        findings.push(Finding {
            level: if root.is_some() { Level::Note } else { Level::Error },
            place: file.to_owned(),
            position: Some(diagnostic.span.start),
            message: diagnostic.message,
            hint: diagnostic.help,
        });
    }
    match root {
        Some(root) => {
            found.extend(findings);
            Ok(root)
        }
        None => Err(findings),
    }
}

/// With what is to be told of it.
fn version(root: &Node) -> Result<(Version, Option<Finding>), Finding> {
    let said = ["swagger", "openapi"].into_iter().find_map(|key| {
        let version = match &root.get(key)?.value {
            NodeValue::String(text) => &**text,
            NodeValue::Number(_, written) => written,
            _ => return None,
        };
        Some((key, version.trim(), root.get(key)?.span.start))
    });
    let error = |message: String, position, hint: &str| Finding {
        level: Level::Error,
        place: String::new(),
        position,
        message,
        hint: Some(hint.to_owned()),
    };
    let known = "known are Swagger 2.0, OpenAPI 3.0, 3.1 and 3.2";
    match said {
        Some(("swagger", version, _)) if version.starts_with('2') => Ok((Version::V2, None)),
        Some(("openapi", version, _)) if version.starts_with("3.0") => Ok((Version::V30, None)),
        Some(("openapi", version, _)) if version.starts_with("3.1") => Ok((Version::V31, None)),
        // What it adds can be left out.
        Some(("openapi", version, position)) if version.starts_with("3.2") => {
            let message = "OpenAPI 3.2 is read as 3.1: operations of `query` and `additionalOperations` are left out, and what \
                           answers say by `itemSchema`";
            let place = "/openapi".to_owned();
            let note = Finding {
                level: Level::Note,
                place,
                position: Some(position),
                message: message.to_owned(),
                hint: None,
            };
            Ok((Version::V31, Some(note)))
        }
        Some((key, version, position)) => {
            Err(error(format!("`{key}: {version}` is no version that is known"), Some(position), known))
        }
        None => {
            let message = "the document is no OpenAPI: it has neither `openapi` nor `swagger`".to_owned();
            Err(error(message, None, Finding::other_kind(root).as_deref().unwrap_or(known)))
        }
    }
}

fn references<'n>(node: &'n Node, met: &mut impl FnMut(&'n str)) {
    match &node.value {
        NodeValue::Sequence(items) => items.iter().for_each(|item| references(item, met)),
        NodeValue::Mapping(entries) => {
            for entry in entries {
                match entry.value.as_str() {
                    Some(target) if &*entry.key == "$ref" => met(target),
                    _ => references(&entry.value, met),
                }
            }
        }
        _ => {}
    }
}

/// The file that a reference leads to, relative to the document. `None` for the file it stands in.
fn file_of(base: &str, target: &str) -> Option<String> {
    let path = target.split_once('#').map_or(target, |(path, _)| path);
    if path.is_empty() {
        return None;
    }
    if path.contains("://") {
        return Some(path.to_owned());
    }
    let mut steps: Vec<&str> = base.split('/').collect();
    steps.pop();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            // Above the document's own folder stays visible in the path, and is refused by whoever reads files.
            ".." if steps.last().is_some_and(|last| *last != "..") => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}
