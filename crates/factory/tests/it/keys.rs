//! Keys of hosted servers: each is good for one server, and for nothing else.

use std::time::Duration;

use mcp_factory::{Caller, Change, Error, NewKey, Submission, keys::name_of, registry::Role};
use mcp_factory_connect::Secret;
use mcp_serve::{Authentication, Authenticator as _, BearerTokens};

use crate::{
    create::{code, create, spec},
    hosted::{Hosted, within},
    kept::{Kept, on_both, user},
};

on_both! {
    a_key_is_shown_once_and_good_for_its_server_alone;
    a_key_that_is_revoked_is_good_nowhere_any_more;
    keys_of_the_spec_s_own_secret_are_good_beside_those_that_are_issued;
    a_key_is_never_an_api_token;
    keys_go_with_their_server;
    who_may_not_change_a_server_gets_no_keys;
}

fn guarded(name: &str, auth: &str) -> Submission {
    Submission::new(format!(
        "name: {name}\nversion: 1.0.0\nauth: {auth}\ntools:\n  - {{ name: hello, description: Greets, static: {{ text: hello }} }}\n  \
         - {{ name: secret, description: Greets, scopes: [inside], static: {{ text: psst }} }}\n"
    ))
}

const BEARER: &str = "{ type: bearer }";

async fn a_key_is_shown_once_and_good_for_its_server_alone(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let jane = user(factory, "jane", Role::Developer).await;
    for (name, auth) in [("shop", BEARER), ("shop-2", BEARER), ("door", "{ type: api_key }")] {
        create(factory, &jane, guarded(name, auth)).await.expect("created");
        hosted.deploy(&jane, name).await;
    }
    assert_eq!(hosted.call("shop", "", "hello").await.0, 401);
    let issued = factory.issue_key(&jane, "shop", NewKey::named("ci")).await.expect("issued");
    let secret = issued.secret.reveal().to_owned();
    assert_eq!((issued.token.token.as_str(), issued.token.principal.as_str()), ("jane/shop/ci", "ci"));
    assert!(!format!("{issued:?}").contains(&secret));
    assert_eq!(hosted.status("shop", &secret, "hello").await, 200);
    assert_eq!(hosted.status("shop-2", &secret, "hello").await, 401, "an audience of its own");
    assert_eq!(hosted.call("door", &format!("x-api-key: {secret}"), "hello").await.0, 401);
    let of_door = factory.issue_key(&jane, "door", NewKey::named("ci")).await.expect("issued");
    let of_door = format!("x-api-key: {}", of_door.secret.reveal());
    assert_eq!(hosted.call("door", &of_door, "hello").await.0, 200);

    // What it may is said when it is issued.
    assert_eq!(hosted.status("shop", &secret, "secret").await, 403);
    let scopes = ["inside".to_owned()].into();
    let insider = NewKey { principal: Some("alice".to_owned()), scopes, ..NewKey::named("insider") };
    let insider = factory.issue_key(&jane, "shop", insider).await.expect("issued");
    assert_eq!(hosted.status("shop", insider.secret.reveal(), "secret").await, 200);

    let names = factory.list_keys(&jane, "shop").await.expect("listed");
    assert_eq!(names.iter().map(name_of).collect::<Vec<_>>(), ["ci", "insider"]);
    assert_eq!(code(factory.issue_key(&jane, "shop", NewKey::named("ci")).await), "invalid-argument");
    for name in ["", "a/b", "A", "../x"] {
        assert_eq!(code(factory.issue_key(&jane, "shop", NewKey::named(name)).await), "invalid-argument", "{name:?}");
    }
    // Where nobody is asked for a key it would keep nobody out.
    create(factory, &jane, spec("open", "1.0.0", "x")).await.expect("created");
    assert_eq!(code(factory.issue_key(&jane, "open", NewKey::named("ci")).await), "takes-no-keys");
    for file in std::fs::read_dir(kept.folder.path().join("data")).expect("readable") {
        let bytes = std::fs::read(file.expect("entry").path()).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "only its hash is kept");
    }
}

async fn a_key_that_is_revoked_is_good_nowhere_any_more(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let jane = user(factory, "jane", Role::Developer).await;
    create(factory, &jane, guarded("shop", BEARER)).await.expect("created");
    hosted.deploy(&jane, "shop").await;
    let first = factory.issue_key(&jane, "shop", NewKey::named("ci")).await.expect("issued");
    let rotated = factory.rotate_key(&jane, "shop", "ci", Duration::from_secs(60)).await.expect("rotated");
    for secret in [&first.secret, &rotated.secret] {
        assert_eq!(hosted.status("shop", secret.reveal(), "hello").await, 200, "both, for a while");
    }
    // What no clock can say is refused, and not good for ever.
    assert_eq!(code(factory.rotate_key(&jane, "shop", "ci", Duration::MAX).await), "invalid-argument");
    let forever = NewKey { lifetime: Some(Duration::MAX), ..NewKey::named("forever") };
    assert_eq!(code(factory.issue_key(&jane, "shop", forever).await), "invalid-argument");
    let last = factory.rotate_key(&jane, "shop", "ci", Duration::ZERO).await.expect("rotated");
    for (secret, status) in [(&first.secret, 401), (&rotated.secret, 401), (&last.secret, 200)] {
        assert_eq!(hosted.status("shop", secret.reveal(), "hello").await, status);
    }
    // Another factory with the same registry knows it within its poll.
    let other = kept.factory().await;
    assert!(other.tokens().find(last.secret.reveal()).is_some());
    assert_eq!(factory.revoke_key(&jane, "shop", "ci").await.expect("revoked"), Change::Done);
    assert_eq!(hosted.status("shop", last.secret.reveal(), "hello").await, 401, "with the next request");
    assert_eq!(factory.revoke_key(&jane, "shop", "ci").await.expect("again"), Change::Unchanged);
    assert_eq!(code(factory.rotate_key(&jane, "shop", "ci", Duration::ZERO).await), "not-found");
    within(async {
        while other.tokens().find(last.secret.reveal()).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// DESIGN 13: the owner's own store, and never what the process has in its environment.
async fn keys_of_the_spec_s_own_secret_are_good_beside_those_that_are_issued(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let jane = user(factory, "jane", Role::Developer).await;
    // Every process here has it.
    let path = std::env::var("PATH").expect("there");
    create(factory, &jane, guarded("inner", "{ type: bearer, envVar: PATH }")).await.expect("created");
    let refused = factory.deploy(&jane, "inner", None, Duration::from_secs(60)).await.expect("ordered");
    let fault = refused.observed.expect("in time").outcome.expect_err("no such secret").to_string();
    assert!(fault.contains("PATH") && !fault.contains(&path), "{fault}");

    let keys = Secret::new("a-key-of-the-secret-1234");
    factory.set_secret(&jane, None, "SHOP_KEYS", &keys).await.expect("set");
    create(factory, &jane, guarded("shop", "{ type: bearer, envVar: SHOP_KEYS }")).await.expect("created");
    hosted.deploy(&jane, "shop").await;
    let issued = factory.issue_key(&jane, "shop", NewKey::named("ci")).await.expect("issued");
    for secret in [keys.expose(), issued.secret.reveal()] {
        assert_eq!(hosted.status("shop", secret, "hello").await, 200);
    }
    assert_eq!(hosted.status("shop", "a-key-of-nobody-at-all", "hello").await, 401);
}

/// Whoever owns a server may say of a key's caller what they like; it makes nobody of the factory's users.
async fn a_key_is_never_an_api_token(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let mallory = user(factory, "mallory", Role::Developer).await;
    create(factory, &mallory, guarded("shop", BEARER)).await.expect("created");
    hosted.deploy(&mallory, "shop").await;
    let scopes = ["admin".to_owned(), "developer".to_owned()].into();
    let new = NewKey { principal: Some("local".to_owned()), scopes, ..NewKey::named("local") };
    let issued = factory.issue_key(&mallory, "shop", new).await.expect("issued");
    let head = |secret: &str| {
        let request = http::Request::builder().header("authorization", format!("Bearer {secret}"));
        request.body(()).expect("a request").into_parts().0
    };
    let api = BearerTokens::new(factory.tokens().clone());
    let head = head(issued.secret.reveal());
    let Authentication::Ready(Ok(principal)) = api.authenticate(&head) else { panic!("it is in the registry") };
    assert!(matches!(factory.caller(&principal).await, Err(Error::Unknown)));
    let tokens = factory.list_tokens(&Caller::local()).await.expect("listed");
    assert!(tokens.iter().all(|token| !token.token.as_str().contains("shop")), "{tokens:?}");
    // Nor is an API token a key.
    let token = factory.issue_token(&mallory, "laptop", Role::Developer, None).await.expect("issued");
    assert_eq!(hosted.status("shop", token.secret.reveal(), "hello").await, 401);
}

async fn keys_go_with_their_server(kept: Kept) {
    let hosted = Hosted::start(&kept).await;
    let factory = &hosted.factory;
    let jane = user(factory, "jane", Role::Developer).await;
    create(factory, &jane, guarded("shop", BEARER)).await.expect("created");
    let issued = factory.issue_key(&jane, "shop", NewKey::named("ci")).await.expect("issued");
    factory.remove(&jane, "shop", false).await.expect("removed");
    assert_eq!(code(factory.list_keys(&jane, "shop").await), "not-found");
    create(factory, &jane, guarded("shop", BEARER)).await.expect("created");
    hosted.deploy(&jane, "shop").await;
    assert!(factory.list_keys(&jane, "shop").await.expect("listed").is_empty());
    assert_eq!(hosted.status("shop", issued.secret.reveal(), "hello").await, 401);
}

async fn who_may_not_change_a_server_gets_no_keys(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    create(&factory, &jane, guarded("shop", BEARER)).await.expect("created");
    factory.issue_key(&jane, "shop", NewKey::named("ci")).await.expect("issued");
    let mallory = user(&factory, "mallory", Role::Developer).await;
    for server in ["shop", "never"] {
        assert_eq!(code(factory.issue_key(&mallory, server, NewKey::named("ci")).await), "not-found");
        assert_eq!(code(factory.list_keys(&mallory, server).await), "not-found");
        assert_eq!(code(factory.rotate_key(&mallory, server, "ci", Duration::ZERO).await), "not-found");
        assert_eq!(code(factory.revoke_key(&mallory, server, "ci").await), "not-found");
    }
    let viewer = factory.issue_token(&jane, "look", Role::Viewer, None).await.expect("issued");
    let id = factory.tokens().find(viewer.secret.reveal()).expect("known");
    let scopes = mcp_serve::Scopes::Only(["viewer".to_owned()].into());
    let principal =
        mcp_serve::Principal { token: Some(id), scopes, ..(*mcp_serve::Principal::trusted("jane")).clone() };
    let viewer = factory.caller(&principal).await.expect("known");
    assert_eq!(code(factory.issue_key(&viewer, "shop", NewKey::named("more")).await), "forbidden");
    assert_eq!(code(factory.revoke_key(&viewer, "shop", "ci").await), "forbidden");
    assert_eq!(factory.list_keys(&viewer, "shop").await.expect("listed").len(), 1);
    let log = factory.audit(&jane, &mcp_factory::registry::Page::default()).await.expect("a log").entries;
    let log: Vec<_> = log.iter().map(|it| (it.verb.as_str(), it.subject.as_str(), it.outcome.as_str())).collect();
    assert!(log.contains(&("keys.issue", "shop/ci", "done")), "{log:?}");
    assert!(log.contains(&("keys.revoke", "shop/ci", "forbidden")), "{log:?}");
}
