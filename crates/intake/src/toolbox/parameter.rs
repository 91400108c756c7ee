//! Parameters: what callers hand in, and what the Toolbox takes out of their token.

use serde_json::{Map, Value, json};

use crate::name::Names;

/// One parameter of a tool.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// What the file calls it.
    pub name: String,
    /// What stands for it in a statement: its name in the spec, or something of the caller (`principal.id`).
    pub placeholder: String,
    /// `None` where callers don't hand it in.
    pub schema: Option<Map<String, Value>>,
    pub kind: Type,
    pub escape: Option<String>,
    /// What it may be, where the file lists plain texts.
    pub allowed: Option<Vec<String>>,
    copied_from: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    String,
    Integer,
    Float,
    Boolean,
    Array,
    Map,
}

/// Which services a token may be of whose claims parameters take.
#[derive(Debug, Default)]
pub struct Services {
    /// The one that the server's own authentication stands for.
    pub served: Option<String>,
}

/// The parameters of a list. The error says which can't be had, and why.
pub fn all(list: Vec<Value>, names: &mut Names, services: &Services) -> Result<Vec<Parameter>, String> {
    let mut parameters = list
        .into_iter()
        .map(|value| {
            let name = value["name"].as_str().unwrap_or_default().to_owned();
            one(value, &name, names, services).map_err(|why| format!("its parameter `{name}` {why}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    for index in 0..parameters.len() {
        let Some(from) = &parameters[index].copied_from else { continue };
        let Some(other) = parameters.iter().find(|other| other.name == *from && other.copied_from.is_none()) else {
            return Err(format!("its parameter `{}` copies `{from}`, which is not there", parameters[index].name));
        };
        parameters[index].placeholder = other.placeholder.clone();
    }
    Ok(parameters)
}

fn one(value: Value, name: &str, names: &mut Names, services: &Services) -> Result<Parameter, String> {
    let Value::Object(mut fields) = value else { return Err("is no mapping".to_owned()) };
    fields.shift_remove("name");
    if name.is_empty() {
        return Err("has no name".to_owned());
    }
    if fields.shift_remove("secure").is_some_and(|secure| secure == true) {
        let why = "is `secure`: its value would come beside the arguments, by an extension of the Toolbox";
        return Err(format!("{why}; what depends on the caller is `:principal.claims.…` here"));
    }
    if fields.contains_key("embeddedBy") {
        return Err(
            "is turned into a vector by a model (`embeddedBy`), for which no tool of a database has a place".into()
        );
    }
    let copied_from = fields.shift_remove("valueFromParam").and_then(|from| from.as_str().map(str::to_owned));
    let claim = claim(fields.shift_remove("authServices"), services)?;
    let escape = fields.shift_remove("escape").and_then(|escape| escape.as_str().map(str::to_owned));
    let kind = Type::of(&fields)?;
    let default = fields.shift_remove("default").filter(|default| !default.is_null());
    let said = fields.shift_remove("required");
    let required = said.is_none_or(|said| said != false) && default.is_none();
    let mut schema = schema(fields)?;
    let allowed = schema
        .get("enum")
        .and_then(Value::as_array)
        .and_then(|values| values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
    let is_given = claim.is_none() && copied_from.is_none();
    let placeholder = match claim {
        Some(claim) => claim,
        None if is_given => names.parameter(&name.replace(['-', '.'], "_"), "value"),
        None => String::new(),
    };
    if required {
        schema.insert("required".to_owned(), true.into());
    }
    if let Some(default) = default {
        schema.insert("default".to_owned(), default);
    }
    let schema = is_given.then_some(schema);
    Ok(Parameter { name: name.to_owned(), placeholder, schema, kind, escape, allowed, copied_from })
}

impl Type {
    fn of(fields: &Map<String, Value>) -> Result<Self, String> {
        Ok(match fields.get("type").and_then(Value::as_str).unwrap_or_default() {
            "string" => Self::String,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "boolean" => Self::Boolean,
            "array" => Self::Array,
            "map" => Self::Map,
            other => return Err(format!("is of the type `{other}`, which is not known")),
        })
    }

    const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Float => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Map => "object",
        }
    }
}

/// What a claim of the caller's token is called here.
fn claim(services: Option<Value>, known: &Services) -> Result<Option<String>, String> {
    let Some(Value::Array(services)) = services.filter(|services| services.as_array().is_some_and(|it| !it.is_empty()))
    else {
        return Ok(None);
    };
    let of = |service: &Value, key: &str| service[key].as_str().unwrap_or_default().to_owned();
    let Some(service) = services.iter().find(|service| known.served.as_deref() == Some(&*of(service, "name"))) else {
        let names: Vec<String> = services.iter().map(|service| of(service, "name")).collect();
        return Err(format!("is a claim of a token of `{}`, which the server does not check", names.join("`, `")));
    };
    let field = of(service, "field");
    let is_plain = |field: &str| {
        field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match &*field {
        "sub" => Ok(Some("principal.id".to_owned())),
        field if is_plain(field) => Ok(Some(format!("principal.claims.{field}"))),
        field => Err(format!("is the claim `{field}`, which no placeholder can name")),
    }
}

/// The JSON Schema of what the Toolbox accepts. The error says what has no counterpart.
fn schema(mut fields: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let kind = Type::of(&fields)?;
    fields.shift_remove("type");
    let mut schema = Map::new();
    schema.insert("type".to_owned(), kind.word().into());
    if let Some(Value::String(about)) = fields.shift_remove("description") {
        schema.insert("description".to_owned(), super::prose(&about).into());
    }
    for (theirs, ours) in [("minValue", "minimum"), ("maxValue", "maximum")] {
        if let Some(bound) = fields.shift_remove(theirs).filter(Value::is_number) {
            schema.insert(ours.to_owned(), bound);
        }
    }
    let list = |value: Option<Value>| match value {
        Some(Value::Array(values)) if !values.is_empty() => Some(values),
        _ => None,
    };
    if let Some(allowed) = list(fields.shift_remove("allowedValues")) {
        let is_plain = allowed.iter().all(|value| value.as_str().is_none_or(is_plain));
        if is_plain {
            schema.insert("enum".to_owned(), allowed.into());
        } else {
            schema.insert("pattern".to_owned(), pattern(&allowed)?.into());
        }
    }
    if let Some(excluded) = list(fields.shift_remove("excludedValues")) {
        let not =
            if kind == Type::String { json!({ "pattern": pattern(&excluded)? }) } else { json!({ "enum": excluded }) };
        schema.insert("not".to_owned(), not);
    }
    match kind {
        Type::Array => {
            let Some(Value::Object(mut items)) = fields.shift_remove("items") else {
                return Err("is an array without `items`".to_owned());
            };
            for key in ["name", "default", "required", "authServices"] {
                items.shift_remove(key);
            }
            schema.insert("items".to_owned(), Value::Object(self::schema(items)?));
        }
        Type::Map => {
            let values = match fields.shift_remove("valueType").as_ref().and_then(Value::as_str) {
                Some("string") => json!({ "type": "string" }),
                Some("integer") => json!({ "type": "integer" }),
                Some("float") => json!({ "type": "number" }),
                Some("boolean") => json!({ "type": "boolean" }),
                _ => true.into(),
            };
            schema.insert("additionalProperties".to_owned(), values);
        }
        _ => {}
    }
    match fields.keys().next() {
        Some(field) => Err(format!("has a field `{field}` without a counterpart")),
        None => Ok(schema),
    }
}

/// Texts that mean themselves as a regular expression, too.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['\\', '^', '$', '.', '|', '?', '*', '+', '(', ')', '[', ']', '{', '}'])
}

/// One regular expression for several, matched anywhere as the Toolbox does.
fn pattern(values: &[Value]) -> Result<String, String> {
    let each = values.iter().map(|value| value.as_str().map(|text| format!("(?:{text})")));
    let each = each.collect::<Option<Vec<_>>>().ok_or("lists patterns and other values at once")?;
    Ok(each.join("|"))
}
