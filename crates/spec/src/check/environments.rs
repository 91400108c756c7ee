//! Environments: the same checks for what is different there.

use std::collections::{HashMap, HashSet};

use super::{
    Checker,
    placeholders::Scope,
    tools::{connections_of, suits},
    triggers::sources_of,
};
use crate::{
    Code, Spec,
    model::{Completion, Connection, ConnectionName, Content, Environment, Tool, ToolKind},
    path::Path,
    read::list,
};

/// Statements that are read again because they meet another database. More are more than anybody can look at.
const MOST_STATEMENTS: usize = 20_000;

/// A connection as it is in an environment, and where that is said.
struct Elsewhere<'s> {
    connection: Connection,
    before: &'s Connection,
    at: Path,
}

impl Checker<'_> {
    pub(super) fn check_environments(&mut self, spec: &Spec) {
        let known = self.declared("connections");
        let mut checked = HashSet::new();
        for (name, environment) in &spec.environments {
            let at = Path::default().key("environments").key(name);
            for (connection, replaced) in &environment.connections {
                let at = at.key("connections").key(connection);
                if !known.contains(connection.as_str()) {
                    let near = self.suggest(Code::ConnectionUnknown, connection, known.iter().copied());
                    self.report(Code::ConnectionUnknown, &at, format!("there is no connection `{connection}`"), near);
                }
                self.check_connection(&replaced.kind, &at);
                if let Some(before) = spec.connections.iter().find(|before| before.name == *connection) {
                    self.check_per(&before.replaced(replaced), &at);
                }
            }
            if let Some(auth) = &environment.auth {
                self.check_auth(auth, spec.transport, &at.key("auth"));
            }
            self.check_users(spec, environment, &at, &mut checked);
        }
    }

    /// What uses a connection that is something else in the environment.
    fn check_users(&mut self, spec: &Spec, environment: &Environment, at: &Path, checked: &mut HashSet<String>) {
        let there: HashMap<&str, Elsewhere<'_>> = spec
            .connections
            .iter()
            .filter_map(|before| {
                let connection = before.replaced(environment.connections.get(&before.name)?);
                let at = at.key("connections").key(&before.name);
                Some((before.name.as_str(), Elsewhere { connection, before, at }))
            })
            .collect();
        let find = |name: &Option<ConnectionName>| name.as_ref().and_then(|name| there.get(name.as_str()));
        for (index, tool) in spec.tools.iter().enumerate() {
            if let (Some(kind), Some(elsewhere)) = (&tool.kind, find(&tool.connection)) {
                let user = format!("the tool `{}`", tool.name);
                let place = self.element("tools", index);
                self.check_kind_there(&user, kind, Some(tool), elsewhere, &place, checked);
            }
        }
        for (index, resource) in spec.resources.iter().enumerate() {
            if let Content::Kind { connection, kind } = &resource.content
                && let Some(elsewhere) = find(connection)
            {
                let user = format!("the resource `{}`", resource.name);
                let place = self.element("resources", index);
                self.check_kind_there(&user, kind, None, elsewhere, &place, checked);
            }
        }
        let mut check_completion = |checker: &mut Self, user: String, completion: &Completion, place: Path| {
            if let (Some(sql), Some(elsewhere)) = (&completion.sql, find(&completion.connection)) {
                checker.check_kind_there(&user, &ToolKind::Sql(sql.clone()), None, elsewhere, &place, checked);
            }
        };
        for (index, resource) in spec.resources.iter().enumerate() {
            for (name, completion) in &resource.complete {
                let place = self.element("resources", index).key("complete").key(name);
                check_completion(self, format!("the resource `{}`", resource.name), completion, place);
            }
        }
        for (index, prompt) in spec.prompts.iter().enumerate() {
            let list = self.element("prompts", index).key("arguments");
            for (index, argument) in prompt.arguments.iter().enumerate() {
                if let Some(completion) = &argument.complete {
                    let place = self.reader.place(&list, index).key("complete");
                    check_completion(self, format!("the prompt `{}`", prompt.name), completion, place);
                }
            }
        }
        for trigger in &spec.triggers {
            if let Some((connection, types)) = sources_of(&trigger.kind)
                && let Some(Elsewhere { connection, at, .. }) = find(connection)
                && let Some(word) = connection.type_word()
                && !types.contains(&word)
            {
                let name = trigger.name.as_ref().map_or("", |name| name.as_str());
                let message = format!("a `{word}` connection can't fire the trigger `{name}`");
                self.report(Code::TriggerConnection, at, message, Some(format!("expected {}", list(types))));
            }
        }
    }

    fn check_kind_there(
        &mut self,
        user: &str,
        kind: &ToolKind,
        tool: Option<&Tool>,
        elsewhere: &Elsewhere<'_>,
        place: &Path,
        checked: &mut HashSet<String>,
    ) {
        let Elsewhere { connection, before, at } = elsewhere;
        let word = connection.type_word().unwrap_or("shared");
        if !suits(kind, connection) {
            let message = format!("{user} can't use a `{word}` connection");
            let help = format!("`{}` needs {}", kind.key(), list(connections_of(kind)));
            return self.report(Code::ConnectionKind, at, message, Some(help));
        }
        let ToolKind::Sql(text) = kind else { return };
        let matters = |connection: &Connection| {
            format!("{:?} {} {:?}", connection.type_word(), connection.is_read_only(), connection.scope())
        };
        let now = matters(connection);
        if now == matters(before) || !checked.insert(format!("{place} {now}")) {
            return;
        }
        if checked.len() > MOST_STATEMENTS {
            if checked.len() == MOST_STATEMENTS + 1 {
                let message = format!("more than {MOST_STATEMENTS} statements meet another database");
                self.report(Code::SyntaxLimits, &Path::default().key("environments"), message, None);
            }
            return;
        }
        match tool {
            Some(tool) => {
                let scope = Scope::parameters(&tool.parameters);
                self.check_sql_there(text, Some(tool), connection, &place.key("sql"), at, &scope);
            }
            // Which names a resource has was checked where it stands.
            None => self.check_sql_there(text, None, connection, &place.key("sql"), at, &Scope::anything()),
        }
    }
}
