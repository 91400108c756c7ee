#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_spec::sql::{Dialect, Template};

// In every dialect: no panic, placeholders where they are said to be, and a statement for every variant.
fuzz_target!(|text: &str| {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        let Ok(template) = Template::parse(text, dialect) else { continue };
        for placeholder in template.placeholders() {
            assert!(text[placeholder.offset..].starts_with(&format!(":{}", placeholder.name)));
        }
        for variant in 0..template.variants() {
            if let Ok(statement) = template.statement(variant, None, false) {
                let _ = statement.render(|_| 3);
            }
        }
    }
});
