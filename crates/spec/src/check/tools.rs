//! Tools: what each says of itself. What its kind does is [`super::implementations`]' subject.

use super::{Checker, catalogue::Catalogue, connections::Used, placeholders::Scope};
use crate::{
    Code, NodeValue, Spec,
    model::{BodyType, Connection, ConnectionName, PageStyle, Tool, ToolKind},
    path::Path,
    template::Text,
};

const LONG_DESCRIPTION: usize = 1024;

impl Checker<'_> {
    /// Checks what each says of itself, and names the connections that were left out.
    pub(super) fn complete_tools(&mut self, tools: &mut [Tool], spec: &Spec, used: &mut Used) {
        for (index, tool) in tools.iter_mut().enumerate() {
            let at = self.element("tools", index);
            self.check_description(tool, &at);
            let is_stub = tool.kind.is_none() && !self.has_any(&at, ToolKind::KEYS);
            let kind = tool.kind.as_ref();
            if is_stub {
                let message = format!("nothing says what `{}` does", tool.name);
                let help = "add what it does, such as `sql` or `http`; `mcp-factory create FILE --infer` proposes SQL for a database that is there";
                self.report(Code::ToolNoImplementation, &at.key("name"), message, Some(help.to_owned()));
            } else if kind.is_none() {
                // What it does could not be read: it may use any of them.
                used.extend(spec.connections.iter().map(|connection| connection.name.to_string()));
            }
            self.resolve_connection(kind, &mut tool.connection, &spec.connections, &at, used);
            self.check_combinations(tool, &at);
        }
    }

    pub(super) fn check_tools(&mut self, catalogue: &Catalogue<'_>, spec: &Spec, used: &mut Used) {
        for (index, tool) in catalogue.tools.iter().enumerate() {
            let at = self.element("tools", index);
            let mut scope = Scope::parameters(&tool.parameters);
            if let Some(confirm) = &tool.confirm {
                let message = at.key("confirm").key("message");
                let place = if self.has(&message) { message } else { at.key("confirm") };
                self.check_text(&confirm.message, &place, &scope);
            }
            if let Some(kind) = &tool.kind {
                let connection = find(&spec.connections, tool.connection.as_ref());
                self.check_kind(kind, connection, &at, &scope, used, &spec.connections);
                self.check_reading(tool, kind, &at);
                self.check_cache(tool, kind, &at);
                if let ToolKind::Sql(sql) = kind {
                    self.check_sql(sql, Some(tool), connection, &at.key("sql"), &scope);
                }
                if let ToolKind::Steps(steps) = kind {
                    self.check_steps(Some(tool), steps, catalogue, &at.key("steps"), &mut scope);
                }
                self.check_unused(tool, kind, &at, &scope);
            }
            self.check_examples(tool, catalogue, &at);
        }
    }

    fn check_description(&mut self, tool: &Tool, at: &Path) {
        let at = at.key("description");
        self.needs_content(&at, "the description");
        let length = tool.description.chars().count();
        if length > LONG_DESCRIPTION {
            let message = format!("the description has {length} characters, and models read it with every request");
            self.report(Code::ToolLongDescription, &at, message, Some(format!("keep it under {LONG_DESCRIPTION}")));
        }
    }

    fn has_any(&self, at: &Path, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(&at.key(key)))
    }

    /// Every connection that the document names somewhere, also where the rest could not be read.
    pub(super) fn mentioned(&self) -> Used {
        let mut used = Used::new();
        for list in ["tools", "resources", "triggers"] {
            let Some(NodeValue::Sequence(items)) = self.root.get(list).map(|list| &list.value) else { continue };
            used.extend(items.iter().filter_map(|item| item.get("connection")?.as_str()).map(str::to_owned));
        }
        used
    }

    /// Finds the connection that was left out, or says why there is none.
    pub(super) fn resolve_connection(
        &mut self,
        kind: Option<&ToolKind>,
        named: &mut Option<ConnectionName>,
        connections: &[Connection],
        at: &Path,
        used: &mut Used,
    ) {
        let declared = || connections.iter().map(|connection| connection.name.as_str());
        if let Some(name) = named {
            let place = at.key("connection");
            let known = self.declared("connections").contains(name.as_str());
            if !known && !name.is_stand_in() {
                let near = self.suggest(Code::ConnectionUnknown, name, declared());
                self.report(Code::ConnectionUnknown, &place, format!("there is no connection `{name}`"), near);
            } else if let (Some(kind), Some(connection)) = (kind, find(connections, Some(name)))
                && !suits(kind, connection)
            {
                let word = connection.type_word().unwrap_or("shared");
                let needs = connections_of(kind);
                let help = if needs.is_empty() {
                    format!("`{}` needs no connection", kind.key())
                } else {
                    format!("`{}` needs {}", kind.key(), crate::read::list(needs))
                };
                let message = format!("`{name}` is a `{word}` connection, which `{}` can't use", kind.key());
                self.report(Code::ConnectionKind, &place, message, Some(help));
            }
            return;
        }
        let Some(kind) = kind.filter(|kind| !connections_of(kind).is_empty()) else { return };
        if self.has(&at.key("connection")) {
            return;
        }
        let suiting: Vec<&Connection> = connections.iter().filter(|connection| suits(kind, connection)).collect();
        used.extend(suiting.iter().map(|connection| connection.name.to_string()));
        let place = at.key(kind.key());
        match &suiting[..] {
            [only] => *named = Some(only.name.clone()),
            [] if self.lost("connections") => {}
            [] => {
                let message = format!("`{}` needs a connection, and none suits", kind.key());
                let help = format!("declare one of type {}", crate::read::list(connections_of(kind)));
                self.report(Code::ConnectionNeeds, &place, message, Some(help));
            }
            several => {
                let names: Vec<&str> = several.iter().map(|connection| connection.name.as_str()).collect();
                let message = format!("`{}` could use {}", kind.key(), crate::read::list(&names));
                self.report(Code::ConnectionAmbiguous, &place, message, Some("name one as `connection`".to_owned()));
            }
        }
    }

    /// Whether a list has elements that could not be read.
    pub(super) fn lost(&self, list: &str) -> bool {
        self.reader.is_incomplete(&Path::default().key(list))
    }

    fn check_combinations(&mut self, tool: &mut Tool, at: &Path) {
        if let Some(paginate) = &mut tool.paginate {
            paginate.leave_out_defaults();
        }
        let tool = &*tool;
        let kind = tool.kind.as_ref();
        let sql = matches!(kind, Some(ToolKind::Sql(_)));
        if let Some(kind) = kind {
            let only_sql = [("sort", !tool.sort.is_empty()), ("single", tool.single), ("scope", tool.scope.is_some())];
            for (key, given) in only_sql {
                if given && !sql {
                    let message = format!("`{key}` goes with `sql`, not with `{}`", kind.key());
                    self.report(Code::Conflict, &at.key(key), message, None);
                }
            }
        }
        if tool.single && tool.paginate.is_some() {
            self.report(
                Code::Conflict,
                &at.key("single"),
                "`single` stands beside `paginate`: one row has no pages",
                None,
            );
        }
        if tool.single && !tool.sort.is_empty() {
            self.report(Code::Conflict, &at.key("single"), "`single` stands beside `sort`: one row has no order", None);
        }
        if tool.task && matches!(kind, Some(ToolKind::Static(_))) {
            let message = "`task` is for what takes its time, and `static` answers at once";
            self.report(Code::Conflict, &at.key("task"), message, None);
        }
        self.check_pages(tool, at);
        self.check_binary_body(tool, at);
        let annotations = &tool.annotations;
        if annotations.read_only == Some(true) && annotations.destructive == Some(true) {
            let at = at.key("annotations").key("destructive");
            self.report(Code::Conflict, &at, "what changes nothing can't be destructive", None);
        }
    }

    /// Bytes come as base64, and only a parameter says that it holds some.
    fn check_binary_body(&mut self, tool: &Tool, at: &Path) {
        let Some(ToolKind::Http(request)) = &tool.kind else { return };
        let Some(body) = request.body.as_ref().filter(|_| request.body_type == BodyType::Binary) else { return };
        // Anything but text, and names that are none, are told elsewhere.
        let Some(Ok(text)) = body.as_str().map(Text::parse) else { return };
        let parameter = text.whole().map(|placeholder| tool.parameters.get(&placeholder.name));
        let holds_bytes = match parameter {
            None => false,
            Some(None) => return,
            Some(Some(schema)) => schema.get("contentEncoding").is_some_and(|encoding| encoding == "base64"),
        };
        if !holds_bytes {
            let message = "a body of type `binary` is one placeholder that names a parameter which holds base64";
            let help = Some("give the parameter `contentEncoding: base64`".to_owned());
            self.report(Code::Type, &at.key("http").key("body"), message, help);
        }
    }

    fn check_pages(&mut self, tool: &Tool, at: &Path) {
        let (Some(paginate), Some(kind)) = (&tool.paginate, &tool.kind) else { return };
        let at = at.key("paginate");
        if let Some(most) = paginate.max_page_size
            && paginate.page_size > most
        {
            let message = format!("`pageSize` is {}, above `maxPageSize` {most}", paginate.page_size);
            let place = if self.has(&at.key("pageSize")) { at.key("pageSize") } else { at.key("maxPageSize") };
            self.report(Code::Range, &place, message, None);
        }
        let upstream =
            ["style", "cursorParam", "pageParam", "offsetParam", "limitParam", "nextPointer", "itemsPointer"];
        match kind {
            ToolKind::Sql(_) | ToolKind::Mongo(_) => {
                for key in upstream {
                    if self.has(&at.key(key)) {
                        let message = format!("`{key}` says how an upstream pages, and `{}` has none", kind.key());
                        self.report(Code::Conflict, &at.key(key), message, None);
                    }
                }
            }
            ToolKind::Http(_) => {
                let (needs, misses): (&[&str], bool) = match paginate.style {
                    None => (&["style"], !self.has(&at.key("style"))),
                    Some(PageStyle::Cursor) => (&["cursorParam", "nextPointer"], true),
                    Some(PageStyle::Page) => (&["pageParam"], true),
                    Some(PageStyle::Offset) => (&["offsetParam"], true),
                    Some(PageStyle::Link) => (&[], false),
                };
                for key in needs {
                    if misses && !self.has(&at.key(key)) {
                        let message = format!("`{key}` is missing: nothing says how the upstream pages");
                        self.report(Code::Missing, &at, message, None);
                    }
                }
            }
            _ => {
                let message = format!("`paginate` goes with `sql`, `mongo` and `http`, not with `{}`", kind.key());
                self.report(Code::Conflict, &at, message, None);
            }
        }
    }

    fn check_unused(&mut self, tool: &Tool, kind: &ToolKind, at: &Path, scope: &Scope<'_>) {
        // The arguments of these pass as they are.
        if matches!(kind, ToolKind::Mcp(_) | ToolKind::Wasm(_)) {
            return;
        }
        let unused = tool.parameters.iter().any(|(name, _)| !scope.uses(name));
        // What could not be read may have used it.
        if !unused || self.reader.is_wrong(&at.key(kind.key())) {
            return;
        }
        for (name, _) in tool.parameters.iter() {
            if !scope.uses(name) && !self.reader.is_full(Code::ToolUnusedParameter) {
                let place = self.parameter(at, name);
                let message = format!("nothing uses the parameter `{name}`");
                self.report(Code::ToolUnusedParameter, &place, message, None);
            }
        }
    }
}

pub(super) fn find<'c>(connections: &'c [Connection], name: Option<&ConnectionName>) -> Option<&'c Connection> {
    connections.iter().find(|connection| Some(&connection.name) == name)
}

/// Whether a kind can use a connection. What the operator shares may be anything.
pub(super) fn suits(kind: &ToolKind, connection: &Connection) -> bool {
    let types = connections_of(kind);
    connection.type_word().map_or(!types.is_empty(), |word| types.contains(&word))
}

/// The types of connection that a kind can use.
pub(super) fn connections_of(kind: &ToolKind) -> &'static [&'static str] {
    match kind {
        ToolKind::Sql(_) => &["postgresql", "mysql", "sqlite"],
        ToolKind::Mongo(_) => &["mongodb"],
        ToolKind::Redis(_) => &["redis"],
        ToolKind::Http(_) => &["http"],
        ToolKind::Graphql(_) => &["graphql"],
        ToolKind::Grpc(_) => &["grpc"],
        ToolKind::File(_) => &["filesystem", "s3", "gcs"],
        ToolKind::Message(_) => &["slack", "smtp", "sms"],
        ToolKind::Embed(_) => &["embeddings"],
        ToolKind::Vector(_) => &["vector"],
        ToolKind::Mcp(_) => &["mcp"],
        ToolKind::Command(_) | ToolKind::Wasm(_) | ToolKind::Static(_) | ToolKind::Steps(_) => &[],
    }
}
