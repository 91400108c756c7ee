//! The same promises of every token store, each with two processes' worth of registries on it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mcp_factory_testing::Postgres;
use mcp_serve::{
    Limits, Rate, Scopes,
    tokens::{
        HashKey, MemoryTokens, PostgresTokens, RegistryOptions, SharedTokens, SqliteTokens, StoreError, Token,
        TokenRegistry, TokenStore,
    },
};
use serde_json::json;

use crate::support::within;

const KEY: [u8; 32] = [7; 32];

fn secret(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

fn registry(key: [u8; 32]) -> TokenRegistry {
    let key = HashKey::from_bytes(&key).expect("long enough");
    TokenRegistry::new(RegistryOptions { key, ..RegistryOptions::default() })
}

async fn open(store: &Arc<dyn TokenStore>) -> SharedTokens {
    SharedTokens::follow(registry(KEY), store.clone()).await.expect("a store with this key")
}

/// Until the other replica has heard of it.
async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// `one` and `other` lead to the same tokens, as two processes would reach them.
async fn keeps_its_promises(one: Arc<dyn TokenStore>, other: Arc<dyn TokenStore>) {
    let (here, there) = (open(&one).await, open(&other).await);
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let rich = Token::new(secret("a"))
        .with_id("customer \"42\"")
        .with_principal("alice")
        .with_tenant("acme")
        .with_groups(["staff"])
        .with_scopes(["read", "write"])
        .with_claims(json!({"plan": {"seats": 3}}).as_object().expect("object").clone())
        .with_secret_until(secret("a2"), later)
        .expires_at(later)
        .with_limits(Limits { rate: Some(Rate { calls: 5, per: Duration::from_secs(1) }), concurrency: Some(2) });
    let id = here.add(rich).await.expect("added");
    until(|| there.registry().len() == 1).await;
    assert_eq!(there.registry().get(id.as_str()), here.registry().get(id.as_str()));
    assert_eq!(there.registry().find(&secret("a2")), Some(id.clone()), "replicas with one key agree on secrets");
    let late = open(&other).await;
    assert_eq!(late.registry().get(id.as_str()), here.registry().get(id.as_str()), "it is there after a restart");

    // An id or a secret is one token's, whichever replica gave it.
    for token in [Token::new(secret("b")).with_id(id.as_str()), Token::new(secret("a2")).with_id("thief")] {
        let refused = there.add_all([Token::new(secret("c")).with_id("c"), token]).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    assert_eq!(open(&one).await.registry().len(), 1, "all or nothing");

    there.rotate(id.as_str(), secret("new"), Duration::ZERO).await.expect("rotated").expect("known");
    until(|| here.registry().find(&secret("new")).is_some()).await;
    let scopes = Scopes::Only(["admin".to_owned()].into());
    let promote = |record: &mut mcp_serve::tokens::TokenRecord| {
        Arc::make_mut(&mut record.principal).scopes = scopes.clone();
    };
    assert!(here.update("nobody", promote).await.expect("no failure").is_none());
    here.update(id.as_str(), promote).await.expect("updated").expect("known");

    // Both change at once: nobody's change is lost.
    let join = |name: &'static str| {
        move |record: &mut mcp_serve::tokens::TokenRecord| {
            Arc::make_mut(&mut record.principal).groups.push(name.to_owned());
        }
    };
    let (a, b) = tokio::join!(here.update(id.as_str(), join("x")), there.update(id.as_str(), join("y")));
    a.expect("updated").expect("known");
    b.expect("updated").expect("known");
    let groups = std::sync::Mutex::new(Vec::new());
    let look = |record: &mut mcp_serve::tokens::TokenRecord| {
        *groups.lock().expect("lock") = record.principal.groups.clone();
    };
    open(&one).await.update(id.as_str(), look).await.expect("read").expect("known");
    let mut groups = groups.into_inner().expect("lock");
    groups.sort();
    assert_eq!(groups, ["staff", "x", "y"]);

    assert!(there.remove(id.as_str()).await.expect("removed").is_some());
    assert!(there.remove(id.as_str()).await.expect("no failure").is_none());
    assert_eq!(there.registry().find(&secret("new")), None, "effective where it was removed, at once");
    until(|| here.registry().is_empty()).await;
    here.add(Token::new(secret("new")).with_id(id.as_str())).await.expect("both are free again");

    let many = (0..10_000).map(|n| Token::new(secret(&n.to_string())).with_id(format!("t{n}")));
    here.add_all(many).await.expect("added");
    until(|| there.registry().len() == 10_001).await;
    let wrong = SharedTokens::follow(registry([8; 32]), one).await;
    assert!(matches!(wrong, Err(StoreError::OtherKey)), "{wrong:?}");
}

#[tokio::test]
async fn tokens_in_memory_are_shared() {
    let store: Arc<dyn TokenStore> = Arc::new(MemoryTokens::default());
    keeps_its_promises(store.clone(), store).await;
}

#[tokio::test]
async fn tokens_in_sqlite_are_shared_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens.db");
    let poll = Duration::from_millis(5);
    let one = SqliteTokens::open(&path).await.expect("a file").polling(poll);
    let other = SqliteTokens::open(&path).await.expect("a file").polling(poll);
    keeps_its_promises(Arc::new(one), Arc::new(other)).await;
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("readable") {
        kept.extend(std::fs::read(entry.expect("entry").path()).expect("readable"));
    }
    let holds = |text: &[u8]| kept.windows(text.len()).any(|part| part == text);
    assert!(holds(b"customer") && !holds(b"0123456789abcdef"), "hashes only (S4-37)");
}

/// One row that somebody spoiled is nobody's; the others go on to be known.
#[tokio::test]
async fn a_record_that_can_not_be_read_lets_nobody_in_and_keeps_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens.db");
    let store = SqliteTokens::open(&path).await.expect("a file").polling(Duration::from_millis(5));
    let store: Arc<dyn TokenStore> = Arc::new(store);
    let here = open(&store).await;
    for name in ["a", "b", "c", "d"] {
        here.add(Token::new(secret(name)).with_id(name)).await.expect("added");
    }
    let knows = |tokens: &SharedTokens, name: &str| tokens.registry().find(&secret(name)).is_some();
    let spoil = rusqlite::Connection::open(&path).expect("opens");
    let spoiled = |id: &str, document: &str| {
        spoil.execute("UPDATE mcp_token_state SET revision = revision + 1", []).expect("the next revision");
        let sql =
            "UPDATE mcp_tokens SET document = ?2, revision = (SELECT revision FROM mcp_token_state) WHERE id = ?1";
        spoil.execute(sql, [id, document]).expect("spoiled");
    };
    spoiled("a", "{\"principal\": 7}");
    until(|| !knows(&here, "a")).await;
    assert!(["b", "c", "d"].iter().all(|name| knows(&here, name)));
    // It says that it has the secret of another one.
    let of_c: String =
        spoil.query_row("SELECT document FROM mcp_tokens WHERE id = 'c'", [], |row| row.get(0)).expect("there");
    spoiled("b", &of_c);
    until(|| !knows(&here, "b")).await;
    assert!(here.registry().find(&secret("c")).is_some_and(|id| id == "c"), "still its own");
    let unreadable = |tokens: &SharedTokens| {
        let mut ids: Vec<_> = tokens.unreadable().iter().map(ToString::to_string).collect();
        ids.sort();
        ids
    };
    assert_eq!(unreadable(&here), ["a", "b"]);

    // Who loads everything does not know whether it is of `b` or of `c`.
    let anew = open(&store).await;
    assert_eq!(unreadable(&anew), ["a", "b", "c"]);
    assert!(knows(&anew, "d") && !knows(&anew, "a") && !knows(&anew, "b") && !knows(&anew, "c"));
    anew.remove("b").await.expect("removed");
    anew.remove("a").await.expect("removed");
    assert_eq!(unreadable(&anew), ["c"]);
}

/// It is compared by its text, and that of another hand is never the same: trying again would not end.
#[tokio::test]
async fn a_record_of_another_hand_is_used_and_not_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens.db");
    let store: Arc<dyn TokenStore> = Arc::new(SqliteTokens::open(&path).await.expect("a file"));
    open(&store).await.add(Token::new(secret("a")).with_id("a")).await.expect("added");
    let hand = rusqlite::Connection::open(&path).expect("opens");
    hand.execute("UPDATE mcp_tokens SET document = document || ' '", []).expect("a blank behind it");
    let tokens = open(&store).await;
    assert!(tokens.registry().find(&secret("a")).is_some());
    let refused = within(tokens.update("a", |record| record.expires_at = None)).await;
    assert!(matches!(refused, Err(StoreError::Foreign { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_postgresql_are_shared_and_kept() {
    let postgres = Postgres::start();
    let config: tokio_postgres::Config = postgres.url().parse().expect("a URL");
    let one = PostgresTokens::open(config.clone(), None).await.expect("connects");
    let other = Arc::new(PostgresTokens::open(config.clone(), None).await.expect("connects"));
    keeps_its_promises(Arc::new(one), other.clone()).await;

    // An outage: what is known goes on, and what was missed is learned.
    let following = open(&(other as Arc<dyn TokenStore>)).await;
    postgres.stop();
    assert!(following.remove("t1").await.is_err());
    assert!(following.registry().get("t1").is_some());
    postgres.restart();
    let third: Arc<dyn TokenStore> = Arc::new(PostgresTokens::open(config, None).await.expect("connects"));
    open(&third).await.remove("t2").await.expect("removed").expect("known");
    until(|| following.registry().get("t2").is_none()).await;
}

#[tokio::test]
async fn a_store_on_another_machine_is_not_reached_in_the_clear() {
    let config: tokio_postgres::Config = "postgresql://factory@db.example.com/tokens".parse().expect("a URL");
    let refused = PostgresTokens::open(config, None).await;
    assert!(matches!(refused, Err(StoreError::Unencrypted)), "{refused:?}");
}
