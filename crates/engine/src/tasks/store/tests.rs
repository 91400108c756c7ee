use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn owner(principal: &str) -> Owner {
    Owner { server: "shop".to_owned(), principal: principal.to_owned(), tenant: String::new() }
}

fn open(folder: &Path, runner: &str) -> Store {
    Store::open(Some(folder), runner.to_owned(), Bounds::default()).unwrap()
}

fn few() -> Bounds {
    Bounds { of_owner: 3, running_of_owner: 2, running: 3, in_all: 5, bytes: 100 }
}

#[test]
fn a_task_is_found_by_its_owner_and_by_nobody_else() {
    let store = Store::open(None, "r".to_owned(), Bounds::default()).unwrap();
    assert!(store.insert("t", &owner("alice"), "slow", HOUR).unwrap());
    let kept = store.find("t", &owner("alice")).unwrap().unwrap();
    assert_eq!((kept.tool.as_str(), kept.outcome, kept.ttl, kept.ours), ("slow", None, HOUR, true));
    assert!(kept.created.len() == 24 && kept.created.ends_with('Z'), "{}", kept.created);
    assert_eq!(store.find("t", &owner("bob")).unwrap(), None);
    assert_eq!(store.find("u", &owner("alice")).unwrap(), None);
    let elsewhere = Owner { server: "other".to_owned(), ..owner("alice") };
    assert_eq!(store.find("t", &elsewhere).unwrap(), None);
    let tenant = Owner { tenant: "acme".to_owned(), ..owner("alice") };
    assert_eq!(store.find("t", &tenant).unwrap(), None);
}

#[test]
fn the_first_outcome_stands() {
    let store = Store::open(None, "r".to_owned(), Bounds::default()).unwrap();
    store.insert("t", &owner("alice"), "slow", HOUR).unwrap();
    assert!(store.finish("t", &Outcome::Cancelled).unwrap());
    assert!(!store.finish("t", &Outcome::Completed("late".to_owned())).unwrap());
    assert_eq!(store.find("t", &owner("alice")).unwrap().unwrap().outcome, Some(Outcome::Cancelled));
}

#[test]
fn what_is_over_its_time_is_gone() {
    let store = Store::open(None, "r".to_owned(), few()).unwrap();
    assert!(store.insert("t", &owner("alice"), "slow", Duration::ZERO).unwrap());
    assert_eq!(store.find("t", &owner("alice")).unwrap(), None);
    store.sweep().unwrap();
    let left: u32 = store.lock().query_row("SELECT count(*) FROM tasks", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn there_are_so_many_of_one_owner_and_in_all() {
    let store = Store::open(None, "r".to_owned(), few()).unwrap();
    let begin = |id: &str, who: &str| store.insert(id, &owner(who), "slow", HOUR).unwrap();
    assert!(begin("a1", "alice") && begin("a2", "alice"));
    assert!(!begin("a3", "alice"), "two run");
    store.finish("a1", &Outcome::Completed("x".to_owned())).unwrap();
    assert!(begin("a3", "alice"));
    assert!(begin("b1", "bob"));
    assert!(!begin("b2", "bob"), "three run in all");
    store.finish("a2", &Outcome::Cancelled).unwrap();
    store.finish("a3", &Outcome::Cancelled).unwrap();
    assert!(!begin("a4", "alice"), "three are kept for her");
    store.finish("b1", &Outcome::Completed("x".repeat(100))).unwrap();
    assert!(!begin("b2", "bob"), "there is no room for more bytes");
}

#[test]
fn a_finished_task_outlives_its_process_and_a_running_one_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), "first");
    first.insert("done", &owner("alice"), "slow", HOUR).unwrap();
    first.finish("done", &Outcome::Completed("{}".to_owned())).unwrap();
    first.insert("running", &owner("alice"), "slow", HOUR).unwrap();
    drop(first);
    let second = open(folder.path(), "second");
    let outcome = |id| second.find(id, &owner("alice")).unwrap().unwrap().outcome;
    assert_eq!(outcome("done"), Some(Outcome::Completed("{}".to_owned())));
    assert_eq!(outcome("running"), Some(Outcome::Failed(STOPPED.to_owned())));
}

#[test]
fn a_task_of_another_living_process_still_runs_until_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (open(folder.path(), "first"), open(folder.path(), "second"));
    first.insert("t", &owner("alice"), "slow", HOUR).unwrap();
    let seen = || second.find("t", &owner("alice")).unwrap().unwrap();
    assert_eq!((seen().outcome, seen().ours), (None, false));
    drop(first);
    assert_eq!(seen().outcome, Some(Outcome::Failed(STOPPED.to_owned())));
}

#[test]
fn the_files_are_the_owners_alone_and_go_with_their_process() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), "first");
    store.insert("t", &owner("alice"), "slow", HOUR).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
    fs::write(lock_file(folder.path(), "killed"), "").unwrap();
    drop(store);
    drop(open(folder.path(), "second"));
    let locks = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "lock"));
    assert_eq!(locks.count(), 0);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), "first"));
    let connection = Connection::open(folder.path().join("tasks.db")).unwrap();
    connection.execute_batch("PRAGMA user_version = 7").unwrap();
    let refused = Store::open(Some(folder.path()), "second".to_owned(), Bounds::default());
    assert!(matches!(refused, Err(StoreError::Newer)), "{refused:?}");
}
