#![no_main]

#[path = "../../crates/intake/tests/it/database/made.rs"]
mod made;

use libfuzzer_sys::fuzz_target;
use mcp_factory_fuzz::proposal;
use mcp_factory_intake::database::{Options, propose, schema::Schema};
use mcp_factory_spec::sql::Dialect;

// What a database says of its tables: whoever may make tables decides it.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let dialect = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite][usize::from(first % 3)];
    let schema = Schema::of(dialect, &made::answers(dialect, rest));
    let scope = Some("owner".to_owned()).filter(|_| first & 64 != 0);
    proposal(propose(
        &schema,
        &Options { database: "shop".to_owned(), writes: first & 128 != 0, scope, ..Options::default() },
    ));
});
