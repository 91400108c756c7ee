//! A tool of the file as a tool of the spec, or as several, or the reason why there is none.

use mcp_factory_spec::sql::Dialect;
use serde_json::{Map, Value};

use super::{
    Import,
    document::Item,
    http,
    parameter::{self, Parameter},
    prose, rest,
    source::{Serves, Source},
    statement,
};
use crate::{
    Level,
    name::{self, Names},
};

impl Import<'_> {
    pub(super) fn tool(&mut self, mut item: Item) {
        let made = self.plain(&mut item).and_then(|()| self.made(&mut item));
        match made {
            Err(why) => {
                let hint = item.fields.contains_key("templateParameters").then(|| {
                    "list `allowedValues`, or write a tool for each statement with `:name` placeholders".to_owned()
                });
                self.found.push(item.finding(Level::LeftOut, format!("the tool `{}`: {why}", item.name), hint));
            }
            Ok(tools) => {
                rest(&item, "tool", self.found);
                if tools.len() > 1 {
                    let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
                    let message =
                        format!("the tool `{}` is one for each allowed value: `{}`", item.name, names.join("`, `"));
                    self.found.push(item.finding(Level::Note, message, None));
                }
                for tool in tools {
                    let name = tool["name"].as_str().unwrap_or_default().to_owned();
                    self.became.entry(item.name.clone()).or_default().push(name);
                    self.tools.push(tool);
                    self.places.push(item.place.clone());
                }
            }
        }
    }

    fn made(&mut self, item: &mut Item) -> Result<Vec<Value>, String> {
        let kind = item.take_text("type").unwrap_or_default();
        let source = item.take_text("source").unwrap_or_default();
        let sources = std::mem::take(&mut self.sources);
        let made = match sources.get(&source) {
            Some(Ok(source)) => self.with_source(item, &kind, source),
            Some(Err(why)) => Err(format!("its source `{source}`: {why}")),
            None if source.is_empty() => Err(format!("a tool of the type `{kind}` has no counterpart")),
            None => Err(format!("its source `{source}` is not there")),
        };
        self.sources = sources;
        if made.is_ok() && !self.used.contains(&source) {
            self.used.push(source);
        }
        made
    }

    fn with_source(&mut self, item: &mut Item, kind: &str, source: &Source) -> Result<Vec<Value>, String> {
        let required = item.take_names("authRequired");
        if !required.is_empty() && !self.services.served.as_ref().is_some_and(|served| required.contains(served)) {
            return Err(format!("it needs a token of `{}`, which the server does not check", required.join("` or `")));
        }
        match (source.serves, kind.strip_suffix("-sql")) {
            (Serves::Http, _) if kind == "http" => {
                let (http, parameters) = http::tool(item, source, &self.services, self.found)?;
                Ok(vec![self.written(item, source, &parameters, ("http", http), None, &[])])
            }
            (Serves::Sql(_), Some(words)) if words.ends_with("execute") => {
                Err("whoever calls it writes the SQL; a tool here binds values and nothing else".to_owned())
            }
            (Serves::Sql(dialect), Some(_)) => self.sql(item, source, dialect),
            (Serves::Sql(_), None) => {
                Err(format!("what a tool of the type `{kind}` does is in the Toolbox's program, not in the file"))
            }
            (Serves::Http, _) => Err(format!("a tool of the type `{kind}` has no counterpart")),
        }
    }

    fn sql(&mut self, item: &mut Item, source: &Source, dialect: Dialect) -> Result<Vec<Value>, String> {
        let text = item.take_text("statement").ok_or("it has no statement")?;
        let mut names = Names::default();
        let parameters = parameter::all(item.take_list("parameters"), &mut names, &self.services)?;
        let templates = parameter::all(item.take_list("templateParameters"), &mut names, &self.services)?;
        let statements = statement::convert(&text, dialect, &parameters, &templates)?;
        let tools = statements.into_iter().map(|statement| {
            let chosen = |parameter: &&Parameter| !statement.chosen.iter().any(|(name, _)| *name == parameter.name);
            let taken: Vec<Parameter> = parameters.iter().chain(&templates).filter(chosen).cloned().collect();
            let kind = ("sql", statement.sql.into());
            self.written(item, source, &taken, kind, Some(statement.reads), &statement.chosen)
        });
        let tools = tools.collect();
        for field in ["description", "title", "annotations", "scopesRequired"] {
            item.take(field);
        }
        Ok(tools)
    }

    /// The tool as it stands in the spec.
    fn written(
        &mut self,
        item: &mut Item,
        source: &Source,
        parameters: &[Parameter],
        (kind, implementation): (&str, Value),
        reads: Option<bool>,
        chosen: &[(String, String)],
    ) -> Value {
        let mut tool = Map::new();
        let mut id: String = item.name.chars().map(|c| if is_name(c) { c } else { '_' }).collect();
        let mut about = item.fields.get("description").and_then(Value::as_str).map(prose).unwrap_or_default();
        if about.is_empty() {
            about = item.name.replace('_', " ");
        }
        for (parameter, text) in chosen {
            id = format!("{id}_{}", name::snake(text));
            about = format!("{about} (`{parameter}` is `{text}`)");
        }
        id.truncate(60);
        tool.insert("name".to_owned(), self.names.tool([id]).into());
        tool.insert("description".to_owned(), about.into());
        if let Some(title) = item.fields.get("title").and_then(Value::as_str) {
            tool.insert("title".to_owned(), prose(title).into());
        }
        let schemas = parameters.iter().filter_map(|parameter| {
            let schema = parameter.schema.clone()?;
            Some((parameter.placeholder.clone(), Value::Object(schema)))
        });
        let schemas: Map<String, Value> = schemas.collect();
        if !schemas.is_empty() {
            tool.insert("parameters".to_owned(), Value::Object(schemas));
        }
        for parameter in parameters.iter().filter(|it| it.schema.is_some() && it.placeholder != it.name) {
            let message =
                format!("the parameter `{}` of `{}` is called `{}`", parameter.name, item.name, parameter.placeholder);
            self.found.push(item.finding(Level::Note, message, None));
        }
        tool.insert("connection".to_owned(), source.connection["name"].clone());
        tool.insert(kind.to_owned(), implementation);
        let annotations = self.annotations(item, reads);
        if !annotations.is_empty() {
            tool.insert("annotations".to_owned(), Value::Object(annotations));
        }
        let scopes = item.fields.get("scopesRequired").and_then(Value::as_array).filter(|scopes| !scopes.is_empty());
        if let Some(scopes) = scopes {
            tool.insert("scopes".to_owned(), scopes.clone().into());
        }
        if reads.is_none() {
            for field in ["description", "title", "annotations", "scopesRequired"] {
                item.take(field);
            }
        }
        Value::Object(tool)
    }

    /// What clients may assume. That a statement only reads is seen, not believed.
    fn annotations(&mut self, item: &Item, reads: Option<bool>) -> Map<String, Value> {
        let hint = |key: &str| item.fields.get("annotations").and_then(|hints| hints.get(key)).and_then(Value::as_bool);
        let mut annotations = Map::new();
        let read_only = match (reads, hint("readOnlyHint")) {
            (Some(true), said) => said.unwrap_or(true),
            (Some(false), Some(true)) => {
                let message = format!("that `{}` only reads: its statement may write", item.name);
                self.found.push(item.finding(Level::Partly, message, None));
                false
            }
            (Some(false), _) => false,
            (None, said) => said.unwrap_or(false),
        };
        if read_only {
            annotations.insert("readOnly".to_owned(), true.into());
            return annotations;
        }
        for (theirs, ours) in [("destructiveHint", "destructive"), ("idempotentHint", "idempotent")] {
            if let Some(said) = hint(theirs) {
                annotations.insert(ours.to_owned(), said.into());
            }
        }
        annotations
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}
