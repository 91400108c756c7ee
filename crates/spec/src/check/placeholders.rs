//! Placeholders: what they name, and what becomes of the text when an argument is left out.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use indexmap::IndexMap;
use serde_json::Value;

use super::{Checker, answers, did_you_mean, excerpt::character};
use crate::{
    Code,
    model::{Parameters, TriggerKind},
    path::Path,
    template::Text,
};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Known {
    /// An argument that is always there.
    Always,
    /// An argument that may be left out or null.
    Sometimes,
    /// An answer, whose fields can be named.
    Answer,
}

/// The names that placeholders may use at some place, and those that they did use.
pub(super) struct Scope<'s> {
    names: IndexMap<&'s str, Known>,
    /// What is known of the answers among them.
    answers: HashMap<&'s str, Value>,
    trigger: Option<&'s TriggerKind>,
    anything: bool,
    used: RefCell<HashSet<String>>,
}

/// What becomes of a text when an argument within it is left out.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Absence {
    /// It goes whole, and nobody misses it.
    Goes,
    /// Nothing sensible is left.
    Breaks,
}

impl<'s> Scope<'s> {
    /// Nothing but who calls.
    pub(super) fn caller() -> Self {
        Self::of(Vec::new())
    }

    pub(super) fn of(names: Vec<(&'s str, Known)>) -> Self {
        Self {
            names: names.into_iter().collect(),
            answers: HashMap::new(),
            trigger: None,
            anything: false,
            used: RefCell::default(),
        }
    }

    pub(super) fn parameters(parameters: &'s Parameters) -> Self {
        let required: HashSet<&str> = parameters.required().collect();
        let known = |name: &str, schema: &Value| {
            let given = required.contains(name) || schema.get("default").is_some_and(|default| !default.is_null());
            let null = match schema.get("type") {
                Some(Value::String(kind)) => kind == "null",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "null"),
                _ => false,
            };
            if given && !null { Known::Always } else { Known::Sometimes }
        };
        Self::of(parameters.iter().map(|(name, schema)| (name, known(name, schema))).collect())
    }

    /// For texts whose names have been checked.
    pub(super) fn anything() -> Self {
        Self { anything: true, ..Self::caller() }
    }

    pub(super) fn trigger(kind: &'s TriggerKind) -> Self {
        Self { trigger: Some(kind), ..Self::caller() }
    }

    /// A further name, usable from now on.
    pub(super) fn declare(&mut self, name: &'s str, known: Known) {
        self.names.insert(name, known);
    }

    /// The name of an answer, usable from now on, and the schema of that, if something is known of it.
    pub(super) fn declare_answer(&mut self, name: &'s str, schema: Option<Value>) {
        self.declare(name, Known::Answer);
        self.answers.extend(schema.map(|schema| (name, schema)));
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Takes note that something other than a placeholder uses a name.
    pub(super) fn note(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Takes note that anything may be used.
    pub(super) fn note_all(&self) {
        self.used.borrow_mut().extend(self.names.keys().map(|name| (*name).to_owned()));
    }

    pub(super) fn uses(&self, name: &str) -> bool {
        self.used.borrow().contains(name)
    }

    /// What the placeholder is, or why it is none.
    pub(super) fn resolve(&self, name: &str) -> Result<Known, String> {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        match (first, rest) {
            ("principal", Some("id")) | ("call", Some("id")) => return Ok(Known::Always),
            // Whether a caller has a tenant or a claim is not known before the call; without it the call is refused.
            ("principal", Some("tenant")) => return Ok(Known::Always),
            ("principal", Some(claim)) if claim.starts_with("claims.") && claim.len() > 7 => return Ok(Known::Always),
            ("principal", _) => {
                return Err("known are `principal.id`, `principal.tenant` and `principal.claims.…`".to_owned());
            }
            ("trigger", Some(field)) if self.trigger.is_some() => return self.resolve_trigger(field),
            _ => {}
        }
        if self.anything {
            return Ok(Known::Always);
        }
        let Some(known) = self.names.get(first) else {
            return Err(match did_you_mean(first, self.names.keys().copied().take(100)) {
                Some(near) => near,
                None if self.trigger.is_some() => "a trigger's arguments may use `{trigger.…}`".to_owned(),
                None if self.names.is_empty() => "no names can be used here but `principal.…`".to_owned(),
                None => {
                    let names: Vec<&str> = self.names.keys().copied().take(20).collect();
                    format!("the names here are {}", crate::read::list(&names))
                }
            });
        };
        self.note(first);
        match (rest, known) {
            (Some(path), Known::Answer) => {
                self.answers.get(first).map_or(Ok(()), |schema| answers::find(schema, path)).map(|()| *known)
            }
            (None, _) => Ok(*known),
            (Some(_), _) => Err(format!("`{first}` is an argument, whose parts can't be named")),
        }
    }

    fn resolve_trigger(&self, field: &str) -> Result<Known, String> {
        let (first, nested) = field.split_once('.').map_or((field, false), |(first, _)| (first, true));
        let (scalars, trees): (&[&str], &[&str]) = match self.trigger {
            Some(TriggerKind::Webhook(_)) => (&["method"], &["body", "headers", "query"]),
            Some(TriggerKind::Cron(_)) => (&["scheduledAt"], &[]),
            Some(TriggerKind::File(_)) => (&["path", "event"], &[]),
            Some(TriggerKind::Queue(_)) => (&["attempt"], &["message"]),
            Some(TriggerKind::Database(change)) if change.collection.is_some() => (&["operation"], &["document"]),
            Some(TriggerKind::Database(_)) => (&["channel"], &["payload"]),
            Some(TriggerKind::Startup) | None => (&[], &[]),
        };
        let scalar = scalars.contains(&first) || matches!(first, "id" | "time");
        if trees.contains(&first) || (scalar && !nested) {
            return Ok(Known::Always);
        }
        let fields: Vec<String> =
            trees.iter().chain(scalars).chain(&["id", "time"]).map(|field| format!("trigger.{field}")).collect();
        Err(format!("this trigger has {}", crate::read::list(&fields)))
    }
}

impl Checker<'_> {
    /// A text that must be there.
    pub(super) fn check_text(&mut self, text: &str, at: &Path, scope: &Scope<'_>) {
        self.check_pieces(text, at, scope, Absence::Breaks, Absence::Breaks);
    }

    /// A text that goes when an argument within it is left out.
    pub(super) fn check_text_that_goes(&mut self, text: &str, at: &Path, scope: &Scope<'_>) {
        self.check_pieces(text, at, scope, Absence::Goes, Absence::Goes);
    }

    /// A text that goes when it is one placeholder, and breaks when it holds one.
    pub(super) fn check_optional_text(&mut self, text: &str, at: &Path, scope: &Scope<'_>) {
        self.check_pieces(text, at, scope, Absence::Goes, Absence::Breaks);
    }

    /// A value: one placeholder alone goes with its key, one inside of text does as `inside` says.
    pub(super) fn check_value(&mut self, value: &Value, at: &Path, scope: &Scope<'_>, inside: Absence) {
        match value {
            Value::String(text) => self.check_pieces(text, at, scope, Absence::Goes, inside),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check_value(item, &at.index(index), scope, inside);
                }
            }
            Value::Object(fields) => {
                for (key, field) in fields {
                    self.check_value(field, &at.key(key), scope, inside);
                }
            }
            _ => {}
        }
    }

    fn check_pieces(&mut self, text: &str, at: &Path, scope: &Scope<'_>, whole: Absence, inside: Absence) {
        let template = match Text::parse(text) {
            Ok(template) => template,
            Err(problem) => {
                let part = character(text, problem.offset);
                return self.report_within(Code::ToolPlaceholder, at, part, problem.message, None);
            }
        };
        let absence = if template.whole().is_some() { whole } else { inside };
        for placeholder in template.placeholders() {
            let name = &placeholder.name;
            let part = placeholder.offset..placeholder.offset + name.len() + 2;
            match scope.resolve(name) {
                Err(help) => {
                    let message = format!("`{{{name}}}` names nothing here");
                    self.report_within(Code::ToolPlaceholder, at, part, message, Some(help));
                }
                Ok(Known::Sometimes) if absence == Absence::Breaks => {
                    let message = format!("`{name}` may be left out, and then nothing can stand for `{{{name}}}` here");
                    let help = Some(format!("make `{name}` required, or give it a default"));
                    self.report_within(Code::ToolPlaceholder, at, part, message, help);
                }
                Ok(_) => {}
            }
        }
    }
}
