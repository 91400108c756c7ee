use super::super::Template;
use super::*;

fn keyset(text: &str, order_by: Option<&str>, dialect: Dialect) -> Result<Keyset, NoKeyset> {
    let template = Template::parse(text, dialect).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    template.keyset(0, order_by)
}

#[test]
fn the_condition_goes_beside_the_authors_own() {
    let text = "SELECT p.* FROM shop.products AS p WHERE p.a = :a OR p.b = :b -- both\nORDER BY p.name DESC, id;";
    let keyset = keyset(text, None, Dialect::Postgres).unwrap();
    let (sql, parameters) = keyset.next.render(|_| 1);
    assert_eq!(
        sql,
        "SELECT p.* , p.name AS mcp_factory_key_0, p.id AS mcp_factory_key_1\n\
         FROM shop.products AS p WHERE ( p.a = $1 OR p.b = $2 -- both\n\
         \n) AND (p.name <= $3 AND (p.name < $3 OR (p.id > $4)))\n\
         ORDER BY p.name DESC, id\nLIMIT $5"
    );
    assert_eq!(
        parameters[2..],
        [super::super::Parameter::Key(0), super::super::Parameter::Key(1), super::super::Parameter::Limit]
    );
    assert!(!keyset.first.render(|_| 1).0.contains("AND"));
    assert_eq!(keyset.table.len(), 2);
    assert_eq!(keyset.columns.iter().map(|column| column.descending).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn an_order_of_a_choice_is_an_order() {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        let keyset = keyset("SELECT name, id FROM t", Some("name, id"), dialect).unwrap();
        let sql = keyset.next.render(|_| 1).0;
        assert!(sql.contains("\nWHERE (t.name >= "), "{sql}");
        assert!(sql.contains("ORDER BY name, id\nLIMIT "), "{sql}");
    }
}

#[test]
fn what_is_not_plainly_one_table_in_order_is_refused() {
    for text in [
        "SELECT id FROM t",
        "SELECT DISTINCT id FROM t ORDER BY id",
        "SELECT id FROM t GROUP BY id ORDER BY id",
        "SELECT id FROM t HAVING true ORDER BY id",
        "SELECT count(*) AS n FROM t ORDER BY id",
        "SELECT unnest(tags) AS tag, id FROM t ORDER BY id",
        "SELECT id, row_number() OVER (ORDER BY id) AS n FROM t ORDER BY id",
        "SELECT id FROM t UNION SELECT id FROM u ORDER BY id",
        "WITH t AS (SELECT 1 AS id) SELECT id FROM t ORDER BY id",
        "SELECT t.id FROM t JOIN u ON u.t = t.id ORDER BY t.id",
        "SELECT t.id FROM t, u ORDER BY t.id",
        "SELECT id FROM (SELECT id FROM t) AS s ORDER BY id",
        "SELECT id FROM f(1) ORDER BY id",
        "SELECT id FROM t ORDER BY lower(name), id",
        "SELECT id FROM t ORDER BY 1",
        "SELECT id FROM t ORDER BY id COLLATE \"C\"",
        "SELECT id FROM t ORDER BY id USING >",
        "SELECT id FROM t ORDER BY u.id",
        "SELECT id FROM t ORDER BY a.t.id",
        "SELECT upper(name) AS name FROM t ORDER BY name",
        "SELECT other AS ID FROM t ORDER BY id",
        "SELECT upper(name) FROM t ORDER BY upper",
        "SELECT id FROM t AS t (a, b) ORDER BY a",
        "SELECT id FROM t TABLESAMPLE BERNOULLI (10) ORDER BY id",
        "SELECT a, b, c FROM t ORDER BY a, b, c, d, e, f, g, h, i",
        "VALUES (1)",
    ] {
        let Ok(template) = Template::parse(text, Dialect::Postgres) else { continue };
        assert!(template.keyset(0, None).is_err(), "{text}");
    }
}

#[test]
fn words_of_clauses_may_stand_elsewhere() {
    let text = "SELECT a IS DISTINCT FROM b AS differs, 'from where' AS \"order\", id FROM \"where\" \
                WHERE a IN (SELECT x FROM u WHERE y = 1 ORDER BY z) ORDER BY id";
    let sql = keyset(text, None, Dialect::Postgres).unwrap().next.render(|_| 1).0;
    assert!(sql.contains("id , \"where\".id AS mcp_factory_key_0\nFROM \"where\" WHERE ( a IN"), "{sql}");
    assert!(sql.ends_with("\n) AND (\"where\".id > $1)\nORDER BY id\nLIMIT $2"), "{sql}");
}
