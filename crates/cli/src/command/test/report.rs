//! What the tests came to: a table for people, one JSON line for programs.

use std::time::Duration;

use serde_json::json;

use super::client::Era;
use crate::args::Output;

#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    era: Era,
    tool: String,
    name: String,
    outcome: Outcome,
    time: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Report {
    pub fn add(&mut self, era: Era, tool: &str, name: &str, outcome: Outcome, time: Duration) {
        self.rows.push(Row { era, tool: tool.to_owned(), name: name.to_owned(), outcome, time });
    }

    pub fn failed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed(_))).count()
    }

    pub fn rendered(&self, output: Output) -> String {
        match output {
            Output::Text => self.table(),
            Output::Json => format!("{}\n", self.json()),
        }
    }

    fn counts(&self) -> (usize, usize, usize) {
        let skipped = self.rows.iter().filter(|row| matches!(row.outcome, Outcome::Skipped(_))).count();
        let failed = self.failed();
        (self.rows.len() - failed - skipped, failed, skipped)
    }

    fn table(&self) -> String {
        let width = |of: fn(&Row) -> &str| self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
        let (tools, names) = (width(|row| &row.tool), width(|row| &row.name));
        let mut table = String::new();
        for row in &self.rows {
            let (word, why) = match &row.outcome {
                Outcome::Passed => ("ok", None),
                Outcome::Failed(why) => ("FAILED", Some(why)),
                Outcome::Skipped(why) => ("skipped", Some(why)),
            };
            let time = row.time.as_secs_f64() * 1000.0;
            table.push_str(&format!(
                "{:10}  {:tools$}  {:names$}  {word:7}  {time:6.1} ms",
                row.era.as_str(),
                row.tool,
                row.name
            ));
            if let Some(why) = why {
                table.push_str(&format!("  {why}"));
            }
            table.push('\n');
        }
        let (passed, failed, skipped) = self.counts();
        table.push_str(&format!("{passed} passed, {failed} failed, {skipped} skipped\n"));
        table
    }

    fn json(&self) -> serde_json::Value {
        let tests: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let (outcome, why) = match &row.outcome {
                    Outcome::Passed => ("passed", None),
                    Outcome::Failed(why) => ("failed", Some(why)),
                    Outcome::Skipped(why) => ("skipped", Some(why)),
                };
                json!({ "era": row.era.as_str(), "tool": row.tool, "test": row.name, "outcome": outcome, "why": why,
                        "milliseconds": (row.time.as_secs_f64() * 10_000.0).round() / 10.0 })
            })
            .collect();
        let (passed, failed, skipped) = self.counts();
        json!({ "passed": passed, "failed": failed, "skipped": skipped, "tests": tests })
    }
}
