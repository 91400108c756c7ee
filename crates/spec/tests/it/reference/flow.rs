//! Values as one line of YAML.

use mcp_factory_spec::{Format, syntax};
use serde_json::{Value, json};

/// `name: value`, as it can be pasted into a spec.
pub fn pair(name: &str, value: &Value) -> String {
    let text = format!("{}: {}", scalar(name), flow(value));
    let read = syntax::read(text.as_bytes(), Format::Yaml).0.map(|root| root.to_json());
    assert_eq!(read, Some(json!({ name: value })), "{text}");
    text
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| format!("{}: {}", scalar(name), flow(field)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn scalar(text: &str) -> String {
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric() || "/_.".contains(first));
    let safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "_./ -()*=@$".contains(c)) && !text.ends_with(' ');
    // What YAML would read as a number or a word of its own.
    let means_itself = || {
        let read = syntax::read(format!("- {text}").as_bytes(), Format::Yaml).0;
        read.is_some_and(|root| root.to_json() == json!([text]))
    };
    if starts && safe && means_itself() { text.to_owned() } else { Value::from(text).to_string() }
}

/// For a cell of a table.
pub fn code(text: &str) -> String {
    let marks = if text.contains('`') { "``" } else { "`" };
    format!("{marks}{}{marks}", text.replace('|', "\\|"))
}
