//! A sink that keeps everything, and short ways to ask.

use std::{ops::ControlFlow, sync::Arc};

use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{
        Access, Cell, Columns, Database, DatabaseConfig, Error, Hint, Outcome, Parameter, RowSink, RunOptions,
        Statement,
    },
};
use serde_json::Value;

/// The rows as `Debug` of their cells.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Collect {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub limit: Option<usize>,
    pub resets: usize,
}

impl RowSink for Collect {
    fn columns(&mut self, columns: &Columns) {
        self.columns = columns.iter().map(|column| column.name.to_string()).collect();
    }

    fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        let row = self.rows.last_mut().expect("a row has begun");
        assert_eq!(row.len(), index);
        row.push(format!("{cell:?}"));
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        if self.limit.is_some_and(|limit| self.rows.len() >= limit) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn reset(&mut self) {
        *self = Self { limit: self.limit, resets: self.resets + 1, ..Self::default() };
    }
}

pub fn open(config: DatabaseConfig) -> Database {
    Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator())).unwrap()
}

pub fn read(text: &str, hints: &[Hint]) -> Statement {
    statement(text, hints, Access::Read)
}

pub fn write(text: &str, hints: &[Hint]) -> Statement {
    statement(text, hints, Access::Write)
}

fn statement(text: &str, hints: &[Hint], access: Access) -> Statement {
    let parameters = hints.iter().enumerate().map(|(index, hint)| Parameter::new(format!("p{}", index + 1), *hint));
    Statement::new(text, parameters.collect(), access)
}

pub async fn run(
    database: &Database,
    statement: &Statement,
    arguments: Vec<Value>,
) -> Result<(Collect, Outcome), Error> {
    database.run(statement, arguments, Collect::default(), &RunOptions::default()).await
}

pub async fn rows(database: &Database, text: &str) -> Vec<Vec<String>> {
    run(database, &read(text, &[]), Vec::new()).await.unwrap().0.rows
}

pub async fn execute(database: &Database, text: &str) -> Outcome {
    run(database, &write(text, &[]), Vec::new()).await.unwrap().1
}
