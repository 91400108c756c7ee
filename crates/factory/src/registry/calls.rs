//! How often tools are called, how many calls fail, and how long they take: for each server, tool and day. No argument, no
//! answer, no caller.

use std::time::Duration;

use super::{Error, OfOwner, Row, Transaction, value::values};
use crate::Owner;

/// Calls of one tool on one day that took about as long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Calls {
    pub server: String,
    pub tool: String,
    /// Days since 1970, in UTC.
    pub day: i64,
    /// They took no longer than this many milliseconds; the last class has no end.
    pub latency: u32,
    pub calls: u64,
    pub errors: u64,
    /// All together.
    pub micros: u64,
}

/// Where the classes of latencies end, in milliseconds.
pub const LATENCIES: [u32; 13] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, u32::MAX];
/// Days that are kept.
pub const DAYS: i64 = 400;
/// Rows of an answer.
const MOST: u32 = 50_000;

const ADD: OfOwner = OfOwner::new(
    "INSERT INTO calls (owner, server, tool, day, latency, calls, errors, micros)
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
     WHERE EXISTS (SELECT 1 FROM servers WHERE owner = ?1 AND name = ?2)
     ON CONFLICT (owner, server, tool, day, latency) DO UPDATE SET calls = calls.calls + excluded.calls,
         errors = calls.errors + excluded.errors, micros = calls.micros + excluded.micros",
);
const SINCE: OfOwner = OfOwner::new(
    "SELECT server, tool, day, latency, calls, errors, micros FROM calls
     WHERE owner = ?1 AND (?2 = '' OR server = ?2) AND day >= ?3 ORDER BY server, tool, day, latency LIMIT ?4",
);
const SWEEP: OfOwner = OfOwner::new("DELETE FROM calls WHERE owner = ?1 AND day < ?2");

impl Transaction<'_> {
    /// Adds to what is there. Of a server that was removed meanwhile nothing is kept.
    pub fn add_calls(&mut self, owner: &Owner, counted: &[Calls]) -> Result<(), Error> {
        for calls in counted {
            let Calls { server, tool, day, latency, calls, errors, micros } = calls;
            self.execute(ADD, owner, values![server, tool, *day, *latency, *calls, *errors, *micros])?;
        }
        Ok(())
    }

    /// Of one server or of all, in the order of servers, tools and days.
    pub fn calls(&mut self, owner: &Owner, server: Option<&str>, since: i64) -> Result<Vec<Calls>, Error> {
        let rows = self.rows(SINCE, owner, values![server.unwrap_or_default(), since, MOST])?;
        rows.into_iter().map(calls).collect()
    }

    /// Forgets what is too long ago.
    pub fn sweep_calls(&mut self, owner: &Owner) -> Result<u64, Error> {
        let oldest = self.now().day() - DAYS;
        self.execute(SWEEP, owner, values![oldest])
    }
}

fn calls(mut row: Row) -> Result<Calls, Error> {
    Ok(Calls {
        server: row.take()?,
        tool: row.take()?,
        day: row.take()?,
        latency: row.take()?,
        calls: row.take()?,
        errors: row.take()?,
        micros: row.take()?,
    })
}

/// The class of a call that took so long.
#[must_use]
pub fn latency_class(took: Duration) -> u32 {
    let millis = took.as_micros().div_ceil(1_000);
    *LATENCIES.iter().find(|end| millis <= u128::from(**end)).unwrap_or(&u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_in_the_class_that_ends_where_it_does_or_later() {
        for (micros, class) in
            [(0, 1), (1_000, 1), (1_001, 2), (9_999, 10), (10_000_000, 10_000), (10_000_001, u32::MAX)]
        {
            assert_eq!(latency_class(Duration::from_micros(micros)), class, "{micros}");
        }
    }
}
