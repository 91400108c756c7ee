//! How a tool's pages are found: behind the last row of the page before, where the database says that this is sure, else by
//! counting rows.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use mcp_factory_connect::sql::Database;
use mcp_factory_spec::sql::{KeysetColumn, Name};
use mcp_serve::CallContext;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Form, SqlTool, Variant, catalogue::Table};
use crate::{
    cursor::{BadCursor, CursorKey},
    per::Connected,
};

/// What the database said of its keys is asked again after this time.
const KEPT: Duration = Duration::from_mins(5);
/// A page does not wait longer for that answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the pages of one order are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paging {
    /// Behind the last row: rows that come and go meanwhile neither repeat others nor hide them.
    Keyset { columns: Vec<String> },
    /// So if no two rows are alike in the columns, which the database could not be asked.
    Unknown { columns: Vec<String>, why: String },
    /// By counting the rows before the page.
    Offset { why: String },
}

/// A variant in its order, paged so.
#[derive(Debug)]
pub(super) struct Plan {
    table: Vec<Name>,
    columns: Vec<KeysetColumn>,
    /// The columns in words: a cursor of another order is none of this.
    order: String,
    pub first: Form,
    pub next: Form,
    known: Mutex<Option<(Instant, Result<(), String>)>>,
}

pub(super) type Planned = OnceLock<Result<Box<Plan>, String>>;

/// Where a call begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Position {
    Start,
    Offset(u64),
    Behind(Behind),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Behind {
    order: String,
    /// Rows of all pages before: where to go on if the keys do not help any more.
    rows: u64,
    pub keys: Vec<Value>,
}

/// How one call is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Page<'a> {
    Offset(u64),
    First(&'a Plan),
    Next(&'a Plan, &'a Behind),
}

impl Position {
    pub fn of(
        cursor: &str,
        key: &CursorKey,
        tool: &str,
        cx: &CallContext,
        arguments: &Map<String, Value>,
    ) -> Result<Self, BadCursor> {
        if let Ok(offset) = key.decode(cursor, tool, &cx.principal.id, arguments) {
            return Ok(Self::Offset(offset));
        }
        let state = key.open(cursor, tool, &cx.principal.id, arguments)?;
        serde_json::from_slice(&state).map(Self::Behind).map_err(|_| BadCursor)
    }

    pub fn rows(&self) -> u64 {
        match self {
            Self::Start => 0,
            Self::Offset(rows) | Self::Behind(Behind { rows, .. }) => *rows,
        }
    }
}

impl Page<'_> {
    pub fn hidden(&self) -> usize {
        match self {
            Self::Offset(_) => 0,
            Self::First(plan) | Self::Next(plan, _) => plan.columns.len(),
        }
    }

    /// What the cursor of the next page holds, if it can hold keys.
    pub fn behind(&self, rows: u64, keys: Option<Vec<Value>>) -> Option<Vec<u8>> {
        let (Self::First(plan) | Self::Next(plan, _)) = self else { return None };
        let behind = Behind { order: plan.order.clone(), rows, keys: keys? };
        Some(serde_json::to_vec(&behind).expect("JSON values can be written"))
    }
}

impl SqlTool {
    pub(super) async fn page<'a>(
        &self,
        variant: &'a Variant,
        position: &'a Position,
        database: &Database,
        session: &[(String, String)],
        timeout: Option<Duration>,
    ) -> Result<Page<'a>, BadCursor> {
        if self.caps.page_size.is_none() {
            return Ok(Page::Offset(0));
        }
        if let Position::Offset(offset) = position {
            return Ok(Page::Offset(*offset));
        }
        let Ok(plan) = self.planned(variant) else { return Ok(Page::Offset(position.rows())) };
        let sure = plan.is_sure(self, database, session, timeout.map_or(PATIENCE, |limit| limit.min(PATIENCE))).await;
        match position {
            Position::Behind(behind) if behind.order != plan.order || behind.keys.len() != plan.columns.len() => {
                Err(BadCursor)
            }
            _ if sure.is_err() => Ok(Page::Offset(position.rows())),
            Position::Behind(behind) => Ok(Page::Next(plan, behind)),
            _ => Ok(Page::First(plan)),
        }
    }

    /// Made when it is first needed: most of a server's statements wait for their first call.
    fn planned<'a>(&self, variant: &'a Variant) -> Result<&'a Plan, &'a str> {
        let planned = variant.keyset.get_or_init(|| {
            if let Connected::Each(_) = self.connection.database {
                return Err("each caller has a database of their own".to_owned());
            }
            if !self.connection.session.leaves_names_alone() {
                return Err("the `session` of its connection may change what a name means".to_owned());
            }
            let keyset = self.template.keyset(variant.number, variant.order.as_deref());
            let keyset = keyset.map_err(|why| why.to_string())?;
            let words = keyset.columns.iter().map(words).collect::<Vec<_>>();
            Ok(Box::new(Plan {
                table: keyset.table,
                columns: keyset.columns,
                order: words.join(", "),
                first: self.form(keyset.first),
                next: self.form(keyset.next),
                known: Mutex::default(),
            }))
        });
        planned.as_deref().map_err(String::as_str)
    }

    /// How pages are found, for each choice of `sort`. Asks the database.
    pub async fn paging(&self, timeout: Duration) -> Vec<(Option<String>, Paging)> {
        if self.caps.page_size.is_none() {
            return Vec::new();
        }
        let mut tables = HashMap::new();
        let mut all = Vec::new();
        for (sort, variants) in &self.orders {
            let mut paging = Vec::new();
            for variant in variants {
                paging.push(self.paging_of(variant, &mut tables, timeout).await);
            }
            // What holds for one set of arguments and not for another does not hold for the tool.
            let worst = paging.into_iter().max_by_key(|paging| match paging {
                Paging::Keyset { .. } => 0,
                Paging::Unknown { .. } => 1,
                Paging::Offset { .. } => 2,
            });
            all.extend(worst.map(|worst| (sort.clone(), worst)));
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    async fn paging_of(
        &self,
        variant: &Variant,
        tables: &mut HashMap<Vec<Name>, Result<Table, String>>,
        timeout: Duration,
    ) -> Paging {
        let plan = match self.planned(variant) {
            Ok(plan) => plan,
            Err(why) => return Paging::Offset { why: why.to_owned() },
        };
        let columns = plan.columns.iter().map(|column| column.name.text.clone()).collect();
        let Connected::Shared { connection, .. } = &self.connection.database else {
            return Paging::Offset { why: "each caller has a database of their own".to_owned() };
        };
        if !tables.contains_key(&plan.table) {
            let read = Table::read(connection, self.connection.dialect, &plan.table, Vec::new(), timeout);
            let read = tokio::time::timeout(timeout, read).await;
            tables.insert(plan.table.clone(), read.unwrap_or_else(|_| Err("it did not answer in time".to_owned())));
        }
        match &tables[&plan.table] {
            Err(why) => Paging::Unknown { columns, why: why.clone() },
            Ok(table) => match table.tells_apart(&plan.columns, self.connection.dialect) {
                Ok(()) => Paging::Keyset { columns },
                Err(why) => Paging::Offset { why },
            },
        }
    }
}

impl Plan {
    /// Whether the database knows the order to be one of all rows. Remembered, unless it could not be asked.
    async fn is_sure(
        &self,
        tool: &SqlTool,
        database: &Database,
        session: &[(String, String)],
        timeout: Duration,
    ) -> Result<(), String> {
        if let Some((asked, known)) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner)
            && asked.elapsed() < KEPT
        {
            return known.clone();
        }
        let dialect = tool.connection.dialect;
        let read = Table::read(database, dialect, &self.table, session.to_vec(), timeout).await;
        let known = read
            .inspect_err(|error| tracing::debug!(tool = &*tool.name, %error, "pages are counted: keys are not known"))?
            .tells_apart(&self.columns, dialect);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), known.clone()));
        known
    }
}

fn words(column: &KeysetColumn) -> String {
    format!("{}{}", column.name.text, if column.descending { " DESC" } else { "" })
}
