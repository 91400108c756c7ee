//! Reads that come one upon the other keep their lock between them: nobody notices but whoever counts calls of the system.

use std::{
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    time::Duration,
};

use mcp_factory_connect::sql::{Backend, Database, DatabaseConfig, Source};
use rusqlite::Connection;

use crate::collect::{open, rows};

fn made(path: &Path, mode: &str) -> Connection {
    let writer = Connection::open(path).unwrap();
    writer.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
    writer.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)").unwrap();
    writer.busy_timeout(Duration::from_secs(20)).unwrap();
    writer
}

fn reader(path: &Path) -> Arc<Database> {
    let config = DatabaseConfig::new("db", Backend::Sqlite, Source::Path(path.to_owned()));
    Arc::new(open(DatabaseConfig { read_only: true, ..config }))
}

async fn latest(database: &Database) -> i64 {
    let text = rows(database, "SELECT max(n) FROM t").await.remove(0).remove(0);
    text.trim_start_matches("I64(").trim_end_matches(')').parse().unwrap()
}

/// Whoever writes gets their turn among readers without a pause, and a read that begins after a commit sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_without_a_pause_see_each_commit_and_let_writers_in() {
    for mode in ["DELETE", "WAL"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = made(&path, mode);
        let database = reader(&path);
        let (committed, done) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (database, committed, done) = (database.clone(), committed.clone(), done.clone());
                tokio::spawn(async move {
                    let mut reads = 0;
                    while !done.load(Ordering::Acquire) {
                        let before = committed.load(Ordering::Acquire);
                        let seen = latest(&database).await;
                        assert!(seen >= before, "{mode}: {seen} after {before} was committed");
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let counted = committed.clone();
        tokio::task::spawn_blocking(move || {
            for number in 1..=200 {
                writer.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
                counted.store(number, Ordering::Release);
            }
        })
        .await
        .unwrap();
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.await.unwrap() > 0, "{mode}");
        }
    }
}

/// A file that gets a write-ahead log meanwhile is read without keeping locks from then on.
#[tokio::test]
async fn a_log_that_comes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let writer = made(&path, "DELETE");
    writer.busy_timeout(Duration::ZERO).unwrap();
    let database = reader(&path);
    for _ in 0..50 {
        latest(&database).await;
    }
    // Needs the file for itself, so it waits until no lock is kept.
    let changed = tokio::time::timeout(Duration::from_secs(20), async {
        while writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)).ok().as_deref()
            != Some("wal")
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    changed.await.unwrap();
    for number in 1..=50 {
        writer.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
        for _ in 0..5 {
            assert_eq!(latest(&database).await, number);
        }
    }
}

/// The lock is let go though no read comes any more.
#[tokio::test]
async fn a_lock_that_nobody_needs_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let writer = made(&path, "DELETE");
    writer.busy_timeout(Duration::ZERO).unwrap();
    let database = reader(&path);
    for round in 1..=20 {
        for _ in 0..10 {
            latest(&database).await;
        }
        let written = tokio::time::timeout(Duration::from_secs(20), async {
            while writer.execute("INSERT INTO t VALUES (?1)", [round]).is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        written.await.unwrap();
        assert_eq!(latest(&database).await, round);
    }
}
