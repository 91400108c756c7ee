//! Rows, written straight from the driver into the JSON of an answer, and cut at the caps.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use mcp_factory_connect::sql::{Cell, Columns, RowSink};
use serde_json::Value;

use crate::{
    json::{is_number, write_compact, write_string},
    shape::{Shape, ShapeContent, Types},
};

/// How many rows an answer may have, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    pub max_rows: Option<u64>,
    pub max_bytes: Option<u64>,
    /// Rows of a page. The statement asks for one more, which tells whether another page follows.
    pub page_size: Option<u64>,
}

/// Why an answer has fewer rows than there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Rows,
    Bytes,
    /// Nothing is lost: the rest is on the next page.
    Page,
}

/// Collects `{…},{…}`.
#[derive(Debug)]
pub struct RowWriter {
    layouts: Arc<Layouts>,
    layout: Arc<Layout>,
    caps: Caps,
    out: Vec<u8>,
    row_start: usize,
    first_field: bool,
    rows: u64,
    cut: Option<Cut>,
    fault: Option<String>,
}

/// What was written.
#[derive(Debug)]
pub struct Rows {
    /// The rows, separated by commas.
    pub json: Vec<u8>,
    pub count: u64,
    pub cut: Option<Cut>,
    /// Why nobody can be led to those that follow.
    pub dead_end: Option<String>,
}

impl Rows {
    #[must_use]
    pub const fn none() -> Self {
        Self { json: Vec::new(), count: 0, cut: None, dead_end: None }
    }
}

/// How the columns of a statement are written, kept from call to call: a statement answers the same columns every time.
#[derive(Debug)]
pub struct Layouts {
    shape: Shape,
    last: Mutex<Option<(Columns, Arc<Layout>)>>,
}

#[derive(Debug, Default)]
struct Layout {
    columns: Vec<Column>,
    /// A field that `returns` requires and the statement does not answer.
    absent: Option<String>,
}

#[derive(Debug)]
struct Column {
    name: Arc<str>,
    /// The name as a JSON key with its colon; `None` where the shape drops the column.
    key: Option<Vec<u8>>,
    shape: Shape,
    required: bool,
}

// === impl Layouts ===

impl Layouts {
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, last: Mutex::new(None) }
    }

    fn of(&self, columns: &Columns) -> Arc<Layout> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, layout)) = &*last
            && (known.same(columns) || known == columns)
        {
            return Arc::clone(layout);
        }
        let layout = Arc::new(self.layout(columns));
        *last = Some((columns.clone(), Arc::clone(&layout)));
        layout
    }

    fn layout(&self, columns: &Columns) -> Layout {
        let column = |column: &mcp_factory_connect::sql::Column| {
            let (keep, shape, required) = field(&self.shape, &column.name);
            let key = keep.then(|| {
                let mut key = Vec::new();
                write_string(&mut key, &column.name);
                key.push(b':');
                key
            });
            Column { name: Arc::clone(&column.name), key, shape, required }
        };
        let absent = match &self.shape.content {
            ShapeContent::Object(object) => {
                object.fields.iter().find(|field| field.required && !columns.iter().any(|c| *c.name == *field.name))
            }
            _ => None,
        };
        Layout { columns: columns.iter().map(column).collect(), absent: absent.map(|field| field.name.clone()) }
    }
}

// === impl RowWriter ===

impl RowWriter {
    #[must_use]
    pub fn new(layouts: Arc<Layouts>, caps: Caps) -> Self {
        Self {
            layouts,
            layout: Arc::default(),
            caps,
            out: Vec::new(),
            row_start: 0,
            first_field: true,
            rows: 0,
            cut: None,
            fault: None,
        }
    }

    pub fn finish(self) -> Result<Rows, String> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(Rows { json: self.out, count: self.rows, cut: self.cut, dead_end: None }),
        }
    }

    /// Another row came, and there is no room for it.
    fn full(&self) -> Option<Cut> {
        let full = |limit: Option<u64>| limit.is_some_and(|limit| self.rows >= limit);
        if full(self.caps.page_size) {
            Some(Cut::Page)
        } else if full(self.caps.max_rows) {
            Some(Cut::Rows)
        } else {
            None
        }
    }
}

impl RowSink for RowWriter {
    fn columns(&mut self, columns: &Columns) {
        self.layout = self.layouts.of(columns);
    }

    fn begin_row(&mut self) {
        if let Some(absent) = &self.layout.absent {
            self.fault = Some(format!("the statement answers no column `{absent}`, which `returns` requires"));
        }
        self.cut = self.full();
        if self.cut.is_none() {
            self.row_start = self.out.len();
            self.first_field = true;
            self.out.extend_from_slice(if self.rows == 0 { b"{" } else { b",{" });
        }
    }

    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        let Some(column) = self.layout.columns.get(index).filter(|_| self.cut.is_none()) else { return };
        let Some(key) = &column.key else { return };
        if matches!(cell, Cell::Null) && !column.shape.types.null {
            if column.required {
                self.fault = Some(format!("the column `{}` is null, and `returns` requires it", column.name));
            }
            return;
        }
        if !self.first_field {
            self.out.push(b',');
        }
        self.first_field = false;
        self.out.extend_from_slice(key);
        write_cell(&mut self.out, cell, &column.shape);
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        if self.cut.is_some() || self.fault.is_some() {
            return ControlFlow::Break(());
        }
        self.out.push(b'}');
        if self.caps.max_bytes.is_some_and(|limit| self.out.len() as u64 > limit) {
            self.out.truncate(self.row_start);
            self.cut = Some(Cut::Bytes);
            return ControlFlow::Break(());
        }
        self.rows += 1;
        ControlFlow::Continue(())
    }

    fn reset(&mut self) {
        self.out.clear();
        self.rows = 0;
        self.cut = None;
        self.fault = None;
    }
}

/// Whether a column stays, as what it is written, and whether it must be there.
fn field(shape: &Shape, name: &str) -> (bool, Shape, bool) {
    let ShapeContent::Object(object) = &shape.content else { return (true, Shape::ANY, false) };
    match object.fields.iter().find(|field| field.name == name) {
        Some(field) => (true, field.shape.clone(), field.required),
        None => (object.keep_others, Shape::ANY, false),
    }
}

/// As the cell is written anywhere, but for what `returns` wants otherwise.
fn write_cell(out: &mut Vec<u8>, cell: Cell<'_>, shape: &Shape) {
    let types = shape.types;
    match cell {
        Cell::I64(0) | Cell::U64(0) if types.only_boolean() => out.extend_from_slice(b"false"),
        Cell::I64(1) | Cell::U64(1) if types.only_boolean() => out.extend_from_slice(b"true"),
        Cell::Bool(_) | Cell::I64(_) | Cell::U64(_) if types.only_string() => write_quoted(out, cell),
        Cell::F32(value) if value.is_finite() => write_float(out, cell, types),
        Cell::F64(value) if value.is_finite() => write_float(out, cell, types),
        Cell::Decimal(text) if types.numeric() && is_number(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Text(text) => write_text(out, text, shape),
        Cell::Json(json) | Cell::Nested(json) => write_json(out, json, shape),
        other => other.write_json(out),
    }
}

/// What is written without quotes, within them.
fn write_quoted(out: &mut Vec<u8>, cell: Cell<'_>) {
    out.push(b'"');
    cell.write_json(out);
    out.push(b'"');
}

/// Without a fraction where an integer is wanted and it is one.
fn write_float(out: &mut Vec<u8>, cell: Cell<'_>, types: Types) {
    if types.only_string() {
        return write_quoted(out, cell);
    }
    cell.write_json(out);
    if types.integer && !types.number && out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

/// Text of a database may hold what `returns` calls a number, a boolean or a structure; where it does not, it stays text.
fn write_text(out: &mut Vec<u8>, text: &str, shape: &Shape) {
    let types = shape.types;
    let is_bare = types.numeric() && is_number(text) || types.only_boolean() && matches!(text, "true" | "false");
    if is_bare {
        out.extend_from_slice(text.as_bytes());
    } else if types.structured() && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() {
        write_json(out, text, shape);
    } else {
        write_string(out, text);
    }
}

fn write_json(out: &mut Vec<u8>, json: &str, shape: &Shape) {
    let shaped = match shape.content {
        ShapeContent::Free if shape.types.only_string() => {
            // A JSON string is its text; anything else is shown as JSON text.
            match serde_json::from_str::<String>(json) {
                Ok(text) => return write_string(out, &text),
                Err(_) => return write_string(out, json),
            }
        }
        ShapeContent::Free => None,
        _ => serde_json::from_str::<Value>(json).ok().map(|value| shape.apply(value)),
    };
    match shaped {
        Some(value) => serde_json::to_writer(out, &value).expect("writing a JSON value to memory can't fail"),
        None => write_compact(out, json),
    }
}

#[cfg(test)]
mod tests;
