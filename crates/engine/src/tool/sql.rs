//! `sql`: one statement, its variant chosen by which arguments are there, its rows written as they come.

mod catalogue;
mod keyset;
mod page;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use mcp_factory_connect::sql::{
    Access, Hint, Outcome, Parameter as DriverParameter, RunOptions, Statement as Prepared,
};
use mcp_factory_spec::{
    model,
    sql::{Parameter, Statement, Template},
};
use mcp_serve::{CallContext, ToolResult};
use serde_json::{Map, Value};

pub use keyset::Paging;

use keyset::{Page, Planned, Position};
use page::Page as PageWriter;

use crate::{
    answer,
    cursor::CursorKey,
    interned::Interned,
    plan::{Builder, Fault, SqlConnection},
    rows::{Caps, Layouts, RowWriter},
    shape::Shape,
    values::Values,
};

/// Elements of one array in `IN (:name)`.
const MOST_ELEMENTS: usize = 1000;
/// Where the spec sets no timeout, a statement still ends.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub struct SqlTool {
    name: Arc<str>,
    connection: SqlConnection,
    template: Arc<Template>,
    /// One list of variants for each order; without `sort`, one.
    orders: HashMap<Option<String>, Vec<Variant>>,
    hints: HashMap<String, Hint>,
    layouts: Arc<Layouts>,
    caps: Caps,
    single: bool,
    access: Access,
    cursor_key: CursorKey,
}

/// Statements by their dialect and text, of all tools of all servers.
static TEMPLATES: Interned<Template> = Interned::new();

/// Most wait long for their first call, which makes the forms.
#[derive(Debug)]
struct Variant {
    number: usize,
    order: Option<Arc<str>>,
    /// Pages by counting, or all rows at once.
    form: OnceLock<Box<Form>>,
    /// Pages behind their last rows.
    keyset: Planned,
}

/// A statement, as it is run.
#[derive(Debug)]
enum Form {
    Fixed(Prepared, Vec<Parameter>),
    /// An array changes the text.
    Expands(Statement),
}

/// What differs between a tool and a resource.
struct Settings<'a> {
    name: &'a str,
    connection: Option<&'a str>,
    properties: Map<String, Value>,
    returns: Option<&'a Value>,
    limits: &'a model::ToolLimits,
    page_size: Option<u64>,
    single: bool,
    sort: Vec<(String, String)>,
}

impl SqlTool {
    pub fn of_tool(tool: &model::Tool, sql: &str, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let schema = tool.input_schema();
        let settings = Settings {
            name: tool.name.as_str(),
            connection: tool.connection.as_ref().map(|name| name.as_str()),
            properties: schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default(),
            returns: tool.returns.as_ref().map(model::Schema::as_value),
            limits: &tool.limits,
            page_size: tool.paginate.as_ref().map(|paginate| u64::from(paginate.page_size.get())),
            single: tool.single,
            sort: tool.sort.iter().map(|(name, order)| (name.clone(), order.clone())).collect(),
        };
        Self::compile(settings, sql, builder)
    }

    pub fn of_resource(
        uri: &str,
        connection: Option<&str>,
        sql: &str,
        builder: &mut Builder<'_>,
    ) -> Result<Self, Fault> {
        let limits = model::ToolLimits::default();
        let settings = Settings {
            name: uri,
            connection,
            properties: Map::new(),
            returns: None,
            limits: &limits,
            page_size: None,
            single: false,
            sort: Vec::new(),
        };
        Self::compile(settings, sql, builder)
    }

    fn compile(settings: Settings<'_>, sql: &str, builder: &mut Builder<'_>) -> Result<Self, Fault> {
        let connection = builder.connections.database(settings.connection)?;
        let dialect = format!("{:?}", connection.dialect);
        let template = TEMPLATES
            .get_or_make(&[&dialect, sql], || Template::parse(sql, connection.dialect))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let access = if template.reads() { Access::Read } else { Access::Write };
        let hints = settings.properties.iter().map(|(name, property)| (name.clone(), hint(property))).collect();
        let mut tool = Self {
            name: Arc::from(settings.name),
            connection,
            template,
            orders: HashMap::new(),
            hints,
            layouts: Arc::new(Layouts::new(Shape::of_rows(settings.returns))),
            caps: Caps {
                max_rows: if settings.single {
                    Some(1)
                } else {
                    settings.limits.max_rows.at().map(std::num::NonZeroU64::get)
                },
                max_bytes: settings.limits.max_bytes.at().map(model::Size::bytes),
                page_size: settings.page_size,
            },
            single: settings.single,
            access,
            cursor_key: builder.cursor_key.clone(),
        };
        if settings.sort.is_empty() {
            let variants = tool.variants(None, builder.is_known())?;
            tool.orders.insert(None, variants);
        }
        for (name, order) in settings.sort {
            let variants = tool.variants(Some(&order), builder.is_known())?;
            tool.orders.insert(Some(name), variants);
        }
        Ok(tool)
    }

    fn variants(&self, order: Option<&str>, is_known: bool) -> Result<Vec<Variant>, String> {
        let order: Option<Arc<str>> = order.map(Arc::from);
        let variant = |number| {
            let variant = Variant { number, order: order.clone(), form: OnceLock::new(), keyset: Planned::new() };
            if !is_known {
                self.statement(&variant)?;
            }
            Ok(variant)
        };
        (0..self.template.variants()).map(variant).collect()
    }

    fn statement(&self, variant: &Variant) -> Result<Statement, String> {
        let paged = self.caps.page_size.is_some();
        self.template.statement(variant.number, variant.order.as_deref(), paged).map_err(|problem| problem.to_string())
    }

    fn form(&self, statement: Statement) -> Form {
        if statement.expands() {
            return Form::Expands(statement);
        }
        let (prepared, parameters) = self.prepare(&statement, |_| 1);
        Form::Fixed(prepared, parameters)
    }

    fn form_of<'a>(&self, variant: &'a Variant) -> Result<&'a Form, String> {
        if let Some(form) = variant.form.get() {
            return Ok(form);
        }
        let form = Box::new(self.form(self.statement(variant)?));
        // Of two calls at once the first one's is kept: what is learned of a statement is learned once.
        Ok(variant.form.get_or_init(|| form))
    }

    fn prepare(&self, statement: &Statement, length: impl Fn(&str) -> usize) -> (Prepared, Vec<Parameter>) {
        let (text, parameters) = statement.render(length);
        let driver = parameters.iter().map(|parameter| match parameter {
            Parameter::Value { name } => DriverParameter::new(name.as_str(), self.hint(name)),
            Parameter::Element { name, .. } => DriverParameter::new(name.as_str(), element_hint(self.hint(name))),
            Parameter::Limit | Parameter::Offset => DriverParameter::new("cursor", Hint::Integer),
            Parameter::Key(_) => DriverParameter::new("cursor", Hint::Any),
        });
        let prepared = Prepared::new(text, driver.collect(), self.access);
        (if self.template.keeps_session() { prepared.keeping_session() } else { prepared }, parameters)
    }

    /// The caller and the call are text; variables of a resource are what the database takes them for.
    fn hint(&self, name: &str) -> Hint {
        let of_caller = name.starts_with("principal.") || name.starts_with("call.");
        self.hints.get(name).copied().unwrap_or(if of_caller { Hint::Text } else { Hint::Any })
    }

    #[must_use]
    pub fn reads(&self) -> bool {
        self.access == Access::Read
    }

    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.connection.seeded
    }

    pub async fn call(
        &self,
        cx: &CallContext,
        mut arguments: Map<String, Value>,
        timeout: Option<Duration>,
    ) -> ToolResult {
        let cursor = if self.caps.page_size.is_some() { arguments.shift_remove("cursor") } else { None };
        let position = match cursor.as_ref().and_then(Value::as_str) {
            None => Position::Start,
            Some(cursor) => match Position::of(cursor, &self.cursor_key, &self.name, cx, &arguments) {
                Ok(position) => position,
                Err(error) => return ToolResult::error(error.to_string()),
            },
        };
        self.run(cx, &arguments, &position, timeout).await.unwrap_or_else(ToolResult::error)
    }

    async fn run(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        position: &Position,
        timeout: Option<Duration>,
    ) -> Result<ToolResult, String> {
        let values = Values { arguments, cx };
        self.check_caller(&values)?;
        let variant = self.choose(&values)?;
        let session = self.connection.session.of(&values)?;
        let database = self.connection.database.of(cx).await?;
        let page = self.page(variant, position, &database, &session, timeout).await.map_err(|bad| bad.to_string())?;
        let form = match page {
            Page::Offset(_) => self.form_of(variant)?,
            Page::First(plan) => &plan.first,
            Page::Next(plan, _) => &plan.next,
        };
        let expanded;
        let (prepared, parameters) = match form {
            Form::Fixed(prepared, parameters) => (prepared, parameters),
            Form::Expands(statement) => {
                expanded = self.expand(statement, &values)?;
                (&expanded.0, &expanded.1)
            }
        };
        let bound = parameters.iter().map(|parameter| self.bind(parameter, &values, page)).collect();
        let writer = RowWriter::new(Arc::clone(&self.layouts), self.caps);
        let writer = PageWriter::new(writer, page.hidden(), &cx.progress);
        let options = RunOptions { timeout: timeout.unwrap_or(LONGEST), session };
        let run = database.run(prepared, bound, writer, &options).await;
        let (writer, outcome) = run.map_err(|error| error.to_string())?;
        self.answer(writer, outcome, position.rows(), page, cx, arguments)
    }

    /// An argument that was left out is NULL, and takes its clause along. A caller of whom something is not known is
    /// refused: the clause that goes may be the one that keeps callers apart.
    fn check_caller(&self, values: &Values<'_>) -> Result<(), String> {
        let mut names = self.template.placeholders().iter().map(|placeholder| &*placeholder.name);
        match names.find(|name| name.starts_with("principal.") && values.get(name).is_none()) {
            Some(name) => Err(format!("this tool has to know `{name}` of its caller, and you have none")),
            None => Ok(()),
        }
    }

    fn choose(&self, values: &Values<'_>) -> Result<&Variant, String> {
        let sort = if self.orders.contains_key(&None) { None } else { values.get("sort") };
        let sort = sort.as_deref().and_then(Value::as_str).map(str::to_owned);
        let variants = self.orders.get(&sort).ok_or("`sort` names no order of this tool")?;
        Ok(&variants[self.template.variant(|name| values.get(name).is_some())])
    }

    fn expand(&self, statement: &Statement, values: &Values<'_>) -> Result<(Prepared, Vec<Parameter>), String> {
        let length = |name: &str| match values.get(name).as_deref() {
            Some(Value::Array(items)) => items.len(),
            _ => 1,
        };
        for placeholder in self.template.placeholders().iter().filter(|placeholder| placeholder.in_list) {
            let length = length(&placeholder.name);
            if length > MOST_ELEMENTS {
                return Err(format!("`{}` has {length} elements; at most {MOST_ELEMENTS} are taken", placeholder.name));
            }
        }
        Ok(self.prepare(statement, length))
    }

    /// Null is the typed NULL of whatever was left out.
    fn bind(&self, parameter: &Parameter, values: &Values<'_>, page: Page<'_>) -> Value {
        match parameter {
            Parameter::Value { name } => values.get(name).map_or(Value::Null, Cow::into_owned),
            Parameter::Element { name, index } => match values.get(name).as_deref() {
                Some(Value::Array(items)) => items.get(*index).cloned().unwrap_or(Value::Null),
                Some(one) => one.clone(),
                None => Value::Null,
            },
            Parameter::Limit => self.caps.page_size.map_or(Value::Null, |size| Value::from(size + 1)),
            Parameter::Offset => match page {
                Page::Offset(offset) => Value::from(offset),
                Page::First(_) | Page::Next(..) => Value::from(0),
            },
            Parameter::Key(column) => match page {
                Page::Next(_, behind) => behind.keys.get(*column).cloned().unwrap_or(Value::Null),
                Page::Offset(_) | Page::First(_) => Value::Null,
            },
        }
    }

    fn answer(
        &self,
        writer: PageWriter,
        outcome: Outcome,
        before: u64,
        page: Page<'_>,
        cx: &CallContext,
        arguments: &Map<String, Value>,
    ) -> Result<ToolResult, String> {
        let (rows, keys) = writer.finish()?;
        if !outcome.has_rows {
            return Ok(answer::rows_affected(outcome.rows_affected));
        }
        if self.single {
            return Ok(answer::single(rows, &self.caps));
        }
        // A page that no row fits on would be asked for again and again.
        let more = self.caps.page_size.is_some() && rows.cut.is_some() && rows.count > 0;
        let next = more.then(|| {
            let (seen, caller) = (before + rows.count, &cx.principal.id);
            let behind = page.behind(seen, keys);
            let sealed = behind.and_then(|behind| self.cursor_key.seal(&behind, &self.name, caller, arguments));
            sealed.unwrap_or_else(|| self.cursor_key.encode(seen, &self.name, caller, arguments))
        });
        Ok(answer::items(rows, &self.caps, next.as_deref()))
    }
}

/// What the schema says of an argument, for databases that can't tell themselves.
fn hint(property: &Value) -> Hint {
    if property.get("contentEncoding").and_then(Value::as_str) == Some("base64") {
        return Hint::Bytes;
    }
    let word = |word: &str| match word {
        "boolean" => Hint::Boolean,
        "integer" => Hint::Integer,
        "number" => Hint::Number,
        "string" => Hint::Text,
        "object" | "array" => Hint::Json,
        _ => Hint::Any,
    };
    match property.get("type") {
        Some(Value::String(one)) => word(one),
        Some(Value::Array(many)) => {
            let mut kinds = many.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            match (kinds.next(), kinds.next()) {
                (Some(one), None) => word(one),
                _ => Hint::Any,
            }
        }
        _ => Hint::Any,
    }
}

/// The database knows the elements of an array from what they are compared with.
fn element_hint(hint: Hint) -> Hint {
    if hint == Hint::Json { Hint::Any } else { hint }
}
