//! Whole answers as JSON, for questions about a database itself. Calls of tools write their rows as they come.

use std::{ops::ControlFlow, time::Duration};

use serde_json::Value;

use super::{Access, Cell, Class, Columns, Database, Error, Hint, Parameter, RowSink, RunOptions, Statement};

/// Of one answer.
const MOST_ROWS: usize = 200_000;
const MOST_BYTES: usize = 64 << 20;

impl Database {
    /// All rows of a statement that reads, each cell by the rules of `docs/types.md`. More than can be a catalogue is an error.
    pub async fn table(&self, text: &str, arguments: Vec<Value>, timeout: Duration) -> Result<Vec<Vec<Value>>, Error> {
        let parameters = arguments.iter().map(|_| Parameter::new("name", Hint::Text)).collect();
        let statement = Statement::new(text, parameters, Access::Read);
        let options = RunOptions { timeout, ..RunOptions::default() };
        let (table, outcome) = self.run(&statement, arguments, Table::default(), &options).await?;
        if outcome.stopped {
            let message = format!("the answer has more than {MOST_ROWS} rows, or more than {} MB", MOST_BYTES >> 20);
            return Err(Error::new(Class::Unreadable, message));
        }
        Ok(table.rows)
    }
}

#[derive(Default)]
struct Table {
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl RowSink for Table {
    fn columns(&mut self, _: &Columns) {}

    fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    fn cell(&mut self, _: usize, cell: Cell<'_>) {
        let mut json = Vec::new();
        cell.write_json(&mut json);
        self.bytes += json.len();
        if let Some(row) = self.rows.last_mut() {
            // A database's own JSON may be none that is read here; then it is text.
            let read = serde_json::from_slice(&json);
            row.push(read.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&json).into_owned())));
        }
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        if self.rows.len() < MOST_ROWS && self.bytes < MOST_BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn reset(&mut self) {
        *self = Self::default();
    }
}
