use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection refused ({0})")]
struct Refused(usize);

type Cell = Init<usize, Refused>;

/// Counts its attempts, of which the first `fails` fail.
struct Database {
    attempts: Arc<AtomicUsize>,
    fails: usize,
}

impl Database {
    fn new(fails: usize) -> Self {
        Self { attempts: Arc::default(), fails }
    }

    async fn open(&self, cell: &Cell) -> Result<usize, InitError<Refused>> {
        let (attempts, fails) = (self.attempts.clone(), self.fails);
        cell.get_or_init(move || async move {
            let attempt = attempts.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            if attempt <= fails { Err(Refused(attempt)) } else { Ok(attempt) }
        })
        .await
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

fn cause(error: &InitError<Refused>) -> Refused {
    match error {
        InitError::Failed { cause, .. } => (**cause).clone(),
        InitError::Panicked { .. } => panic!("no panic"),
    }
}

/// T2, S2-10, S2-11, S2-12: all who wait get the error of their attempt, and the next call tries again.
#[tokio::test(start_paused = true)]
async fn a_hundred_first_calls_make_one_attempt_and_the_next_one_retries() {
    let (database, cell) = (Database::new(1), Cell::default());
    let first = join_all((0..100).map(|_| database.open(&cell))).await;
    assert!(first.iter().all(|outcome| outcome.as_ref().is_err_and(|error| cause(error) == Refused(1))));
    assert_eq!(first[0].as_ref().expect_err("failed").to_string(), "connection refused (1)");
    assert_eq!(database.attempts(), 1);
    let second = join_all((0..100).map(|_| database.open(&cell))).await;
    assert!(second.iter().all(|outcome| outcome.as_ref().is_ok_and(|attempt| *attempt == 2)));
    assert_eq!(database.attempts(), 2);
    assert_eq!(cell.get(), Some(&2));
}

/// S2-13.
#[tokio::test(start_paused = true)]
async fn a_broken_database_is_left_alone_for_longer_and_longer() {
    let (database, cell) = (Database::new(usize::MAX), Cell::default());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(600) {
        let error = database.open(&cell).await.expect_err("broken");
        assert!(error.retry_after() <= Duration::from_secs(30));
        tokio::time::advance(Duration::from_millis(50)).await;
    }
    // 0, 0.25, 0.5, 1, 2, 4, 8, 16 s, and then each 30 s.
    assert!((25..=30).contains(&database.attempts()), "{}", database.attempts());
}

/// S2-12.
#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_when_the_first_who_waits_leaves() {
    let (database, cell) = (Database::new(0), Cell::default());
    let mut first = Box::pin(database.open(&cell));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(database.open(&cell));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.expect("made"), 1);
    assert_eq!(database.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_all_left_is_over_and_the_next_one_begins() {
    let (database, cell) = (Database::new(0), Cell::default());
    let mut first = Box::pin(database.open(&cell));
    assert!(futures_util::poll!(&mut first).is_pending());
    drop(first);
    assert!(!cell.is_running());
    assert_eq!(database.open(&cell).await.expect("made"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_the_error_of_its_attempt() {
    let cell = Cell::default();
    let released = Arc::new(Notify::new());
    let release = released.clone();
    let mut panics = Box::pin(cell.get_or_init(move || async move {
        release.notified().await;
        panic!("a bug in the initialiser");
    }));
    assert!(futures_util::poll!(&mut panics).is_pending());
    let mut waits = Box::pin(cell.get_or_init(|| async { Ok(1) }));
    assert!(futures_util::poll!(&mut waits).is_pending());
    released.notify_one();
    assert!(matches!(panics.await, Err(InitError::Panicked { .. })));
    assert!(matches!(waits.await, Err(InitError::Panicked { .. })));
    assert_eq!(cell.get_or_init(|| async { Ok(2) }).await.expect("made"), 2);
    // A panic before the first wait, too.
    let cell = Cell::default();
    assert!(cell.get_or_init(|| -> std::future::Ready<Result<usize, Refused>> { panic!("at once") }).await.is_err());
    assert_eq!(cell.get_or_init(|| async { Ok(3) }).await.expect("made"), 3);
}
