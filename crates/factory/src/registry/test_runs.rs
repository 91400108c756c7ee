//! What came of the tests of a server's versions.

use semver::Version;

use super::{Clock, Error, OfOwner, Page, Paged, Row, Timestamp, Transaction, value::values};
use crate::Owner;

/// One test that was run. Input and output are the example's, not a caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// In the order of time; given when it is written down.
    pub id: String,
    pub at: Timestamp,
    pub server: String,
    pub version: Version,
    pub test: String,
    pub tool: String,
    pub passed: bool,
    pub input: String,
    pub output: String,
    pub micros: u64,
}

/// Kept of one server.
pub const MOST: u32 = 1_000;
/// Of an input or output, in bytes.
const LONGEST: usize = 8 << 10;

const ADD: OfOwner = OfOwner::new(
    "INSERT INTO test_runs (owner, id, server, version, test, tool, passed, input, output, micros)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
);
const LIST: OfOwner = OfOwner::new(
    "SELECT id, server, version, test, tool, passed, input, output, micros
     FROM test_runs WHERE owner = ?1 AND server = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
);
const SWEEP: OfOwner = OfOwner::new(
    "DELETE FROM test_runs WHERE owner = ?1 AND server = ?2 AND id <= (
         SELECT id FROM test_runs WHERE owner = ?1 AND server = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
);

impl Transaction<'_> {
    pub fn add_test_run(&mut self, owner: &Owner, run: &TestRun) -> Result<(), Error> {
        let id = self.id();
        let values = values![
            &id,
            &run.server,
            &run.version,
            &run.test,
            &run.tool,
            run.passed,
            cut(&run.input),
            cut(&run.output),
            run.micros
        ];
        self.execute(ADD, owner, values)?;
        self.execute(SWEEP, owner, values![&run.server, MOST]).map(drop)
    }

    /// The newest first.
    pub fn test_runs(&mut self, owner: &Owner, server: &str, page: &Page) -> Result<Paged<TestRun>, Error> {
        let rows = self.rows(LIST, owner, values![server, page.before(), page.rows()])?;
        let runs = rows.into_iter().map(run).collect::<Result<_, _>>()?;
        Ok(page.cut(runs, |run: &TestRun| run.id.clone()))
    }
}

fn run(mut row: Row) -> Result<TestRun, Error> {
    let id: String = row.take()?;
    Ok(TestRun {
        at: Clock::time_of(&id).ok_or(Error::Content)?,
        id,
        server: row.take()?,
        version: row.take()?,
        test: row.take()?,
        tool: row.take()?,
        passed: row.take()?,
        input: row.take()?,
        output: row.take()?,
        micros: row.take()?,
    })
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}
