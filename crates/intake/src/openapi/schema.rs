//! Schemas of OpenAPI documents as JSON Schemas of the language: dialects of 2.0, 3.0 and 3.1 become one, references are put in
//! place, cycles become `$defs`, `allOf` one object. What no value could satisfy, or nobody can check, goes.
//!
//! A schema grows with what it refers to, so depth and size are bounded: beyond, a value is free.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeSet, HashMap},
};

use mcp_factory_spec::{Node, NodeValue, json_schema};
use serde_json::{Map, Value, json};

use super::{
    document::{At, Resolver, Version},
    merge,
};
use crate::text;

/// What the value is for: nobody sends what a server sets, or is sent what only it may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// How much of what a schema refers to is written out.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub depth: usize,
    pub schemas: usize,
    /// How long descriptions are; 0 for none.
    pub description: usize,
}

pub const INPUT: Bounds = Bounds { depth: 10, schemas: 400, description: text::PARAMETER };
pub const OUTPUT: Bounds = Bounds { depth: 4, schemas: 120, description: 0 };

/// What is taken of one schema. Every operation may refer to it, so all of it is bounded.
const MOST_PROPERTIES: usize = 2_000;
const MOST_CHOICES: usize = 200;
const MOST_VALUES: usize = 200;

/// What of the room for schemas each kind of one has to be left at least.
const SCHEMAS_OF_A_KIND: usize = 4;

/// Converts the schemas of one tool.
#[derive(Debug)]
pub struct Schemas<'r, 'd> {
    resolver: &'r Resolver<'d>,
    way: Way,
    bounds: Bounds,
    left: Cell<usize>,
    /// References that are being written out, from the outermost on.
    within: RefCell<Vec<(&'d Node, bool)>>,
    definitions: RefCell<HashMap<*const Node, String>>,
    pub defs: RefCell<Map<String, Value>>,
    /// References that lead nowhere.
    pub lost: RefCell<BTreeSet<String>>,
    /// Those of which not all kinds had room.
    pub free: RefCell<BTreeSet<&'d str>>,
}

impl<'r, 'd> Schemas<'r, 'd> {
    pub fn new(resolver: &'r Resolver<'d>, way: Way, bounds: Bounds) -> Self {
        Self {
            resolver,
            way,
            bounds,
            left: Cell::new(bounds.schemas),
            within: RefCell::default(),
            definitions: RefCell::default(),
            defs: RefCell::default(),
            lost: RefCell::default(),
            free: RefCell::default(),
        }
    }

    pub fn resolve(&self, at: At<'d>) -> Result<At<'d>, &'d str> {
        self.resolver.resolve(at)
    }

    /// `{}` where nothing is known of the value.
    pub fn convert(&self, at: At<'d>) -> Map<String, Value> {
        self.schema(at, 0)
    }

    fn schema(&self, at: At<'d>, depth: usize) -> Map<String, Value> {
        match &at.node.value {
            NodeValue::Bool(false) => return object(json!({ "not": {} })),
            NodeValue::Mapping(_) => {}
            _ => return Map::new(),
        }
        if !self.has_room(depth) {
            return self.cut(at);
        }
        if at.text("$ref").is_none() {
            return self.with_kinds(at, depth);
        }
        let target = match self.resolver.resolve(at) {
            Ok(target) => target,
            Err(target) => {
                self.lost.borrow_mut().insert(target.to_owned());
                return Map::new();
            }
        };
        self.referred(at, target, depth)
    }

    fn has_room(&self, depth: usize) -> bool {
        let left = self.left.get().checked_sub(1).filter(|_| depth <= self.bounds.depth);
        self.left.set(left.unwrap_or(self.left.get()));
        left.is_some()
    }

    fn referred(&self, at: At<'d>, target: At<'d>, depth: usize) -> Map<String, Value> {
        let own = at.text("description").filter(|_| self.resolver.version() == Version::V31);
        let key: *const Node = target.node;
        let is_within =
            self.within.borrow_mut().iter_mut().find(|(node, _)| std::ptr::eq(*node, key)).map(|met| met.1 = true);
        if is_within.is_some()
            || self.definitions.borrow().get(&key).is_some_and(|name| self.defs.borrow().contains_key(name))
        {
            return object(json!({ "$ref": format!("#/$defs/{}", self.name_of(at, key)) }));
        }
        self.within.borrow_mut().push((target.node, false));
        let mut schema = self.with_kinds(target, depth);
        let (_, comes_back) = self.within.borrow_mut().pop().expect("pushed above");
        if comes_back {
            let name = self.name_of(at, key);
            self.defs.borrow_mut().insert(name.clone(), Value::Object(schema));
            return object(json!({ "$ref": format!("#/$defs/{name}") }));
        }
        if let Some(own) = own {
            self.describe(&mut schema, own);
        }
        if self.resolver.version() == Version::V31 {
            self.default(at, &mut schema);
        }
        schema
    }

    /// The name under which a schema that comes back to itself is kept.
    fn name_of(&self, at: At<'d>, key: *const Node) -> String {
        let mut definitions = self.definitions.borrow_mut();
        if let Some(name) = definitions.get(&key) {
            return name.clone();
        }
        let last = at.text("$ref").and_then(|target| target.rsplit('/').next()).unwrap_or_default();
        let mut name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            "Value".clone_into(&mut name);
        }
        if definitions.values().any(|known| *known == name) {
            name = format!("{name}{}", definitions.len());
        }
        definitions.insert(key, name.clone());
        name
    }

    /// Beyond the bounds: what kind of value it is, and nothing more.
    fn cut(&self, at: At<'d>) -> Map<String, Value> {
        let Ok(at) = self.resolver.resolve(at) else { return Map::new() };
        let mut schema = Map::new();
        self.types(at, &mut schema);
        if let Some(description) = at.text("description") {
            self.describe(&mut schema, description);
        }
        schema
    }

    /// What is sent is of one of the kinds that there are, where there is room for all of them: else it may have any fields.
    fn with_kinds(&self, at: At<'d>, depth: usize) -> Map<String, Value> {
        let kinds = self.resolver.kinds.of(at, self.resolver);
        if self.way == Way::Out || kinds.is_empty() {
            return self.plain(at, depth);
        }
        if kinds.len() * SCHEMAS_OF_A_KIND > self.left.get() || depth >= self.bounds.depth {
            self.free.borrow_mut().extend(kinds.last().map(|(name, _)| *name));
            let mut schema = self.plain(at, depth);
            schema.insert("additionalProperties".to_owned(), true.into());
            return schema;
        }
        let mut choices = Vec::new();
        for &(name, kind) in &*kinds {
            let names = self.names_of(at, name, Some(kind));
            let is_itself = std::ptr::eq(kind.node, at.node);
            // What is a kind of it in turn is in the list itself.
            let mut choice = self.plain(kind, depth + usize::from(!is_itself));
            // A base that its own field has no word for is none that can be sent.
            if is_named(&mut choice, names) || !is_itself {
                choices.push(Value::Object(choice));
            }
        }
        let mut schema = object(json!({ "type": "object" }));
        if let Some(description) = at.text("description").or_else(|| at.text("title")) {
            self.describe(&mut schema, description);
        }
        schema.insert("anyOf".to_owned(), choices.into());
        schema
    }

    fn plain(&self, at: At<'d>, depth: usize) -> Map<String, Value> {
        let mut schema = Map::new();
        self.types(at, &mut schema);
        if let Some(description) = at.text("description").or_else(|| at.text("title")) {
            self.describe(&mut schema, description);
        }
        self.format(at, &mut schema);
        if self.way == Way::In {
            self.bounds_of(at, &mut schema);
        }
        self.properties(at, &mut schema, depth);
        self.elements(at, &mut schema, depth);
        self.compositions(at, &mut schema, depth);
        self.values(at, &mut schema);
        self.default(at, &mut schema);
        schema
    }

    fn default(&self, at: At<'d>, schema: &mut Map<String, Value>) {
        let Some(default) = at.get("default").filter(|_| self.way == Way::In && self.bounds.description > 0) else {
            return;
        };
        let mut about = schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        text::tell_default(&default.shown(), &mut about);
        if !about.is_empty() {
            schema.insert("description".to_owned(), about.into());
        }
    }

    fn describe(&self, schema: &mut Map<String, Value>, description: &str) {
        if self.bounds.description > 0 {
            let description = text::plain(description, self.bounds.description);
            if !description.is_empty() {
                schema.insert("description".to_owned(), description.into());
            }
        }
    }

    fn types(&self, at: At<'d>, schema: &mut Map<String, Value>) {
        let is_nullable = || at.flag("nullable").or_else(|| at.flag("x-nullable")) == Some(true);
        if let Some(word) = at.text("type").and_then(type_of).filter(|_| !is_nullable()) {
            schema.insert("type".to_owned(), word.into());
            return;
        }
        let mut types: Vec<&str> = match at.node.get("type").map(|node| &node.value) {
            Some(NodeValue::String(one)) => type_of(one).into_iter().collect(),
            Some(NodeValue::Sequence(many)) => many.iter().filter_map(Node::as_str).filter_map(type_of).collect(),
            _ => Vec::new(),
        };
        if types.is_empty() {
            if at.get("properties").is_some_and(At::is_mapping)
                || at.get("additionalProperties").is_some_and(At::is_mapping)
                || at.get("patternProperties").is_some_and(At::is_mapping)
            {
                types.push("object");
            } else if at.get("items").is_some() {
                types.push("array");
            } else {
                return;
            }
        }
        if is_nullable() && !types.contains(&"null") {
            types.push("null");
        }
        types.dedup();
        let types = match types.as_slice() {
            [one] => (*one).into(),
            many => json!(many),
        };
        schema.insert("type".to_owned(), types);
    }

    fn format(&self, at: At<'d>, schema: &mut Map<String, Value>) {
        let is_text = merge::is_of(schema, "string");
        match at.text("format") {
            Some("byte") if is_text => drop(schema.insert("contentEncoding".to_owned(), "base64".into())),
            Some(
                format @ ("date" | "date-time" | "time" | "duration" | "email" | "uri" | "uuid" | "ipv4" | "ipv6"
                | "hostname"),
            ) if is_text => {
                schema.insert("format".to_owned(), format.into());
            }
            _ => {}
        }
        for keyword in ["contentEncoding", "contentMediaType"] {
            if let Some(text) = at.text(keyword).filter(|_| is_text) {
                schema.insert(keyword.to_owned(), text.into());
            }
        }
    }

    /// Bounds that something can be within.
    fn bounds_of(&self, at: At<'d>, schema: &mut Map<String, Value>) {
        let number = |key: &str| match &at.node.get(key)?.value {
            NodeValue::Number(number, _) => Some(number.clone()),
            _ => None,
        };
        let is_number = merge::is_of(schema, "integer") || merge::is_of(schema, "number");
        if is_number {
            for (keyword, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
                // Up to 3.0 a flag beside the bound.
                let keyword_of_bound = if at.flag(exclusive) == Some(true) { exclusive } else { keyword };
                if let Some(bound) = number(keyword) {
                    schema.insert(keyword_of_bound.to_owned(), Value::Number(bound));
                }
                if let Some(bound) = number(exclusive) {
                    schema.insert(exclusive.to_owned(), Value::Number(bound));
                }
            }
        }
        // Fractions such as 0.01 are not kept exactly: 19.99 would be refused.
        if let Some(step) = number("multipleOf").and_then(|n| n.as_u64()).filter(|step| is_number && *step > 0) {
            schema.insert("multipleOf".to_owned(), step.into());
        }
        let counts: &[(&str, &str, &str)] = &[
            ("string", "minLength", "maxLength"),
            ("array", "minItems", "maxItems"),
            ("object", "minProperties", "maxProperties"),
        ];
        for (kind, least, most) in counts {
            for keyword in [least, most] {
                if let Some(count) = number(keyword).and_then(|n| n.as_u64()).filter(|_| merge::is_of(schema, kind)) {
                    schema.insert((*keyword).to_owned(), count.into());
                }
            }
            take_contradiction(schema, least, most);
        }
        take_contradiction(schema, "minimum", "maximum");
        if at.flag("uniqueItems") == Some(true) && merge::is_of(schema, "array") {
            schema.insert("uniqueItems".to_owned(), true.into());
        }
        if let Some(pattern) = at.text("pattern").filter(|_| merge::is_of(schema, "string")) {
            let pattern = pattern.strip_prefix('/').and_then(|pattern| pattern.strip_suffix('/')).unwrap_or(pattern);
            if json_schema::compile(&json!({ "pattern": pattern })).is_ok() {
                schema.insert("pattern".to_owned(), pattern.into());
            }
        }
    }

    fn properties(&self, at: At<'d>, schema: &mut Map<String, Value>, depth: usize) {
        let hidden = if self.way == Way::In { "readOnly" } else { "writeOnly" };
        let mut gone = BTreeSet::new();
        if let Some(listed) = at.get("properties").filter(|listed| listed.is_mapping()) {
            let mut properties = Map::new();
            for (name, property) in listed.entries().take(MOST_PROPERTIES) {
                let meant = self.resolver.resolve(property).unwrap_or(property);
                if property.flag(hidden).or_else(|| meant.flag(hidden)) == Some(true) {
                    gone.insert(name);
                    continue;
                }
                properties.insert(name.to_owned(), Value::Object(self.schema(property, depth + 1)));
            }
            if !properties.is_empty() {
                schema.insert("properties".to_owned(), Value::Object(properties));
            }
        }
        match at.get("additionalProperties") {
            Some(At { node: Node { value: NodeValue::Bool(flag), .. }, .. })
                if *flag || schema.contains_key("properties") =>
            {
                schema.insert("additionalProperties".to_owned(), (*flag).into());
            }
            Some(others) if others.is_mapping() => {
                let others = self.schema(others, depth + 1);
                let others = if others.is_empty() { true.into() } else { Value::Object(others) };
                schema.insert("additionalProperties".to_owned(), others);
            }
            _ => {}
        }
        self.patterned(at, schema, depth);
        if self.way == Way::Out {
            // Servers leave out what their documents promise.
            return;
        }
        let required = at.get("required").into_iter().flat_map(At::items).filter_map(|name| name.node.as_str());
        let mut seen = BTreeSet::new();
        let names = required.take(MOST_PROPERTIES).filter(|name| !gone.contains(name) && seen.insert(*name));
        let names: Vec<Value> = names.map(Value::from).collect();
        if !names.is_empty() {
            schema.insert("required".to_owned(), names.into());
        }
    }

    /// Keys that are known by what they look like. An answer has any, and so has what can't be checked.
    fn patterned(&self, at: At<'d>, schema: &mut Map<String, Value>, depth: usize) {
        let Some(listed) = at.get("patternProperties").filter(|listed| listed.is_mapping()) else { return };
        let mut patterns = Map::new();
        for (pattern, inner) in listed.entries().take(MOST_CHOICES) {
            let is_checked = || json_schema::compile(&json!({ "patternProperties": { pattern: {} } })).is_ok();
            if self.way == Way::Out || !is_checked() {
                schema.insert("additionalProperties".to_owned(), true.into());
                return;
            }
            patterns.insert(pattern.to_owned(), Value::Object(self.schema(inner, depth + 1)));
        }
        if !patterns.is_empty() {
            schema.insert("patternProperties".to_owned(), Value::Object(patterns));
        }
    }

    fn elements(&self, at: At<'d>, schema: &mut Map<String, Value>, depth: usize) {
        if !merge::is_of(schema, "array") {
            return;
        }
        match at.get("items") {
            Some(items) if items.is_mapping() => {
                let items = self.schema(items, depth + 1);
                if !items.is_empty() {
                    schema.insert("items".to_owned(), Value::Object(items));
                }
            }
            Some(At { node: Node { value: NodeValue::Bool(false), .. }, .. }) => {
                schema.insert("items".to_owned(), false.into());
            }
            _ => {}
        }
        if let Some(first) = at.get("prefixItems") {
            let first: Vec<_> =
                first.items().take(MOST_CHOICES).map(|item| Value::Object(self.schema(item, depth + 1))).collect();
            if !first.is_empty() {
                schema.insert("prefixItems".to_owned(), first.into());
            }
        }
    }

    fn compositions(&self, at: At<'d>, schema: &mut Map<String, Value>, depth: usize) {
        if let Some(parts) = at.get("allOf") {
            for part in parts.items().take(MOST_CHOICES) {
                // A kind has what its base has, and is none of the other kinds.
                if let Ok(base) = self.resolver.resolve(part)
                    && self.way == Way::In
                    && !self.resolver.kinds.of(base, self.resolver).is_empty()
                {
                    if self.has_room(depth + 1) {
                        merge::into(schema, self.plain(base, depth + 1));
                    }
                    continue;
                }
                // A part that comes back to what it is part of says nothing more.
                if let Ok(target) = self.resolver.resolve(part)
                    && self.within.borrow().iter().any(|(node, _)| std::ptr::eq(*node, target.node))
                {
                    continue;
                }
                let part = match self.schema(part, depth + 1) {
                    part if part.contains_key("$ref") => self.definition(&part).unwrap_or(part),
                    part => part,
                };
                merge::into(schema, part);
            }
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(parts) = at.get(keyword) else { continue };
            let mut choices: Vec<Value> = Vec::new();
            for part in parts.items() {
                let names = part.text("$ref").and_then(|target| self.names_of(at, target, None));
                let mut part = self.schema(part, depth + 1);
                is_named(&mut part, names);
                if part.is_empty() || choices.len() >= MOST_CHOICES {
                    // One choice takes anything, and so do more than anybody looks through.
                    choices.clear();
                    break;
                }
                let part = Value::Object(part);
                if !choices.contains(&part) {
                    choices.push(part);
                }
            }
            // Which one it is is for the server to say: the choices of documents overlap.
            merge::into(schema, merge::any_of(choices));
        }
    }

    /// The field that says which choice is taken, and what it says where this one is: what the document's `mapping` has for it, else
    /// the name of its schema. What servers send is not always what a name promises.
    fn names_of(&self, at: At<'d>, target: &'d str, kind: Option<At<'d>>) -> Option<(&'d str, Vec<Value>)> {
        let discriminator = at.get("discriminator")?;
        let last = |target: &'d str| target.rsplit('/').next();
        let mapping = discriminator.get("mapping").into_iter().flat_map(At::entries);
        // Names of schemas may stand in place of references.
        let is_this = |meant: &'d str| last(meant) == last(target);
        let mapped = mapping.filter(|(_, meant)| meant.node.as_str().is_some_and(is_this));
        let mut names: Vec<Value> = mapped.map(|(name, _)| Value::from(name)).collect();
        if names.is_empty() && self.way == Way::In && (kind.is_some() || target.contains('#')) {
            let own = kind.and_then(|kind| kind.text("x-ms-discriminator-value"));
            names.extend(own.or(last(target)).map(Value::from));
        }
        // In 2.0 it is the field's name.
        let field = discriminator.text("propertyName").or_else(|| discriminator.node.as_str())?;
        Some((field, names))
    }

    /// The schema itself, though something in it refers back to it.
    pub fn whole(&self, at: At<'d>) -> Map<String, Value> {
        let schema = self.convert(at);
        self.definition(&schema).unwrap_or(schema)
    }

    /// What a schema that is only a reference means.
    pub fn definition(&self, reference: &Map<String, Value>) -> Option<Map<String, Value>> {
        let name = reference.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.defs.borrow().get(name)?.as_object().cloned()
    }

    fn values(&self, at: At<'d>, schema: &mut Map<String, Value>) {
        if let Some(only) = at.get("const") {
            if self.way == Way::In {
                schema.insert("const".to_owned(), only.node.to_json());
            }
            return;
        }
        let Some(listed) = at.get("enum").filter(|_| self.way == Way::In) else { return };
        let mut values: Vec<Value> = Vec::new();
        for value in listed.items() {
            if values.len() > MOST_VALUES {
                return;
            }
            let value = match (&value.node.value, merge::only(schema)) {
                // Unquoted in YAML, and meant as it is written.
                (NodeValue::Number(_, written), Some("string")) => Value::from(&**written),
                (NodeValue::Bool(flag), Some("string")) => Value::from(flag.to_string()),
                (NodeValue::String(text), Some("integer" | "number")) => {
                    serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or_else(|| Value::from(&**text))
                }
                _ => value.node.to_json(),
            };
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if let Some(Value::Array(types)) = schema.get("type")
            && types.contains(&"null".into())
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
        values.retain(|value| merge::accepts_type(schema, value));
        if !values.is_empty() && values.len() <= MOST_VALUES {
            schema.insert("enum".to_owned(), values.into());
        }
    }
}

/// A choice is told by what its field says, so that no value is two at once. Whether it has a name that the field may say.
fn is_named(schema: &mut Map<String, Value>, names: Option<(&str, Vec<Value>)>) -> bool {
    let Some((field, mut names)) = names else { return false };
    let Some(Value::Object(field)) = schema.get_mut("properties").and_then(|fields| fields.get_mut(field)) else {
        return false;
    };
    if let Some(Value::Array(known)) = field.get("enum") {
        names.retain(|name| known.contains(name));
    }
    let is_named = !names.is_empty() && !field.contains_key("const") && merge::only(field) == Some("string");
    if is_named {
        field.insert("enum".to_owned(), names.into());
    }
    is_named
}

fn type_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "string" | "file" | "date" | "datetime" | "uuid" => "string",
        "integer" | "int" | "long" => "integer",
        "number" | "float" | "double" => "number",
        "boolean" | "bool" => "boolean",
        "array" => "array",
        "object" => "object",
        "null" => "null",
        _ => return None,
    })
}

fn take_contradiction(schema: &mut Map<String, Value>, least: &str, most: &str) {
    let number = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    if let (Some(low), Some(high)) = (number(least), number(most))
        && low > high
    {
        schema.shift_remove(least);
        schema.shift_remove(most);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
