//! What completes arguments of prompts and variables of resource templates.

use super::{
    Checker,
    connections::Used,
    placeholders::{Known, Scope},
    tools::find,
};
use crate::{
    Code,
    model::{Address, Completion, Connection, Prompt, Resource, ToolKind},
    path::Path,
    sql::Template,
};

impl Checker<'_> {
    pub(super) fn check_completions_of_prompt(
        &mut self,
        prompt: &mut Prompt,
        connections: &[Connection],
        at: &Path,
        used: &mut Used,
    ) {
        let list = at.key("arguments");
        let names: Vec<String> = prompt.arguments.iter().map(|argument| argument.name.to_string()).collect();
        for (index, argument) in prompt.arguments.iter_mut().enumerate() {
            if let Some(completion) = &mut argument.complete {
                let at = self.reader.place(&list, index).key("complete");
                let others = names.iter().map(String::as_str).filter(|name| *name != argument.name.as_str());
                self.check_completion(completion, others, connections, &at, used);
            }
        }
    }

    pub(super) fn check_completions_of_resource(
        &mut self,
        resource: &mut Resource,
        variables: &[String],
        connections: &[Connection],
        at: &Path,
        used: &mut Used,
    ) {
        let at = at.key("complete");
        if let (Address::Uri(_), false) = (&resource.address, resource.complete.is_empty()) {
            let message = "`complete` goes with `uriTemplate`: an `uri` has no variables";
            return self.report(Code::Conflict, &at, message, None);
        }
        for (name, completion) in &mut resource.complete {
            let at = at.key(name);
            // Without variables, the template could not be read.
            if !variables.is_empty() && !variables.contains(name) {
                let near = self.suggest(Code::ToolPlaceholder, name, variables.iter().map(String::as_str));
                let message = format!("`{name}` is no variable of the template");
                self.report(Code::ToolPlaceholder, &at, message, near);
            }
            let others = variables.iter().map(String::as_str).filter(|variable| variable != name);
            self.check_completion(completion, others, connections, &at, used);
        }
    }

    fn check_completion<'n>(
        &mut self,
        completion: &mut Completion,
        others: impl Iterator<Item = &'n str>,
        connections: &[Connection],
        at: &Path,
        used: &mut Used,
    ) {
        let (list, text) = (at.key("enum"), at.key("sql"));
        self.needs_content(&list, "the list of values");
        used.extend(completion.connection.iter().map(ToString::to_string));
        match (self.has(&list), self.has(&text)) {
            (true, true) => {
                let message = "`enum` stands beside `sql`: values come from one of them";
                return self.report(Code::Conflict, &list, message, None);
            }
            (false, false) => {
                return self.report(Code::Missing, at, "`complete` needs `enum` or `sql`", None);
            }
            (true, false) if self.has(&at.key("connection")) => {
                return self.report(Code::Conflict, &at.key("connection"), "`enum` needs no connection", None);
            }
            _ => {}
        }
        // What could not be read has been reported.
        let Some(sql) = completion.sql.clone() else { return };
        let kind = ToolKind::Sql(sql.clone());
        self.resolve_connection(Some(&kind), &mut completion.connection, connections, at, used);
        let connection = find(connections, completion.connection.as_ref());
        let mut scope = Scope::of(others.map(|name| (name, Known::Sometimes)).collect());
        scope.declare("value", Known::Always);
        self.check_sql(&sql, None, connection, &text, &scope);
        let Ok(template) = super::sql::parse(&sql, connection) else { return };
        self.check_values(&template, connection, &text);
    }

    fn check_values(&mut self, template: &Template, connection: Option<&Connection>, at: &Path) {
        if !template.reads() {
            // Told already.
            if connection.is_none_or(|connection| !connection.is_read_only()) {
                let message = "the statement writes, and what completes a text only reads";
                self.report(Code::SqlWritesOnReadOnly, at, message, None);
            }
        } else if !template.returns_rows() {
            self.report(Code::Conflict, at, "`complete` needs rows, and the statement has none", None);
        }
    }
}
