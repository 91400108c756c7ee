//! Triggers: when they fire, what they call, with what.

use std::collections::{HashMap, HashSet};

use super::{
    Checker,
    catalogue::Catalogue,
    connections::Used,
    files::{Kind, leaves},
    placeholders::{Absence, Scope},
    tools::find,
};
use crate::{
    Code, Node, Spec,
    model::{Connection, ConnectionName, Trigger, TriggerKind, TriggerName},
    path::Path,
    schedule::{check_cron, check_timezone},
};

/// The types of connection that can fire a queue's trigger, and a database's.
const QUEUES: [&str; 4] = ["redis", "rabbitmq", "nats", "sqs"];
const DATABASES: [&str; 2] = ["postgresql", "mongodb"];

/// The connection of a trigger that has one, and the types it can be of.
pub(super) fn sources_of(kind: &TriggerKind) -> Option<(&Option<ConnectionName>, &'static [&'static str])> {
    match kind {
        TriggerKind::Queue(queue) => Some((&queue.connection, &QUEUES)),
        TriggerKind::Database(change) => Some((&change.connection, &DATABASES)),
        _ => None,
    }
}

impl Checker<'_> {
    pub(super) fn check_triggers(&mut self, catalogue: &Catalogue<'_>, spec: &mut Spec, used: &mut Used) {
        let mut triggers = std::mem::take(&mut spec.triggers);
        let mut paths: HashMap<String, usize> = HashMap::new();
        for (index, trigger) in triggers.iter_mut().enumerate() {
            let at = self.element("triggers", index);
            if trigger.name.is_none() {
                trigger.name = TriggerName::new(&format!("{}-{}", trigger.kind.word(), index + 1));
            }
            self.check_source(&mut trigger.kind, spec, &at, used);
            if let TriggerKind::Webhook(webhook) = &trigger.kind
                && let Some(first) = paths.insert(webhook.path.clone(), index)
            {
                let message = format!("the webhook path `{}` is taken by trigger {} already", webhook.path, first + 1);
                self.report(Code::TriggerDuplicatePath, &at.key("path"), message, None);
            }
            self.check_target(trigger, catalogue, &at);
        }
        spec.triggers = triggers;
        self.check_events(spec);
    }

    fn check_source(&mut self, kind: &mut TriggerKind, spec: &Spec, at: &Path, used: &mut Used) {
        match kind {
            TriggerKind::Cron(cron) => {
                let (schedule, timezone) = (at.key("schedule"), at.key("timezone"));
                self.needs_content(&schedule, "the schedule");
                // What is no text has been reported.
                let is_text = |at| self.node(at).and_then(Node::as_str).is_some_and(|text| !text.trim().is_empty());
                let (is_scheduled, is_placed) = (is_text(&schedule), is_text(&timezone));
                if is_scheduled && let Err(problem) = check_cron(&cron.schedule) {
                    self.report(Code::TriggerSchedule, &schedule, problem, None);
                }
                self.needs_content(&timezone, "the time zone");
                if is_placed && let Err(near) = check_timezone(&cron.timezone) {
                    let message = format!("there is no time zone `{}`", cron.timezone);
                    let help = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "expected a name such as `Europe/Berlin` or `UTC`".to_owned(),
                    };
                    self.report(Code::TriggerTimezone, &timezone, message, Some(help));
                }
            }
            TriggerKind::Webhook(webhook) => {
                if self.has(&at.key("path")) {
                    self.check_http_path(&webhook.path, &at.key("path"));
                    if webhook.path.contains(['{', '}']) {
                        let message = "the path of a webhook has no placeholders";
                        self.report(Code::HttpPath, &at.key("path"), message, None);
                    }
                }
                if let Some(auth) = &webhook.auth {
                    self.check_auth_itself(auth, &at.key("auth"));
                }
                let open = webhook.auth.as_ref().is_none_or(|auth| auth.is_none());
                if open && webhook.signature.is_none() && !self.has(&at.key("signature")) {
                    let message = "anybody can call the webhook";
                    let help = Some("add `signature`, or `auth`".to_owned());
                    self.report(Code::TriggerWebhookUnsigned, at, message, help);
                }
            }
            TriggerKind::File(watch) => {
                self.check_file(&watch.path, Kind::Folder, &at.key("path"));
                if leaves(&watch.glob) || watch.glob.starts_with('/') {
                    self.report(Code::Path, &at.key("glob"), format!("`{}` leaves the folder", watch.glob), None);
                }
                self.needs_content(&at.key("glob"), "the pattern");
                self.needs_content(&at.key("events"), "`events`");
            }
            TriggerKind::Queue(queue) => {
                self.needs_content(&at.key("queue"), "the name of the queue");
                self.check_source_connection(&mut queue.connection, &QUEUES, spec, at, used);
            }
            TriggerKind::Database(change) => {
                self.check_source_connection(&mut change.connection, &DATABASES, spec, at, used);
                self.check_change(find(&spec.connections, change.connection.as_ref()), at);
            }
            TriggerKind::Startup => {}
        }
    }

    fn check_source_connection(
        &mut self,
        named: &mut Option<ConnectionName>,
        types: &[&str],
        spec: &Spec,
        at: &Path,
        used: &mut Used,
    ) {
        let suits = |connection: &Connection| connection.type_word().is_none_or(|word| types.contains(&word));
        if let Some(name) = named {
            let place = at.key("connection");
            match find(&spec.connections, Some(name)) {
                _ if name.is_stand_in() => {}
                Some(connection) if suits(connection) => {}
                Some(connection) => {
                    let word = connection.type_word().unwrap_or("shared");
                    let message = format!("`{name}` is a `{word}` connection, which can't fire this trigger");
                    let help = Some(format!("expected {}", crate::read::list(types)));
                    self.report(Code::TriggerConnection, &place, message, help);
                }
                None if self.declared("connections").contains(name.as_str()) => {}
                None => {
                    let near = self.suggest(
                        Code::ConnectionUnknown,
                        name,
                        spec.connections.iter().map(|connection| connection.name.as_str()),
                    );
                    self.report(Code::ConnectionUnknown, &place, format!("there is no connection `{name}`"), near);
                }
            }
            return;
        }
        if self.has(&at.key("connection")) {
            return;
        }
        let suiting: Vec<&Connection> = spec.connections.iter().filter(|connection| suits(connection)).collect();
        used.extend(suiting.iter().map(|connection| connection.name.to_string()));
        match &suiting[..] {
            [only] => *named = Some(only.name.clone()),
            [] if self.lost("connections") => {}
            [] => {
                let help = Some(format!("declare one of type {}", crate::read::list(types)));
                self.report(Code::ConnectionNeeds, at, "the trigger needs a connection, and none suits", help);
            }
            several => {
                let names: Vec<&str> = several.iter().map(|connection| connection.name.as_str()).collect();
                let message = format!("the trigger could use {}", crate::read::list(&names));
                self.report(Code::ConnectionAmbiguous, at, message, Some("name one as `connection`".to_owned()));
            }
        }
    }

    fn check_change(&mut self, connection: Option<&Connection>, at: &Path) {
        let (needs, excludes) = match connection.and_then(Connection::type_word) {
            Some("postgresql") => ("channel", "collection"),
            Some("mongodb") => ("collection", "channel"),
            _ => return,
        };
        if !self.has(&at.key(needs)) {
            self.report(Code::Missing, at, format!("`{needs}` is missing: nothing says what to listen to"), None);
        }
        if self.has(&at.key(excludes)) {
            let message = format!("`{excludes}` says nothing to this database, which has `{needs}`");
            self.report(Code::Conflict, &at.key(excludes), message, None);
        }
        self.needs_content(&at.key(needs), &format!("`{needs}`"));
    }

    fn check_target(&mut self, trigger: &Trigger, catalogue: &Catalogue<'_>, at: &Path) {
        let place = at.key("tool");
        let scope = Scope::trigger(&trigger.kind);
        for (name, value) in &trigger.arguments {
            self.check_value(value, &at.key("arguments").key(name), &scope, Absence::Breaks);
        }
        let Some(tool) = catalogue.get(&trigger.tool) else {
            if !trigger.tool.is_stand_in() && !self.declared("tools").contains(trigger.tool.as_str()) {
                let near = self.suggest(Code::TriggerUnknownTool, &trigger.tool, catalogue.names());
                self.report(Code::TriggerUnknownTool, &place, format!("there is no tool `{}`", trigger.tool), near);
            }
            return;
        };
        if tool.confirm.is_some() {
            let message = format!("`{}` asks a person first, and a trigger has nobody to ask", tool.name);
            self.report(Code::TriggerConfirm, &place, message, None);
        }
        self.check_arguments(tool, &trigger.arguments, catalogue, &at.key("arguments"));
    }

    fn check_events(&mut self, spec: &Spec) {
        let written = self.declared("triggers");
        let generated: HashSet<&str> =
            spec.triggers.iter().filter_map(|trigger| Some(trigger.name.as_ref()?.as_str())).collect();
        for (index, event) in spec.events.iter().enumerate() {
            if event.trigger.is_stand_in()
                || generated.contains(event.trigger.as_str())
                || written.contains(event.trigger.as_str())
            {
                continue;
            }
            let at = self.element("events", index).key("trigger");
            let near = self.suggest(Code::EventUnknownTrigger, &event.trigger, written.iter().copied());
            self.report(Code::EventUnknownTrigger, &at, format!("there is no trigger `{}`", event.trigger), near);
        }
    }
}
