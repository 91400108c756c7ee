//! Servers: made, made again, found, taken back, removed.

use mcp_factory::{
    Caller, Change, Error, Factory, Outcome, Submission,
    intake::Import,
    registry::{DependencyKind, Filter, Limits, Page, Role},
};

use crate::{
    hosted::Hosted,
    kept::{Kept, on_both, user},
};

on_both! {
    the_same_spec_twice_changes_nothing_and_says_so;
    a_version_never_changes_and_can_be_gone_back_to;
    a_request_that_comes_again_is_answered_as_it_was;
    what_is_wrong_with_a_spec_is_told_and_nothing_is_kept;
    stubs_are_kept_and_known_as_blockers;
    tools_are_found_by_what_they_do;
    nobody_has_more_than_they_may;
    of_hundreds_at_once_in_two_factories_as_many_are_made_as_one_may_have;
    a_server_that_others_need_stays_unless_it_is_forced;
    what_a_server_was_imported_from_is_kept_with_it;
}

/// A server with one tool that says something.
pub fn spec(name: &str, version: &str, says: &str) -> Submission {
    Submission::new(format!(
        "name: {name}\nversion: {version}\ntags: [{name}-tag, all]\ntools:\n  - name: say_{}\n    description: Says {says}\n    \
         parameters: {{ loudness: {{ type: integer, description: how loud it is }} }}\n    static: {{ text: {says} }}\n",
        name.replace('-', "_")
    ))
}

pub async fn create(factory: &Factory, caller: &Caller, submission: Submission) -> Result<Outcome, Error> {
    factory.create(caller, submission, None).await.map(|created| created.outcome)
}

pub fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.expect_err("refused").code()
}

/// Issue 6.
async fn what_a_server_was_imported_from_is_kept_with_it(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let origin = serde_json::json!({ "openapi": { "tags": ["pets"] } });
    let import = |says: &str, update: bool, origin: Option<&serde_json::Value>| Import {
        from: serde_json::from_value(serde_json::json!({ "spec": {
            "text": String::from_utf8(spec("shop", "1.0.0", says).text).expect("a text"), "origin": origin,
        } }))
        .expect("an intake"),
        name: Some("shop".to_owned()),
        dry_run: false,
        update,
        prefer: None,
        forget_options: false,
    };
    factory.import(&jane, import("hello", false, Some(&origin))).await.expect("imported");
    assert_eq!(factory.get(&jane, "shop").await.expect("there").origin, Some(origin.clone()));
    assert_eq!(code(factory.import(&jane, import("hi", false, None)).await), "imported-before");
    // Who does not say what it is of changes nothing of that.
    let updated = factory.import(&jane, import("hi", true, None)).await.expect("updated");
    assert_eq!(updated.created.expect("another version").server.latest.to_string(), "1.0.1");
    assert_eq!(factory.get(&jane, "shop").await.expect("there").origin, Some(origin));
    let other = serde_json::json!({ "postman": {} });
    assert_eq!(code(factory.import(&jane, import("hey", true, Some(&other))).await), "other-kind");
    for bad in [serde_json::json!([]), serde_json::json!({ "made": {} }), serde_json::json!({ "openapi": 1 })] {
        assert_eq!(code(factory.import(&jane, import("hey", false, Some(&bad))).await), "invalid-argument");
    }
    create(&factory, &jane, spec("own", "1.0.0", "hello")).await.expect("created");
    let update = Import { name: Some("own".to_owned()), ..import("hi", true, None) };
    assert_eq!(code(factory.import(&jane, update).await), "not-imported");
}

async fn the_same_spec_twice_changes_nothing_and_says_so(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let created = factory.create(&jane, spec("shop", "1.0.0", "hello"), None).await.expect("created");
    assert_eq!(created.outcome, Outcome::Created);
    assert!(created.problems.is_empty() && created.diagnostics.len() == 1, "a warning: {created:?}");
    assert_eq!((created.server.tools, created.server.auth.as_str()), (1, "none"));
    assert_eq!(created.server.tags, ["all", "shop-tag"]);
    assert_eq!(create(&factory, &jane, spec("shop", "1.0.0", "hello")).await.expect("again"), Outcome::Unchanged);
    // In another form of the language it is the same.
    let json = serde_json::json!({
        "tools": [{ "static": { "text": "hello" }, "name": "say_shop", "description": "Says hello",
            "parameters": { "loudness": { "type": "integer", "description": "how loud it is" } } }],
        "name": "shop", "version": "1.0.0", "tags": ["shop-tag", "all"],
    });
    assert_eq!(create(&factory, &jane, Submission::new(json.to_string())).await.expect("again"), Outcome::Unchanged);
    assert_eq!(factory.versions(&jane, "shop").await.expect("there").len(), 1);

    assert_eq!(create(&factory, &jane, spec("shop", "1.1.0", "hi")).await.expect("updated"), Outcome::Updated);
    factory.remove(&jane, "shop", false).await.expect("removed");
    assert_eq!(code(factory.remove(&jane, "shop", false).await), "not-found");
    assert_eq!(code(factory.get(&jane, "shop").await), "not-found");
    let log = factory.audit(&jane, &Page::default()).await.expect("a log").entries;
    let log: Vec<_> = log.iter().map(|it| (it.verb.as_str(), it.subject.as_str(), it.outcome.as_str())).collect();
    assert_eq!(log[0], ("servers.remove", "shop", "not-found"));
    assert_eq!(log[1], ("servers.remove", "shop", "done"));
    assert_eq!(log.last(), Some(&("users.add", "jane", "done")));
}

async fn a_version_never_changes_and_can_be_gone_back_to(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    for (version, says) in [("1.0.0", "one"), ("1.1.0", "two"), ("1.0.1", "three")] {
        create(&factory, &jane, spec("shop", version, says)).await.expect("created");
    }
    assert_eq!(code(create(&factory, &jane, spec("shop", "1.1.0", "another text")).await), "version-exists");
    let latest = || async { factory.get(&jane, "shop").await.expect("there").server.latest.to_string() };
    assert_eq!(latest().await, "1.0.1", "the last one made");
    let (to, change) = factory.rollback(&jane, "shop", None).await.expect("back");
    assert_eq!((to.to_string().as_str(), change), ("1.1.0", Change::Done));
    assert_eq!(latest().await, "1.1.0");
    let spec_now = factory.spec(&jane, "shop", None).await.expect("there");
    assert_eq!(spec_now.tools[0].description, "Says two");
    assert_eq!(factory.search(&jane, "three", 10).await.expect("searched").len(), 0, "only the latest is found");
    let first = "1.0.0".parse().expect("a version");
    assert_eq!(factory.rollback(&jane, "shop", Some(&first)).await.expect("back").1, Change::Done);
    assert_eq!(factory.rollback(&jane, "shop", Some(&first)).await.expect("again").1, Change::Unchanged);
    assert_eq!(code(factory.rollback(&jane, "shop", None).await), "not-found");
    let never = "9.9.9".parse().expect("a version");
    assert_eq!(code(factory.rollback(&jane, "shop", Some(&never)).await), "not-found");
    // Created again, it is not the latest by itself.
    create(&factory, &jane, spec("shop", "1.0.1", "three")).await.expect("unchanged");
    assert_eq!(latest().await, "1.0.0");
}

async fn a_request_that_comes_again_is_answered_as_it_was(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let ask = |says: &'static str| factory.create(&jane, spec("shop", "1.0.0", says), Some("key-1"));
    assert_eq!(ask("hello").await.expect("created").outcome, Outcome::Created);
    assert_eq!(ask("hello").await.expect("created").outcome, Outcome::Created);
    assert_eq!(code(ask("something else").await), "idempotency-key-reused");
    let john = user(&factory, "john", Role::Developer).await;
    let other = factory.create(&john, spec("john-s", "1.0.0", "hello"), Some("key-1")).await;
    assert_eq!(other.expect("each has keys of their own").outcome, Outcome::Created);
}

async fn what_is_wrong_with_a_spec_is_told_and_nothing_is_kept(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let bad = || Submission::new("name: shop\ntools:\n  - name: a\n    descripton: typo\n");
    let error = factory.create(&jane, bad(), None).await.expect_err("refused");
    let Error::Invalid { diagnostics } = &error else { panic!("{error:?}") };
    assert!(!diagnostics.is_empty() && error.code() == "invalid-spec");
    let valid = factory.validate(&jane, bad()).await.expect("judged");
    assert!(valid.spec.is_none() && valid.diagnostics.len() == diagnostics.len());
    assert!(factory.list(&jane, &Filter::default(), &Page::default()).await.expect("read").entries.is_empty());
    // A file that a spec names is in the server's own folder, or nowhere.
    let seed = "name: shop\nconnections: [{ name: db, type: sqlite, path: ./shop.db, seed: ./seed.sql }]\ntools:\n  \
                - { name: all, description: all of them, sql: SELECT 1 AS one }\n";
    let error = factory.create(&jane, Submission::new(seed), None).await.expect_err("refused");
    let Error::Invalid { diagnostics } = &error else { panic!("{error:?}") };
    assert_eq!(diagnostics[0].code.as_str(), "spec/file-missing");
    // On the operator's own machine it may be elsewhere.
    let folder = kept.folder.path().join("mine");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("seed.sql"), "CREATE TABLE t (a);").expect("written");
    let local = Caller::local();
    let created = factory.create(&local, Submission::new(seed).in_folder(&folder), None).await.expect("created");
    assert!(created.problems.is_empty(), "{:?}", created.problems);
    let kept_folder = factory.get(&local, "shop").await.expect("there").version.folder.expect("in place");
    assert_eq!(kept_folder, std::fs::canonicalize(&folder).expect("there"));
    assert_eq!(code(factory.create(&jane, Submission::new(seed).in_folder(&folder), None).await), "forbidden");
    factory.remove(&local, "shop", false).await.expect("removed");
    assert!(folder.join("seed.sql").exists(), "only the factory's own folders go");
}

/// T11: what can be looked at, and not be deployed.
async fn stubs_are_kept_and_known_as_blockers(kept: Kept) {
    let factory = kept.factory().await;
    let document = include_bytes!("../../../../examples/inventory/design-document.yaml");
    let created = factory.create(&Caller::local(), Submission::new(document.as_slice()), None).await.expect("kept");
    assert_eq!((created.outcome, created.server.name.as_str()), (Outcome::Created, "inventory-mcp"));
    assert_eq!(created.server.blockers, 3);
    let details = factory.get(&Caller::local(), "inventory-mcp").await.expect("there");
    let needs: Vec<_> = details.dependencies.iter().map(|it| (it.kind, it.name.as_str())).collect();
    assert_eq!(needs, [(DependencyKind::Secret, "DATABASE_URL")]);
}

/// S5-50: the capability index.
async fn tools_are_found_by_what_they_do(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    for (name, says) in [("shop", "products"), ("weather", "sunshine"), ("mail", "letters")] {
        create(&factory, &jane, spec(name, "1.0.0", says)).await.expect("created");
    }
    let found = |query: &'static str| async {
        let found = factory.search(&jane, query, 10).await.expect("searched");
        found.into_iter().map(|found| format!("{}/{}", found.server, found.tool.name)).collect::<Vec<_>>()
    };
    assert_eq!(found("a product").await, ["shop/say_shop"]);
    assert_eq!(found("sunshine").await, ["weather/say_weather"]);
    assert_eq!(found("loudness").await.len(), 3, "parameters are words too");
    assert_eq!(found("mail").await, ["mail/say_mail"], "and the server's name");
    factory.remove(&jane, "mail", false).await.expect("removed");
    assert!(found("mail").await.is_empty(), "at once");
    let tags = factory.tags(&jane).await.expect("read");
    assert_eq!(tags, [("all".to_owned(), 2), ("shop-tag".to_owned(), 1), ("weather-tag".to_owned(), 1)]);
    let john = user(&factory, "john", Role::Developer).await;
    assert!(factory.search(&john, "product", 10).await.expect("searched").is_empty());
}

/// S5-62, and the row "Resource exhaustion".
async fn nobody_has_more_than_they_may(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let limits = Limits { max_servers: 2, max_spec_bytes: 1_000, ..Limits::default() };
    factory.change_user(&Caller::local(), jane.owner(), Role::Developer, limits).await.expect("changed");
    for name in ["a", "b"] {
        create(&factory, &jane, spec(name, "1.0.0", "x")).await.expect("created");
    }
    assert_eq!(code(create(&factory, &jane, spec("c", "1.0.0", "x")).await), "quota");
    create(&factory, &jane, spec("b", "1.1.0", "y")).await.expect("a version is no server");
    assert_eq!(code(create(&factory, &jane, spec("b", "1.2.0", &"y".repeat(1_000))).await), "too-large");
    factory.remove(&jane, "a", false).await.expect("removed");
    create(&factory, &jane, spec("c", "1.0.0", "x")).await.expect("there is room again");
    let large = spec("large", "1.0.0", &"y".repeat(2 << 20));
    create(&factory, &Caller::local(), large).await.expect("whose machine it is may have what the language takes");
}

/// S5-62: who is counted is counted once, whichever factory is asked.
async fn of_hundreds_at_once_in_two_factories_as_many_are_made_as_one_may_have(kept: Kept) {
    const MOST: u32 = 200;
    let factories = [kept.factory().await, kept.factory().await];
    let jane = user(&factories[0], "jane", Role::Developer).await;
    let limits = Limits { max_servers: MOST, ..Limits::default() };
    factories[0].change_user(&Caller::local(), jane.owner(), Role::Developer, limits).await.expect("changed");
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..MOST + 60 {
        let factory = factories[number as usize % 2].clone();
        let jane = factory.caller(&mcp_serve::Principal::trusted("jane")).await.expect("known");
        creating.spawn(async move { create(&factory, &jane, spec(&format!("s{number}"), "1.0.0", "x")).await });
    }
    let (mut made, mut refused) = (0, 0);
    while let Some(done) = creating.join_next().await {
        match done.expect("no panic") {
            Ok(_) => made += 1,
            Err(error) => {
                assert_eq!(error.code(), "quota", "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (MOST, 60));
    let page = Page { after: String::new(), limit: 200 };
    let listed = factories[1].list(&jane, &Filter::default(), &page).await.expect("read");
    assert_eq!((listed.entries.len(), listed.next), (MOST as usize, None));
}

/// S5-51.
async fn a_server_that_others_need_stays_unless_it_is_forced(kept: Kept) {
    let Hosted { factory, address } = Hosted::start(&kept).await;
    let jane = user(&factory, "jane", Role::Developer).await;
    create(&factory, &jane, spec("stock", "1.0.0", "x")).await.expect("created");
    let needing = |name: &str, base: &str| {
        Submission::new(format!(
            "name: {name}\nconnections: [{{ name: stock, type: mcp, url: '{base}/servers/stock/mcp' }}]\n\
             tools:\n  - {{ name: count, description: counts, connection: stock, mcp: {{ tool: say_stock }} }}\n"
        ))
    };
    // One of that name elsewhere is another one.
    factory.create(&jane, needing("away", "https://factory.example"), None).await.expect("created");
    factory.create(&jane, needing("shop", &format!("http://{address}")), None).await.expect("created");
    let error = factory.remove(&jane, "stock", false).await.expect_err("needed");
    assert_eq!(error.to_string(), "`stock` is needed by `shop`; remove those first, or force it");
    assert_eq!(factory.get(&jane, "stock").await.expect("there").dependents, ["shop"]);
    factory.remove(&jane, "stock", true).await.expect("forced");
}
