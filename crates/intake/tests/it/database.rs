//! Whatever a database says of itself: what is proposed is a spec, its statements are read, and each name in them stays one name.

mod made;

use std::collections::BTreeSet;

use mcp_factory_intake::{
    Level, Proposal,
    database::{
        Connection, Options, propose,
        schema::{ColumnKind, Schema},
    },
};
use mcp_factory_spec::{
    Format, NoFiles, Source,
    model::ToolKind,
    sql::{Dialect, Template},
};
use proptest::{prelude::*, test_runner::RngSeed};

const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];

/// It is read again as it is, and each statement is one that binds what the tool takes, and nothing else.
fn holds(proposal: &Proposal, dialect: Dialect) {
    let text = proposal.spec.canonical_yaml();
    assert!(!text.contains("hunter2"), "{text}");
    let source = Source { name: "spec.yaml", bytes: text.as_bytes(), format: Format::Yaml };
    let again = mcp_factory_spec::read(&source, &NoFiles);
    let again = again.spec.unwrap_or_else(|| panic!("{:#?}\n{text}", again.diagnostics));
    assert_eq!(again.canonical(), proposal.spec.canonical());
    let mut names = BTreeSet::new();
    for tool in &again.tools {
        let name = tool.name.as_str();
        assert!(names.insert(name) && name.len() <= 64, "{name}");
        let Some(ToolKind::Sql(sql)) = &tool.kind else { panic!("{name} is of SQL") };
        let template = Template::parse(sql, dialect).unwrap_or_else(|problems| panic!("{problems:?}: {sql:?}"));
        let schema = tool.input_schema();
        let takes = |name: &str| schema["properties"].get(name).is_some() || name == "principal.id";
        for placeholder in template.placeholders() {
            assert!(takes(&placeholder.name), "{} of {sql:?}", placeholder.name);
        }
        let reads = tool.annotations.read_only == Some(true);
        assert_eq!(template.reads(), reads, "{name}");
        assert!(template.keeps_session(), "{name}");
    }
}

proptest! {
    // The fuzz target looks for others.
    #![proptest_config(ProptestConfig { cases: 96, rng_seed: RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_database_says_of_itself_becomes_a_spec_that_holds(
        bytes in prop::collection::vec(any::<u8>(), 0..400), dialect in prop::sample::select(&DIALECTS[..]), writes: bool, scoped: bool,
    ) {
        let answers = made::answers(dialect, &bytes);
        let schema = Schema::of(dialect, &answers);
        let scope = schema.tables.first().filter(|_| scoped).map(|table| table.columns[0].name.clone());
        let options = Options { database: "shop".to_owned(), writes, scope, ..Options::default() };
        let found = match propose(&schema, &options) {
            Ok(proposal) => {
                holds(&proposal, dialect);
                proposal.findings
            }
            Err(found) => found,
        };
        // What can't be used is left out with its reason, and never found out by the reader of the language.
        for finding in found.iter().filter(|it| it.level != Level::Note) {
            prop_assert!(!finding.message.contains("would not be valid") && !finding.message.contains("sql/"), "{finding}");
        }
    }
}

/// A comment of a megabyte that looks like checks without an end.
#[test]
fn a_long_definition_takes_no_time() {
    let text = |text: &str| serde_json::Value::from(text);
    let create = format!("CREATE TABLE t (id INTEGER /* {} */)", "check (".repeat(150_000));
    let table = vec![text("t"), text("table"), text(&create)];
    let column =
        vec![text("t"), text("id"), text("INTEGER"), 1.into(), serde_json::Value::Null, 1.into(), 0.into(), 0.into()];
    let answers = [vec![table], vec![column], vec![], vec![], vec![]].map(Some);
    let schema = Schema::of(Dialect::Sqlite, &answers);
    assert_eq!(schema.tables.len(), 1);
    let many = format!("CREATE TABLE t (id INTEGER {})", "CHECK (id > 0) ".repeat(50_000));
    let answers = [
        vec![vec![text("t"), text("table"), text(&many)]],
        answers[1].clone().unwrap_or_default(),
        vec![],
        vec![],
        vec![],
    ];
    assert_eq!(Schema::of(Dialect::Sqlite, &answers.map(Some)).tables[0].columns[0].minimum, Some(1));
}

/// As many columns as databases have at most.
#[test]
fn a_table_of_thousands_of_columns_is_a_table() {
    for dialect in DIALECTS {
        let bytes = [0, 60, 1, 61, 2, 62];
        let mut schema = Schema::of(dialect, &made::answers(dialect, &bytes));
        let table = &mut schema.tables[0];
        let mut column = table.columns[0].clone();
        column.kind = ColumnKind::Integer;
        (table.columns, table.primary_key, table.unique, table.references) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for number in 0..4000 {
            column.name = format!("column \"{number}`");
            table.columns.push(column.clone());
        }
        table.primary_key = vec![table.columns[0].name.clone()];
        schema.tables.truncate(1);
        let options = Options { database: "wide".to_owned(), writes: true, ..Options::default() };
        let proposal = propose(&schema, &options).unwrap();
        holds(&proposal, dialect);
        assert!(
            proposal.spec.tools.iter().any(|tool| tool.annotations.read_only == Some(true)),
            "{:?}",
            proposal.findings
        );
    }
}

/// People of a MariaDB, as its catalogue says it: some of their texts are no Unicode.
fn people() -> Schema {
    let row = |cells: serde_json::Value| cells.as_array().cloned().expect("a row");
    let column = |name: &str, kind: &str, collation: Option<&str>| {
        row(serde_json::json!(["people", name, kind, kind, 50, "NO", null, "", "", collation]))
    };
    let columns = vec![
        column("code", "varchar", Some("ascii_bin")),
        column("name", "varchar", Some("latin1_swedish_ci")),
        column("place", "varchar", Some("utf8mb4_general_ci")),
        column("owner", "varchar", Some("utf8mb4_general_ci")),
    ];
    let answers = [
        vec![row(serde_json::json!(["people", "BASE TABLE", "", "10.11.6-MariaDB"]))],
        columns,
        vec![row(serde_json::json!(["people", "PRIMARY", "code", null]))],
        vec![],
        vec![],
    ];
    Schema::of(Dialect::Mysql, &answers.map(Some))
}

/// MySQL fails where it should find nothing: a text that can't be written in a column's character set.
#[test]
fn texts_that_a_column_could_not_hold_are_looked_for_in_unicode() {
    let proposal = propose(&people(), &Options { writes: true, ..Options::default() }).unwrap();
    holds(&proposal, Dialect::Mysql);
    let text = proposal.spec.canonical_yaml();
    for part in [
        "CONVERT(name USING utf8mb4) LIKE CONCAT('%', :query, '%') OR place LIKE CONCAT('%', :query, '%')",
        "WHERE code = CONVERT(:code USING ascii) AND CONVERT(code USING utf8mb4) = :code\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn letters_that_no_parameter_has_are_written_otherwise_and_told() {
    let mut schema = people();
    schema.dialect = Dialect::Postgres;
    schema.tables[0].columns[1].name = "Größe".to_owned();
    schema.tables[0].columns[1].kind = ColumnKind::Integer;
    schema.tables[0].columns[2].name = "Änderungsdatum".to_owned();
    schema.tables[0].columns[2].kind = ColumnKind::Date;
    let proposal = propose(&schema, &Options::default()).unwrap();
    holds(&proposal, Dialect::Postgres);
    let spec = proposal.spec.canonical();
    let search =
        spec["tools"].as_array().into_iter().flatten().find(|tool| tool["name"] == "search_people").expect("it");
    assert_eq!(search["parameters"]["Groesse_from"]["description"], "At least: Größe");
    assert_eq!(search["parameters"]["Aenderungsdatum_to"]["description"], "At most: Änderungsdatum");
    assert!(search["returns"]["items"]["properties"]["Größe"].is_object(), "answers have the column's own name");
}

/// What is no id at all is not sent to a database, and no test is made of it.
#[test]
fn ids_and_points_in_time_say_what_form_they_have() {
    let mut schema = people();
    schema.dialect = Dialect::Postgres;
    let columns = &mut schema.tables[0].columns;
    columns[0].kind = ColumnKind::Uuid;
    columns[1].kind = ColumnKind::Timestamp;
    columns[1].declared = Some("timestamp(3) with time zone".to_owned());
    columns[2].kind = ColumnKind::Timestamp;
    columns[2].declared = Some("timestamp without time zone".to_owned());
    for column in columns {
        column.charset = None;
    }
    let proposal = propose(&schema, &Options::default()).unwrap();
    holds(&proposal, Dialect::Postgres);
    let spec = proposal.spec.canonical();
    let tool = |name: &str| spec["tools"].as_array().into_iter().flatten().find(|tool| tool["name"] == name).cloned();
    let (search, get) = (tool("search_people").expect("it"), tool("get_people").expect("it"));
    assert_eq!(get["parameters"]["code"]["format"], "uuid");
    assert_eq!(search["parameters"]["name_from"]["format"], "date-time");
    let place = &search["parameters"]["place_from"];
    assert_eq!((place.get("format"), &place["examples"]), (None, &serde_json::json!(["2026-11-21T04:47:15"])));
    assert!(place["pattern"].is_string(), "{place}");
}

#[test]
fn what_was_asked_for_and_is_not_there_is_told_with_what_is() {
    let list = |text: &str| vec![text.to_owned()];
    let empty = Schema { tables: Vec::new(), ..people() };
    let mut of_two = people();
    let mut tags = of_two.tables[0].clone();
    tags.name = "tags".to_owned();
    tags.columns.truncate(2);
    of_two.tables.push(tags);
    for (schema, options, told) in [
        (
            people(),
            Options { tables: list("persons"), ..Options::default() },
            "note: no table or view fits `persons`; there are `people`",
        ),
        (
            people(),
            Options { tables: list("people,towns"), ..Options::default() },
            "each pattern takes a `--tables` of its own",
        ),
        (
            people(),
            Options { scope: Some("tenant".to_owned()), ..Options::default() },
            "error: no table has a column `tenant`",
        ),
        (
            people(),
            Options { scope: Some("owner".to_owned()), ..Options::default() },
            "in `owner` `Alice` is `alice`, and so two callers one; a collation that ends in `_bin` tells them apart",
        ),
        (
            of_two.clone(),
            Options { scope: Some("owner".to_owned()), ..Options::default() },
            "error: no table that is left says by `owner` whose its rows are",
        ),
        (
            Schema { dialect: Dialect::Postgres, ..people() },
            Options { scope: Some("owner".to_owned()), ..Options::default() },
            "the type `text`, with a collation that is deterministic, tells them apart",
        ),
        (
            of_two.clone(),
            Options { tables: list("tag"), ..Options::default() },
            "note: no table or view fits `tag`; there are `tags`, `people`",
        ),
        (
            of_two.clone(),
            Options { tables: list("tag"), ..Options::default() },
            "error: none of the 2 tables and views was chosen; look at what there is, above, and at `--tables`",
        ),
        (
            of_two.clone(),
            Options { tables: list("tags"), scope: Some("owner".to_owned()), ..Options::default() },
            "error: none of the chosen tables has a column `owner`",
        ),
        (
            empty.clone(),
            Options { schema: Some("crm".to_owned()), ..Options::default() },
            "error: there is no schema `crm`, or nothing in it",
        ),
        (
            empty,
            Options { scope: Some("owner".to_owned()), ..Options::default() },
            "error: the database has no tables or views",
        ),
    ] {
        let found: Vec<String> = propose(&schema, &options).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|it| it.contains(told)), "{told}: {found:#?}");
    }
    // The operator says whose rows a shared connection has, and that these are everybody's.
    let connection = Connection::Shared("shop".to_owned());
    let tables = list("tags");
    let options = Options { tables, connection, scope: Some("owner".to_owned()), writes: true, ..Options::default() };
    let proposal = propose(&of_two, &options).unwrap();
    assert!(proposal.spec.tools.iter().all(|tool| tool.annotations.read_only == Some(true)), "{:?}", proposal.findings);
}
