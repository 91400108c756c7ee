//! The rows of one page as they come: the author's columns are written, the keys of the last row are kept, and whoever
//! asked hears how many there are.

use std::ops::ControlFlow;

use mcp_factory_connect::sql::{Cell, Columns, RowSink};
use mcp_serve::Progress;
use serde_json::Value;

use crate::rows::{RowWriter, Rows};

/// Rows between two reports.
const EVERY: u64 = 1000;

#[derive(Debug)]
pub struct Page {
    writer: RowWriter,
    /// Columns of the order, behind the author's.
    hidden: usize,
    shown: usize,
    /// Of the row that is read now; `None` where a value would not come back as it is.
    row: Vec<Option<Value>>,
    /// Of the last row that was written.
    last: Vec<Option<Value>>,
    rows: u64,
    progress: Option<Progress>,
}

impl Page {
    pub fn new(writer: RowWriter, hidden: usize, progress: &Progress) -> Self {
        Self {
            writer,
            hidden,
            shown: usize::MAX,
            row: Vec::new(),
            last: Vec::new(),
            rows: 0,
            progress: progress.is_wanted().then(|| progress.clone()),
        }
    }

    /// What was written, and the keys that the next page begins behind.
    pub fn finish(self) -> Result<(Rows, Option<Vec<Value>>), String> {
        let keys = (self.hidden > 0 && self.last.len() == self.hidden).then_some(self.last);
        Ok((self.writer.finish()?, keys.and_then(|keys| keys.into_iter().collect())))
    }

    fn report(&self) {
        if let Some(progress) = &self.progress
            && self.rows.is_multiple_of(EVERY)
        {
            #[expect(clippy::cast_precision_loss, reason = "it is told to people")]
            progress.report(self.rows as f64, None, Some(&format!("{} rows so far", self.rows)));
        }
    }
}

impl RowSink for Page {
    fn columns(&mut self, columns: &Columns) {
        if self.hidden == 0 {
            return self.writer.columns(columns);
        }
        self.shown = columns.len().saturating_sub(self.hidden);
        self.writer.columns(&columns[..self.shown].iter().cloned().collect());
    }

    fn begin_row(&mut self) {
        self.row.clear();
        self.writer.begin_row();
    }

    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        if index < self.shown {
            self.writer.cell(index, cell);
        } else {
            self.row.push(key(cell));
        }
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        let flow = self.writer.end_row();
        // It breaks at a row that is not on the page.
        if flow.is_continue() {
            self.rows += 1;
            std::mem::swap(&mut self.row, &mut self.last);
            self.report();
        }
        flow
    }

    fn reset(&mut self) {
        self.rows = 0;
        self.row.clear();
        self.last.clear();
        self.writer.reset();
    }
}

/// A value that is the same when it is bound. `infinity`, years before Christ and zero dates are not.
fn key(cell: Cell<'_>) -> Option<Value> {
    match cell {
        Cell::Bool(value) => Some(value.into()),
        Cell::I64(value) => Some(value.into()),
        Cell::U64(value) => Some(value.into()),
        Cell::Text(text) | Cell::Uuid(text) => Some(text.into()),
        Cell::Decimal(text) if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) => {
            Some(text.into())
        }
        Cell::Date(text) | Cell::Timestamp(text) if is_plain_date(text) => Some(text.into()),
        _ => None,
    }
}

/// `2026-11-21`, whatever follows.
fn is_plain_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| bytes.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    digits(0, 4)
        && bytes.get(4) == Some(&b'-')
        && digits(5, 7)
        && digits(8, 10)
        && !text.starts_with("0000")
        && !text.contains("-00")
}
