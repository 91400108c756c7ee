//! A tool: what callers can do.

use std::num::NonZeroU32;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{
    ConnectionName, Duration, ExamplePrincipal, Expectation, Parameters, Schema, TextTemplate, ToolKind, ToolLimits,
    ToolName,
};
use crate::{
    Code, Node, NodeValue,
    path::Path,
    read::{Field, Reader, object, words},
    schema_of_language::Schemas,
};

object! {
    /// Something that callers can do.
    pub struct Tool {
        /// Its name.
        name: ToolName,
        /// Its name for people.
        title: Option<String>,
        /// What it does, for the model that chooses it.
        description: String,
        /// The connection it uses. May be left out when exactly one suits.
        connection: Option<ConnectionName>,
        /// What its result is. Fields that are not listed are dropped from the answer.
        returns: Option<Schema>,
        /// The result comes in pages: adds `cursor` to the arguments and `nextCursor` to the result.
        paginate: Option<Paginate>,
        /// Orders to choose from, by name; the first is the default. Adds a parameter `sort`.
        sort: IndexMap<String, String>,
        /// The one row is the result, as an object.
        single: bool = false,
        /// What clients may assume of it.
        annotations: Annotations = Annotations::default(),
        /// The scopes that a caller needs.
        scopes: Vec<String>,
        /// What is bounded for each call.
        limits: ToolLimits = ToolLimits::default(),
        /// How long answers are kept.
        cache: Option<Cache>,
        /// Asks a person first.
        confirm: Option<Confirm>,
        /// It may outlast the request: clients that know tasks get one, the others ask `get_result` for the answer.
        task: bool = false,
        /// `none`: the deliberate exception from the connection's `scope`.
        scope: Option<RowScopeException>,
        /// Calls and what comes of them: the server's tests and its documentation.
        examples: Vec<Example>
        ; ..parameters: Parameters
        ; ..kind: Option<ToolKind>
    }
}

object! {
    /// Pages of a result.
    pub struct Paginate {
        /// How many rows or items make a page.
        page_size: NonZeroU32 = Paginate::PAGE_SIZE,
        /// What `pageSize` may be at most; callers do not choose. Left out: 200, or `pageSize` if that is larger.
        max_page_size: Option<NonZeroU32>,
        /// How the upstream pages.
        style: Option<PageStyle>,
        /// The upstream's parameter for the cursor.
        cursor_param: Option<String>,
        /// The upstream's parameter for the page's number.
        page_param: Option<String>,
        /// The upstream's parameter for the offset.
        offset_param: Option<String>,
        /// The upstream's parameter for the page's size, which is then `pageSize`.
        limit_param: Option<String>,
        /// Where in the answer the next cursor is; with `page` and `offset` the next number or whether there is more, with
        /// `link` the URL.
        next_pointer: Option<super::Pointer>,
        /// Where in the answer the items are. Left out: at `select`.
        items_pointer: Option<super::Pointer>
    }
}

impl Paginate {
    pub const PAGE_SIZE: NonZeroU32 = NonZeroU32::new(50).expect("fifty is not zero");

    /// What `pageSize` may be at most.
    #[must_use]
    pub fn max_page_size(&self) -> NonZeroU32 {
        self.max_page_size.unwrap_or_else(|| self.default_max_page_size())
    }

    fn default_max_page_size(&self) -> NonZeroU32 {
        self.page_size.max(NonZeroU32::new(200).expect("two hundred is not zero"))
    }

    /// What says the default is left out: this one depends on another field.
    pub(crate) fn leave_out_defaults(&mut self) {
        let default = self.default_max_page_size();
        self.max_page_size = self.max_page_size.filter(|most| *most != default);
    }
}

words! {
    /// How an upstream pages.
    pub enum PageStyle {
        Cursor = "cursor",
        Page = "page",
        Offset = "offset",
        Link = "link",
    }
}

object! {
    /// What clients may assume of a tool.
    #[derive(Default)]
    pub struct Annotations {
        /// It changes nothing.
        read_only: Option<bool>,
        /// It may destroy something.
        destructive: Option<bool>,
        /// Doing it twice is like doing it once.
        idempotent: Option<bool>
    }
}

object! {
    /// Answers that are kept, for each principal.
    pub struct Cache {
        /// How long.
        ttl: Duration
    }
}

words! {
    /// The exception from a connection's `scope`.
    pub enum RowScopeException {
        None = "none",
    }
}

/// A person is asked before the tool runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    pub message: TextTemplate,
    /// The group that may approve; the caller may not.
    pub by: Option<String>,
    pub via: Option<Via>,
}

words! {
    /// How a person is asked.
    pub enum Via {
        /// In the client, where it can.
        Elicitation = "elicitation",
        /// By a one-time URL.
        Link = "link",
    }
}

object! {
    /// How a person is asked.
    pub struct ConfirmFields {
        /// The question.
        message: TextTemplate,
        /// The group that may approve; the caller may not.
        by: Option<String>,
        /// How a person is asked. Left out: in the client, where it can.
        via: Option<Via>
    }
}

impl Field for Confirm {
    fn read(node: &Node, at: &Path, reader: &mut Reader) -> Option<Self> {
        let confirm = match &node.value {
            NodeValue::Mapping(_) if crate::read::unquoted_placeholder(node).is_none() => {
                let ConfirmFields { message, by, via } = ConfirmFields::read(node, at, reader)?;
                Self { message, by, via }
            }
            _ => Self { message: TextTemplate::read(node, at, reader)?, by: None, via: None },
        };
        if confirm.message.trim().is_empty() {
            reader.report(Code::Missing, node.span, at, "the question is missing".to_owned(), None);
        }
        Some(confirm)
    }

    fn write(&self) -> Value {
        match (&self.by, self.via) {
            (None, None) => self.message.write(),
            _ => ConfirmFields { message: self.message.clone(), by: self.by.clone(), via: self.via }.write(),
        }
    }

    fn schema(schemas: &mut Schemas) -> Value {
        json!({ "anyOf": [{ "type": "string", "minLength": 1 }, ConfirmFields::schema(schemas)] })
    }
}

object! {
    /// A call and what comes of it.
    pub struct Example {
        /// Its name.
        name: Option<String>,
        /// The arguments.
        arguments: Map<String, Value>,
        /// Who calls.
        principal: Option<ExamplePrincipal>
        ; ..expectation: Expectation
    }
}

impl Tool {
    /// What the tool takes on the wire: its parameters, with `cursor` where it pages and `sort` where there are orders.
    #[must_use]
    pub fn input_schema(&self) -> Map<String, Value> {
        let mut schema = self.parameters.schema().clone();
        let mut added = Map::new();
        if !self.sort.is_empty() {
            let orders: Vec<&String> = self.sort.keys().collect();
            added.insert("sort".to_owned(), json!({ "type": "string", "enum": orders, "default": orders[0] }));
        }
        if self.paginate.is_some() {
            let about = "Where to go on: `nextCursor` of the page before.";
            added.insert("cursor".to_owned(), json!({ "type": "string", "description": about }));
        }
        if !added.is_empty()
            && let Value::Object(properties) = schema.entry("properties").or_insert_with(|| json!({}))
        {
            properties.extend(added);
        }
        schema
    }
}
