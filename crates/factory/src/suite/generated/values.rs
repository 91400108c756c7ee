//! Values that fit a schema, built by its keywords.

use fastrand::Rng;
use serde_json::{Map, Number, Value, json};

use super::{flatten::flatten, is_required, pattern, properties, types};

/// How deep a value is built.
const DEEPEST: usize = 12;
/// How many values may stand in one.
const MOST_PARTS: usize = 5_000;
/// Lengths and numbers of items beyond this are not tried.
const LONGEST: u64 = 10_000;
const MOST_ITEMS: u64 = 200;
/// Listed values that are tried one by one.
const MOST_LISTED: usize = 20;
/// Where a schema sets no bound: ordinary numbers, which every database can hold.
const ORDINARY: i64 = 100;
const LETTERS: [char; 24] = [
    'a', 'b', 'c', 'd', 'e', 'k', 'm', 'n', 'o', 'r', 's', 't', 'A', 'B', 'Z', '0', '1', '9', ' ', '\'', '%', '_', 'é',
    '漢',
];

/// How much of what a schema allows there is in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Nothing that may be left out.
    Smallest,
    Everything,
    Random,
}

#[derive(Debug)]
pub struct Values<'s> {
    root: &'s Value,
    rng: Rng,
    /// How many parts the value that is built may still have.
    left: usize,
}

impl<'s> Values<'s> {
    pub fn new(root: &'s Value, rng: Rng) -> Self {
        Self { root, rng, left: MOST_PARTS }
    }

    /// The schema without its detours.
    pub fn flat(&mut self, schema: &Value) -> Value {
        flatten(schema, self.root, &mut self.rng)
    }

    /// A proposal; `None` where the schema allows nothing that is understood here, or wants too much.
    pub fn fitting(&mut self, schema: &Value, size: Size, depth: usize) -> Option<Value> {
        self.left = MOST_PARTS;
        self.build(schema, size, depth)
    }

    fn build(&mut self, schema: &Value, size: Size, depth: usize) -> Option<Value> {
        if depth > DEEPEST || schema == &Value::Bool(false) {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let schema = &self.flat(schema);
        if let Some(constant) = schema.get("const") {
            return Some(constant.clone());
        }
        if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
            let index = if size == Size::Smallest { 0 } else { self.rng.usize(..listed.len().max(1)) };
            return listed.get(index).cloned();
        }
        // What the author took for a good value is one.
        let known: Vec<&Value> = ["default", "example"]
            .iter()
            .filter_map(|keyword| schema.get(keyword))
            .chain(schema.get("examples").and_then(Value::as_array).into_iter().flatten())
            .filter(|known| !known.is_null())
            .collect();
        // A pattern takes more than its author means, such as the 31st of any month.
        let is_rough = schema.get("pattern").is_some();
        if !known.is_empty() && (size != Size::Random || is_rough || self.rng.bool()) {
            return Some(known[self.rng.usize(..known.len())].clone());
        }
        match self.kind(schema) {
            "string" => self.text(schema, size).map(Value::String),
            "integer" | "number" => self.number(schema),
            "boolean" => Some(Value::Bool(self.rng.bool())),
            "array" => self.array(schema, size, depth),
            "object" => self.object(schema, size, depth),
            _ => Some(Value::Null),
        }
    }

    /// One of its types. A null is an argument that was left out, so it comes last.
    fn kind(&mut self, schema: &Value) -> &'static str {
        const KNOWN: [&str; 6] = ["string", "integer", "number", "boolean", "array", "object"];
        let allowed = types(schema);
        let kinds: Vec<&'static str> = KNOWN.into_iter().filter(|kind| allowed.contains(kind)).collect();
        if !kinds.is_empty() {
            return kinds[self.rng.usize(..kinds.len())];
        }
        let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.get(keyword).is_some());
        match () {
            () if allowed.contains(&"null") => "null",
            () if has(&["properties", "required", "additionalProperties", "minProperties"]) => "object",
            () if has(&["items", "prefixItems", "minItems", "contains"]) => "array",
            () if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) => "number",
            () => "string",
        }
    }

    fn text(&mut self, schema: &Value, size: Size) -> Option<String> {
        let least = length(schema, "minLength").unwrap_or(0);
        let most = length(schema, "maxLength").unwrap_or(u64::MAX);
        if least > LONGEST {
            return None;
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
            let repeated = u32::try_from(least).ok().filter(|least| *least > 6);
            return pattern::matching(pattern, &mut self.rng, repeated);
        }
        if schema.get("contentEncoding").is_some_and(|encoding| encoding == "base64") {
            return Some("YWJj".to_owned());
        }
        if let Some(text) = schema.get("format").and_then(Value::as_str).and_then(of_format) {
            return Some(text.to_owned());
        }
        let ordinary = if size == Size::Smallest { 1 } else { self.rng.u64(1..=12) };
        let length = ordinary.clamp(least, most.max(least));
        Some(self.letters(length))
    }

    /// Neither begins nor ends with what might be trimmed.
    pub fn letters(&mut self, length: u64) -> String {
        let mut letter = |index| {
            let choice = if index == 0 || index + 1 == length { 18 } else { LETTERS.len() };
            LETTERS[self.rng.usize(..choice)]
        };
        (0..length).map(&mut letter).collect()
    }

    fn number(&mut self, schema: &Value) -> Option<Value> {
        let whole = !types(schema).contains(&"number") && types(schema).contains(&"integer");
        let (least, most) = bounds(schema, whole);
        if whole || least.is_none_or(|least| least.fract() == 0.0) {
            let (least, most) = (least.map(to_integer), most.map(to_integer));
            let low = least.unwrap_or_else(|| most.map_or(0, |most| most.saturating_sub(ORDINARY).min(0)));
            let high = most.unwrap_or(i64::MAX).min(low.saturating_add(ORDINARY)).max(low);
            let picked = self.rng.i64(low..=high);
            let step = schema.get("multipleOf").and_then(Value::as_f64).filter(|step| step.fract() == 0.0);
            let step = step.map_or(1, to_integer).max(1);
            let rounded = picked - picked.rem_euclid(step);
            return Some(Value::from(if rounded < low { rounded.saturating_add(step) } else { rounded }));
        }
        let (least, most) = (least?, most.unwrap_or(f64::MAX));
        Number::from_f64((least + 1.0).min(least / 2.0 + most / 2.0)).map(Value::Number)
    }

    fn array(&mut self, schema: &Value, size: Size, depth: usize) -> Option<Value> {
        let least = length(schema, "minItems").unwrap_or(0);
        let most = length(schema, "maxItems").unwrap_or(u64::MAX).min(MOST_ITEMS);
        if least > MOST_ITEMS {
            return None;
        }
        let count = match size {
            Size::Smallest => least,
            Size::Everything => least.max(2),
            Size::Random => self.rng.u64(least..=least + 3),
        };
        self.items(schema, count.min(most).max(least), size, depth)
    }

    fn items(&mut self, schema: &Value, count: u64, size: Size, depth: usize) -> Option<Value> {
        let first: Vec<Value> = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let rest = schema.get("items").or_else(|| schema.get("contains")).cloned().unwrap_or_else(|| json!({}));
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::new();
        for index in 0..usize::try_from(count).ok()? {
            let schema = first.get(index).unwrap_or(&rest);
            let size = if unique { Size::Random } else { size };
            let item = (0..20)
                .find_map(|_| self.build(schema, size, depth + 1).filter(|item| !unique || !items.contains(item)));
            match item {
                Some(item) => items.push(item),
                // The schema allows no more that differ.
                None if items.len() as u64 >= length(schema, "minItems").unwrap_or(0) => break,
                None => return None,
            }
        }
        Some(Value::Array(items))
    }

    fn object(&mut self, schema: &Value, size: Size, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        for (name, property) in properties(schema) {
            let wanted = match size {
                Size::Smallest => false,
                Size::Everything => depth < 4,
                Size::Random => self.rng.bool(),
            };
            if is_required(schema, name) {
                object.insert(name.clone(), self.build(property, size, depth + 1)?);
            } else if wanted && let Some(value) = self.build(property, size, depth + 1).filter(|v| !v.is_null()) {
                object.insert(name.clone(), value);
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                let free = schema.get("additionalProperties").cloned().unwrap_or_else(|| json!({}));
                object.insert(name.to_owned(), self.build(&free, size, depth + 1)?);
            }
        }
        self.fill_up(schema, &mut object, depth);
        Some(Value::Object(object))
    }

    /// As many properties as there have to be.
    fn fill_up(&mut self, schema: &Value, object: &mut Map<String, Value>, depth: usize) {
        let least = length(schema, "minProperties").unwrap_or(0).min(MOST_ITEMS);
        for (name, property) in properties(schema) {
            if (object.len() as u64) < least
                && !object.contains_key(name)
                && let Some(value) = self.build(property, Size::Smallest, depth + 1)
            {
                object.insert(name.clone(), value);
            }
        }
        let free = schema.get("additionalProperties").cloned().unwrap_or_else(|| json!({}));
        for number in object.len() as u64..least {
            if let Some(value) = self.build(&free, Size::Smallest, depth + 1) {
                object.insert(format!("name{number}"), value);
            }
        }
    }

    /// The values at the bounds that a schema sets, and every listed one.
    pub fn at_bounds(&mut self, schema: &Value) -> Vec<(String, Value)> {
        self.left = MOST_PARTS;
        let schema = &self.flat(schema);
        if let Some(listed) = schema.get("enum").and_then(Value::as_array) {
            return listed.iter().take(MOST_LISTED).map(|value| (format!("as {value}"), value.clone())).collect();
        }
        let mut found = Vec::new();
        let kinds = types(schema);
        if kinds.contains(&"boolean") {
            found.extend([true, false].map(|value| (format!("as {value}"), Value::Bool(value))));
        }
        if kinds.contains(&"integer") || kinds.contains(&"number") {
            let whole = !kinds.contains(&"number");
            let (least, most) = bounds(schema, whole);
            for (what, bound) in [("at its minimum", least), ("at its maximum", most)] {
                found.extend(bound.map(|bound| (what.to_owned(), from_float(bound, whole))));
            }
        }
        if kinds.contains(&"string") {
            for (what, keyword) in [("at its shortest", "minLength"), ("at its longest", "maxLength")] {
                if let Some(length) = length(schema, keyword).filter(|length| *length <= LONGEST) {
                    found.push((what.to_owned(), Value::String(self.letters(length))));
                }
            }
        }
        if kinds.contains(&"array") {
            for (what, keyword) in [("with the fewest items", "minItems"), ("with the most items", "maxItems")] {
                let count = length(schema, keyword).filter(|count| *count <= MOST_ITEMS);
                let items = count.and_then(|count| self.items(schema, count, Size::Smallest, 1));
                found.extend(items.map(|items| (what.to_owned(), items)));
            }
        }
        found
    }
}

/// What a number may be at least and at most.
pub fn bounds(schema: &Value, whole: bool) -> (Option<f64>, Option<f64>) {
    let number = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let step = |bound: f64, by: f64| if whole { bound + by } else { bound + by * (bound.abs() / 1000.0).max(0.001) };
    let above = number("exclusiveMinimum").map(|bound| step(if whole { bound.floor() } else { bound }, 1.0));
    let below = number("exclusiveMaximum").map(|bound| step(if whole { bound.ceil() } else { bound }, -1.0));
    let least = number("minimum").map(|bound| if whole { bound.ceil() } else { bound });
    let most = number("maximum").map(|bound| if whole { bound.floor() } else { bound });
    let tighter = |one: Option<f64>, other: Option<f64>, choose: fn(f64, f64) -> f64| match (one, other) {
        (Some(one), Some(other)) => Some(choose(one, other)),
        (one, other) => one.or(other),
    };
    (tighter(least, above, f64::max), tighter(most, below, f64::min))
}

pub fn from_float(number: f64, whole: bool) -> Value {
    if whole || number.fract() == 0.0 && number.abs() < 1e15 {
        return Value::from(to_integer(number));
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer that there is")]
fn to_integer(number: f64) -> i64 {
    number as i64
}

fn length(schema: &Value, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

/// Formats are annotations, and databases take them seriously.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date" => "2026-01-31",
        "time" => "12:30:00Z",
        "date-time" => "2026-01-31T12:30:00Z",
        "duration" => "P1D",
        "uuid" => "7f3b2c1e-5d4a-4b6c-8e9f-0a1b2c3d4e5f",
        "email" | "idn-email" => "ann@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "iri" | "uri-reference" | "iri-reference" => "https://example.com/a",
        "json-pointer" => "/a/0",
        "regex" => "^a$",
        _ => return None,
    })
}
