//! SQL texts that can't forget whose rows they are about: that is looked at when they are compiled.

/// About rows of one owner, who is `?1`: handed over as an [`Owner`](crate::Owner) and bound before anything else.
#[derive(Debug, Clone, Copy)]
pub struct OfOwner(pub(super) &'static str);

/// About rows of everybody. Runs for an [`Operator`](crate::Operator) only.
#[derive(Debug, Clone, Copy)]
pub struct OfAll(pub(super) &'static str);

impl OfOwner {
    /// Every table that is read is restricted to the owner, and what is written down gets them.
    pub const fn new(sql: &'static str) -> Self {
        let restricted = count(sql, "owner = ?1");
        let read = count(sql, "FROM ") + count(sql, "JOIN ");
        let inserts = begins(sql, "INSERT INTO ");
        assert!(restricted >= read, "each table of the statement needs its own `owner = ?1`");
        assert!(!inserts || count(sql, " (owner, ") > 0, "the owner is the first column of what is inserted");
        assert!(
            !inserts || count(sql, " VALUES (?1, ") > 0 || count(sql, " SELECT ?1, ") > 0,
            "the owner is the first value of what is inserted"
        );
        assert!(
            count(sql, "ON CONFLICT (") == count(sql, "ON CONFLICT (owner"),
            "a conflict is one with one's own row"
        );
        assert!(inserts || restricted > 0, "the statement names no owner");
        Self(sql)
    }
}

impl OfAll {
    pub const fn new(sql: &'static str) -> Self {
        Self(sql)
    }
}

const fn begins(text: &str, with: &str) -> bool {
    at(text.as_bytes(), 0, with.as_bytes())
}

const fn count(text: &str, part: &str) -> usize {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let (mut place, mut count) = (0, 0);
    while place < text.len() {
        if at(text, place, part) {
            count += 1;
        }
        place += 1;
    }
    count
}

const fn at(text: &[u8], place: usize, part: &[u8]) -> bool {
    let mut index = 0;
    while index < part.len() {
        if place + index >= text.len() || text[place + index] != part[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &'static str) -> bool {
        std::panic::catch_unwind(|| OfOwner::new(sql)).is_err()
    }

    /// S5-54.
    #[test]
    fn a_statement_that_forgets_the_owner_does_not_compile() {
        for sql in [
            "SELECT name FROM servers",
            "SELECT name FROM servers WHERE owner = ?2",
            "SELECT 1 FROM servers WHERE owner = ?1 AND name IN (SELECT server FROM tags)",
            "SELECT 1 FROM servers JOIN tags ON tags.server = servers.name WHERE servers.owner = ?1",
            "UPDATE servers SET latest = ?1",
            "DELETE FROM servers WHERE name = ?1",
            "INSERT INTO tags (server, owner) VALUES (?1, ?2)",
            "INSERT INTO tags (owner, server) VALUES (?2, ?1)",
            "INSERT INTO servers (owner, name) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner",
        ] {
            assert!(refused(sql), "{sql}");
        }
        for sql in [
            "SELECT name FROM servers WHERE owner = ?1",
            "UPDATE servers SET latest = ?2 WHERE owner = ?1",
            "INSERT INTO tags (owner, server) VALUES (?1, ?2) ON CONFLICT (owner, server) DO NOTHING",
        ] {
            assert!(!refused(sql), "{sql}");
        }
    }
}
