//! What each kind of tool says: its placeholders, its paths, and what goes together.

use serde_json::Value;

use super::{
    Checker,
    connections::Used,
    files::Kind,
    placeholders::{Absence, Scope},
};
use crate::{
    Code,
    model::{
        BodyType, Command, Connection, ConnectionKind, ConnectionName, File, FileOperation, HttpRequest, Message,
        Mongo, MongoOperation, ParameterStyle, Setting, Static, Tool, ToolKind, ValueTemplate, VectorCall,
        VectorOperation,
    },
    path::Path,
};

impl Checker<'_> {
    /// `at` is the tool or resource, below which the kind's key stands.
    pub(super) fn check_kind(
        &mut self,
        kind: &ToolKind,
        connection: Option<&Connection>,
        at: &Path,
        scope: &Scope<'_>,
        used: &mut Used,
        connections: &[Connection],
    ) {
        let at = &at.key(kind.key());
        match kind {
            // These two are checked where more is known of the tool.
            ToolKind::Sql(_) | ToolKind::Steps(_) => {}
            ToolKind::Mongo(mongo) => self.check_mongo(mongo, connection, at, scope),
            ToolKind::Redis(command) => {
                self.needs_content(at, "the command");
                self.check_elements(command, at, scope);
            }
            ToolKind::Http(request) => self.check_http(request, at, scope),
            ToolKind::Graphql(graphql) => {
                for (name, value) in &graphql.variables {
                    self.check_value(value, &at.key("variables").key(name), scope, Absence::Breaks);
                }
            }
            ToolKind::Grpc(call) => {
                self.check_grpc_method(&call.method, &at.key("method"));
                self.check_optional_value(call.message.as_ref(), &at.key("message"), scope);
                for (name, value) in &call.metadata {
                    self.check_text_that_goes(value, &at.key("metadata").key(name), scope);
                }
            }
            ToolKind::File(file) => self.check_file_operation(file, connection, at, scope),
            ToolKind::Message(message) => self.check_message(message, at, scope),
            ToolKind::Embed(embed) => self.check_required_value(&embed.input, &at.key("input"), scope),
            ToolKind::Vector(call) => self.check_vector(call, at, scope, used, connections),
            ToolKind::Command(command) => self.check_command(command, at, scope),
            ToolKind::Wasm(wasm) => {
                self.check_file(&wasm.component, Kind::File, &at.key("component"));
                self.needs_content(&at.key("function"), "`function`");
            }
            ToolKind::Mcp(_) => {}
            ToolKind::Static(answer) => match answer {
                Static::Image { file, .. } => self.check_file(file, Kind::File, &at.key("image")),
                Static::Audio { file, .. } => self.check_file(file, Kind::File, &at.key("audio")),
                Static::Resource(uri) => self.check_uri(uri, &at.key("resource")),
                Static::Text(_) | Static::Json(_) => {}
            },
        }
    }

    fn check_http(&mut self, request: &HttpRequest, at: &Path, scope: &Scope<'_>) {
        if self.has(&at.key("path")) {
            self.check_http_path(&request.path, &at.key("path"));
            self.check_text(&request.path, &at.key("path"), scope);
        }
        for (name, value) in &request.query {
            self.check_value(value, &at.key("query").key(name), scope, Absence::Goes);
        }
        for (name, value) in &request.headers {
            let at = at.key("headers").key(name);
            if value.contains(['\r', '\n']) {
                self.report(Code::Name, &at, format!("the header `{name}` holds a line break"), None);
            }
            self.check_text_that_goes(value, &at, scope);
        }
        for (name, value) in &request.cookies {
            self.check_text_that_goes(value, &at.key("cookies").key(name), scope);
        }
        if !request.cookies.is_empty()
            && request.headers.keys().any(|name| name.as_str().eq_ignore_ascii_case("cookie"))
        {
            self.report(Code::Conflict, &at.key("cookies"), "`cookies` and a header `Cookie` are the same", None);
        }
        self.check_styles(request, &at.key("styles"), scope);
        self.check_optional_value(request.body.as_ref(), &at.key("body"), scope);
        let Some(body) = &request.body else {
            if self.has(&at.key("bodyType")) && !self.has(&at.key("body")) {
                self.report(Code::Conflict, &at.key("bodyType"), "`bodyType` says nothing without `body`", None);
            }
            return;
        };
        if matches!(request.body_type, BodyType::Form | BodyType::Multipart) && !body.is_object() && !is_whole(body) {
            let message = format!("a body of type `{}` is a mapping of its fields", request.body_type);
            self.report(Code::Type, &at.key("body"), message, None);
        }
        if matches!(request.body_type, BodyType::Text | BodyType::Binary) && !body.is_string() {
            let message = format!("a body of type `{}` is a text", request.body_type);
            self.report(Code::Type, &at.key("body"), message, None);
        }
    }

    fn check_styles(&mut self, request: &HttpRequest, at: &Path, scope: &Scope<'_>) {
        let form = request.body.as_ref().filter(|_| request.body_type == BodyType::Form);
        let fields = form.and_then(|body| body.as_object()).into_iter().flat_map(|fields| fields.values());
        let places: Vec<&Value> = request.query.values().map(|value| &**value).chain(fields).collect();
        for (name, style) in &request.styles {
            let at = at.key(name);
            if !scope.knows(name) {
                let message = format!("`{name}` is no parameter");
                self.report(Code::ToolPlaceholder, &at, message, None);
            } else if *style == ParameterStyle::DeepObject
                && !places.iter().any(|place| place.as_str() == Some(&format!("{{{name}}}")))
            {
                let message = format!("`{name}` is nowhere the whole value of a query parameter or of a form's field");
                let help = Some("`deepObject` writes one as `name[key]=value`".to_owned());
                self.report(Code::Conflict, &at, message, help);
            }
        }
    }

    fn check_grpc_method(&mut self, method: &str, at: &Path) {
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let good =
            method.split_once('/').is_some_and(|(service, method)| service.split('.').all(is_name) && is_name(method));
        if !good && self.node(at).is_some_and(|node| node.as_str().is_some()) {
            let help = Some("expected `package.Service/Method`".to_owned());
            self.report(Code::GrpcMethod, at, format!("`{method}` is not the name of a gRPC method"), help);
        }
    }

    fn check_mongo(&mut self, mongo: &Mongo, connection: Option<&Connection>, at: &Path, scope: &Scope<'_>) {
        self.needs_content(&at.key("collection"), "`collection`");
        let fields = [
            ("filter", &mongo.filter),
            ("projection", &mongo.projection),
            ("sort", &mongo.sort),
            ("limit", &mongo.limit),
            ("pipeline", &mongo.pipeline),
            ("document", &mongo.document),
            ("update", &mongo.update),
        ];
        let (takes, needs): (&[&str], &[&str]) = match mongo.operation {
            MongoOperation::Find => (&["filter", "projection", "sort", "limit"], &[]),
            MongoOperation::Aggregate => (&["pipeline"], &["pipeline"]),
            MongoOperation::Insert => (&["document"], &["document"]),
            MongoOperation::Update => (&["filter", "update"], &["filter", "update"]),
            MongoOperation::Delete => (&["filter"], &["filter"]),
        };
        let operation = format!("`{}`", mongo.operation);
        self.check_operation(&operation, &fields, takes, needs, at, scope);
        if !matches!(mongo.operation, MongoOperation::Find | MongoOperation::Aggregate) {
            self.check_writes(connection, &operation, &at.key("operation"));
        }
    }

    /// Which fields an operation takes, and which of them it needs.
    fn check_operation(
        &mut self,
        operation: &str,
        fields: &[(&str, &Option<ValueTemplate>)],
        takes: &[&str],
        needs: &[&str],
        at: &Path,
        scope: &Scope<'_>,
    ) {
        for (key, value) in fields {
            let place = at.key(key);
            self.check_optional_value(value.as_ref(), &place, scope);
            let given = self.has(&place);
            if given && !takes.contains(key) {
                self.report(Code::Conflict, &place, format!("`{key}` says nothing to {operation}"), None);
            } else if !given && needs.contains(key) {
                self.report(Code::Missing, at, format!("{operation} needs `{key}`"), None);
            }
        }
    }

    fn check_writes(&mut self, connection: Option<&Connection>, operation: &str, at: &Path) {
        if let Some(connection) = connection.filter(|connection| connection.is_read_only()) {
            let message = format!("{operation} writes, and the connection `{}` is read-only", connection.name);
            self.report(Code::SqlWritesOnReadOnly, at, message, None);
        }
    }

    fn check_file_operation(&mut self, file: &File, connection: Option<&Connection>, at: &Path, scope: &Scope<'_>) {
        let place = at.key("path");
        if file.path.split(['/', '\\']).any(|part| part == "..") {
            let message = format!("the path `{}` holds `..`", &*file.path);
            self.report(Code::Path, &place, message, Some("a path stays below the root of its connection".to_owned()));
        }
        self.needs_content(&place, "the path");
        self.check_text(&file.path, &place, scope);
        let content = at.key("content");
        self.check_optional_value(file.content.as_ref(), &content, scope);
        let writes = file.operation == FileOperation::Write;
        if writes != self.has(&content) {
            if writes {
                self.report(Code::Missing, at, "`write` needs `content`", None);
            } else {
                self.report(Code::Conflict, &content, format!("`content` says nothing to `{}`", file.operation), None);
            }
        }
        if writes || file.operation == FileOperation::Delete {
            self.check_writes(connection, &format!("`{}`", file.operation), &at.key("operation"));
        }
        if let Some(Connection { kind: Some(ConnectionKind::Filesystem(_)), .. }) = connection
            && file.path.starts_with(['/', '\\'])
        {
            let message = format!("`{}` is no path below the root of the connection", &*file.path);
            self.report(Code::Path, &place, message, Some("leave out the first `/`".to_owned()));
        }
    }

    fn check_message(&mut self, message: &Message, at: &Path, scope: &Scope<'_>) {
        self.check_required_value(&message.to, &at.key("to"), scope);
        for (key, text) in [("subject", &message.subject), ("text", &message.text), ("html", &message.html)] {
            if let Some(text) = text {
                self.check_optional_text(text, &at.key(key), scope);
            }
        }
        if !self.has(&at.key("text")) && !self.has(&at.key("html")) {
            self.report(Code::Missing, at, "a message needs `text` or `html`", None);
        }
    }

    fn check_vector(
        &mut self,
        call: &VectorCall,
        at: &Path,
        scope: &Scope<'_>,
        used: &mut Used,
        connections: &[Connection],
    ) {
        let fields = [
            ("query", &call.query),
            ("id", &call.id),
            ("payload", &call.payload),
            ("limit", &call.limit),
            ("filter", &call.filter),
        ];
        let (takes, needs): (&[&str], &[&str]) = match call.operation {
            VectorOperation::Search => (&["query", "limit", "filter"], &["query"]),
            VectorOperation::Upsert => (&["query", "id", "payload"], &["id"]),
            VectorOperation::Delete => (&["id", "filter"], &[]),
        };
        self.check_operation(&format!("`{}`", call.operation), &fields, takes, needs, at, scope);
        if call.operation == VectorOperation::Delete && !self.has(&at.key("id")) && !self.has(&at.key("filter")) {
            self.report(Code::Missing, at, "`delete` needs `id` or `filter`", None);
        }
        if let Some(embed) = &call.embed {
            self.check_embedding(embed, &at.key("embed"), connections);
            used.insert(embed.to_string());
        }
    }

    fn check_embedding(&mut self, name: &ConnectionName, at: &Path, connections: &[Connection]) {
        match connections.iter().find(|connection| connection.name == *name) {
            Some(connection) if connection.type_word().is_none_or(|word| word == "embeddings") => {}
            Some(connection) => {
                let word = connection.type_word().unwrap_or("shared");
                let message = format!("`{name}` is a `{word}` connection, which makes no vectors of texts");
                self.report(Code::ConnectionKind, at, message, Some("`embed` needs `embeddings`".to_owned()));
            }
            None if self.declared("connections").contains(name.as_str()) => {}
            None => {
                let near = self.suggest(
                    Code::ConnectionUnknown,
                    name,
                    connections.iter().map(|connection| connection.name.as_str()),
                );
                self.report(Code::ConnectionUnknown, at, format!("there is no connection `{name}`"), near);
            }
        }
    }

    fn check_command(&mut self, command: &Command, at: &Path, scope: &Scope<'_>) {
        let argv = at.key("argv");
        self.needs_content(&argv, "`argv`");
        for (index, element) in command.argv.iter().enumerate() {
            let at = self.reader.place(&argv, index);
            match &**element {
                Value::String(text) if index == 0 => {
                    self.needs_content(&at, "the program");
                    if crate::template::Text::parse(text).is_ok_and(|text| text.placeholders().next().is_some()) {
                        let message = "a placeholder can't name the program: callers would choose what runs";
                        self.report(Code::ToolPlaceholder, &at, message, None);
                    }
                }
                Value::String(text) => self.check_text_that_goes(text, &at, scope),
                Value::Number(_) if index > 0 => {}
                _ => self.report(Code::Type, &at, "an element of `argv` is a text", None),
            }
        }
        self.check_optional_value(command.stdin.as_ref(), &at.key("stdin"), scope);
        if let Some(cwd) = &command.cwd {
            self.check_file(cwd, Kind::Folder, &at.key("cwd"));
        }
        for (name, value) in &command.env {
            let at = at.key("env").key(name);
            let good = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if !good {
                let help = Some("expected ^[A-Z_][A-Z0-9_]*$".to_owned());
                self.report(Code::Name, &at, format!("`{name}` is not the name of an environment variable"), help);
            }
            if let Setting::Text(text) = value {
                self.check_optional_text(text, &at, scope);
            }
        }
    }

    /// A value without which nothing is left.
    fn check_required_value(&mut self, value: &Value, at: &Path, scope: &Scope<'_>) {
        match value {
            Value::String(text) => self.check_text(text, at, scope),
            _ => self.check_value(value, at, scope, Absence::Breaks),
        }
    }

    fn check_optional_value(&mut self, value: Option<&ValueTemplate>, at: &Path, scope: &Scope<'_>) {
        if let Some(value) = value {
            self.check_value(value, at, scope, Absence::Breaks);
        }
    }

    fn check_elements(&mut self, elements: &[ValueTemplate], list: &Path, scope: &Scope<'_>) {
        for (index, element) in elements.iter().enumerate() {
            let at = self.reader.place(list, index);
            self.check_value(element, &at, scope, Absence::Breaks);
        }
    }

    /// An answer that is kept is not made again, nor is anybody asked again.
    pub(super) fn check_cache(&mut self, tool: &Tool, kind: &ToolKind, at: &Path) {
        if tool.cache.is_none() {
            return;
        }
        let at = at.key("cache");
        if tool.confirm.is_some() {
            let message = "`cache` stands beside `confirm`, which asks a person before each call";
            return self.report(Code::Conflict, &at, message, None);
        }
        let reads = match kind {
            // What a statement does is looked at beside it.
            ToolKind::Sql(_) | ToolKind::Static(_) => true,
            ToolKind::Http(request) => matches!(request.method.as_str(), "GET" | "HEAD"),
            ToolKind::Mongo(mongo) => matches!(mongo.operation, MongoOperation::Find | MongoOperation::Aggregate),
            ToolKind::File(file) => !matches!(file.operation, FileOperation::Write | FileOperation::Delete),
            ToolKind::Vector(call) => call.operation == VectorOperation::Search,
            ToolKind::Embed(_) => true,
            _ => false,
        };
        if !reads && tool.annotations.read_only != Some(true) {
            let message = format!("`cache` keeps answers, and `{}` may change something with every call", tool.name);
            let help = "if it changes nothing, say so: `annotations: { readOnly: true }`".to_owned();
            self.report(Code::Conflict, &at, message, Some(help));
        }
    }

    /// Tools that say they change nothing, and do.
    pub(super) fn check_reading(&mut self, tool: &Tool, kind: &ToolKind, at: &Path) {
        if tool.annotations.read_only != Some(true) {
            return;
        }
        let writes = match kind {
            ToolKind::Mongo(mongo) => !matches!(mongo.operation, MongoOperation::Find | MongoOperation::Aggregate),
            ToolKind::File(file) => matches!(file.operation, FileOperation::Write | FileOperation::Delete),
            ToolKind::Vector(call) => call.operation != VectorOperation::Search,
            ToolKind::Message(_) => true,
            _ => false,
        };
        if writes {
            let at = at.key("annotations").key("readOnly");
            self.report(
                Code::ToolReadOnly,
                &at,
                format!("`{}` says that it changes nothing, and it does", tool.name),
                None,
            );
        }
    }
}

fn is_whole(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with('{') && text.ends_with('}'))
}
