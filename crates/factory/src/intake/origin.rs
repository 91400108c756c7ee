//! What a server was made of, and what was chosen of it: kept with what was imported, so that the next import chooses the same, and
//! nothing of another kind takes its place.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Finding, Intake, IntakeError, KINDS, Level, SPEC};

/// Something that somebody may choose, or leave out.
trait Choice {
    fn chosen(&self) -> Option<Value>;
    fn choose(&mut self, value: &Value);
}

impl<T: Serialize + DeserializeOwned + Default + PartialEq> Choice for T {
    fn chosen(&self) -> Option<Value> {
        (*self != T::default()).then(|| json!(self))
    }

    fn choose(&mut self, value: &Value) {
        if let Ok(value) = serde_json::from_value(value.clone()) {
            *self = value;
        }
    }
}

impl Intake {
    /// Its name in a request. Of a spec that was made elsewhere: that of what it was made of, if that was said.
    fn kind(&self) -> Option<&str> {
        Some(match self {
            Self::Openapi(_) => "openapi",
            Self::Toolbox(_) => "toolbox",
            Self::Mcp(_) => "mcp",
            Self::Graphql(_) => "graphql",
            Self::Postman(_) => "postman",
            Self::Database(_) => "database",
            Self::Grpc(_) => "grpc",
            Self::Spec(it) => it.origin.as_ref().and_then(kind_of)?,
        })
    }

    /// What of it chooses, by the names that requests have for it.
    fn choices(&mut self) -> Vec<(&'static str, &mut dyn Choice)> {
        match self {
            Self::Openapi(it) => vec![
                ("tags", &mut it.tags),
                ("paths", &mut it.paths),
                ("methods", &mut it.methods),
                ("operations", &mut it.operations),
                ("baseUrl", &mut it.base_url),
                ("fetchReferences", &mut it.fetch_references),
            ],
            Self::Mcp(it) => vec![("tools", &mut it.tools), ("tokenEnvVar", &mut it.token_env_var)],
            Self::Graphql(it) => vec![("fields", &mut it.fields), ("tokenEnvVar", &mut it.token_env_var)],
            Self::Database(it) => vec![
                ("tables", &mut it.tables),
                ("schema", &mut it.schema),
                ("writes", &mut it.writes),
                ("scope", &mut it.scope),
                ("session", &mut it.session),
            ],
            Self::Grpc(it) => vec![("services", &mut it.services)],
            Self::Toolbox(_) | Self::Postman(_) | Self::Spec(_) => Vec::new(),
        }
    }

    /// What is remembered of it, as in `{"openapi": {"tags": ["pets"]}}`: not where it is.
    #[must_use]
    pub fn origin(&mut self) -> Option<Value> {
        if let Self::Spec(it) = self {
            return it.origin.clone();
        }
        let kind = self.kind()?.to_owned();
        let choices = self.choices().into_iter();
        let chosen: Map<String, Value> =
            choices.filter_map(|(name, choice)| Some((name.to_owned(), choice.chosen()?))).collect();
        Some(json!({ kind: chosen }))
    }

    /// What is of another kind than the server was made of has nothing in common with it.
    pub fn same_kind(&self, server: &str, origin: &Value) -> Result<(), IntakeError> {
        match (kind_of(origin), self.kind()) {
            (Some(was), Some(is)) if was != is => {
                Err(IntakeError::OtherKind { server: server.to_owned(), was: words(was), is: words(is) })
            }
            _ => Ok(()),
        }
    }

    /// Chooses as it was chosen at the last import where nothing else is chosen now, and tells what that was.
    pub fn choose_again(&mut self, origin: &Value) -> Option<Finding> {
        let last = &origin[kind_of(origin)?];
        let mut told = Vec::new();
        for (name, choice) in self.choices() {
            if let (None, Some(value)) = (choice.chosen(), last.get(name)) {
                choice.choose(value);
                told.push(format!("`{name}` {value}"));
            }
        }
        let hint = "what is given now takes its place; `--forget-options` (`forgetOptions`) chooses nothing again";
        (!told.is_empty()).then(|| Finding {
            level: Level::Note,
            place: String::new(),
            position: None,
            message: format!("chosen as at the last import: {}", told.join(", ")),
            hint: Some(hint.to_owned()),
        })
    }
}

/// In bytes: it is shown with its server.
const LONGEST: usize = 64 << 10;

/// One that was sent.
pub(super) fn check(origin: &Value) -> Result<(), IntakeError> {
    let is_one = origin.as_object().is_some_and(|it| it.len() == 1 && it.values().all(Value::is_object));
    let is_known = kind_of(origin).is_some_and(|kind| kinds().any(|(known, _)| known == kind));
    if is_one && is_known && origin.to_string().len() <= LONGEST {
        return Ok(());
    }
    let kinds: Vec<String> = kinds().map(|(kind, _)| format!("`{kind}`")).collect();
    let message = format!("`origin` is an object of one key, {}, and what was chosen of it", kinds.join(", "));
    Err(IntakeError::Argument(message))
}

/// What a server can be made of.
fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.into_iter().filter(|(kind, _)| *kind != SPEC)
}

/// The only key of an origin.
fn kind_of(origin: &Value) -> Option<&str> {
    origin.as_object()?.keys().next().map(String::as_str)
}

fn words(kind: &str) -> &'static str {
    kinds().find(|(known, _)| *known == kind).map_or("something else", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::{Database, Openapi, Postman};

    #[test]
    fn what_was_chosen_is_chosen_again_unless_something_else_is() {
        let mut first = Intake::Openapi(Box::new(Openapi {
            tags: vec!["pets".into()],
            methods: vec!["GET".into()],
            ..Openapi::default()
        }));
        let origin = first.origin().unwrap();
        assert_eq!(origin, json!({ "openapi": { "tags": ["pets"], "methods": ["GET"] } }));
        let mut next = Intake::Openapi(Box::new(Openapi { tags: vec!["stores".into()], ..Openapi::default() }));
        let told = next.choose_again(&origin).unwrap();
        assert_eq!(told.message, "chosen as at the last import: `methods` [\"GET\"]");
        assert_eq!(next.origin().unwrap(), json!({ "openapi": { "tags": ["stores"], "methods": ["GET"] } }));
        assert_eq!(next.choose_again(&origin), None, "all is chosen");

        let mut database =
            Intake::Database(Database { writes: true, scope: Some("owner".into()), ..Database::default() });
        let origin = database.origin().unwrap();
        assert_eq!(origin, json!({ "database": { "writes": true, "scope": "owner" } }));
        let mut next = Intake::Database(Database::default());
        next.choose_again(&origin).unwrap();
        assert!(matches!(next, Intake::Database(Database { writes: true, scope: Some(_), .. })));
    }

    #[test]
    fn what_is_of_another_kind_is_refused() {
        let origin = json!({ "openapi": {} });
        let refused = Intake::Postman(Postman::default()).same_kind("zoo", &origin).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`zoo` was made of an OpenAPI document, and this is a Postman collection: nothing of it would stay; bring in a newer \
             version of an OpenAPI document, or make another server of this"
        );
        assert!(Intake::Postman(Postman::default()).same_kind("zoo", &Value::Null).is_ok(), "it is not known");
    }
}
