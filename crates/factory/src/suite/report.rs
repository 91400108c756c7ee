//! What the tests came to: a table for people, JSON for programs.

use std::time::Duration;

use serde_json::json;

use super::client::Era;

#[derive(Debug, Clone)]
pub struct Report {
    rows: Vec<Row>,
    seed: u64,
}

/// One test, and what came of it.
#[derive(Debug, Clone)]
pub struct Row {
    pub era: Era,
    pub origin: Origin,
    pub tool: String,
    pub name: String,
    pub outcome: Outcome,
    pub time: Duration,
    /// What was called with, and what came back; empty where nothing was called.
    pub input: String,
    pub output: String,
}

impl Row {
    pub(super) fn of_protocol(era: Era, name: &str, outcome: Outcome, time: Duration) -> Self {
        let (tool, name) = ("-".to_owned(), name.to_owned());
        let (input, output) = (String::new(), String::new());
        Self { era, origin: Origin::Protocol, tool, name, outcome, time, input, output }
    }
}

/// Where a test comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// What every server must do.
    Protocol,
    /// An example of the spec.
    Written,
    /// Made from a schema.
    Generated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Arguments that nobody wrote were taken, and what the tool reaches failed, as it may: why.
    Taken(String),
    Failed(String),
    Skipped(String),
}

/// One line of the table.
struct Line<'r> {
    row: &'r Row,
    name: String,
    time: Duration,
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Written => "written",
            Self::Generated => "generated",
        }
    }
}

impl Outcome {
    const fn word(&self) -> &'static str {
        match self {
            Self::Passed | Self::Taken(_) => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::Taken(why) | Self::Failed(why) | Self::Skipped(why) => Some(why),
        }
    }
}

impl Report {
    /// Of calls that were made with this seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { rows: Vec::new(), seed }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    #[must_use]
    pub fn failed(&self) -> usize {
        self.count(|row| matches!(row.outcome, Outcome::Failed(_)))
    }

    /// Those that what the tool reaches had no good answer to.
    fn taken(&self) -> usize {
        self.count(|row| matches!(row.outcome, Outcome::Taken(_)))
    }

    fn skipped(&self) -> usize {
        self.count(|row| matches!(row.outcome, Outcome::Skipped(_)))
    }

    fn count(&self, which: impl Fn(&Row) -> bool) -> usize {
        self.rows.iter().filter(|row| which(row)).count()
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let lines = self.lines();
        let tools = lines.iter().map(|line| line.row.tool.chars().count()).max().unwrap_or(0);
        let names = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
        let mut table = String::new();
        for Line { row, name, time } in &lines {
            let word = match &row.outcome {
                Outcome::Passed | Outcome::Taken(_) => "ok",
                Outcome::Failed(_) => "FAILED",
                Outcome::Skipped(_) => "skipped",
            };
            let (era, origin) = (row.era.as_str(), row.origin.as_str());
            let time = time.as_secs_f64() * 1000.0;
            table.push_str(&format!("{era}  {origin:9}  {:tools$}  {name:names$}  {word:7}  {time:7.1} ms", row.tool));
            if let Some(why) = row.outcome.why() {
                table.push_str(&format!("  {why}"));
            }
            table.push('\n');
        }
        let (failed, skipped) = (self.failed(), self.skipped());
        let passed = self.rows.len() - failed - skipped;
        let generated = self.count(|row| row.origin == Origin::Generated);
        let written = self.count(|row| row.origin == Origin::Written);
        table.push_str(&format!(
            "{passed} passed, {failed} failed, {skipped} skipped ({written} written, {generated} generated with --seed {})\n",
            self.seed
        ));
        table.push_str(&told_of_taken(self.taken()));
        table
    }

    /// Calls that were made and went well share a line, and those that were taken and failed then have another one.
    fn lines(&self) -> Vec<Line<'_>> {
        let good =
            |row: &Row| row.origin == Origin::Generated && matches!(row.outcome, Outcome::Passed | Outcome::Taken(_));
        let is_taken = |row: &Row| matches!(row.outcome, Outcome::Taken(_));
        let mut lines: Vec<Line<'_>> = Vec::new();
        for row in &self.rows {
            if !good(row) {
                lines.push(Line { row, name: row.name.clone(), time: row.time });
                continue;
            }
            let together = |other: &&Row| {
                good(other) && is_taken(other) == is_taken(row) && other.era == row.era && other.tool == row.tool
            };
            if lines.iter().any(|line| together(&line.row)) {
                continue;
            }
            let all: Vec<&Row> = self.rows.iter().filter(together).collect();
            let answered = all.iter().filter(|row| row.name.starts_with("answers")).count();
            let calls = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
            let name = match (answered, all.len() - answered) {
                (0, taken) if is_taken(row) => format!("takes {}, which then failed", calls(taken, "call")),
                (0, refused) => format!("refuses {}", calls(refused, "wrong call")),
                (answered, 0) => format!("answers {}", calls(answered, "call")),
                (answered, refused) => {
                    format!("answers {}, refuses {}", calls(answered, "call"), calls(refused, "wrong call"))
                }
            };
            lines.push(Line { row, name, time: all.iter().map(|row| row.time).sum() });
        }
        lines
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let tests: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({ "era": row.era.as_str(), "origin": row.origin.as_str(), "tool": row.tool, "test": row.name,
                        "outcome": row.outcome.word(), "why": row.outcome.why(),
                        "milliseconds": (row.time.as_secs_f64() * 10_000.0).round() / 10.0 })
            })
            .collect();
        let (failed, skipped) = (self.failed(), self.skipped());
        json!({ "passed": self.rows.len() - failed - skipped, "taken": self.taken(), "failed": failed, "skipped": skipped,
                "seed": self.seed, "tests": tests })
    }
}

/// The line behind a report for people of so many calls, if there are any.
#[must_use]
pub fn told_of_taken(calls: usize) -> String {
    match calls {
        0 => String::new(),
        1 => {
            "1 of those that passed was taken and failed behind the tool: its arguments were made up, so that may be\n"
                .to_owned()
        }
        calls => {
            format!(
                "{calls} of those that passed were taken and failed behind the tool: their arguments were made up, so that may be\n"
            )
        }
    }
}
