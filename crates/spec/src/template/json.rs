//! A JSON value in whose texts placeholders stand.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Placeholder, Problem, Text};

/// `"{name}"` alone keeps the type of its value; what was left out takes its key or element with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Literal(Value),
    Text(Text),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(value: &Value) -> Result<Self, Problem> {
        Ok(match value {
            Value::String(text) => {
                let text = Text::parse(text)?;
                let fixed = text.placeholders().next().is_none();
                if fixed { Self::Literal(Value::String(text.plain(|_| None))) } else { Self::Text(text) }
            }
            Value::Array(items) => Self::Array(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), Self::parse(value)?)));
                Self::Object(fields.collect::<Result<_, Problem>>()?)
            }
            other => Self::Literal(other.clone()),
        })
    }

    /// The placeholders, wherever they stand.
    #[must_use]
    pub fn placeholders(&self) -> Vec<&Placeholder> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(text) => text.placeholders().collect(),
            Self::Array(items) => items.iter().flat_map(Self::placeholders).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, value)| value.placeholders()).collect(),
        }
    }

    /// `None` if the value goes because its placeholder was left out.
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, Value>> + Copy) -> Option<Value> {
        match self {
            Self::Literal(literal) => Some(literal.clone()),
            Self::Text(text) => match text.whole() {
                Some(placeholder) => value(&placeholder.name).map(Cow::into_owned),
                None => text.text(value).map(Value::String),
            },
            Self::Array(items) => Some(Value::Array(items.iter().filter_map(|item| item.render(value)).collect())),
            Self::Object(fields) => {
                let fields = fields.iter().filter_map(|(name, field)| Some((name.clone(), field.render(value)?)));
                Some(Value::Object(fields.collect::<Map<_, _>>()))
            }
        }
    }
}
