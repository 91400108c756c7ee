//! Resources and resource templates: what callers can read.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{Completion, ConnectionName, ToolKind};
use crate::{
    Code,
    read::{Field, Fields, Object, Reader, object, put},
    schema_of_language::{Schemas, Shape},
};

object! {
    /// Something that callers can read.
    pub struct Resource {
        /// Its name.
        name: String,
        /// Its name for people.
        title: Option<String>,
        /// What it is.
        description: Option<String>,
        /// What its content is, such as `text/markdown`.
        mime_type: Option<String>,
        /// What completes the variables of `uriTemplate` while they are typed, by their names. Left out: the values that a
        /// tool's parameter of the same name lists.
        complete: IndexMap<String, Completion>
        ; ..address: Address
        ; ..content: Content
    }
}

/// Where a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Uri(String),
    /// A URI template (RFC 6570), whose variables are the arguments of the resource's kind.
    Template(String),
}

impl Object for Address {
    const NAME: &'static str = "Address";
    const ABOUT: &'static [&'static str] = &[];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let uri = fields.take(reader, "uri");
        let template = fields.take(reader, "uri_template");
        if let (Some(_), Some((node, at))) = (&uri, &template) {
            let message = "`uriTemplate` stands beside `uri`: a resource has one of them".to_owned();
            reader.report(Code::Conflict, node.span, at, message, None);
        }
        match (uri, template) {
            (Some((node, at)), _) => String::read(node, &at, reader).map(Self::Uri),
            (None, Some((node, at))) => String::read(node, &at, reader).map(Self::Template),
            (None, None) => {
                let message = "a resource needs `uri` or `uriTemplate`".to_owned();
                reader.report(Code::Missing, fields.span(), fields.at(), message, None);
                None
            }
        }
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Uri(uri) => put(out, "uri", uri, None),
            Self::Template(template) => put(out, "uri_template", template, None),
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.optional::<String>(schemas, "uri", &["Its URI."]);
        shape.optional::<String>(
            schemas,
            "uri_template",
            &["A URI template (RFC 6570), whose variables are the arguments."],
        );
    }
}

/// What a resource holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    Text(String),
    File(String),
    /// What a tool kind answers.
    Kind {
        connection: Option<ConnectionName>,
        kind: Box<ToolKind>,
    },
}

impl Object for Content {
    const NAME: &'static str = "Content";
    const ABOUT: &'static [&'static str] = &[];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let text = fields.take(reader, "text");
        // `file` is the name of a file here, and the operation of a kind where it is a mapping.
        let file = fields.take_if(reader, "file", |node| node.as_str().is_some());
        let connection = fields.read::<Option<ConnectionName>>(reader, "connection", Code::Missing, None)?;
        let kind = <Option<ToolKind>>::read_fields(fields, reader)?;
        let given = [text.is_some(), file.is_some(), kind.is_some()].into_iter().filter(|given| *given).count();
        if given > 1 {
            let message = "a resource has one of `text`, `file` and a tool kind".to_owned();
            reader.report(Code::Conflict, fields.span(), fields.at(), message, None);
        }
        if let Some((node, at)) = text {
            return String::read(node, &at, reader).map(Self::Text);
        }
        if let Some((node, at)) = file {
            return String::read(node, &at, reader).map(Self::File);
        }
        if kind.is_none() && !fields.has_any(ToolKind::KEYS) {
            let message = "a resource needs `text`, `file`, or a tool kind such as `sql`".to_owned();
            reader.report(Code::Missing, fields.span(), fields.at(), message, None);
        }
        Some(Self::Kind { connection, kind: Box::new(kind?) })
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Text(text) => put(out, "text", text, None),
            Self::File(file) => put(out, "file", file, None),
            Self::Kind { connection, kind } => {
                put(out, "connection", connection, None);
                out.insert(kind.key().to_owned(), kind.write_value());
            }
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.optional::<String>(schemas, "text", &["The text."]);
        shape.optional::<ConnectionName>(schemas, "connection", &["The connection that the kind uses."]);
        <Option<ToolKind>>::describe(shape, schemas);
        shape.or::<String>(schemas, "file", &["A file, or an operation on a file or object."]);
    }
}
