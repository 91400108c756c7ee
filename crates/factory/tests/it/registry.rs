//! What the registry keeps, and for whom.

use std::os::unix::fs::PermissionsExt as _;

use mcp_factory::{
    Owner,
    registry::{
        Answered, Calls, Capabilities, Capability, Deed, Dependency, DependencyKind, Deployment, Error, Filter, Limits,
        NewVersion, Page, Place, PostgresUrl, Registry, Role, SealedSecret, TestRun, Timestamp, Transaction,
    },
};
use mcp_factory_connect::Secret;
use semver::Version;

use crate::kept::{Kept, on_both};

on_both! {
    users_are_kept_and_repeating_is_harmless;
    versions_are_kept_with_what_they_can_do_and_need;
    nobody_finds_what_is_somebody_else_s;
    lists_come_in_pages_and_by_filter;
    what_is_deployed_and_called_and_tested_is_kept;
    answers_are_kept_for_requests_that_come_again;
    a_transaction_that_fails_changes_nothing;
    two_factories_write_at_the_same_time;
    the_log_goes_on_after_the_machine_s_clock_went_back;
    a_registry_of_a_newer_program_is_left_alone;
}

fn owner(name: &str) -> Owner {
    name.parse().expect("a name")
}

fn version(text: &str) -> Version {
    text.parse().expect("a version")
}

fn new_version(number: &str, tools: &[&str]) -> NewVersion {
    let tool = |name: &&str| Capability {
        name: (*name).to_owned(),
        title: None,
        description: format!("does {name}"),
        schema: "{}".to_owned(),
    };
    NewVersion {
        version: version(number),
        digest: format!("digest of {number}"),
        spec: format!("{{\"version\":\"{number}\"}}"),
        title: Some("A \"title\" with 'quotes' ?1 $1".to_owned()),
        description: None,
        auth: "none".to_owned(),
        blockers: 0,
        folder: None,
        capabilities: Capabilities { tags: vec!["shop".to_owned()], tools: tools.iter().map(tool).collect() },
        dependencies: vec![Dependency { kind: DependencyKind::Secret, name: "DATABASE_URL".to_owned() }],
    }
}

/// What [`Registry::write`] takes, with the error that all of it has here.
async fn write<T: Send + 'static>(
    registry: &Registry,
    work: impl FnMut(&mut Transaction<'_>) -> Result<T, Error> + Send + 'static,
) -> T {
    registry.write(work).await.expect("it is written")
}

async fn add_users(registry: &Registry, names: &'static [&'static str]) {
    write(registry, move |it| {
        for name in names {
            it.add_user(&owner(name), Role::Developer, Limits::default())?;
        }
        Ok(())
    })
    .await;
}

fn add_server(it: &mut Transaction<'_>, of: &Owner, name: &str, new: &NewVersion) -> Result<bool, Error> {
    let added = it.add_server(of, name, &new.version)?;
    if added {
        it.add_version(of, name, new)?;
        it.index(of, name, &new.capabilities)?;
    }
    Ok(added)
}

async fn users_are_kept_and_repeating_is_harmless(kept: Kept) {
    let registry = kept.open().await;
    let jane = owner("jane");
    let added = write(&registry, {
        let jane = jane.clone();
        move |it| {
            let first = it.add_user(&jane, Role::Viewer, Limits::default())?;
            Ok((first, it.add_user(&jane, Role::Admin, Limits::default())?))
        }
    });
    assert_eq!(added.await, (true, false));
    // Another process.
    let other = kept.open().await;
    let changed = write(&other, move |it| {
        assert!(!it.change_user(&owner("john"), Role::Admin, Limits::default())?);
        it.change_user(&jane, Role::Admin, Limits { max_servers: 3, ..Limits::default() })?;
        it.user(&jane)
    });
    let user = changed.await.expect("there");
    assert_eq!((user.role, user.limits.max_servers, user.revision), (Role::Admin, 3, 1));
    assert!(user.created.0 > 1_600_000_000_000 && user.updated >= user.created);
    let removed = write(&registry, |it| Ok((it.remove_user(&owner("jane"))?, it.remove_user(&owner("jane"))?)));
    assert_eq!(removed.await, (true, false));
}

async fn versions_are_kept_with_what_they_can_do_and_need(kept: Kept) {
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    let (jane, shop) = (owner("jane"), "shop");
    write(&registry, move |it| {
        let (first, mut second) = (new_version("1.0.0", &["a", "b"]), new_version("1.1.0", &["b"]));
        assert!(add_server(it, &jane, shop, &first)?);
        let revision = it.user(&jane)?.expect("there").revision;
        second.capabilities.tags = vec!["new".to_owned(), "stock".to_owned()];
        second.dependencies.push(Dependency { kind: DependencyKind::Server, name: "crm".to_owned() });
        it.add_version(&jane, shop, &second)?;
        it.set_latest(&jane, shop, &second.version)?;
        it.index(&jane, shop, &second.capabilities)?;

        let server = it.server(&jane, shop)?.expect("there");
        assert_eq!((server.latest.clone(), server.tools, server.title), (version("1.1.0"), 1, second.title.clone()));
        assert_eq!(server.tags, ["new", "stock"]);
        assert_eq!(it.tags(&jane)?, [("new".to_owned(), 1), ("stock".to_owned(), 1)]);
        assert!(it.user(&jane)?.expect("there").revision > revision);
        let versions: Vec<String> = it.versions(&jane, shop)?.into_iter().map(|it| it.version.to_string()).collect();
        assert_eq!(versions, ["1.1.0", "1.0.0"], "the newest first");
        assert_eq!(it.count_versions(&jane, shop)?, 2);
        assert_eq!(it.spec(&jane, shop, &first.version)?.as_ref(), Some(&first.spec));
        assert_eq!(it.version(&jane, shop, &version("2.0.0"))?, None);
        let tools = it.capabilities(&jane, 10)?;
        assert_eq!(tools.iter().map(|tool| tool.capability.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(it.dependencies(&jane, shop, &second.version)?.len(), 2);
        assert_eq!(it.dependents(&jane, &second.dependencies[1])?, ["shop"]);
        // What only an older version needs keeps nothing from going.
        it.set_latest(&jane, shop, &first.version)?;
        assert!(it.dependents(&jane, &second.dependencies[1])?.is_empty());

        assert!(it.remove_server(&jane, shop)?);
        assert!(!it.remove_server(&jane, shop)?);
        assert!(it.versions(&jane, shop)?.is_empty() && it.tags(&jane)?.is_empty());
        Ok(())
    })
    .await;
}

/// S5-54: each question is asked by another owner, and finds and changes nothing.
async fn nobody_finds_what_is_somebody_else_s(kept: Kept) {
    let registry = kept.open().await;
    add_users(&registry, &["jane", "mallory"]).await;
    let (jane, mallory, shop) = (owner("jane"), owner("mallory"), "shop");
    let sealed = |value: &str| SealedSecret {
        subject: String::new(),
        name: "TOKEN".to_owned(),
        key: "k".to_owned(),
        sealed: value.to_owned(),
    };
    write(&registry, move |it| {
        let new = new_version("1.0.0", &["a"]);
        add_server(it, &jane, shop, &new)?;
        it.put_secret(&jane, &sealed("hers"))?;
        it.add_grant(&jane, "command", "", &jane)?;
        it.keep_answer(&jane, "k", &Answered { digest: "d".into(), answer: "hers".into() })?;
        let deed = Deed { actor: &jane, token: None, verb: "servers.create", subject: shop, outcome: "done" };
        it.audit(&jane, &deed)?;

        assert_eq!(it.server(&mallory, shop)?, None);
        assert!(!it.add_server(&mallory, shop, &new.version)?, "a name is one server's in a factory");
        assert!(it.servers(&mallory, &Filter::default(), &Page::default())?.entries.is_empty());
        assert_eq!(it.count_servers(&mallory)?, 0);
        assert!(it.versions(&mallory, shop)?.is_empty());
        assert_eq!(it.version(&mallory, shop, &new.version)?, None);
        assert_eq!(it.spec(&mallory, shop, &new.version)?, None);
        assert!(it.dependencies(&mallory, shop, &new.version)?.is_empty());
        assert!(it.dependents(&mallory, &new.dependencies[0])?.is_empty());
        assert!(it.capabilities(&mallory, 10)?.is_empty());
        assert!(it.tags(&mallory)?.is_empty());
        assert_eq!(it.deployment(&mallory, shop)?, None);
        assert!(it.calls(&mallory, None, 0)?.is_empty());
        assert!(it.test_runs(&mallory, shop, &Page::default())?.entries.is_empty());
        assert!(it.audited(&mallory, &Page::default())?.entries.is_empty());
        assert_eq!(it.answered(&mallory, "k")?, None);
        assert!(it.secrets(&mallory)?.is_empty() && it.sealed_secrets(&mallory)?.is_empty());
        assert!(it.grants(&mallory)?.is_empty());

        it.set_latest(&mallory, shop, &version("6.6.6"))?;
        assert!(!it.remove_server(&mallory, shop)?);
        assert!(!it.remove_secret(&mallory, "", "TOKEN")?);
        assert!(!it.remove_grant(&mallory, "command", "")?);
        assert!(!it.remove_deployment(&mallory, shop)?);
        it.put_secret(&mallory, &sealed("theirs"))?;
        it.add_calls(&mallory, &[calls(shop, 1, 1)])?;
        assert!(it.calls(&mallory, None, 0)?.is_empty());
        assert_eq!(it.server(&jane, shop)?.expect("there").latest, new.version);
        assert_eq!(it.sealed_secrets(&jane)?, [sealed("hers")]);
        Ok(())
    })
    .await;
    // Not even what belongs to a server can be hung on another's.
    let (mallory, jane) = (owner("mallory"), owner("jane"));
    let hung = registry.write(move |it| it.add_version(&mallory, shop, &new_version("2.0.0", &[])));
    assert!(hung.await.is_err());
    let kept = registry.read(move |it| it.versions(&jane, shop)).await;
    assert_eq!(kept.expect("read").len(), 1);
}

async fn lists_come_in_pages_and_by_filter(kept: Kept) {
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    let jane = owner("jane");
    write(&registry, move |it| {
        for number in 0..7 {
            let mut new = new_version("1.0.0", &["a"]);
            new.capabilities.tags = vec![if number % 2 == 0 { "even" } else { "odd" }.to_owned(), "all".to_owned()];
            add_server(it, &jane, &format!("s-{number}"), &new)?;
        }
        it.put_deployment(&jane, &deployment("s-3", "running"))?;
        let names = |it: &mut Transaction<'_>, filter: Filter, page: Page| {
            let paged = it.servers(&jane, &filter, &page)?;
            let names: Vec<String> = paged.entries.into_iter().map(|server| server.name).collect();
            Ok::<_, Error>((names.join(" "), paged.next))
        };
        let tag = |tag: &str| Filter { tag: Some(tag.to_owned()), ..Filter::default() };
        let page = |after: &str, limit| Page { after: after.to_owned(), limit };
        assert_eq!(names(it, Filter::default(), page("", 3))?, ("s-0 s-1 s-2".to_owned(), Some("s-2".to_owned())));
        assert_eq!(names(it, Filter::default(), page("s-2", 4))?, ("s-3 s-4 s-5 s-6".to_owned(), None));
        assert_eq!(names(it, tag("odd"), page("", 2))?, ("s-1 s-3".to_owned(), Some("s-3".to_owned())));
        assert_eq!(names(it, tag("none"), Page::default())?, (String::new(), None));
        let name = |name: &str| Filter { name: Some(name.to_owned()), ..Filter::default() };
        assert_eq!(names(it, name("-4"), Page::default())?.0, "s-4");
        assert_eq!(names(it, name("S-4"), Page::default())?.0, "s-4");
        assert_eq!(names(it, name("%"), Page::default())?.0, "");
        let state = |state: &str| Filter { state: Some(state.to_owned()), ..Filter::default() };
        assert_eq!(names(it, state("running"), Page::default())?.0, "s-3");
        assert_eq!(names(it, state("none"), page("", 1))?.0, "s-0");
        assert_eq!(names(it, Filter::default(), page("", u32::MAX))?.1, None);
        let odd = it.servers(&jane, &tag("odd"), &Page::default())?.entries;
        assert!(odd.iter().all(|server| server.tags == ["all", "odd"]));
        assert_eq!(odd[1].deployed.as_ref().map(|it| it.state.as_str()), Some("running"));
        Ok(())
    })
    .await;
}

fn deployment(server: &str, state: &str) -> Deployment {
    Deployment {
        server: server.to_owned(),
        target: "local".to_owned(),
        desired: "running".to_owned(),
        state: state.to_owned(),
        version: version("1.0.0"),
        fallback: None,
        generation: 1,
        launched: 2,
        failures: 0,
        problem: None,
        endpoint: None,
        factory: None,
        created: Timestamp::default(),
        updated: Timestamp::default(),
    }
}

fn calls(server: &str, calls: u64, errors: u64) -> Calls {
    Calls { server: server.to_owned(), tool: "a".to_owned(), day: 20_000, latency: 10, calls, errors, micros: 5_000 }
}

/// S5-52, S5-53.
async fn what_is_deployed_and_called_and_tested_is_kept(kept: Kept) {
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    let (jane, shop) = (owner("jane"), "shop");
    write(&registry, move |it| {
        add_server(it, &jane, shop, &new_version("1.0.0", &["a"]))?;
        it.put_deployment(&jane, &deployment(shop, "starting"))?;
        let mut running = deployment(shop, "updating");
        running.fallback = Some((version("0.9.0"), Some(1)));
        running.generation = 2;
        running.problem = Some("it crashed".to_owned());
        it.put_deployment(&jane, &running)?;
        let read = it.deployment(&jane, shop)?.expect("there");
        running.created = read.created;
        running.updated = read.updated;
        assert_eq!(read, running);

        it.add_calls(&jane, &[calls(shop, 3, 1), calls(shop, 4, 0), calls("gone", 1, 0)])?;
        assert_eq!(it.calls(&jane, Some(shop), 20_000)?, [Calls { micros: 10_000, ..calls(shop, 7, 1) }]);
        assert!(it.calls(&jane, None, 20_001)?.is_empty());
        assert_eq!(it.sweep_calls(&jane)?, 1, "day 20,000 is long ago");

        let run = TestRun {
            id: String::new(),
            at: Timestamp::default(),
            server: shop.to_owned(),
            version: version("1.0.0"),
            test: "finds one".to_owned(),
            tool: "a".to_owned(),
            passed: true,
            input: "{}".to_owned(),
            output: "ä".repeat(10_000) + "\0",
            micros: 12,
        };
        for passed in [true, false, true] {
            it.add_test_run(&jane, &TestRun { passed, ..run.clone() })?;
        }
        let runs = it.test_runs(&jane, shop, &Page { after: String::new(), limit: 2 })?;
        assert_eq!(runs.entries.iter().map(|run| run.passed).collect::<Vec<_>>(), [true, false], "the newest first");
        assert_eq!(runs.entries[0].output.len(), 8 << 10);
        let rest = it.test_runs(&jane, shop, &Page { after: runs.next.expect("more"), limit: 2 })?;
        assert_eq!((rest.entries.len(), rest.next), (1, None));

        it.remove_server(&jane, shop)?;
        assert_eq!(it.deployment(&jane, shop)?, None);
        assert!(it.calls(&jane, None, 0)?.is_empty());
        Ok(())
    })
    .await;
}

async fn answers_are_kept_for_requests_that_come_again(kept: Kept) {
    let registry = kept.open().await;
    let jane = owner("jane");
    write(&registry, move |it| {
        let answered = |answer: &str| Answered { digest: "d".to_owned(), answer: answer.to_owned() };
        assert_eq!(it.answered(&jane, "first")?, None);
        it.keep_answer(&jane, "first", &answered("1"))?;
        assert_eq!(it.answered(&jane, "first")?, Some(answered("1")));
        Ok(())
    })
    .await;
}

async fn a_transaction_that_fails_changes_nothing(kept: Kept) {
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    let failed: Result<(), Error> = registry
        .write(|it| {
            add_server(it, &owner("jane"), "shop", &new_version("1.0.0", &[]))?;
            Err(Error::Url)
        })
        .await;
    assert!(matches!(failed, Err(Error::Url)));
    let twice = registry.write(|it| {
        add_server(it, &owner("jane"), "shop", &new_version("1.0.0", &[]))?;
        it.add_version(&owner("jane"), "shop", &new_version("1.0.0", &[]))
    });
    assert!(matches!(twice.await, Err(Error::Failed(_))));
    let count = registry.read(|it| it.count_servers(&owner("jane"))).await;
    assert_eq!(count.expect("read"), 0);
    // Who said they only read, does.
    let written = registry.read(|it| it.add_user(&owner("john"), Role::Admin, Limits::default())).await;
    assert!(matches!(written, Err(Error::ReadOnly { .. })), "{written:?}");
}

async fn two_factories_write_at_the_same_time(kept: Kept) {
    let (one, other) = (kept.open().await, kept.open().await);
    add_users(&one, &["jane"]).await;
    write(&one, |it| add_server(it, &owner("jane"), "shop", &new_version("1.0.0", &[])).map(drop)).await;
    // Each reads what the other changes: the counts are right only if one came after the other.
    let work = |registry: Registry, of: u32| async move {
        for number in 0..20 {
            write(&registry, move |it| {
                let jane = owner("jane");
                let count = it.count_versions(&jane, "shop")?;
                it.add_version(&jane, "shop", &new_version(&format!("{count}.{of}.{number}"), &[]))
            })
            .await;
        }
    };
    tokio::join!(work(one.clone(), 1), work(other, 2), work(one.clone(), 3));
    let versions = one.read(|it| it.versions(&owner("jane"), "shop")).await.expect("read");
    let mut majors: Vec<u64> = versions.iter().map(|info| info.version.major).collect();
    majors.sort_unstable();
    assert_eq!(majors.len(), 61);
    assert_eq!(majors[1..], (1..=60).collect::<Vec<u64>>()[..], "as if one came after the other");
}

async fn the_log_goes_on_after_the_machine_s_clock_went_back(kept: Kept) {
    let registry = kept.open().await;
    let deed = |registry: Registry, subject: &'static str| async move {
        write(&registry, move |it| {
            let local = owner("local");
            let deed = Deed { actor: &local, token: None, verb: "servers.create", subject, outcome: "done" };
            it.audit(&local, &deed)
        })
        .await;
    };
    deed(registry.clone(), "first").await;
    let ahead = registry.now().0 + 3_600_000;
    // As if the machine's clock had been an hour ahead then.
    let script = format!("UPDATE audit SET id = '{ahead:012x}' || substr(id, 13)");
    raw(&kept, &script).await;
    let later = kept.open().await;
    assert!(later.now().0 >= ahead);
    deed(later.clone(), "second").await;
    let log = later.read(|it| it.audited(&owner("local"), &Page::default())).await.expect("read");
    assert_eq!(log.entries.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(), ["second", "first"]);
}

async fn a_registry_of_a_newer_program_is_left_alone(kept: Kept) {
    kept.open().await;
    raw(&kept, "INSERT INTO schema_version (version) VALUES (999)").await;
    let refused = Registry::open(kept.place.clone()).await.expect_err("newer");
    assert!(matches!(refused, Error::Newer { found: 999, .. }), "{refused:?}");
}

/// As a person with the database's own tools would.
async fn raw(kept: &Kept, script: &str) {
    match &kept.place {
        Place::File(path) => {
            rusqlite::Connection::open(path).expect("opens").execute_batch(script).expect("it runs");
        }
        Place::Postgres(_) => {
            let url = kept.postgres().url();
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connects");
            tokio::spawn(connection);
            client.batch_execute(&format!("SET search_path TO mcp_factory; {script}")).await.expect("it runs");
        }
    }
}

#[tokio::test]
async fn nobody_else_may_look_into_the_file_or_its_folder() {
    let kept = Kept::in_file();
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let folder = kept.file().parent().expect("a folder").to_owned();
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).expect("readable").map(|it| it.expect("entry").path()).collect();
    assert_eq!(files.len(), 3, "the database, its log and the log's index");
    assert!(files.iter().all(|file| mode(file) == 0o600));
}

#[tokio::test]
async fn a_damaged_file_is_left_as_it_is_and_named() {
    for content in [b"hello, I am a text and no database at all".repeat(100), {
        let kept = Kept::in_file();
        drop(kept.open().await);
        let mut bytes = std::fs::read(kept.file()).expect("readable");
        bytes[100..4096].fill(0xaa);
        bytes
    }] {
        let kept = Kept::in_file();
        std::fs::create_dir_all(kept.file().parent().expect("a folder")).expect("made");
        std::fs::write(kept.file(), &content).expect("written");
        let error = Registry::open(kept.place.clone()).await.expect_err("damaged");
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(&kept.file().display().to_string()));
        assert_eq!(std::fs::read(kept.file()).expect("readable"), content, "nothing is lost");
    }
}

#[tokio::test]
async fn a_file_that_another_program_holds_is_told_after_a_while() {
    let kept = Kept::in_file();
    let registry = kept.open().await;
    let other = rusqlite::Connection::open(kept.file()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("held");
    let error = registry.write(|it| it.add_user(&owner("jane"), Role::Admin, Limits::default())).await;
    assert!(matches!(error, Err(Error::Locked { .. })), "{error:?}");
    let read = registry.read(|it| it.user(&owner("jane"))).await;
    assert_eq!(read.expect("readers don't wait"), None);
    other.execute_batch("ROLLBACK").expect("let go");
    add_users(&registry, &["jane"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_postgresql_is_told_and_over_when_it_is_over() {
    let kept = Kept::in_postgres();
    let registry = kept.open().await;
    add_users(&registry, &["jane"]).await;
    kept.postgres().stop();
    let error = registry.read(|it| it.user(&owner("jane"))).await.expect_err("it is down");
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let error = registry.write(|it| it.add_user(&owner("john"), Role::Viewer, Limits::default())).await;
    let error = error.expect_err("it is down");
    assert!(error.to_string().starts_with("the registry at 127.0.0.1/postgres can't be reached"), "{error}");
    kept.postgres().restart();
    assert!(registry.read(|it| it.user(&owner("jane"))).await.expect("it is back").is_some());
    add_users(&registry, &["john"]).await;
}

#[test]
fn a_url_of_postgresql_shows_no_password() {
    let url = PostgresUrl::parse(&Secret::new("postgresql://me:hunter2@db.example.com/registry")).expect("a URL");
    assert_eq!(format!("{url:?}"), "PostgresUrl(db.example.com/registry)");
    for url in ["mysql://me:hunter2@db/x", "postgresql://me:hunter2@:99999999/x"] {
        let error = PostgresUrl::parse(&Secret::new(url)).expect_err("none");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
    }
}
