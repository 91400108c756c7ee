//! How the tables came to be what they are. A migration that was released is never changed; what comes later is another.

use super::Error;

/// The first makes everything, each other one changes what the one before left.
pub const ALL: [&str; 6] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_factories.sql"),
    include_str!("migrations/0003_shared_connections.sql"),
    include_str!("migrations/0004_replicas.sql"),
    include_str!("migrations/0005_imports.sql"),
    include_str!("migrations/0006_origins.sql"),
];

pub const MAKE: &str = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";
pub const FOUND: &str = "SELECT coalesce(max(version), 0) FROM schema_version";
pub const DONE: &str = "INSERT INTO schema_version (version) VALUES (?1)";

/// Which there still are to do, with their numbers.
pub fn missing(found: i64) -> Result<impl Iterator<Item = (i64, &'static str)>, Error> {
    let known = i64::try_from(ALL.len()).expect("there are few");
    if !(0..=known).contains(&found) {
        return Err(Error::Newer { found, known });
    }
    Ok((1..).zip(ALL).skip_while(move |(number, _)| *number <= found))
}
