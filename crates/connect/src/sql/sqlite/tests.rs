use super::*;
use crate::{
    FixedSecrets,
    sql::{Backend, Cell, Columns},
};

struct Nothing;

impl RowSink for Nothing {
    fn columns(&mut self, _: &Columns) {}

    fn cell(&mut self, _: usize, _: Cell<'_>) {}

    fn end_row(&mut self) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }

    fn reset(&mut self) {}
}

async fn read_once(sqlite: &Sqlite) {
    let statement = Statement::new("SELECT 1", Vec::new(), Access::Read);
    sqlite.run(&statement, Vec::new(), Nothing, &RunOptions::default()).await.expect("it reads");
}

fn sqlite() -> Sqlite {
    let config = DatabaseConfig::new("db", Backend::Sqlite, Source::Memory);
    Sqlite::new(Arc::new(config), Arc::new(FixedSecrets::default()), Arc::new(Policy::operator()))
}

/// The places that are filled, and how many connections wait for long reads.
fn connections(sqlite: &Sqlite) -> (Vec<usize>, usize) {
    let opened = sqlite.opened.get().expect("it is open");
    let filled = |index: &usize| opened.inline[*index].lock().expect("nothing panicked").is_some();
    ((0..opened.inline.len()).filter(filled).collect(), opened.reads.idle.lock().expect("nothing panicked").len())
}

#[tokio::test]
async fn reads_one_after_the_other_need_one_connection() {
    let sqlite = sqlite();
    for _ in 0..100 {
        read_once(&sqlite).await;
    }
    assert_eq!(connections(&sqlite), (vec![0], 0));
}

/// However many find one place empty, and though the first of them goes away.
#[tokio::test]
async fn a_place_is_filled_once() {
    let sqlite = sqlite();
    read_once(&sqlite).await;
    let (opened, options) = (sqlite.opened.get().expect("it is open"), RunOptions::default());
    let deadline = Instant::now() + options.timeout;
    let mut first = Box::pin(opened.fill(1, deadline, &options));
    tokio::select! {
        biased;
        _ = &mut first => {}
        () = std::future::ready(()) => {}
    }
    drop(first);
    for _ in 0..10 {
        opened.fill(1, deadline, &options).await.expect("it opens");
    }
    assert_eq!(connections(&sqlite), (vec![0, 1], 0));
}
