//! Whatever a database says of itself: what is proposed is a spec, its statements are read, and each name in them stays one name.

mod made;

use std::collections::BTreeSet;

use mcp_factory_intake::{
    Level, Proposal,
    database::{Options, propose, schema::Schema},
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
        column.kind = mcp_factory_intake::database::schema::ColumnKind::Integer;
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
