//! Resources, resource templates and prompts.

use super::{
    Checker,
    catalogue::Catalogue,
    connections::Used,
    excerpt::character,
    files::Kind,
    placeholders::{Known, Scope},
    tools::find,
};
use crate::{
    Code, Spec, UriTemplate,
    model::{Address, Content, ToolKind},
    path::Path,
};

impl Checker<'_> {
    pub(super) fn check_resources(&mut self, catalogue: &Catalogue<'_>, spec: &mut Spec, used: &mut Used) {
        let mut resources = std::mem::take(&mut spec.resources);
        for (index, resource) in resources.iter_mut().enumerate() {
            let at = self.element("resources", index);
            self.needs_content(&at.key("name"), "the name");
            let variables = match &resource.address {
                Address::Uri(uri) => {
                    self.check_uri(uri, &at.key("uri"));
                    Vec::new()
                }
                Address::Template(template) => self.check_uri_template(template, &at.key("uriTemplate")),
            };
            self.check_completions_of_resource(resource, &variables, &spec.connections, &at, used);
            match &mut resource.content {
                Content::Text(_) => {}
                Content::File(file) => self.check_file(file, Kind::File, &at.key("file")),
                Content::Kind { connection, kind } => {
                    self.resolve_connection(Some(kind.as_ref()), connection, &spec.connections, &at, used);
                    let mut scope = Scope::of(variables.iter().map(|name| (name.as_str(), Known::Always)).collect());
                    let connection = find(&spec.connections, connection.as_ref());
                    self.check_kind(kind, connection, &at, &scope, used, &spec.connections);
                    match kind.as_ref() {
                        ToolKind::Sql(sql) => self.check_sql(sql, None, connection, &at.key("sql"), &scope),
                        ToolKind::Steps(steps) => {
                            self.check_steps(None, steps, catalogue, &at.key("steps"), &mut scope);
                        }
                        _ => {}
                    }
                }
            }
        }
        spec.resources = resources;
    }

    /// Gives the variables.
    fn check_uri_template(&mut self, template: &str, at: &Path) -> Vec<String> {
        match UriTemplate::parse(template) {
            Ok(template) => template.names().map(str::to_owned).collect(),
            Err(problem) => {
                self.report_within(Code::UriTemplate, at, character(template, problem.offset), problem.message, None);
                Vec::new()
            }
        }
    }

    pub(super) fn check_uri(&mut self, uri: &str, at: &Path) {
        if let Err(error) = url::Url::parse(uri) {
            let help = Some("expected an absolute URI such as `doc://returns`".to_owned());
            self.report(Code::Url, at, format!("`{uri}`: {error}"), help);
        }
    }

    pub(super) fn check_prompts(&mut self, spec: &mut Spec, used: &mut Used) {
        for (index, prompt) in spec.prompts.iter_mut().enumerate() {
            let at = self.element("prompts", index);
            self.check_completions_of_prompt(prompt, &spec.connections, &at, used);
            let list = at.key("arguments");
            let mut scope = Scope::caller();
            for (index, argument) in prompt.arguments.iter().enumerate() {
                let place = self.reader.place(&list, index).key("name");
                if scope.knows(&argument.name) && !argument.name.is_stand_in() {
                    let message = format!("the argument `{}` is declared twice", argument.name);
                    self.report(Code::DuplicateName, &place, message, None);
                }
                if matches!(argument.name.as_str(), "principal" | "trigger" | "env") {
                    let message = format!(
                        "`{}` can't be the name of an argument: placeholders use it for something else",
                        argument.name
                    );
                    self.report(Code::Name, &place, message, None);
                }
                scope.declare(&argument.name, if argument.required { Known::Always } else { Known::Sometimes });
            }
            let list = at.key("messages");
            self.needs_content(&list, "`messages`");
            for (index, message) in prompt.messages.iter().enumerate() {
                let at = self.reader.place(&list, index);
                match (&message.text, &message.resource) {
                    (Some(_), Some(_)) => {
                        let message = "`resource` stands beside `text`: a message is one of them";
                        self.report(Code::Conflict, &at.key("resource"), message, None);
                    }
                    (None, None) if !self.has(&at.key("text")) && !self.has(&at.key("resource")) => {
                        self.report(Code::Missing, &at, "a message needs `text` or `resource`", None);
                    }
                    _ => {}
                }
                for (key, text) in [("text", &message.text), ("resource", &message.resource)] {
                    if let Some(text) = text {
                        self.check_optional_text(text, &at.key(key), &scope);
                    }
                }
            }
        }
    }
}
