//! Registries that earlier versions of the program left behind: opened, brought up to date, and nothing of them is lost.

use std::fs;

use mcp_factory::{
    Caller, Factory, FactoryKey,
    registry::{Filter, Page, Role},
};
use tokio_postgres::NoTls;

use crate::{create::spec, kept::Kept};

/// One for each version of the schema that there was before this one. They are never changed.
const OLD: [&str; 1] = [include_str!("old/0001.sql")];

fn key() -> FactoryKey {
    FactoryKey::new(b"a secret that is nobody's").expect("long enough")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_registry_in_sqlite_is_brought_up_to_date() {
    for old in OLD {
        let kept = Kept::in_file();
        let file = kept.file();
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        rusqlite::Connection::open(&file).and_then(|it| it.execute_batch(old)).expect("restored");
        is_whole(&kept).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_registry_in_postgresql_is_brought_up_to_date() {
    for old in OLD {
        let kept = Kept::in_postgres();
        let (client, connection) = tokio_postgres::connect(&kept.postgres().url(), NoTls).await.expect("connected");
        tokio::spawn(connection);
        let restored = format!("CREATE SCHEMA mcp_factory; SET search_path TO mcp_factory; {}", for_postgres(old));
        client.batch_execute(&restored).await.expect("restored");
        is_whole(&kept).await;
    }
}

/// What is ours is the same in both. Tokens are kept otherwise, by a room of their own.
fn for_postgres(old: &str) -> String {
    let statements = old.split_inclusive(";\n").filter(|statement| !statement.contains("mcp_token"));
    statements.collect::<String>().replace(" TEXT", " TEXT COLLATE \"C\"")
}

async fn is_whole(kept: &Kept) {
    let factory: Factory = kept.try_factory(key()).await.expect("it opens");
    let local = Caller::local();
    let all = factory.list(&local, &Filter::default(), &Page::default()).await.expect("listed").entries;
    assert_eq!(all.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["server-0", "server-1", "server-2"]);
    for server in all {
        let details = factory.get(&local, &server.name).await.expect("there");
        let deployment = details.deployment.expect("deployed");
        let desired = if server.name == "server-2" { "stopped" } else { "running" };
        assert_eq!((&*deployment.desired, deployment.version.to_string()), (desired, "1.0.0".to_owned()));
        assert_eq!((server.tools, details.version.tools), (7, 7));
        let spec = factory.spec(&local, &server.name, None).await.expect("it can be read");
        assert_eq!(spec.tools.len(), 7);
        assert_eq!(server.tags, ["shop", "stock"]);
    }
    assert_eq!(factory.get(&local, "server-0").await.expect("there").dependents, ["server-2"]);
    assert!(factory.search(&local, "stock level", 10).await.expect("searched").len() > 2);
    let calls = factory.usage(&local, Some("server-0"), 0).await.expect("counted");
    assert!(calls.iter().any(|it| it.tool == "get_product" && it.calls == 7 && it.errors == 1), "{calls:?}");
    let log = factory.audit(&local, &Page::default()).await.expect("a log").entries;
    assert!(log.iter().filter(|it| it.verb == "servers.create" && it.outcome == "done").count() == 3);
    let jane = local.acting_for("jane".parse().expect("a name")).expect("an admin");
    assert_eq!(factory.user(&jane).await.expect("there").role, Role::Viewer);
    assert_eq!(factory.grants(&jane).await.expect("granted").len(), 1);

    // It can be worked with, and opened again.
    factory.create(&local, spec("new", "1.0.0", "new"), None).await.expect("created");
    drop(factory);
    let again = kept.try_factory(key()).await.expect("it opens");
    assert!(again.get(&local, "new").await.is_ok());
}
