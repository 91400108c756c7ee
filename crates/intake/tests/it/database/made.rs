//! What a database may say of itself, made of any bytes: names that mean something somewhere, defaults, checks and comments that
//! people would not write. The fuzz target `catalogue` makes it in the same way.

use mcp_factory_intake::database::catalogue::Rows;
use mcp_factory_spec::sql::Dialect;
use serde_json::{Value, json};

/// Parts of names and texts.
#[rustfmt::skip]
const PARTS: &[&str] = &[
    "a", "B", "_", " ", "1", ".", "\"", "'", "`", "\\", "\n", "\r", "\t", ":x", ":principal.id", "$1", "$$", "?", "{x}", "{{y}}",
    "[[", "]]", "--", "/*", "*/", "#", ";", "%", "@", "select", "order", "user", "group", "limit", "query", "cursor", "sort",
    "principal", "call_id", "id", "name", "kind", "price", "made", "password", "ünï", "日本", "🦀", "\u{0}", "\u{feff}", "\u{202e}", "<b>",
    "postgres://a:hunter2@b/c", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

#[rustfmt::skip]
const DEFAULTS: &[&str] = &[
    "0", "-1.50", "-", ".", "'a'", "'it''s'", "'a'::text", "'a'::weird \"type\"", "'a\\'", "(('b'))", "now()", "nextval('s'::regclass)", "NULL",
    "'x' || :y", "1; DROP TABLE t", "(1", "'", "''", "CURRENT_TIMESTAMP", "true", "ARRAY['a']", "$1", "{{x}}", "[[ 1 ]]", "'[[ :x ]]'",
];

#[rustfmt::skip]
const CHECKS: &[&str] = &[
    "(@ >= 0)", "@ IN ('a', 'it''s', '{x}', '')", "@ BETWEEN 5 AND 1", "((@)::text = ANY ((ARRAY['a'::character varying])::text[]))",
    "(@ > 99999999999999999999)", "@ > 9223372036854775807", "length(@) > 3", "(((((", "@ IN ()", "'", "@ IN ('\\')", "CHECK (@ < -9223372036854775808)",
    "VALUE > 0", "@ = @ AND @ >= 1 AND @ <= 0", "`@` in ('a','b')", "@ IN (:x, ?, $1)",
];

#[rustfmt::skip]
const PG_TYPES: &[(&str, &str, &str)] = &[
    ("int4", "b", "N"), ("text", "b", "S"), ("varchar", "b", "S"), ("numeric", "b", "N"), ("bool", "b", "B"), ("timestamptz", "b", "D"),
    ("date", "b", "D"), ("jsonb", "b", "U"), ("bytea", "b", "U"), ("uuid", "b", "U"), ("mood", "e", "E"), ("_text", "b", "A"), ("tsvector", "b", "U"),
    ("money", "b", "N"), ("box", "b", "G"), ("range", "r", "R"), ("interval", "b", "T"), ("", "", ""),
];

#[rustfmt::skip]
const OTHER_TYPES: &[&str] = &[
    "INTEGER", "int", "varchar", "VARCHAR(40)", "text", "decimal", "DECIMAL(10, 2)", "tinyint", "date", "datetime", "TIMESTAMP", "json", "blob", "enum",
    "geometry", "double", "REAL", "time", "uuid", "", "CHAR(x)", "BOOLEAN", "bit",
];

const COLUMN_TYPES: &[&str] =
    &["enum('a','it''s','{x}',':y')", "enum(", "tinyint(1)", "int(11) unsigned", "set('a')", ""];

/// Takes one byte after the other, and then zeros.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first)
            }
            None => 0,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() % end.max(1)
    }

    fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    fn yes(&mut self) -> bool {
        self.next() % 2 == 1
    }

    fn text(&mut self) -> String {
        let parts = 1 + self.below(4);
        (0..parts)
            .map(|_| match self.next() {
                character @ 0..96 => char::from(u8::try_from(character + 32).unwrap_or(b' ')).to_string(),
                _ => (*self.of(PARTS)).to_owned(),
            })
            .collect()
    }

    fn maybe(&mut self, value: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.yes() { value(self) } else { Value::Null }
    }
}

/// PostgreSQL writes types of such names so.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// Answers in the order of the questions, with as many tables and columns as there are bytes for.
pub fn answers(dialect: Dialect, bytes: &[u8]) -> Vec<Option<Rows>> {
    let mut from = Bytes(bytes);
    let [mut tables, mut columns, mut keys, mut references, mut checks] = [const { Rows::new() }; 5];
    let mut named: Vec<(Value, String, Vec<String>)> = Vec::new();
    let count = 1 + from.below(4);
    for number in 0..count {
        let name = from.text();
        let id = if dialect == Dialect::Postgres { json!(number) } else { json!(name) };
        let mut own = Vec::new();

        let is_view = from.next() % 8 == 7;
        for _ in 0..1 + from.below(6) {
            let column = from.text();
            if own.contains(&column) {
                continue;
            }
            let default = from.maybe(|from| json!(from.of(DEFAULTS)));
            let comment = from.maybe(|from| json!(from.text()));
            columns.push(match dialect {
                Dialect::Postgres => {
                    let (kind, class, category) = from.of(PG_TYPES);
                    let labels = if *class == "e" { json!([from.text(), from.text()]) } else { Value::Null };
                    vec![
                        id.clone(),
                        json!(column),
                        json!(kind),
                        json!(class),
                        json!(category),
                        json!("text"),
                        json!(from.yes()),
                        json!(if from.yes() { quoted(&from.text()) } else { (*kind).to_owned() }),
                        json!(from.next()),
                        json!(from.yes()),
                        default,
                        json!(from.next() % 8 == 7),
                        json!(from.next() % 8 == 7),
                        comment,
                        labels,
                        json!(from.yes()),
                    ]
                }
                Dialect::Mysql => vec![
                    json!(name),
                    json!(column),
                    json!(from.of(OTHER_TYPES)),
                    json!(from.of(COLUMN_TYPES)),
                    json!(from.next()),
                    json!(if from.yes() { "YES" } else { "NO" }),
                    default,
                    json!(from.of(&["", "auto_increment", "VIRTUAL GENERATED"])),
                    comment,
                    json!(from.of(&["utf8mb4_bin", "utf8mb4_general_ci"])),
                ],
                Dialect::Sqlite => vec![
                    json!(name),
                    json!(column),
                    json!(from.of(OTHER_TYPES)),
                    json!(from.below(2)),
                    default,
                    json!(if from.next() % 4 == 0 { own.len() + 1 } else { 0 }),
                    json!(from.of(&[0, 0, 0, 1, 2, 3])),
                    json!(0),
                ],
            });
            own.push(column);
        }
        if from.yes() {
            let clause = from.of(CHECKS).replace("@", from.of::<String>(&own));
            checks.push(match dialect {
                Dialect::Postgres => vec![id.clone(), from.maybe(|from| json!(from.of(&own))), json!(clause)],
                _ => vec![id.clone(), json!(clause)],
            });
        }
        let create = format!("CREATE TABLE x (CHECK ({}))", from.of(CHECKS).replace("@", &own[0]));
        tables.push(match dialect {
            Dialect::Postgres => vec![
                id.clone(),
                from.maybe(|from| json!(from.text())),
                json!(name),
                json!(if is_view { "v" } else { "r" }),
                from.maybe(|from| json!(from.text())),
                json!(from.yes()),
                json!(from.yes()),
                json!(true),
                json!(from.yes()),
                json!(true),
                json!("(owner = current_setting('app.user'::text))"),
            ],
            Dialect::Mysql => vec![
                id.clone(),
                json!(if is_view { "VIEW" } else { "BASE TABLE" }),
                json!(if is_view { "VIEW".to_owned() } else { from.text() }),
                json!("11.4-MariaDB"),
            ],
            Dialect::Sqlite => vec![id.clone(), json!(if is_view { "view" } else { "table" }), json!(create)],
        });
        let key: Vec<&String> = own.iter().take(1 + from.below(2)).collect();
        match dialect {
            Dialect::Postgres => keys.push(vec![id.clone(), json!(from.yes()), json!(key)]),
            Dialect::Mysql => {
                keys.extend(key.iter().map(|column| vec![id.clone(), json!("PRIMARY"), json!(column), Value::Null]));
            }
            Dialect::Sqlite => keys.extend(key.iter().map(|column| vec![id.clone(), json!("i"), json!(column)])),
        }
        named.push((id, name, own));
    }
    for _ in 0..from.below(4) {
        let (id, _, own) = from.of(&named).clone();
        let (_, target, theirs) = from.of(&named).clone();
        let (column, other) = (from.of(&own).clone(), from.of(&theirs).clone());
        references.push(match dialect {
            Dialect::Postgres => vec![id, json!([column]), Value::Null, json!(target), json!([other])],
            Dialect::Mysql => {
                vec![id, json!(from.next().to_string()), json!(column), Value::Null, json!(target), json!(other)]
            }
            Dialect::Sqlite => vec![id, json!(from.next()), json!(column), json!(target), from.maybe(|_| json!(other))],
        });
    }
    let last = if dialect == Dialect::Sqlite { Rows::new() } else { checks };
    vec![Some(tables), Some(columns), Some(keys), Some(references), from.yes().then_some(last)]
}
