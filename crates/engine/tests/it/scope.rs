//! `scope`, proven by running: whatever the check lets through is run as alice, in a database with the rows of bobs and in
//! one without them. She must get the same answer and leave the same rows, and his must be as they were.

mod statements;
mod tricks;
mod worlds;

use std::cell::RefCell;

use mcp_factory_spec::sql::{Dialect, Piece, Scope, Template};
use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, TestCaseError, TestRunner},
};

use worlds::Worlds;

const SCOPE: Scope<'static> = Scope { column: "owner", by: "principal.id", tables: &["products", "orders"] };

/// What is run of a statement: the text of each variant, or none if it is no statement or not let through.
fn let_through(text: &str, dialect: Dialect) -> Result<Vec<String>, String> {
    let template = Template::parse(text, dialect).map_err(|problems| format!("not parsed: {problems:?}"))?;
    if let Some(problem) = template.unscoped(&SCOPE).first() {
        return Err(format!("unscoped: {problem}"));
    }
    Ok((0..template.variants()).map(|variant| written(&template, variant)).collect())
}

/// Arguments are what somebody would give who is after the rows of bobs.
fn written(template: &Template, variant: usize) -> String {
    let statement = template.statement(variant, None, false).unwrap();
    let value = |name: &str| match name {
        "principal.id" => "'alice'",
        "id" => "777001",
        _ => "'bobs'",
    };
    let write = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Bind { name } => value(name).to_owned(),
        Piece::In { opens, .. } => format!("{opens}1, 777001, 777002"),
        Piece::Limit | Piece::Offset | Piece::Key(_) => unreachable!("it is not paged"),
    };
    statement.pieces().iter().map(write).collect()
}

async fn right_statements_pass_and_tricks_do_not(worlds: &mut Worlds) {
    let dialect = worlds.dialect();
    for text in tricks::of(tricks::TRICKS, dialect) {
        if let Ok(variants) = let_through(text, dialect) {
            panic!("{dialect:?} lets it through: {text}\n{variants:#?}");
        }
    }
    for text in tricks::of(tricks::RIGHT, dialect) {
        let variants = let_through(text, dialect).unwrap_or_else(|refused| panic!("{dialect:?} {text}: {refused}"));
        for variant in variants {
            let told = worlds.tell_apart(&variant).await.unwrap_or_else(|leak| panic!("{dialect:?} {variant}\n{leak}"));
            assert!(told.is_none(), "{dialect:?} {variant}: {told:?}");
        }
    }
}

/// Statements at random: enough of them have to pass, and to run, for this to say something.
fn nothing_that_passes_tells_of_others(worlds: Worlds, runtime: &tokio::runtime::Runtime, cases: u32) {
    let dialect = worlds.dialect();
    let worlds = RefCell::new(worlds);
    let counts = RefCell::new([0_u32; 3]);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&vec(any::<u8>(), 0..160), |choices| {
        let text = statements::written_by(&choices, dialect);
        counts.borrow_mut()[0] += 1;
        let Ok(variants) = let_through(&text, dialect) else { return Ok(()) };
        counts.borrow_mut()[1] += 1;
        for variant in variants {
            let told = runtime.block_on(worlds.borrow_mut().tell_apart(&variant));
            let error = told.map_err(|leak| TestCaseError::fail(format!("{text}\n{variant}\n{leak}")))?;
            counts.borrow_mut()[2] += u32::from(error.is_none());
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{dialect:?}: {error}"));
    let [made, passed, ran] = *counts.borrow();
    eprintln!("{dialect:?}: {made} statements, {passed} passed the check, {ran} variants ran");
    assert!(passed * 10 > made && ran * 20 > made, "{dialect:?}: {made} made, {passed} passed, {ran} ran");
}

fn all(dialect: Dialect, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut worlds = runtime.block_on(Worlds::start(dialect));
    runtime.block_on(right_statements_pass_and_tricks_do_not(&mut worlds));
    nothing_that_passes_tells_of_others(worlds, &runtime, cases);
}

#[test]
fn nobody_reaches_the_rows_of_others_on_sqlite() {
    all(Dialect::Sqlite, 4000);
}

#[test]
fn nobody_reaches_the_rows_of_others_on_postgresql() {
    all(Dialect::Postgres, 1500);
}

#[test]
fn nobody_reaches_the_rows_of_others_on_mariadb() {
    all(Dialect::Mysql, 1500);
}
