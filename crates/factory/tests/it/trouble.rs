//! What may happen to the disk and the file below a factory: it says what it is, nothing is lost, and it goes on afterwards.

use std::{
    fs::{File, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use mcp_factory::{
    Caller, Error, FactoryKey,
    registry::{self, Filter, Page, Place, Registry},
};

use crate::{
    create::{create, spec},
    kept::Kept,
    replicas::Replica,
};

const FOLDER: &str = "FACTORY_ON_A_SMALL_DISK";
const WAIT: Duration = Duration::from_secs(60);

/// On a disk of its own, which may be filled. Does nothing unless the other test asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let replica = Replica::start_at(&folder, None).await;
    let (factory, local) = (&replica.factory, Caller::local());
    for (version, says) in [("1.0.0", "one"), ("1.1.0", "two")] {
        create(factory, &local, spec("shop", version, says)).await.expect("created");
    }
    let first = "1.0.0".parse().expect("a version");
    factory.deploy(&local, "shop", Some(&first), WAIT).await.expect("deployed");
    assert_eq!(replica.says("shop").await.as_deref(), Some("one"));

    let filler = folder.join("filler");
    let mut file = File::create(&filler).expect("there is room");
    while file.write_all(&[7; 512]).is_ok() {}
    drop(file);
    // What SQLite has reserved is used up first.
    let mut made = 0;
    let full = loop {
        match create(factory, &local, spec(&format!("more-{made}"), "1.0.0", "more")).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), "registry-full", "{full:?}");
    assert!(full.to_string().contains("no room left"), "{full}");
    assert_eq!(factory.deploy(&local, "shop", None, WAIT).await.expect_err("full").code(), "registry-full");
    assert_eq!(factory.remove(&local, "shop", false).await.expect_err("full").code(), "registry-full");
    assert_eq!(replica.says("shop").await.as_deref(), Some("one"), "what runs goes on");
    let other = Registry::open(Place::File(folder.join("other.db"))).await.expect_err("no room for one");
    assert!(matches!(other, registry::Error::Full { .. }), "{other:?}");
    let page = Page { after: String::new(), limit: 200 };
    let count = factory.list(&local, &Filter::default(), &page).await.expect("read").entries.len();
    assert_eq!(count, made + 1);

    std::fs::remove_file(&filler).expect("removed");
    create(factory, &local, spec("later", "1.0.0", "later")).await.expect("there is room again");
    let deployed = factory.deploy(&local, "shop", None, WAIT).await.expect("deployed");
    deployed.observed.expect("in time").outcome.expect("healthy");
    assert_eq!(replica.says("shop").await.as_deref(), Some("two"));
    println!("\nsurvived");
}

#[test]
fn a_full_disk_is_told_and_what_runs_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = "mount -t tmpfs -o size=2m tmpfs \"$0\" && exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "trouble::a_process_on_a_small_disk", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .expect("`unshare` is there");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if complained.contains("unshare:") || complained.contains("mount:") {
        // The registry's own test of a full database runs everywhere.
        eprintln!("skipped: this machine lets nobody mount a small disk: {complained}");
        return;
    }
    assert!(said.contains("\nsurvived"), "{said}\n{complained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_registry_is_told_and_can_be_used_afterwards() {
    let kept = Kept::in_file();
    let (factory, local) = (kept.factory().await, Caller::local());
    create(&factory, &local, spec("shop", "1.0.0", "one")).await.expect("created");
    let other = rusqlite::Connection::open(kept.file()).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it locks");
    let locked = create(&factory, &local, spec("shop", "1.1.0", "two")).await.expect_err("locked");
    assert_eq!(locked.code(), "registry-busy");
    assert!(locked.to_string().contains("registry.db` is locked by another program"), "{locked}");
    assert_eq!(factory.get(&local, "shop").await.expect("it can be read").server.latest.to_string(), "1.0.0");
    other.execute_batch("ROLLBACK").expect("it lets go");
    create(&factory, &local, spec("shop", "1.1.0", "two")).await.expect("it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_registry_is_told_and_left_as_it_is() {
    for place in [0, 4096 * 3] {
        let kept = Kept::in_file();
        {
            let factory = kept.factory().await;
            for number in 0..20 {
                create(&factory, &Caller::local(), spec(&format!("s-{number}"), "1.0.0", "x")).await.expect("created");
            }
        }
        let file = kept.file();
        rusqlite::Connection::open(&file)
            .and_then(|it| it.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
            .expect("in one file");
        damage(&file, place);
        let before = std::fs::read(&file).expect("it can be read");
        let outcome = async {
            let factory = kept.try_factory(FactoryKey::new(&[7; 32]).expect("long enough")).await?;
            for number in 0..20 {
                factory.get(&Caller::local(), &format!("s-{number}")).await?;
                factory.versions(&Caller::local(), &format!("s-{number}")).await?;
            }
            factory.search(&Caller::local(), "says", 100).await.map(drop)
        };
        let error = outcome.await.expect_err("it is damaged");
        assert!(matches!(error, Error::Registry(registry::Error::Damaged { .. })), "{place}: {error:?}");
        assert!(error.to_string().contains("registry.db` is damaged"), "{error}");
        if place == 0 {
            assert!(std::fs::read(&file).expect("it can be read") == before, "nothing is written over it");
        }
    }
}

fn damage(file: &Path, place: u64) {
    let mut file = OpenOptions::new().write(true).open(file).expect("it opens");
    let end = file.metadata().expect("it is there").len();
    file.seek(SeekFrom::Start(place)).expect("it is as long");
    let length = if place == 0 { 100 } else { (end - place).min(4096 * 40) };
    file.write_all(&vec![0xa5; length as usize]).expect("written");
}
