//! One request, as an `http` tool: what was saved in it becomes what may be said.

use serde_json::{Map, Value};

use super::{
    auth::Said,
    body, sample,
    url::{self, Base, Pair},
    variables::{self, Piece, Variables},
};
use crate::{name::Names, openapi::document::At, text, toolbox::source::is_secret};

/// Headers that a client makes itself.
const OWN: [&str; 8] = [
    "content-length",
    "host",
    "user-agent",
    "accept-encoding",
    "connection",
    "postman-token",
    "cache-control",
    "transfer-encoding",
];

/// What became of a request.
#[derive(Debug)]
pub struct Request {
    pub base: Base,
    pub method: String,
    pub path: String,
    pub http: Map<String, Value>,
    pub parameters: Map<String, Value>,
    /// What the collection says that the body is.
    pub content_type: Option<String>,
    /// Secrets among its headers and in its query.
    pub credentials: Vec<Said>,
    pub left_out: Vec<String>,
    names: Names,
}

/// The error says why there is no tool.
pub fn read(at: At<'_>, variables: &Variables<'_>) -> Result<Request, String> {
    // In its short form, a request is its URL.
    let parts = url::read(if at.is_mapping() { at.get("url").ok_or("it has no URL")? } else { at }, variables)?;
    let method = at.text("method").unwrap_or("GET").to_ascii_uppercase();
    let mut request = Request {
        base: parts.base,
        method: method.clone(),
        path: String::new(),
        http: Map::new(),
        parameters: Map::new(),
        content_type: None,
        credentials: Vec::new(),
        left_out: Vec::new(),
        names: Names::default(),
    };
    let mut known: Vec<(String, String)> = Vec::new();
    let path = url::path(&parts.path, |name, is_step| {
        if let Some((_, parameter)) = known.iter().find(|(known, _)| known == name) {
            return parameter.clone();
        }
        let said = parts.steps.iter().find(|step| is_step && step.key == name);
        let parameter = request.step(name, said, variables);
        known.push((name.to_owned(), parameter.clone()));
        parameter
    });
    request.http.insert("method".to_owned(), method.into());
    request.http.insert("path".to_owned(), path.clone().into());
    request.path = path;
    request.query(&parts.query, variables);
    request.headers(at, variables);
    if let Some(body) = at.get("body") {
        body::read(body, &mut request, variables);
    }
    request.type_body();
    Ok(request)
}

impl Request {
    /// Adds a parameter under a name that is free.
    pub fn parameter(&mut self, name: &str, place: &str, schema: Map<String, Value>) -> String {
        let name = self.names.parameter(name.trim_start_matches('$'), place);
        self.parameters.insert(name.clone(), Value::Object(schema));
        name
    }

    /// Part of a path: it has to be there.
    fn step(&mut self, name: &str, said: Option<&Pair>, variables: &Variables<'_>) -> String {
        let value = said.map(|said| &*said.value).filter(|value| !value.is_empty());
        let default = match value {
            None => variables.get(name),
            Some(value) => variables::whole(value).and_then(|name| variables.get(name)),
        };
        let sample: Value = value.unwrap_or_default().into();
        let mut schema = sample::schema(name, &sample);
        match default.map(|default| Value::String(default.to_owned())).filter(|it| sample::may_be_shown(name, it)) {
            Some(default) => schema.insert("default".to_owned(), default),
            None => schema.insert("required".to_owned(), true.into()),
        };
        describe(&mut schema, said.and_then(|said| said.about.as_deref()));
        self.parameter(name, "path", schema)
    }

    /// A parameter for a pair; what was saved is its default.
    pub fn pair(&mut self, pair: &Pair, place: &str, must: bool, variables: &Variables<'_>) -> String {
        let named = variables::whole(&pair.value);
        let saved = match named {
            Some(name) => variables.get(name).unwrap_or_default(),
            None => &pair.value,
        };
        let saved = typed(&pair.key, saved);
        let mut schema = sample::schema(&pair.key, &saved);
        schema.shift_remove("examples");
        describe(&mut schema, pair.about.as_deref());
        let is_shown = sample::may_be_shown(&pair.key, &saved);
        if is_shown && !pair.disabled && place != "form" {
            schema.insert("default".to_owned(), saved);
        } else {
            if is_shown {
                schema.insert("examples".to_owned(), Value::Array(vec![saved]));
            }
            if must {
                schema.insert("required".to_owned(), true.into());
            }
        }
        self.parameter(&pair.key, place, schema)
    }

    /// Remembers a secret: it is the connection's to send.
    fn secret(&mut self, pair: &Pair, is_header: bool) {
        self.credentials.push(Said { key: pair.key.clone(), value: pair.value.clone(), is_header });
    }

    fn query(&mut self, pairs: &[Pair], variables: &Variables<'_>) {
        let mut query = Map::new();
        for pair in pairs {
            if is_secret(&pair.key, &pair.value) && !is_paging(&pair.key) {
                if !pair.disabled {
                    self.secret(pair, false);
                }
                continue;
            }
            // Twice the same key is one parameter.
            if !query.contains_key(&pair.key) {
                let name = self.pair(pair, "query", false, variables);
                query.insert(pair.key.clone(), format!("{{{name}}}").into());
            }
        }
        if !query.is_empty() {
            self.http.insert("query".to_owned(), Value::Object(query));
        }
    }

    fn headers(&mut self, at: At<'_>, variables: &Variables<'_>) {
        let mut headers = Map::new();
        let list = match at.get("header").and_then(|list| list.node.as_str()) {
            // v2.0 may have them as text.
            Some(text) => {
                let lines = text.lines().filter_map(|line| line.split_once(':'));
                let pair = |(key, value): (&str, &str)| Pair {
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                    ..Pair::default()
                };
                lines.map(pair).collect()
            }
            None => url::pairs(at.get("header")),
        };
        for pair in list.iter().filter(|pair| !pair.disabled) {
            let key = pair.key.to_ascii_lowercase();
            if OWN.contains(&&*key) {
                continue;
            }
            if key == "content-type" {
                let said = variables.resolve(&pair.value).map(|said| said.trim().to_owned());
                if said.is_none() && at.get("body").is_some() {
                    let written = text::plain(&pair.value, 80);
                    self.left_out.push(format!("`Content-Type: {written}`, of which the collection has no value"));
                }
                self.content_type = said.filter(|said| !said.is_empty() && !said.contains(char::is_control));
            } else if key == "accept" {
                if !pair.value.contains("{{") && !pair.value.contains("*/*") {
                    self.http.insert("accept".to_owned(), pair.value.clone().into());
                }
            } else if is_secret(&key, &pair.value) {
                self.secret(pair, true);
            } else if let [Piece::Text(text)] = variables::pieces(&pair.value)[..] {
                headers.insert(pair.key.clone(), text.replace('{', "{{").replace('}', "}}").into());
            } else {
                let name = self.pair(pair, "header", false, variables);
                headers.insert(pair.key.clone(), format!("{{{name}}}").into());
            }
        }
        if !headers.is_empty() {
            self.http.insert("headers".to_owned(), Value::Object(headers));
        }
    }

    /// Says what the body is, where its kind does not. A form does: its fields stand between what its type names.
    fn type_body(&mut self) {
        let kind = self.http.get("bodyType").and_then(Value::as_str).unwrap_or("json");
        let usual = match kind {
            "json" => "application/json",
            "text" => "text/plain",
            "binary" => "application/octet-stream",
            _ => return,
        };
        let said = self.content_type.take().filter(|said| !said.eq_ignore_ascii_case(usual));
        let Some(said) = said.filter(|_| self.http.contains_key("body")) else { return };
        let headers = self.http.entry("headers").or_insert_with(|| Map::new().into());
        headers["Content-Type"] = said.replace('{', "{{").replace('}', "}}").into();
    }
}

/// `pageToken` is where a list goes on.
fn is_paging(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["page", "next", "continuation", "sync"].iter().any(|word| key.contains(word)) && !key.contains("access")
}

/// Counts and flags of a query are what they look like; anything else stays text.
fn typed(key: &str, value: &str) -> Value {
    let counts =
        ["limit", "page", "offset", "per_page", "perpage", "pagesize", "page_size", "count", "size", "top", "skip"];
    match value {
        "true" => true.into(),
        "false" => false.into(),
        number if counts.contains(&&*key.to_ascii_lowercase()) => {
            number.parse::<i64>().map_or_else(|_| number.into(), Value::from)
        }
        text => text.into(),
    }
}

fn describe(schema: &mut Map<String, Value>, about: Option<&str>) {
    let about = about.map(|about| text::plain(about, text::PARAMETER)).filter(|about| !about.is_empty());
    schema.extend(about.map(|about| ("description".to_owned(), about.into())));
}
