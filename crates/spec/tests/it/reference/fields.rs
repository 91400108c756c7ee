//! The tables of fields.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::{Map, Value};

use super::{
    examples::Examples,
    flow::{self, code},
    forms, resolve,
};

/// Parts that are the same as another one, but for what the words say.
const TOLD_ELSEWHERE: [&str; 1] = ["environment.ConnectionOverride"];

pub struct Sections<'s> {
    schema: &'s Value,
    /// The heading under which a part is described.
    headings: BTreeMap<String, String>,
    kinds: BTreeSet<String>,
}

impl<'s> Sections<'s> {
    pub fn of(schema: &'s Value, words: &str) -> Self {
        let mut headings = BTreeMap::new();
        let mut heading = "";
        for line in words.lines() {
            if line.starts_with('#') {
                heading = line.trim_start_matches('#').trim();
            } else if let Some(part) = line.strip_prefix("<!-- fields: ").and_then(|rest| rest.strip_suffix(" -->")) {
                headings.insert(part.to_owned(), heading.to_owned());
            }
        }
        let of_tool = schema["$defs"]["tool.Tool"]["properties"].as_object().expect("a tool has fields");
        let of_resource = schema["$defs"]["resource.Resource"]["properties"].as_object().expect("so has a resource");
        let shared = of_tool.keys().filter(|key| of_resource.contains_key(*key));
        let own = ["name", "title", "description", "connection", "file"];
        let kinds = shared.filter(|key| !own.contains(&key.as_str())).cloned().collect();
        Self { schema, headings, kinds }
    }

    /// Parts of the language that are described nowhere.
    pub fn missing(&self) -> Vec<String> {
        let parts = self.schema["$defs"].as_object().expect("the language has parts");
        let told = |part: &&String| self.headings.contains_key(*part) || TOLD_ELSEWHERE.contains(&part.as_str());
        parts.keys().filter(|part| !told(part)).map(|part| format!("the part `{part}`")).collect()
    }

    pub fn write(&self, part: &str, examples: &Examples<'_>, out: &mut String, missing: &mut Vec<String>) {
        let schema = if part == "Spec" { self.schema } else { &self.schema["$defs"][part] };
        let forms = forms(schema);
        let properties = |form: &'s Value| form["properties"].as_object().expect("a form has fields");
        if forms.len() == 1 {
            let (form, schema) = forms.first().expect("there is one");
            let rows: Vec<Row<'_>> = properties(schema)
                .iter()
                .filter(|(name, _)| part != "resource.Resource" || !self.kinds.contains(*name))
                .map(|(name, field)| Row { name, field, forms: vec![form], required: is_required(schema, name) })
                .collect();
            return self.table(part, &rows, examples, out, missing);
        }
        // What all of those have that are told apart by a word.
        let tagged: Vec<&Value> = forms
            .values()
            .copied()
            .filter(|form| properties(form).values().any(|field| field.get("const").is_some()))
            .collect();
        let common: Vec<&str> = match tagged.first() {
            Some(first) if tagged.len() > 2 => {
                let everywhere = |name: &&String| tagged.iter().all(|form| properties(form).contains_key(*name));
                properties(first).keys().filter(everywhere).map(String::as_str).collect()
            }
            _ => Vec::new(),
        };
        let first_tagged = forms.iter().find(|(_, form)| tagged.iter().any(|tagged| std::ptr::eq(*tagged, **form)));
        if let Some((_, schema)) = first_tagged.filter(|_| common.len() > 1) {
            let rows: Vec<Row<'_>> = common
                .iter()
                .filter(|name| properties(schema)[**name].get("const").is_none())
                .map(|name| Row {
                    name,
                    field: &properties(schema)[*name],
                    forms: forms.keys().map(String::as_str).collect(),
                    required: is_required(schema, name),
                })
                .collect();
            out.push_str("All of them:\n\n");
            self.table(part, &rows, examples, out, missing);
        }
        let mut groups: Vec<(Vec<&str>, &Value)> = Vec::new();
        for (form, schema) in &forms {
            let own = |form: &Value| {
                let mut fields = form["properties"].as_object().cloned().unwrap_or_default();
                fields.retain(|name, field| !common.contains(&name.as_str()) && field.get("const").is_none());
                (fields, form["required"].clone())
            };
            match groups.iter_mut().find(|(_, other)| !common.is_empty() && own(other) == own(schema)) {
                Some((forms, _)) => forms.push(form),
                None => groups.push((vec![form], schema)),
            }
        }
        for (words, schema) in groups {
            let tag = properties(schema).iter().find(|(_, field)| field.get("const").is_some_and(Value::is_string));
            let rows: Vec<Row<'_>> = properties(schema)
                .iter()
                .filter(|(name, field)| !common.contains(&name.as_str()) && tag.is_none_or(|(_, tag)| *tag != **field))
                .map(|(name, field)| Row { name, field, forms: words.clone(), required: is_required(schema, name) })
                .collect();
            let title = match tag {
                Some((tag, _)) => words.iter().map(|word| format!("`{tag}: {word}`")).collect::<Vec<_>>().join(", "),
                None => format!("With `{}`", words[0]),
            };
            let about = schema["description"].as_str().filter(|_| words.len() == 1).unwrap_or_default();
            if !out.ends_with("\n\n") {
                out.push('\n');
            }
            let nothing = if rows.is_empty() { " Nothing else." } else { "" };
            let _ = writeln!(out, "{}", format!("{title}: {about}{nothing}").trim_end());
            if !rows.is_empty() {
                out.push('\n');
                self.table(part, &rows, examples, out, missing);
            }
        }
    }

    fn table(
        &self,
        part: &str,
        rows: &[Row<'_>],
        examples: &Examples<'_>,
        out: &mut String,
        missing: &mut Vec<String>,
    ) {
        out.push_str("| field | what it is | value | left out | example |\n|---|---|---|---|---|\n");
        for Row { name, field, forms, required } in rows {
            let parts = self.parts_in(field);
            let own = forms.iter().find_map(|form| examples.get(part, form, name));
            // Elsewhere a field of that name that is a part of the language is the same one.
            let example = match own.or_else(|| examples.of_any_form(part, name).filter(|_| !parts.is_empty())) {
                Some(example) => code(example),
                None if !parts.is_empty() => "below".to_owned(),
                None => {
                    missing.push(format!("a short example of `{name}` in `{part}` {forms:?}"));
                    String::new()
                }
            };
            let about = field["description"].as_str().unwrap_or_default().replace('|', "\\|");
            let left_out = match (field.get("default"), required) {
                (_, true) => "required".to_owned(),
                (Some(default), _) if default.as_object().is_none_or(|fields| !fields.is_empty()) => {
                    code(&value_of(default))
                }
                _ => String::new(),
            };
            let _ = writeln!(out, "| `{name}` | {about} | {} | {left_out} | {example} |", self.value(field));
        }
    }

    fn parts_in<'a>(&'a self, field: &'a Value) -> Vec<&'a str> {
        let mut parts: Vec<&str> = resolve(self.schema, field).map(|(part, _)| part).into_iter().collect();
        for key in ["items", "additionalProperties"] {
            parts.extend(field.get(key).into_iter().flat_map(|inner| self.parts_in(inner)));
        }
        parts.extend(field["anyOf"].as_array().into_iter().flatten().flat_map(|inner| self.parts_in(inner)));
        parts
    }

    /// What can stand there, in words.
    fn value(&self, schema: &Value) -> String {
        if let Some((part, _)) = resolve(self.schema, schema) {
            let heading = self.headings.get(part).map_or("Connections", String::as_str);
            return format!("[{}](#{})", heading.to_lowercase(), slug(heading));
        }
        if schema.get("$ref").is_some() {
            return "JSON Schema".to_owned();
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            return alternatives.iter().map(|one| self.value(one)).collect::<Vec<_>>().join(", or ");
        }
        if let Some(constant) = schema.get("const") {
            return code(&value_of(constant));
        }
        if let (Some(words), false) = (schema["enum"].as_array(), schema.get("type").is_some()) {
            return words.iter().map(|word| code(&value_of(word))).collect::<Vec<_>>().join(" ");
        }
        match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(", or "),
            Value::String(kind) => match kind.as_str() {
                "string" => text(schema),
                "array" if schema["items"].is_object() => format!("list of: {}", self.value(&schema["items"])),
                "object" if schema["additionalProperties"].is_object() => {
                    format!("mapping to: {}", self.value(&schema["additionalProperties"]))
                }
                "integer" if schema["minimum"] == 1 => "whole number from 1".to_owned(),
                "number" if schema["exclusiveMinimum"] == 0 => "number above 0".to_owned(),
                other => plain(other).to_owned(),
            },
            _ => "anything".to_owned(),
        }
    }
}

struct Row<'s> {
    name: &'s str,
    field: &'s Value,
    /// The forms that have it.
    forms: Vec<&'s str>,
    required: bool,
}

fn is_required(form: &Value, name: &str) -> bool {
    form["required"].as_array().is_some_and(|required| required.iter().any(|key| key == name))
}

fn value_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => flow::pair("x", other)[3..].to_owned(),
    }
}

fn plain(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "array" => "list",
        "object" => "mapping",
        "boolean" => "`true` `false`",
        "integer" => "whole number",
        other => other,
    }
}

/// Texts of a form have a name; what the names mean is said above the tables.
fn text(schema: &Value) -> String {
    let Some(pattern) = schema["pattern"].as_str() else {
        return if schema["format"] == "uri" { "URL" } else { "text" }.to_owned();
    };
    let names: Map<String, Value> = serde_json::from_str(include_str!("patterns.json")).expect("a mapping");
    let name = names.get(pattern).and_then(Value::as_str);
    name.unwrap_or_else(|| panic!("the reference has no word for texts like {pattern:?}")).to_owned()
}

/// As GitHub makes anchors.
pub fn slug(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
