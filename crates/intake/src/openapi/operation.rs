//! One operation, as a tool.

use serde_json::{Map, Value, json};

use super::{
    answer, body,
    document::{At, Resolver, Version, encode},
    merge, paging, parameter,
    parameter::Taken,
    schema::{INPUT, OUTPUT, Schemas, Way},
};
use crate::{network, text};

const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// Of one operation; paths may share what they are, so that few bytes make many.
const MOST_TAGS: usize = 20;
const MOST_PARAMETERS: usize = 1_000;

#[derive(Debug)]
pub struct Operation<'d> {
    pub method: &'static str,
    pub path: &'d str,
    pub at: At<'d>,
    /// What all operations of the path share.
    pub item: At<'d>,
    pub id: Option<&'d str>,
    pub tags: Vec<&'d str>,
    /// What its author says of tools for models: `x-mcp`.
    pub wanted: Option<bool>,
    pub name: Option<&'d str>,
    pub description: Option<&'d str>,
}

/// What becomes of it.
pub struct Tool {
    /// Without name and connection.
    pub spec: Map<String, Value>,
    pub left_out: Vec<String>,
}

/// In the order of the document.
pub fn list<'d>(root: At<'d>, resolver: &Resolver<'d>) -> Vec<Operation<'d>> {
    let mut operations = Vec::new();
    for (path, item) in root.get("paths").into_iter().flat_map(At::entries) {
        let item = resolver.resolve(item).unwrap_or(item);
        for method in METHODS {
            let Some(at) = item.get(method).filter(|at| at.is_mapping()) else { continue };
            let tags = at
                .get("tags")
                .into_iter()
                .flat_map(At::items)
                .filter_map(|tag| tag.node.as_str())
                .take(MOST_TAGS)
                .collect();
            let says = at.get("x-mcp").or_else(|| item.get("x-mcp"));
            let flag = |says: At<'_>| match says.node.to_json() {
                Value::Bool(flag) => Some(flag),
                _ => says.flag("enabled"),
            };
            operations.push(Operation {
                method,
                path,
                at,
                item,
                id: at.text("operationId").filter(|id| !id.trim().is_empty()),
                tags,
                wanted: says.and_then(flag),
                name: says.and_then(|says| says.text("name")),
                description: says.and_then(|says| says.text("description")),
            });
        }
    }
    operations
}

impl<'d> Operation<'d> {
    pub fn place(&self) -> String {
        format!("/paths/{}/{}", encode(self.path), self.method)
    }

    pub fn tool(&self, root: At<'d>, resolver: &Resolver<'d>, carried: &[String]) -> Result<Tool, String> {
        if self.method == "trace" {
            return Err("its method is `TRACE`, which tools don't send".to_owned());
        }
        let version = resolver.version();
        let schemas = Schemas::new(resolver, Way::In, INPUT);
        let mut taken = Taken::default();
        let parameters = self.parameters(resolver)?;
        for parameter in &parameters {
            parameter::take(*parameter, &schemas, version, &mut taken, carried);
        }
        let body = match version {
            Version::V2 => {
                let consumes = self.at.get("consumes").or_else(|| root.get("consumes"));
                let consumes: Vec<&str> =
                    consumes.into_iter().flat_map(At::items).filter_map(|it| it.node.as_str()).collect();
                body::take_old(&parameters, &consumes, &schemas, &mut taken)
            }
            _ => match self.at.get("requestBody").map(|body| resolver.resolve(body)) {
                Some(Ok(body)) => body::take(body, &schemas, &mut taken),
                Some(Err(target)) => return Err(format!("`{target}` leads nowhere")),
                None => body::Body::default(),
            },
        };
        let path = self.path(&mut taken)?;
        let outer = Schemas::new(resolver, Way::Out, OUTPUT);
        let answer = answer::of(self.at, &outer, version);
        let paginate = if self.method == "get" { paging::of(&answer, &mut taken) } else { None };
        let select = match &paginate {
            Some(_) => None,
            None if paging::goes_on(&answer) => None,
            // What was done and answers without it would be taken for what failed, and done again.
            None => answer
                .wrapped_in()
                .filter(|name| matches!(self.method, "get" | "head") || answer.required.iter().any(|it| it == name))
                .map(|name| format!("/{name}")),
        };
        let returned = match (&paginate, &select) {
            (Some(paginate), _) => answer.at(paginate["itemsPointer"].as_str().unwrap_or_default()),
            (None, Some(select)) => answer.at(select),
            (None, None) => answer.whole,
        };
        let returned = returned.map(|schema| outer.definition(&schema).unwrap_or(schema));

        let mut left_out: Vec<String> = taken.left_out.clone();
        left_out.extend(body.left_out.iter().cloned());
        left_out
            .extend(schemas.lost.borrow().iter().map(|target| format!("`{target}` leads nowhere; the value is free")));
        let told = |name: &&str| {
            format!("the kinds of `{}`, which are too many or too deep: it may have any fields", text::plain(name, 80))
        };
        left_out.extend(schemas.free.borrow().iter().map(told));
        let mut spec = Map::new();
        spec.insert("description".to_owned(), self.about().into());
        if !taken.properties.is_empty() {
            spec.insert("inputSchema".to_owned(), input(&taken, &schemas));
        }
        if let Some(returned) = returned.filter(is_worth_telling) {
            spec.insert("returns".to_owned(), with_definitions(returned, &outer));
        }
        let mut request = Map::new();
        if self.method != "get" {
            request.insert("method".to_owned(), self.method.to_ascii_uppercase().into());
        }
        request.insert("path".to_owned(), path.into());
        if !taken.query.is_empty() {
            request.insert("query".to_owned(), Value::Object(taken.query.clone()));
        }
        self.headers(&taken, &body, &mut request);
        if let Some(sent) = body.body {
            request.insert("body".to_owned(), sent);
            if body.kind != "json" {
                request.insert("bodyType".to_owned(), body.kind.into());
            }
        }
        if !taken.styles.is_empty() {
            request.insert("styles".to_owned(), Value::Object(taken.styles.clone()));
        }
        if let Some(select) = select {
            request.insert("select".to_owned(), select.into());
        }
        spec.insert("http".to_owned(), Value::Object(request));
        if let Some(paginate) = paginate {
            spec.insert("paginate".to_owned(), paginate);
        }
        let annotations = match self.method {
            "get" | "head" | "options" => json!({ "readOnly": true }),
            "delete" => json!({ "destructive": true, "idempotent": true }),
            "put" => json!({ "idempotent": true }),
            _ => Value::Null,
        };
        if !annotations.is_null() {
            spec.insert("annotations".to_owned(), annotations);
        }
        Ok(Tool { spec, left_out })
    }

    /// Of the path, then of the operation, which may say it again otherwise.
    fn parameters(&self, resolver: &Resolver<'d>) -> Result<Vec<At<'d>>, String> {
        let mut parameters: Vec<At<'d>> = Vec::new();
        for list in [self.item, self.at] {
            for parameter in list.get("parameters").into_iter().flat_map(At::items) {
                if parameters.len() >= MOST_PARAMETERS {
                    return Err(format!("it has more than {MOST_PARAMETERS} parameters"));
                }
                let parameter = resolver.resolve(parameter).map_err(|target| format!("`{target}` leads nowhere"))?;
                let same =
                    |it: &At<'d>| it.text("name") == parameter.text("name") && it.text("in") == parameter.text("in");
                parameters.retain(|it| !same(it));
                parameters.push(parameter);
            }
        }
        Ok(parameters)
    }

    /// The path with placeholders of the tool's names. What the document forgot to list is a text.
    fn path(&self, taken: &mut Taken) -> Result<String, String> {
        let mut path = String::new();
        // What stands behind a `#` is not sent: it tells operations apart for people.
        let sent = self.path.split('#').next().unwrap_or_default();
        let (mut rest, query) = sent.split_once('?').unwrap_or((sent, ""));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !taken.query.contains_key(&*name) && !value.contains('{') {
                taken.query.insert(name.into_owned(), value.into_owned().replace('}', "}}").into());
            }
        }
        if !rest.starts_with('/') {
            path.push('/');
        }
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else {
                return Err(format!("the path `{}` has a brace that is not closed", self.path));
            };
            path.push_str(&literal(&network::in_path(before)));
            let known = taken.path.iter().find(|(known, ..)| known == name);
            let placeholder = match known {
                Some((_, placeholder, before)) => {
                    path.push_str(&literal(&network::in_path(before)));
                    placeholder.clone()
                }
                None => {
                    let schema = Map::from_iter([("type".to_owned(), Value::from("string"))]);
                    let placeholder = taken.take(name, "path", schema, true);
                    taken.path.push((name.to_owned(), placeholder.clone(), String::new()));
                    placeholder
                }
            };
            path.push_str(&format!("{{{placeholder}}}"));
            rest = behind;
        }
        path.push_str(&literal(&network::in_path(rest)));
        // Listed, and nowhere in the path: nobody could say what for.
        let unused: Vec<String> = taken
            .path
            .iter()
            .filter(|(_, placeholder, _)| !path.contains(&format!("{{{placeholder}}}")))
            .map(|(_, placeholder, _)| placeholder.clone())
            .collect();
        for placeholder in unused {
            taken.properties.shift_remove(&placeholder);
            taken.styles.shift_remove(&placeholder);
            taken.required.retain(|name| *name != placeholder);
        }
        Ok(path)
    }

    fn headers(&self, taken: &Taken, body: &body::Body, request: &mut Map<String, Value>) {
        let mut headers = taken.headers.clone();
        if !taken.cookies.is_empty() {
            request.insert("cookies".to_owned(), Value::Object(taken.cookies.clone()));
        }
        if let Some(media_type) = &body.media_type {
            headers.insert("Content-Type".to_owned(), media_type.as_str().into());
        }
        if !headers.is_empty() {
            request.insert("headers".to_owned(), Value::Object(headers));
        }
    }

    /// What it does: what its author says to models, else its summary and description.
    fn about(&self) -> String {
        let summary = self.at.text("summary").map(|text| text::plain(text, text::TOOL)).unwrap_or_default();
        let long = self.description.or_else(|| self.at.text("description")).or_else(|| self.item.text("description"));
        let long = long.map(|text| text::plain(text, text::TOOL)).unwrap_or_default();
        let mut about = match (summary.is_empty(), long.is_empty()) {
            (true, true) => format!("{} {}", self.method.to_ascii_uppercase(), self.path),
            (true, false) => long,
            (false, true) => summary,
            (false, false) if self.description.is_some() || long.starts_with(summary.trim_end_matches('.')) => long,
            (false, false) => format!("{}. {long}", summary.trim_end_matches('.')),
        };
        if self.at.flag("deprecated") == Some(true) {
            about.insert_str(0, "Deprecated. ");
        }
        text::plain(&about, text::TOOL + 200)
    }
}

/// Braces that are none of a placeholder.
pub fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn input(taken: &Taken, schemas: &Schemas<'_, '_>) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(taken.properties.clone()));
    if !taken.required.is_empty() {
        // In the order of the properties, as people write them.
        let required: Vec<&String> = taken.properties.keys().filter(|name| taken.required.contains(name)).collect();
        schema.insert("required".to_owned(), json!(required));
    }
    with_definitions(schema, schemas)
}

fn with_definitions(mut schema: Map<String, Value>, schemas: &Schemas<'_, '_>) -> Value {
    let all = schemas.defs.borrow();
    let mut used = Map::new();
    let mut names = Vec::new();
    if !all.is_empty() {
        schema.iter().for_each(|(key, value)| referred(key, value, &mut names));
    }
    let mut look: Vec<&Value> = Vec::new();
    loop {
        for name in names.drain(..) {
            if let Some(definition) = all.get(&name).filter(|_| !used.contains_key(&name)) {
                used.insert(name, definition.clone());
                look.push(definition);
            }
        }
        let Some(definition) = look.pop() else { break };
        referred("", definition, &mut names);
    }
    if !used.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(used));
    }
    merge::tidy(&mut schema);
    Value::Object(schema)
}

/// The definitions that a value refers to; `key` is what it stands under.
fn referred(key: &str, value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(target) if key == "$ref" => {
            names.extend(target.strip_prefix("#/$defs/").map(str::to_owned));
        }
        Value::Object(fields) => fields.iter().for_each(|(key, value)| referred(key, value, names)),
        Value::Array(values) => values.iter().for_each(|value| referred("", value, names)),
        _ => {}
    }
}

/// `{ "type": "object" }` alone tells a client nothing that it does not see.
fn is_worth_telling(schema: &Map<String, Value>) -> bool {
    schema.contains_key("properties")
        || schema.contains_key("items")
        || merge::only(schema).is_some_and(|it| !matches!(it, "object" | "array"))
}
