use proptest::prelude::*;

use super::*;

const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

fn parse(text: &str, dialect: Dialect) -> Template {
    Template::parse(text, dialect).unwrap_or_else(|problems| panic!("{dialect:?} {text}: {problems:?}"))
}

fn names(text: &str, dialect: Dialect) -> Vec<String> {
    parse(text, dialect).placeholders().iter().map(|placeholder| placeholder.name.clone()).collect()
}

fn codes(text: &str, dialect: Dialect) -> Vec<Code> {
    Template::parse(text, dialect)
        .map_or_else(|problems| problems.iter().map(|problem| problem.code).collect(), |_| Vec::new())
}

fn render(text: &str, dialect: Dialect) -> (String, Vec<Parameter>) {
    parse(text, dialect).statement(0, None, false).unwrap().render(|_| 2)
}

#[test]
fn placeholders_are_found_where_code_is_and_nowhere_else() {
    for dialect in ALL {
        let text = "SELECT ':no', a -- :no\n, /* :no */ b FROM t WHERE x = :yes AND y = 'it''s :not' AND z = :principal.claims.org";
        assert_eq!(names(text, dialect), ["yes", "principal.claims.org"], "{dialect:?}");
    }
    assert_eq!(
        names("SELECT $$ :x $$, $t$ :y $$ $t$, E'\\' :z', :a::int, b[1:2], '12:30:00'", Dialect::Postgres),
        ["a"]
    );
    assert_eq!(names("SELECT `:x`, \"a\\\":y\", 'b\\' :z', :a # :c", Dialect::Mysql), ["a"]);
    assert_eq!(names("SELECT [:x], `:y`, \":z\", :a FROM t", Dialect::Sqlite), ["a"]);
    assert_eq!(names("SELECT a FROM t WHERE j ->> 'k' = :a AND j ? 'x' AND j @> :b", Dialect::Postgres), ["a", "b"]);
    assert_eq!(names("SELECT x FROM t /* /* :n */ :n */ WHERE a = :a", Dialect::Postgres), ["a"]);
}

#[test]
fn a_statement_is_written_in_the_words_of_its_driver() {
    let text = "SELECT * FROM t WHERE a = :a AND b = :principal.id AND c = :a;";
    let value = |name: &str| Parameter::Value { name: name.into() };
    assert_eq!(
        render(text, Dialect::Postgres),
        ("SELECT * FROM t WHERE a = $1 AND b = $2 AND c = $1".into(), vec![value("a"), value("principal.id")])
    );
    assert_eq!(render(text, Dialect::Sqlite).0, "SELECT * FROM t WHERE a = ?1 AND b = ?2 AND c = ?1");
    assert_eq!(
        render(text, Dialect::Mysql),
        ("SELECT * FROM t WHERE a = ? AND b = ? AND c = ?".into(), vec![value("a"), value("principal.id"), value("a")])
    );
}

#[test]
fn an_array_takes_a_place_for_each_element_and_an_empty_one_is_null() {
    let element = |index| Parameter::Element { name: "ids".into(), index };
    let text = "SELECT * FROM t WHERE a IN ( :ids ) AND b = :ids";
    let (sql, parameters) = render(text, Dialect::Postgres);
    assert_eq!(sql, "SELECT * FROM t WHERE a IN ( $1, $2 ) AND b = $3");
    assert_eq!(parameters[..2], [element(0), element(1)]);
    let empty =
        parse("SELECT * FROM t WHERE a IN (:ids)", Dialect::Sqlite).statement(0, None, false).unwrap().render(|_| 0);
    assert_eq!(empty, ("SELECT * FROM t WHERE a IN ()".into(), vec![]));
    let none = |text: &str, dialect| parse(text, dialect).statement(0, None, false).unwrap().render(|_| 0).0;
    assert_eq!(none("SELECT 1 FROM t WHERE a IN (:a)", Dialect::Postgres), "SELECT 1 FROM t WHERE a = ANY ('{}')");
    let not = "SELECT :b FROM t WHERE NOT a not  In ( :a )";
    assert_eq!(none(not, Dialect::Postgres), "SELECT $1 FROM t WHERE NOT a <> ALL ('{}' )");
    assert_eq!(none(not, Dialect::Mysql), "SELECT ? FROM t WHERE NOT a not  In ( SELECT NULL FROM DUAL WHERE FALSE )");
}

#[test]
fn clauses_go_when_an_argument_in_them_is_left_out() {
    for dialect in ALL {
        let template = parse("SELECT * FROM t WHERE a = :a [[ AND b = :b ]] [[ AND c = :c AND d = :d ]]", dialect);
        assert_eq!(template.variants(), 4);
        let text = |present: &[&str]| {
            let variant = template.variant(|name| present.contains(&name));
            let (sql, _) = template.statement(variant, None, false).unwrap().render(|_| 1);
            sql.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace(['$', '?', '1', '2', '3', '4'], "_")
                .replace("__", "_")
        };
        assert_eq!(text(&["a"]), "SELECT * FROM t WHERE a = _");
        assert_eq!(text(&["a", "c", "d"]), "SELECT * FROM t WHERE a = _ AND c = _ AND d = _");
        assert_eq!(text(&["a", "b", "c"]), "SELECT * FROM t WHERE a = _ AND b = _");
    }
}

fn template_of_all() -> Template {
    parse("SELECT * FROM t", Dialect::Postgres)
}

#[test]
fn paging_is_set_in_the_parsed_statement() {
    for (text, expected) in [
        ("SELECT a FROM t ORDER BY a ;", "SELECT a FROM t ORDER BY a\nLIMIT $1 OFFSET $2"),
        ("SELECT a FROM t UNION SELECT b FROM u", "SELECT a FROM t UNION SELECT b FROM u\nLIMIT $1 OFFSET $2"),
        ("SELECT  a FROM t -- all", "SELECT  a FROM t -- all\nLIMIT $1 OFFSET $2"),
        (
            "WITH x AS (SELECT a FROM t LIMIT 3) SELECT a FROM x WHERE a = :principal.id",
            "WITH x AS (SELECT a FROM t LIMIT 3) SELECT a FROM x WHERE a = $1\nLIMIT $2 OFFSET $3",
        ),
    ] {
        let statement = parse(text, Dialect::Postgres).statement(0, None, true).unwrap();
        assert_eq!(statement.render(|_| 1).0, expected);
    }
    let template = parse("SELECT a FROM t WHERE a IN (:ids)", Dialect::Mysql);
    let sorted = template.statement(0, Some("a DESC, b"), true).unwrap().render(|_| 2).0;
    assert_eq!(sorted, "SELECT a FROM t WHERE a IN (?, ?)\nORDER BY a DESC, b\nLIMIT ? OFFSET ?");
    assert!(template.statement(0, Some("a; DROP TABLE t"), false).is_err());
    assert!(template.statement(0, Some("a LIMIT 1"), false).is_err());
    for order in ["a -- ", "a /* x */", "a DESC -- all", "lower(a), \"b -- c\""] {
        let (sql, _) = template_of_all().statement(0, Some(order), true).unwrap().render(|_| 1);
        assert_eq!(sql, format!("SELECT * FROM t\nORDER BY {order}\nLIMIT $1 OFFSET $2"));
    }
    for order in
        ["a)", "a FOR UPDATE", "a; --", "a /*", "1 UNION SELECT 1", "a, :b", "a OFFSET 1", "'", "nextval('s')", ""]
    {
        assert!(template_of_all().statement(0, Some(order), true).is_err(), "{order}");
    }
    let literal = parse("SELECT 'it\\'s', 'a\\\\', \"b\" FROM t WHERE a LIKE '\\%'", Dialect::Mysql);
    let (sql, _) = literal.statement(0, None, true).unwrap().render(|_| 1);
    assert!(sql.starts_with("SELECT 'it\\'s', 'a\\\\', \"b\" FROM t WHERE a LIKE '\\%'\nLIMIT"), "{sql}");
    let moves = parse("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", Dialect::Postgres);
    assert_eq!(moves.statement(0, None, true).unwrap_err().code, Code::Conflict);
    let limited = parse("SELECT a FROM t LIMIT 5", Dialect::Sqlite);
    assert!(limited.has_limit());
    assert_eq!(limited.statement(0, None, true).unwrap_err().code, Code::Conflict);
}

#[test]
fn what_is_wrong_has_its_code() {
    for dialect in ALL {
        assert_eq!(codes("SELECT 1; SELECT 2", dialect), [Code::SqlMultipleStatements]);
        assert_eq!(codes("SELECT 1; ; -- end", dialect), []);
        assert_eq!(codes("SELEC 1", dialect), [Code::SqlParse]);
        assert_eq!(codes("SELECT 'a", dialect), [Code::SqlParse]);
        assert_eq!(codes("SELECT 1 [[ AND x ", dialect), [Code::SqlParse]);
        assert_eq!(codes("SELECT * FROM :table", dialect).len(), 1);
        assert_eq!(codes("SELECT :principal_id, :principal.id", dialect), [Code::ToolPlaceholder]);
        let many = "[[ AND a = :a ]] ".repeat(9);
        assert_eq!(codes(&format!("SELECT 1 FROM t WHERE 1 = 1 {many}"), dialect), [Code::SqlParse]);
        let long = format!("SELECT {}1 FROM t WHERE 1 = 1 {}", "1, ".repeat(1_000), &many[..8 * 17]);
        assert_eq!(codes(&long, dialect), [Code::SqlParse]);
    }
    assert_eq!(codes("SELECT * FROM t WHERE a = $1", Dialect::Postgres), [Code::ToolPlaceholder]);
    assert_eq!(codes("SELECT * FROM t WHERE a = ?", Dialect::Sqlite), [Code::ToolPlaceholder]);
    assert_eq!(codes("SELECT /*! 1 */ 2", Dialect::Mysql), [Code::SqlParse]);
}

#[test]
fn what_can_not_be_shown_to_read_is_a_write() {
    for (text, reads) in [
        ("SELECT a FROM t", true),
        ("WITH x AS (SELECT 1) SELECT * FROM x", true),
        ("SELECT count(*), lower(a) FROM t GROUP BY 2", true),
        ("EXPLAIN SELECT 1", true),
        ("EXPLAIN ANALYZE DELETE FROM t", false),
        ("WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", false),
        ("SELECT * INTO u FROM t", false),
        ("SELECT * FROM t FOR UPDATE", false),
        ("SELECT nextval('s')", false),
        ("SELECT pg_catalog.set_config('a', 'b', false)", false),
        ("SELECT * FROM t WHERE a = (SELECT setval('s', 1))", false),
        ("UPDATE t SET a = 1", false),
        ("INSERT INTO t VALUES (1)", false),
        ("CALL p()", false),
        ("SET x = 1", false),
        ("TRUNCATE t", false),
        ("COPY t TO '/tmp/x'", false),
    ] {
        assert_eq!(parse(text, Dialect::Postgres).reads(), reads, "{text}");
    }
    assert!(!parse("PRAGMA user_version = 1", Dialect::Sqlite).reads());
    assert!(parse("UPDATE t SET a = 1 RETURNING a", Dialect::Postgres).returns_rows());
    assert!(!parse("UPDATE t SET a = 1", Dialect::Postgres).returns_rows());
}

#[test]
fn rows_of_others_are_out_of_reach_or_the_statement_is_unscoped() {
    let scope = Scope { column: "owner", by: "principal.id", tables: &["products", "orders"] };
    let check = |text: &str, expected: usize| {
        for dialect in [Dialect::Postgres, Dialect::Sqlite] {
            let found = parse(text, dialect).unscoped(&scope);
            assert_eq!(found.len(), expected, "{dialect:?} {text}: {found:?}");
        }
    };
    check("SELECT * FROM products WHERE owner = :principal.id", 0);
    check("SELECT * FROM products p WHERE p.owner = :principal.id AND (a = 1 OR b = 2)", 0);
    check("SELECT * FROM public.\"Products\" WHERE :principal.id = owner", 0);
    check("SELECT * FROM other", 0);
    check("SELECT * FROM products", 1);
    check("SELECT * FROM products WHERE owner = :owner", 1);
    check("SELECT * FROM products WHERE owner = :principal.id OR TRUE", 1);
    check("SELECT * FROM products WHERE NOT (owner = :principal.id)", 1);
    check("SELECT * FROM products p, orders o WHERE p.owner = :principal.id", 1);
    check("SELECT * FROM products p JOIN orders o ON o.owner = :principal.id WHERE p.owner = :principal.id", 0);
    check("SELECT * FROM other x LEFT JOIN orders o ON o.owner = :principal.id", 0);
    check("SELECT * FROM orders o LEFT JOIN other x ON o.owner = :principal.id", 1);
    check("SELECT (SELECT count(*) FROM orders) FROM products WHERE owner = :principal.id", 1);
    check("SELECT * FROM products WHERE owner = :principal.id UNION ALL SELECT * FROM products", 1);
    check("WITH x AS (SELECT * FROM orders) SELECT * FROM x", 1);
    check("SELECT * FROM products WHERE a = 1 [[ AND owner = :principal.id AND b = :b ]]", 1);
    check("UPDATE products SET a = 1 WHERE owner = :principal.id", 0);
    check("UPDATE products SET owner = :to WHERE owner = :principal.id", 1);
    check("DELETE FROM products WHERE id = :id", 1);
    check("DELETE FROM products WHERE id = :id AND owner = :principal.id", 0);
    check("INSERT INTO products (sku, owner) VALUES (:sku, :principal.id)", 0);
    check("INSERT INTO products (sku, owner) VALUES (:sku, :principal.id), (:sku, :sku)", 1);
    check("INSERT INTO products VALUES (:sku, :principal.id)", 1);
    check("INSERT INTO products (sku, owner) VALUES (:sku, :principal.id) ON CONFLICT (sku) DO UPDATE SET a = 1", 1);
}

#[test]
fn an_unscoped_table_is_shown_where_it_stands() {
    let text = "SELECT *\n  FROM products";
    let scope = Scope { column: "owner", by: "principal.id", tables: &["products"] };
    assert_eq!(parse(text, Dialect::Sqlite).unscoped(&scope)[0].offset, text.find("products").unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_it_panic(text in "(SELECT|:a|'|\"|\\[\\[ |\\]\\]|--|/\\*|\\*/|\\$\\$|;|\\(|\\)|IN|é|\\\\| |\n|,|[a-z0-9.?@#`]){0,24}") {
        for dialect in ALL {
            let _ = Template::parse(&text, dialect);
        }
    }

    #[test]
    fn text_within_quotes_never_holds_a_placeholder(text in "[^'\\\\\0]{0,30}") {
        for dialect in ALL {
            let sql = format!("SELECT '{text}', :a");
            prop_assert_eq!(names(&sql, dialect), ["a"]);
            let (rendered, _) = render(&sql, dialect);
            prop_assert!(rendered.contains(&text));
        }
    }
}

fn unscoped(text: &str, dialect: Dialect, by: &str) -> usize {
    let scope = Scope { column: "owner", by, tables: &["shop.products", "orders"] };
    parse(text, dialect).unscoped(&scope).len()
}

#[test]
fn a_parameter_that_is_spelled_like_the_caller_is_not_the_caller() {
    for dialect in ALL {
        assert_eq!(unscoped("SELECT * FROM products WHERE owner = :principal_id", dialect, "principal.id"), 1);
        let text = "SELECT * FROM products WHERE owner = :principal.claims.a_b";
        assert_eq!(unscoped(text, dialect, "principal.claims.a.b"), 1);
        assert_eq!(unscoped(text, dialect, "principal.claims.a_b"), 0);
        let both = "SELECT :principal.claims.a_b, :principal.claims.a.b";
        assert_eq!(codes(both, dialect), [Code::ToolPlaceholder]);
    }
}

#[test]
fn operators_that_bind_weaker_in_mysql_than_for_the_parser_prove_nothing() {
    for condition in ["1 = 1 || a = 2 AND owner = :principal.id", "a XOR b AND owner = :principal.id"] {
        let text = format!("SELECT * FROM products WHERE {condition}");
        assert_eq!(unscoped(&text, Dialect::Mysql, "principal.id"), 1, "{condition}");
    }
    let text = "SELECT * FROM products WHERE a || b = 'ab' AND owner = :principal.id";
    assert_eq!(unscoped(text, Dialect::Postgres, "principal.id"), 0);
}

#[test]
fn what_can_not_be_looked_through_is_unscoped() {
    for text in [
        "SELECT query_to_xml('select * from products', true, false, '')",
        "SELECT * FROM dblink('', 'select 1') AS t (a int)",
        "CALL p()",
        "COPY products TO STDOUT",
        "TRUNCATE products",
        "DROP TABLE orders",
    ] {
        assert!(unscoped(text, Dialect::Postgres, "principal.id") > 0, "{text}");
    }
    assert_eq!(codes("WITH x AS (TABLE products x y) SELECT * FROM x", Dialect::Postgres), [Code::SqlParse]);
    let explained = "EXPLAIN SELECT * FROM products WHERE owner = :principal.id";
    assert_eq!(unscoped(explained, Dialect::Postgres, "principal.id"), 0);
}

#[test]
fn names_and_casts_that_lead_elsewhere_prove_nothing() {
    for (text, dialect, expected) in [
        ("SELECT * FROM products AS p (id, owner) WHERE p.owner = :principal.id", Dialect::Postgres, 1),
        ("SELECT * FROM shop.products WHERE owner = :principal.id::varchar(1)", Dialect::Postgres, 1),
        ("SELECT * FROM shop.products WHERE owner = :principal.id::text", Dialect::Postgres, 0),
        ("SELECT * FROM products WHERE \"OWNER\" = :principal.id", Dialect::Postgres, 1),
        ("SELECT * FROM products WHERE owner = CAST(:principal.id AS SIGNED)", Dialect::Mysql, 1),
        ("SELECT * FROM products P, other p WHERE p.owner = :principal.id", Dialect::Mysql, 1),
        ("SELECT * FROM Products WHERE products.owner = :principal.id", Dialect::Postgres, 0),
        ("UPDATE OR REPLACE products SET sku = 1 WHERE owner = :principal.id", Dialect::Sqlite, 1),
        ("INSERT OR IGNORE INTO products (owner) VALUES (:principal.id)", Dialect::Sqlite, 0),
    ] {
        assert_eq!(unscoped(text, dialect, "principal.id"), expected, "{text}");
    }
}

#[test]
fn tables_beside_the_one_that_is_changed_are_bound_too() {
    for (text, expected) in [
        ("UPDATE products p SET a = 1 FROM orders o WHERE o.id = p.id AND p.owner = :principal.id", 1),
        (
            "UPDATE products p SET a = 1 FROM orders o WHERE o.id = p.id AND p.owner = :principal.id AND o.owner = :principal.id",
            0,
        ),
        (
            "DELETE FROM products p USING orders o WHERE o.id = p.id AND p.owner = :principal.id AND o.owner = :principal.id",
            0,
        ),
    ] {
        assert_eq!(unscoped(text, Dialect::Postgres, "principal.id"), expected, "{text}");
    }
}

#[test]
fn chains_as_long_as_a_statement_may_be_do_not_break_the_stack() {
    for dialect in ALL {
        for chain in [" + 1", "+1", " OR a", " || a", "::text", " UNION SELECT 1", " COLLATE c", " ISNULL", "!"] {
            for length in [2_000, 4_900, 9_900, 60_000] {
                let text = format!("SELECT 1{}", chain.repeat(length));
                if let Ok(template) = Template::parse(&text, dialect) {
                    let _ = (template.reads(), template.statement(0, None, true));
                }
            }
        }
    }
}

/// Short ones take the stack of their thread, and what is deep for its length must fit in it, too.
#[test]
fn whatever_is_deep_for_its_length_fits_in_the_stack_of_an_ordinary_thread() {
    let shapes = [
        ("(", "1", ")"),
        ("NOT ", "TRUE", ""),
        ("- ", "1", ""),
        ("1 + ", "1", ""),
        ("", "a", "[1]"),
        ("", "a", "::text"),
        ("", "1", " UNION SELECT 1"),
        ("(SELECT ", "1", ")"),
        ("id FROM (SELECT ", "1", ") x"),
        ("CASE WHEN ", "TRUE", " THEN 1 END"),
        ("coalesce(", "1", ")"),
        ("CAST(", "1", " AS INTEGER)"),
        ("EXISTS (SELECT 1 WHERE ", "TRUE", ")"),
    ];
    let work = move || {
        for (open, inner, close) in shapes {
            for depth in (1..120).step_by(3) {
                let text = format!("SELECT {}{inner}{}", open.repeat(depth), close.repeat(depth));
                let Ok(template) = Template::parse(&text, Dialect::Postgres) else { continue };
                let _ = template.statement(0, Some("x"), true);
                let _ = template.keyset(0, Some("x"));
                let _ = template.changed_session();
            }
        }
    };
    for kib in [1024, 1536, 2048] {
        std::thread::Builder::new().stack_size(kib << 10).spawn(work).unwrap().join().unwrap();
    }
}
