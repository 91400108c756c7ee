//! Names of tables and columns as they stand in a statement. Whatever a name holds, it stays one name.

use mcp_factory_spec::sql::{Dialect, Template};

/// Bare where it is plainly a name, else in quotes. Nothing for a name that the language's own reader does not read as it is.
pub fn name(name: &str, dialect: Dialect) -> Option<String> {
    if name.is_empty() || name.contains('\0') {
        return None;
    }
    if is_plain(name, dialect) {
        return Some(name.to_owned());
    }
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push(quote);
    for character in name.chars() {
        if character == quote {
            quoted.push(quote);
        }
        quoted.push(character);
    }
    quoted.push(quote);
    (read_back(&quoted, dialect).as_deref() == Some(name)).then_some(quoted)
}

/// The name that a statement reads, if it reads one column of one table.
fn read_back(quoted: &str, dialect: Dialect) -> Option<String> {
    let text = format!("SELECT {quoted} FROM t WHERE {quoted} = :x ORDER BY {quoted}");
    let template = Template::parse(&text, dialect).ok()?;
    if template.placeholders().len() != 1 || template.variants() != 1 || !template.reads() {
        return None;
    }
    let keyset = template.keyset(0, None).ok()?;
    (keyset.columns.len() == 1).then(|| keyset.columns[0].name.text.clone())
}

/// A text as a literal.
pub fn literal(text: &str) -> Option<String> {
    // A backslash is an escape in some modes of some databases, and no two read it alike.
    (!text.contains(['\0', '\\'])).then(|| format!("'{}'", text.replace('\'', "''")))
}

fn is_plain(name: &str, dialect: Dialect) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_uppercase());
    let goes_on = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let folds = dialect == Dialect::Postgres && name.bytes().any(|byte| byte.is_ascii_uppercase());
    begins && goes_on && !folds && RESERVED.binary_search(&&*name.to_ascii_lowercase()).is_err()
}

/// Words that mean something in one of the databases, or to the parser. A name that is quoted without need costs nothing.
const RESERVED: &[&str] = &[
    "abort",
    "accessible",
    "action",
    "add",
    "after",
    "all",
    "alter",
    "always",
    "analyse",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asensitive",
    "asof",
    "asymmetric",
    "at",
    "attach",
    "authorization",
    "autoincrement",
    "before",
    "begin",
    "between",
    "bigint",
    "binary",
    "bit",
    "blob",
    "boolean",
    "both",
    "by",
    "call",
    "cascade",
    "case",
    "cast",
    "change",
    "char",
    "character",
    "check",
    "cluster",
    "coalesce",
    "collate",
    "collation",
    "column",
    "commit",
    "concurrently",
    "condition",
    "conflict",
    "connect",
    "constraint",
    "continue",
    "convert",
    "create",
    "cross",
    "cube",
    "cume_dist",
    "current",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "cursor",
    "database",
    "databases",
    "date",
    "datetime",
    "day_hour",
    "day_microsecond",
    "day_minute",
    "day_second",
    "dec",
    "decimal",
    "declare",
    "default",
    "deferrable",
    "deferred",
    "delayed",
    "delete",
    "delimited",
    "dense_rank",
    "desc",
    "describe",
    "detach",
    "deterministic",
    "distinct",
    "distinctrow",
    "distribute",
    "div",
    "do",
    "do_domain_ids",
    "double",
    "drop",
    "dual",
    "each",
    "else",
    "elseif",
    "emit",
    "empty",
    "enclosed",
    "end",
    "end-exec",
    "escape",
    "escaped",
    "except",
    "exclude",
    "exclusive",
    "exec",
    "exists",
    "exit",
    "explain",
    "extract",
    "fail",
    "false",
    "fetch",
    "filter",
    "final",
    "first",
    "first_value",
    "float",
    "float4",
    "float8",
    "following",
    "for",
    "force",
    "foreign",
    "format",
    "freeze",
    "from",
    "full",
    "fulltext",
    "function",
    "generated",
    "get",
    "glob",
    "global",
    "grant",
    "greatest",
    "group",
    "grouping",
    "groups",
    "having",
    "high_priority",
    "hour_microsecond",
    "hour_minute",
    "hour_second",
    "if",
    "ignore",
    "ignore_domain_ids",
    "ilike",
    "immediate",
    "in",
    "index",
    "indexed",
    "infile",
    "initially",
    "inner",
    "inout",
    "insensitive",
    "insert",
    "instead",
    "int",
    "int1",
    "int2",
    "int3",
    "int4",
    "int8",
    "integer",
    "intersect",
    "interval",
    "into",
    "io_after_gtids",
    "io_before_gtids",
    "is",
    "isnull",
    "iterate",
    "join",
    "json_table",
    "key",
    "keys",
    "kill",
    "lag",
    "last",
    "last_value",
    "lateral",
    "lead",
    "leading",
    "least",
    "leave",
    "left",
    "like",
    "limit",
    "linear",
    "lines",
    "load",
    "localtime",
    "localtimestamp",
    "lock",
    "long",
    "longblob",
    "longtext",
    "loop",
    "low_priority",
    "master_bind",
    "master_heartbeat_period",
    "master_ssl_verify_server_cert",
    "match",
    "match_recognize",
    "materialized",
    "maxvalue",
    "mediumblob",
    "mediumint",
    "mediumtext",
    "middleint",
    "minus",
    "minute_microsecond",
    "minute_second",
    "mod",
    "modifies",
    "national",
    "natural",
    "nchar",
    "new",
    "no",
    "no_write_to_binlog",
    "none",
    "normalize",
    "not",
    "nothing",
    "notnull",
    "nth_value",
    "ntile",
    "null",
    "nullif",
    "nulls",
    "numeric",
    "of",
    "off",
    "offset",
    "old",
    "on",
    "only",
    "open",
    "optimize",
    "optimizer_costs",
    "option",
    "optionally",
    "or",
    "order",
    "others",
    "out",
    "outer",
    "outfile",
    "output",
    "over",
    "overlaps",
    "overlay",
    "page_checksum",
    "parse_vcol_expr",
    "partition",
    "percent_rank",
    "pivot",
    "placing",
    "plan",
    "position",
    "pragma",
    "preceding",
    "precision",
    "prewhere",
    "primary",
    "procedure",
    "purge",
    "qualify",
    "query",
    "raise",
    "range",
    "rank",
    "read",
    "read_write",
    "reads",
    "real",
    "recursive",
    "ref_system_id",
    "references",
    "regexp",
    "reindex",
    "release",
    "rename",
    "repeat",
    "replace",
    "require",
    "resignal",
    "restrict",
    "return",
    "returning",
    "revoke",
    "right",
    "rlike",
    "rollback",
    "row",
    "row_number",
    "rows",
    "sample",
    "savepoint",
    "schema",
    "schemas",
    "second_microsecond",
    "select",
    "semi",
    "sensitive",
    "separator",
    "session_user",
    "set",
    "setof",
    "settings",
    "show",
    "signal",
    "similar",
    "slow",
    "smallint",
    "some",
    "sort",
    "spatial",
    "specific",
    "sql",
    "sql_big_result",
    "sql_calc_found_rows",
    "sql_small_result",
    "sqlexception",
    "sqlstate",
    "sqlwarning",
    "ssl",
    "start",
    "starting",
    "stats_auto_recalc",
    "stats_persistent",
    "stats_sample_pages",
    "stored",
    "straight_join",
    "substring",
    "symmetric",
    "system",
    "system_user",
    "table",
    "tablesample",
    "temp",
    "temporary",
    "terminated",
    "then",
    "ties",
    "time",
    "timestamp",
    "tinyblob",
    "tinyint",
    "tinytext",
    "to",
    "top",
    "trailing",
    "transaction",
    "treat",
    "trigger",
    "trim",
    "true",
    "truncate",
    "unbounded",
    "undo",
    "union",
    "unique",
    "unlock",
    "unnest",
    "unpivot",
    "unsigned",
    "update",
    "usage",
    "use",
    "user",
    "using",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "vacuum",
    "values",
    "varbinary",
    "varchar",
    "varcharacter",
    "variadic",
    "varying",
    "verbose",
    "view",
    "virtual",
    "when",
    "where",
    "while",
    "window",
    "with",
    "within",
    "without",
    "write",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
    "xor",
    "year_month",
    "zerofill",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

    #[test]
    fn reserved_words_are_sorted_and_quoted() {
        assert!(RESERVED.is_sorted());
        for word in RESERVED {
            for dialect in DIALECTS {
                let quoted = name(word, dialect).unwrap();
                assert_ne!(quoted, *word);
                assert_eq!(read_back(&quoted, dialect).as_deref(), Some(*word), "{dialect:?}");
            }
        }
    }

    #[test]
    fn plain_names_stay_as_they_are() {
        for plain in ["id", "film_id", "_x", "a1"] {
            assert!(DIALECTS.iter().all(|dialect| name(plain, *dialect).as_deref() == Some(plain)));
        }
        assert_eq!(name("FilmId", Dialect::Postgres).unwrap(), "\"FilmId\"");
        assert_eq!(name("FilmId", Dialect::Sqlite).unwrap(), "FilmId");
        assert_eq!(name("a`b\"c", Dialect::Mysql).unwrap(), "`a``b\"c`");
        assert_eq!(name("a`b\"c", Dialect::Sqlite).unwrap(), "\"a`b\"\"c\"");
        assert_eq!(name("a\0b", Dialect::Sqlite), None);
        assert_eq!(name("", Dialect::Sqlite), None);
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_as_it_is(text in "[^\0]{1,70}") {
            for dialect in DIALECTS {
                // PostgreSQL's grammar here does not read a backslash before a quote; nothing is ever read as something else.
                match name(&text, dialect) {
                    Some(quoted) => prop_assert_eq!(read_back(&quoted, dialect), Some(text.clone())),
                    None => prop_assert!(text.contains(['\\', '"', '`']), "{:?} {:?}", dialect, text),
                }
            }
        }

        #[test]
        fn a_name_of_signs_that_mean_something_is_read_back(
            parts in prop::collection::vec(prop::sample::select(vec![
                "\"", "'", "`", "[[ ", " ]]", "]]", ":x", "$1", "?", "?1", "@a", "--", "/*", "*/", ";", "\\", "{{", "}}", "{a}", "::", "$$",
                "\n", "\r", "\t", " ", "ä", "日本", "a", "E'", "#", "(", ")", ",", ".", ":principal.id", "\u{202e}", "🦀",
            ]), 1..12)
        ) {
            let text = parts.concat();
            for dialect in DIALECTS {
                // PostgreSQL's grammar here does not read a backslash before a quote; nothing is ever read as something else.
                match name(&text, dialect) {
                    Some(quoted) => prop_assert_eq!(read_back(&quoted, dialect), Some(text.clone())),
                    None => prop_assert!(text.contains(['\\', '"', '`']), "{:?} {:?}", dialect, text),
                }
            }
        }

        #[test]
        fn a_literal_is_one_literal(text in ".{0,40}") {
            for dialect in DIALECTS {
                if let Some(literal) = literal(&text) {
                    let template = Template::parse(&format!("SELECT {literal} AS a"), dialect);
                    prop_assert!(template.is_ok_and(|template| template.placeholders().is_empty()), "{:?} {}", dialect, literal);
                }
            }
        }
    }
}
