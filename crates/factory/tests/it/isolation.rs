//! What one owner has is out of another's reach, whichever way is tried (decision 13).

use mcp_factory::{
    Caller, Change, Factory, FactoryKey, Submission,
    registry::{Filter, Page, Role},
};
use mcp_factory_connect::{Grant, Secret, SecretError, Secrets as _, Subject};

use crate::{
    create::{code, create, spec},
    kept::{Kept, on_both, user},
};

on_both! {
    a_server_of_another_owner_is_not_there;
    a_secret_is_read_by_its_owner_s_specs_only;
    a_secret_that_another_process_set_is_seen;
    secrets_outlive_a_change_of_the_factory_s_key;
    what_reaches_beyond_an_owner_has_to_be_granted;
}

/// S5-60: as if it did not exist, whatever is asked.
async fn a_server_of_another_owner_is_not_there(kept: Kept) {
    let factory = kept.factory().await;
    let (jane, mallory) =
        (user(&factory, "jane", Role::Developer).await, user(&factory, "mallory", Role::Developer).await);
    create(&factory, &jane, spec("shop", "1.0.0", "x")).await.expect("created");
    create(&factory, &jane, spec("shop", "1.1.0", "y")).await.expect("created");
    let version = "1.0.0".parse().expect("a version");
    for name in ["shop", "no-such-server"] {
        assert_eq!(code(factory.get(&mallory, name).await), "not-found");
        assert_eq!(code(factory.versions(&mallory, name).await), "not-found");
        assert_eq!(code(factory.spec(&mallory, name, None).await), "not-found");
        assert_eq!(code(factory.spec(&mallory, name, Some(&version)).await), "not-found");
        assert_eq!(code(factory.rollback(&mallory, name, None).await), "not-found");
        assert_eq!(code(factory.rollback(&mallory, name, Some(&version)).await), "not-found");
        assert_eq!(code(factory.remove(&mallory, name, true).await), "not-found");
        assert_eq!(code(factory.test_runs(&mallory, name, &Page::default()).await), "not-found");
    }
    assert!(factory.list(&mallory, &Filter::default(), &Page::default()).await.expect("read").entries.is_empty());
    assert!(factory.usage(&mallory, Some("shop"), 0).await.expect("read").is_empty());
    assert_eq!(code(create(&factory, &mallory, spec("shop", "2.0.0", "z")).await), "name-taken");
    assert_eq!(factory.get(&jane, "shop").await.expect("there").server.latest.to_string(), "1.1.0");
}

async fn a_secret_is_read_by_its_owner_s_specs_only(kept: Kept) {
    let factory = kept.factory().await;
    let (jane, mallory) =
        (user(&factory, "jane", Role::Developer).await, user(&factory, "mallory", Role::Developer).await);
    let store = factory.secrets_of(jane.owner()).await.expect("a store");
    let alice = Subject::Principal("alice".to_owned());
    let value = Secret::new("canary-4711");
    factory.set_secret(&jane, None, "TOKEN", &value).await.expect("set");
    factory.set_secret(&jane, Some(&alice), "TOKEN", &Secret::new("of alice")).await.expect("set");
    assert_eq!(store.get("TOKEN").expect("seen at once").expose(), "canary-4711");
    assert_eq!(store.of(&alice).expect("hers").get("TOKEN").expect("there").expose(), "of alice");
    let bob = store.of(&Subject::Principal("bob".to_owned())).expect("a store");
    assert!(matches!(bob.get("TOKEN"), Err(SecretError::MissingOf { .. })), "no fallback");
    let theirs = factory.secrets_of(mallory.owner()).await.expect("a store");
    // Neither another's, nor what the process has in its environment.
    for name in ["TOKEN", "PATH", "HOME", "MCP_FACTORY_SECRET"] {
        assert!(matches!(theirs.get(name), Err(SecretError::Missing { .. })), "{name}");
    }
    let names = factory.secrets(&jane).await.expect("names");
    let names: Vec<_> = names.iter().map(|it| (it.subject.as_str(), it.name.as_str())).collect();
    assert_eq!(names, [("", "TOKEN"), ("principal:alice", "TOKEN")]);
    assert!(factory.secrets(&mallory).await.expect("none").is_empty());
    assert_eq!(factory.remove_secret(&mallory, None, "TOKEN").await.expect("none"), Change::Unchanged);
    factory.set_secret(&jane, None, "TOKEN", &Secret::new("rotated")).await.expect("set");
    assert_eq!(store.get("TOKEN").expect("seen at once").expose(), "rotated");
    assert_eq!(factory.remove_secret(&jane, None, "TOKEN").await.expect("removed"), Change::Done);
    assert!(store.get("TOKEN").is_err());
    for bad in ["", "token", "A-B", "1A"] {
        assert_eq!(code(factory.set_secret(&jane, None, bad, &value).await), "invalid-argument");
    }
    assert!(!format!("{factory:?} {store:?}").contains("alice"));
    for file in std::fs::read_dir(kept.folder.path().join("data")).expect("readable") {
        let bytes = std::fs::read(file.expect("entry").path()).unwrap_or_default();
        for secret in [&b"canary-4711"[..], b"of alice"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "sealed where it is kept");
        }
    }
}

async fn a_secret_that_another_process_set_is_seen(kept: Kept) {
    let (one, other) = (kept.factory().await, kept.factory().await);
    let local = Caller::local();
    let store = one.secrets_of(local.owner()).await.expect("a store");
    let until = |holds: &'static (dyn Fn(Option<String>) -> bool + Sync)| {
        let store = store.clone();
        tokio::time::timeout(std::time::Duration::from_secs(30), async move {
            while !holds(store.get("TOKEN").ok().map(|it| it.expose().to_owned())) {
                tokio::task::yield_now().await;
            }
        })
    };
    other.set_secret(&local, None, "TOKEN", &Secret::new("1")).await.expect("set");
    until(&|value| value.as_deref() == Some("1")).await.expect("seen");
    other.set_secret(&local, None, "TOKEN", &Secret::new("2")).await.expect("set");
    until(&|value| value.as_deref() == Some("2")).await.expect("seen");
    other.remove_secret(&local, None, "TOKEN").await.expect("removed");
    until(&|value| value.is_none()).await.expect("seen");
}

async fn secrets_outlive_a_change_of_the_factory_s_key(kept: Kept) {
    let token = |factory: Factory| async move {
        factory
            .secrets_of(Caller::local().owner())
            .await
            .expect("a store")
            .get("TOKEN")
            .map(|it| it.expose().to_owned())
    };
    let local = Caller::local();
    kept.factory().await.set_secret(&local, None, "TOKEN", &Secret::new("x")).await.expect("set");
    assert_eq!(token(kept.factory().await).await.expect("after a restart"), "x");
    let new = || FactoryKey::new(&[8; 32]).expect("long enough");
    let both = || new().with_previous(&[7; 32]).expect("long enough");
    let refused = kept.try_factory(new()).await.expect_err("another secret");
    assert_eq!(refused.code(), "other-key");
    let changing = kept.try_factory(both()).await.expect("it knows both");
    assert_eq!(token(changing.clone()).await.expect("opened with the old one"), "x");
    assert_eq!(changing.reseal_secrets(&local).await.expect("resealed"), (2, 0), "the secret, and the key of tokens");
    assert_eq!(changing.reseal_secrets(&local).await.expect("again"), (0, 0));
    let changed = kept.try_factory(new()).await.expect("the old one is not needed any more");
    assert_eq!(token(changed.clone()).await.expect("opened with the new one"), "x");
    let api_token = std::fs::read_to_string(kept.folder.path().join("data/token")).expect("there");
    assert!(changed.tokens().find(&api_token).is_some(), "tokens stay good");
    assert!(kept.try_factory(FactoryKey::new(&[7; 32]).expect("long enough")).await.is_err());
}

fn submission(body: &str) -> Submission {
    Submission::new(format!("name: probe\nversion: 1.0.0\n{body}"))
}

async fn what_reaches_beyond_an_owner_has_to_be_granted(kept: Kept) {
    let factory = kept.factory().await;
    let mallory = user(&factory, "mallory", Role::Developer).await;
    let operator = Caller::local().acting_for(mallory.owner().clone()).expect("an admin may");
    let tried = [
        (
            "connections: [{ name: db, type: sqlite, path: /srv/others/shop.db }]\ntools:\n  - { name: t, description: d, sql: SELECT 1 AS a }\n",
            Grant::Path("/srv/others".into()),
        ),
        ("tools:\n  - { name: t, description: d, command: { argv: [cat, /etc/hostname] } }\n", Grant::Command),
    ];
    for (body, grant) in tried {
        let problems = |caller: Caller| {
            let factory = factory.clone();
            async move {
                let valid = factory.validate(&caller, submission(body)).await.expect("judged");
                assert!(valid.spec.is_some(), "{:?}", valid.diagnostics);
                valid.problems
            }
        };
        let code = grant.code();
        let refused = problems(mallory.clone()).await;
        assert!(refused.iter().any(|problem| problem.code == code), "{code}: {refused:?}");
        assert_eq!(factory.grant(&operator, &grant).await.expect("granted"), Change::Done);
        assert_eq!(factory.grant(&operator, &grant).await.expect("again"), Change::Unchanged);
        let left = problems(mallory.clone()).await;
        assert!(!left.iter().any(|problem| problem.code == code), "{code}: {left:?}");
        assert_eq!(factory.grants(&mallory).await.expect("listed").len(), 1);
        assert_eq!(factory.revoke_grant(&operator, &grant).await.expect("revoked"), Change::Done);
        assert_eq!(problems(mallory.clone()).await, refused);
    }
    // Where a name leads is known when it is called: the guard of `connect` asks the same policy then.
    let private = |factory: Factory| async move {
        let owner = "mallory".parse().expect("a name");
        factory.policy_of(&owner).await.expect("a policy").grants(&Grant::PrivateNetworks)
    };
    assert!(!private(factory.clone()).await);
    factory.grant(&operator, &Grant::PrivateNetworks).await.expect("granted");
    assert!(private(factory.clone()).await);
    // Climbing out of one's own folder is no way either.
    let climbing = submission(
        "connections: [{ name: db, type: sqlite, path: ../../jane/shop/shop.db }]\ntools:\n  - { name: t, description: d, sql: SELECT 1 AS a }\n",
    );
    let valid = factory.validate(&mallory, climbing).await.expect("judged");
    assert!(valid.spec.is_none() || valid.problems.iter().any(|it| it.code == "policy/path"), "{valid:?}");
}
