//! PostgreSQL's catalogue.

use super::{Question, Rows, Tables, check, default_of, list, number, option, text, yes};
use crate::database::schema::{Column, ColumnKind, Default, Kind, Reference, RowSecurity};

const REQUIRED: Question = Question { text: "", takes_schema: true, optional: None };

pub const QUESTIONS: &[Question] = &[
    Question { text: TABLES, ..REQUIRED },
    Question { text: COLUMNS, ..REQUIRED },
    Question { text: KEYS, ..REQUIRED },
    Question { text: REFERENCES, ..REQUIRED },
    Question { text: CHECKS, ..REQUIRED },
];

/// What an extension made is its own. Partitions are read through their table.
const TABLES: &str = "
SELECT c.oid::int8, CASE WHEN $1::text IS NULL AND NOT pg_catalog.pg_table_is_visible(c.oid) THEN n.nspname::text END,
  c.relname::text, c.relkind::text, pg_catalog.obj_description(c.oid, 'pg_class'),
  c.relrowsecurity, pg_catalog.row_security_active(c.oid),
  pg_catalog.has_table_privilege(c.oid, 'INSERT') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
  pg_catalog.has_table_privilege(c.oid, 'UPDATE') OR pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'),
  pg_catalog.has_table_privilege(c.oid, 'DELETE'),
  (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)), ' ') FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Of a domain the type below it, and the one below that.
const COLUMNS: &str = "
SELECT c.oid::int8, a.attname::text, b.typname::text, b.typtype::text, b.typcategory::text, e.typname::text,
  b.typnamespace = 'pg_catalog'::regnamespace, pg_catalog.format_type(a.atttypid, a.atttypmod),
  GREATEST(a.atttypmod, t.typtypmod) - 4, a.attnotnull OR t.typnotnull,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '', a.attgenerated <> '',
  pg_catalog.col_description(c.oid, a.attnum),
  CASE WHEN b.typtype = 'e' THEN
    (SELECT pg_catalog.json_agg(l.enumlabel::text ORDER BY l.enumsortorder) FROM pg_catalog.pg_enum l WHERE l.enumtypid = b.oid)
  END, COALESCE(k.collisdeterministic, true)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type u ON u.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN u.typtype = 'd' THEN u.typbasetype ELSE u.oid END
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END
  AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.oid, a.attnum";

const KEYS: &str = "
SELECT i.indrelid::int8, i.indisprimary,
  (SELECT pg_catalog.json_agg(a.attname::text ORDER BY n) FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS n
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n])
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisexclusion
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END
ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid";

const REFERENCES: &str = "
SELECT k.conrelid::int8,
  (SELECT pg_catalog.json_agg(a.attname::text ORDER BY x.n) FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS x (num, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.num),
  CASE WHEN $1::text IS NULL AND NOT pg_catalog.pg_table_is_visible(k.confrelid) OR r.relnamespace <> c.relnamespace AND $1::text IS NOT NULL
    THEN m.nspname::text END,
  r.relname::text,
  (SELECT pg_catalog.json_agg(a.attname::text ORDER BY x.n) FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS x (num, n)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.num)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class r ON r.oid = k.confrelid JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END
ORDER BY k.conrelid, k.conname";

/// Of tables, and of the domains of their columns.
const CHECKS: &str = "
SELECT c.oid::int8, NULL::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'c'
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END
UNION ALL
SELECT c.oid::int8, a.attname::text, pg_catalog.pg_get_expr(k.conbin, 0)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a ON a.atttypid = k.contypid AND NOT a.attisdropped
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'c' AND k.contypid <> 0
  AND CASE WHEN $1::text IS NULL THEN n.nspname = ANY (pg_catalog.current_schemas(false)) ELSE n.nspname = $1::text END";

pub fn fill<'a>(tables: &mut Tables, answer: impl Fn(usize) -> &'a Rows) {
    for row in answer(0) {
        let kind = if matches!(&*text(row, 3), "v" | "m") { Kind::View } else { Kind::Table };
        let table = tables.add(text(row, 0), option(row, 1), text(row, 2), kind, text(row, 4));
        let settings = settings(&text(row, 10));
        table.row_security = match (yes(row, 5), yes(row, 6)) {
            (false, _) => RowSecurity::None,
            (true, true) => RowSecurity::Holds { settings },
            (true, false) => RowSecurity::PassedBy { settings },
        };
        table.insertable &= yes(row, 7);
        table.updatable &= yes(row, 8);
        table.deletable &= yes(row, 9);
    }
    for row in answer(1) {
        if let Some(table) = tables.get(&text(row, 0)) {
            table.columns.push(column(row));
        }
    }
    for row in answer(2) {
        let Some(table) = tables.get(&text(row, 0)) else { continue };
        match yes(row, 1) {
            true => table.primary_key = list(row, 2),
            false => table.unique.push(list(row, 2)),
        }
    }
    for row in answer(3) {
        if let Some(table) = tables.get(&text(row, 0)) {
            let (columns, to) = (list(row, 1), list(row, 4));
            table.references.push(Reference { columns, schema: option(row, 2), table: text(row, 3), to });
        }
    }
    for row in answer(4) {
        if let Some(table) = tables.get(&text(row, 0)) {
            check::apply(&mut table.columns, option(row, 1).as_deref(), &text(row, 2));
        }
    }
}

fn column(row: &[serde_json::Value]) -> Column {
    let (name, class, category) = (text(row, 2), text(row, 3), text(row, 4));
    let kind = match (&*class, &*category) {
        ("e", _) => ColumnKind::Text,
        ("c" | "r" | "m", _) => ColumnKind::Other,
        (_, "A") => match kind(&text(row, 5), true) {
            ColumnKind::Opaque | ColumnKind::Index => ColumnKind::Opaque,
            _ => ColumnKind::Array,
        },
        _ => kind(&name, yes(row, 6)),
    };
    let mut column = Column::new(text(row, 1), kind);
    column.declared = option(row, 7);
    column.longest =
        if matches!(&*name, "varchar" | "bpchar") { number(row, 8).filter(|most| *most > 0) } else { None };
    column.nullable = !yes(row, 9);
    column.default = match option(row, 10) {
        _ if yes(row, 12) => Default::Generated,
        _ if yes(row, 11) => Default::Made,
        Some(expression) => default_of(&expression),
        None => Default::None,
    };
    column.comment = text(row, 13);
    column.values = list(row, 14);
    column.tells_letters_apart = yes(row, 15) && name != "citext";
    column
}

fn kind(name: &str, of_catalogue: bool) -> ColumnKind {
    match name {
        "citext" => ColumnKind::Text,
        "hstore" | "ltree" => ColumnKind::Other,
        _ if !of_catalogue => ColumnKind::Opaque,
        "int2" | "int4" | "int8" | "oid" => ColumnKind::Integer,
        "float4" | "float8" => ColumnKind::Number,
        "numeric" => ColumnKind::Decimal,
        "bool" => ColumnKind::Boolean,
        "text" | "varchar" | "bpchar" | "name" | "char" => ColumnKind::Text,
        "uuid" => ColumnKind::Uuid,
        "date" => ColumnKind::Date,
        "time" | "timetz" => ColumnKind::Time,
        "timestamp" | "timestamptz" => ColumnKind::Timestamp,
        "json" | "jsonb" => ColumnKind::Json,
        "bytea" => ColumnKind::Bytes,
        "tsvector" | "tsquery" => ColumnKind::Index,
        "interval" | "inet" | "cidr" | "macaddr" | "macaddr8" | "bit" | "varbit" | "xml" | "pg_lsn" | "jsonpath" => {
            ColumnKind::Other
        }
        _ => ColumnKind::Opaque,
    }
}

/// The settings that policies ask for: `current_setting('app.user'::text, true)`.
fn settings(policies: &str) -> Vec<String> {
    let mut settings: Vec<String> = Vec::new();
    for behind in policies.split("current_setting('").skip(1) {
        let Some((name, _)) = behind.split_once('\'') else { continue };
        let fits = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
        if fits && !settings.iter().any(|known| known == name) {
            settings.push(name.to_owned());
        }
    }
    settings
}
