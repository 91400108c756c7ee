//! What an operation answers: `returns`, with `select` where the answer is wrapped.

use serde_json::{Map, Value};

use super::{
    document::{At, Version},
    merge,
    schema::Schemas,
};

/// What is known of a good answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// The whole of it.
    pub whole: Option<Map<String, Value>>,
    /// Names of its headers, in lowercase.
    pub headers: Vec<String>,
    /// Properties that it always has, by the document.
    pub required: Vec<String>,
}

/// Names under which the part is that people want, in the order of trust.
const WRAPPERS: [&str; 6] = ["data", "items", "results", "result", "value", "records"];
/// What stands beside it and is about it.
const ABOUT: [&str; 42] = [
    "meta",
    "metadata",
    "links",
    "_links",
    "pagination",
    "paging",
    "page",
    "pages",
    "next",
    "previous",
    "prev",
    "first",
    "last",
    "next_page",
    "nextpage",
    "next_cursor",
    "nextcursor",
    "nextpagetoken",
    "next_page_token",
    "cursor",
    "has_more",
    "hasmore",
    "count",
    "total",
    "total_count",
    "totalcount",
    "total_pages",
    "totalpages",
    "limit",
    "offset",
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "size",
    "success",
    "ok",
    "status",
    "code",
    "message",
    "kind",
    "etag",
];

pub fn of<'d>(operation: At<'d>, schemas: &Schemas<'_, 'd>, version: Version) -> Answer {
    let Some(responses) = operation.get("responses") else { return Answer::default() };
    let status = |code: &str| code.starts_with('2').then(|| code.to_ascii_uppercase());
    let mut good: Vec<(String, At<'d>)> =
        responses.entries().filter_map(|(code, response)| Some((status(code)?, response))).collect();
    good.sort_by(|one, other| one.0.cmp(&other.0));
    let Some(response) = good.into_iter().map(|(_, response)| response).next().or_else(|| responses.get("default"))
    else {
        return Answer::default();
    };
    let Ok(response) = schemas.resolve(response) else { return Answer::default() };
    let headers = response.get("headers").into_iter().flat_map(At::entries).map(|(name, _)| name.to_ascii_lowercase());
    let schema = match version {
        Version::V2 => response.get("schema"),
        _ => response.get("content").and_then(|content| {
            let is_json = |media_type: &str| {
                let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                essence == "application/json" || essence == "*/*" || essence.ends_with("+json")
            };
            content.entries().find(|(media_type, _)| is_json(media_type)).and_then(|(_, media)| media.get("schema"))
        }),
    };
    let whole = schema.map(|schema| schemas.whole(schema)).filter(|schema| !schema.is_empty());
    let required = schema.and_then(|schema| schemas.resolve(schema).ok()).and_then(|schema| schema.get("required"));
    let required = required.into_iter().flat_map(At::items).filter_map(|name| name.node.as_str()).map(str::to_owned);
    Answer { whole, headers: headers.collect(), required: required.collect() }
}

impl Answer {
    /// The property whose value is what people want, where all the others are about it.
    pub fn wrapped_in(&self) -> Option<&str> {
        let properties = self.whole.as_ref()?.get("properties")?.as_object()?;
        let (name, _) = WRAPPERS.iter().find_map(|wrapper| properties.get_key_value(*wrapper))?;
        let others = properties.keys().filter(|other| *other != name);
        let all_about_it = others.clone().all(|other| ABOUT.contains(&other.to_ascii_lowercase().as_str()));
        let inner = properties.get(name)?.as_object()?;
        let holds = merge::is_of(inner, "array") || merge::is_of(inner, "object");
        (all_about_it && holds).then_some(name)
    }

    /// The one list in it: the whole, or a property.
    pub fn list(&self) -> Option<String> {
        let whole = self.whole.as_ref()?;
        if merge::is_of(whole, "array") {
            return Some(String::new());
        }
        let properties = whole.get("properties")?.as_object()?;
        let lists =
            |(_, inner): &(&String, &Value)| inner.as_object().is_some_and(|inner| merge::is_of(inner, "array"));
        let mut lists = properties.iter().filter(lists).map(|(name, _)| name);
        let first = lists.next()?;
        match lists.next() {
            None => Some(format!("/{}", super::document::encode(first))),
            Some(_) => self.wrapped_in().map(|name| format!("/{name}")),
        }
    }

    /// What is at the pointer.
    pub fn at(&self, pointer: &str) -> Option<Map<String, Value>> {
        let whole = self.whole.as_ref()?;
        match pointer.strip_prefix('/') {
            None => Some(whole.clone()),
            Some(name) => {
                let name = name.replace("~1", "/").replace("~0", "~");
                whole.get("properties")?.get(&name)?.as_object().cloned()
            }
        }
    }

    /// Where a property of one of the names is: at the top, or in what is said about pages.
    pub fn property(&self, names: &[&str]) -> Option<String> {
        let properties = self.whole.as_ref()?.get("properties")?.as_object()?;
        found(properties, names, &ABOUT_PAGES)
    }
}

impl Answer {
    /// Where the URL of the next page is: called one, said to be one, in an object of links, or as a framework has it.
    pub fn link(&self, names: &[&str]) -> Option<String> {
        let pointer = self.property(names)?;
        let steps: Vec<String> = pointer.split('/').skip(1).map(super::document::decode).collect();
        let (last, way) = steps.split_last()?;
        let mut properties = self.whole.as_ref()?.get("properties")?.as_object()?;
        for step in way {
            properties = properties.get(step)?.get("properties")?.as_object()?;
        }
        let is_url = properties.get(last)?.get("format").is_some_and(|format| format == "uri");
        let is_of_links = way.last().is_some_and(|name| matches!(name.as_str(), "links" | "_links"));
        // As Django REST framework has it.
        let has_previous = ["previous", "results"].iter().all(|name| properties.contains_key(*name));
        let is_plain = !last.eq_ignore_ascii_case("next");
        let holds_text = properties.get(last)?.as_object().is_some_and(|it| merge::is_of(it, "string"));
        ((is_url || is_of_links || has_previous || is_plain) && holds_text).then_some(pointer)
    }
}

/// Objects that say something of pages.
const ABOUT_PAGES: [&str; 10] = [
    "meta",
    "metadata",
    "pagination",
    "paging",
    "response_metadata",
    "links",
    "_links",
    "page_info",
    // Within the others.
    "next",
    "cursors",
];

/// A property of one of the names that holds one value, or one within an object of the other names.
fn found(properties: &Map<String, Value>, names: &[&str], about: &[&str]) -> Option<String> {
    let is_in = |list: &[&str], name: &str| list.contains(&name.to_ascii_lowercase().replace('-', "_").as_str());
    let holds_one = |schema: &Value| {
        let fields = |keyword| schema.get(keyword).is_some();
        !fields("properties") && !fields("items")
    };
    if let Some((name, _)) = properties.iter().find(|(name, schema)| is_in(names, name) && holds_one(schema)) {
        return Some(format!("/{}", super::document::encode(name)));
    }
    properties.iter().filter(|(name, _)| is_in(about, name)).find_map(|(name, schema)| {
        let within = found(schema.get("properties")?.as_object()?, names, about)?;
        Some(format!("/{}{within}", super::document::encode(name)))
    })
}
