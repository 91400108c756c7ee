//! Users, their tokens and roles, and what is written down of what they do.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use mcp_factory::{
    Caller, Change, Error, Factory, Owner,
    registry::{Filter, Limits, Page, Role},
};
use mcp_factory_connect::Grant;
use mcp_serve::{Principal, Scopes};

use crate::{
    create::{code, create, spec},
    kept::{Kept, on_both, user},
};

on_both! {
    each_role_may_do_what_it_says;
    a_token_is_shown_once_and_good_for_no_more_than_its_user;
    the_operator_s_token_is_made_once;
    who_owns_servers_is_not_removed;
    an_admin_may_act_for_others_and_is_named;
    calls_are_counted_and_written_down;
}

async fn each_role_may_do_what_it_says(kept: Kept) {
    let factory = kept.factory().await;
    let viewer = user(&factory, "viewer", Role::Viewer).await;
    let developer = user(&factory, "developer", Role::Developer).await;
    let admin = user(&factory, "admin", Role::Admin).await;
    assert!(factory.list(&viewer, &Filter::default(), &Page::default()).await.is_ok());
    assert_eq!(code(create(&factory, &viewer, spec("a", "1.0.0", "x")).await), "forbidden");
    assert_eq!(code(factory.remove(&viewer, "a", true).await), "forbidden");
    let secret = mcp_factory_connect::Secret::new("x");
    assert_eq!(code(factory.set_secret(&viewer, None, "TOKEN", &secret).await), "forbidden");
    assert!(create(&factory, &developer, spec("b", "1.0.0", "x")).await.is_ok());
    let somebody: Owner = "somebody".parse().expect("a name");
    for caller in [&viewer, &developer] {
        assert_eq!(code(factory.grant(caller, &Grant::Command).await), "forbidden");
        assert_eq!(code(factory.users(caller, &Page::default()).await), "forbidden");
        assert_eq!(code(factory.add_user(caller, &somebody, Role::Viewer, Limits::default()).await), "forbidden");
        let me = caller.owner().clone();
        assert_eq!(code(factory.change_user(caller, &me, Role::Admin, Limits::default()).await), "forbidden");
        assert_eq!(code(factory.audit_of_all(caller, &Page::default()).await), "forbidden");
        assert_eq!(code(caller.acting_for(admin.owner().clone())), "forbidden");
        assert_eq!(code(factory.issue_token(caller, "more", Role::Admin, None).await), "forbidden");
    }
    assert!(factory.add_user(&admin, &somebody, Role::Viewer, Limits::default()).await.is_ok());
    assert_eq!(code(factory.add_user(&admin, &somebody, Role::Viewer, Limits::default()).await), "user-exists");
    assert_eq!(code(factory.remove_user(&admin, &Owner::local()).await), "local-admin");
    // What was refused is written down.
    let log = factory.audit(&developer, &Page::default()).await.expect("a log").entries;
    assert!(log.iter().any(|it| it.verb == "grants.add" && it.outcome == "forbidden"));
    let names = factory.users(&admin, &Page::default()).await.expect("users").entries;
    let names: Vec<_> = names.iter().map(|user| user.owner.as_str()).collect();
    assert_eq!(names, ["admin", "developer", "local", "somebody", "viewer"]);
}

/// What the factory's endpoint makes of a token.
fn principal(factory: &Factory, secret: &str) -> Option<Principal> {
    let id = factory.tokens().find(secret)?;
    let info = factory.tokens().get(id.as_str())?;
    let scopes = Scopes::Only(std::collections::BTreeSet::new());
    Some(Principal { token: Some(id), scopes, ..(*Principal::trusted(info.principal)).clone() })
}

async fn a_token_is_shown_once_and_good_for_no_more_than_its_user(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let issued = factory.issue_token(&jane, "laptop", Role::Developer, None).await.expect("issued");
    assert_eq!(issued.token.token.as_str(), "jane/laptop");
    let secret = issued.secret.reveal().to_owned();
    assert!(!format!("{issued:?}").contains(&secret));
    let mut principal_of_jane = principal(&factory, &secret).expect("known");
    principal_of_jane.scopes = Scopes::Only(["developer".to_owned()].into());
    let caller = factory.caller(&principal_of_jane).await.expect("known");
    assert_eq!(
        (caller.role(), caller.owner().as_str(), caller.token()),
        (Role::Developer, "jane", Some("jane/laptop"))
    );
    assert_eq!(code(factory.issue_token(&jane, "laptop", Role::Viewer, None).await), "invalid-argument");
    assert_eq!(code(factory.issue_token(&jane, "a/b", Role::Viewer, None).await), "invalid-argument");
    let john = user(&factory, "john", Role::Developer).await;
    assert!(factory.list_tokens(&john).await.expect("none").is_empty());
    assert_eq!(factory.revoke_token(&john, "laptop").await.expect("not theirs"), Change::Unchanged);
    assert_eq!(factory.list_tokens(&jane).await.expect("one").len(), 1);

    // Roles are those of the moment.
    factory.change_user(&Caller::local(), jane.owner(), Role::Viewer, Limits::default()).await.expect("changed");
    assert_eq!(factory.caller(&principal_of_jane).await.expect("known").role(), Role::Viewer);
    let rotated = factory.rotate_token(&caller, "laptop", Duration::ZERO).await.expect("rotated");
    assert!(principal(&factory, &secret).is_none() || factory.tokens().find(rotated.secret.reveal()).is_some());
    assert_eq!(factory.revoke_token(&caller, "laptop").await.expect("revoked"), Change::Done);
    assert_eq!(factory.revoke_token(&caller, "laptop").await.expect("again"), Change::Unchanged);
    assert!(factory.tokens().find(rotated.secret.reveal()).is_none());
    factory.remove_user(&Caller::local(), jane.owner()).await.expect("removed");
    assert!(matches!(factory.caller(&principal_of_jane).await, Err(Error::Unknown)));
    // What others see of a token, and what lies in files, is no secret.
    let token = std::fs::read_to_string(kept.folder.path().join("data/token")).expect("the operator's");
    for file in std::fs::read_dir(kept.folder.path().join("data")).expect("readable") {
        let path = file.expect("entry").path();
        if path.is_file() && path.file_name() != Some("token".as_ref()) {
            let bytes = std::fs::read(&path).expect("readable");
            for secret in [&secret, &token] {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
            }
        }
    }
}

async fn the_operator_s_token_is_made_once(kept: Kept) {
    let first = kept.factory().await;
    let file = kept.folder.path().join("data/token");
    let secret = std::fs::read_to_string(&file).expect("made");
    let mode = |path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(file.as_path()), mode(file.parent().expect("a folder"))), (0o600, 0o700));
    let again = kept.factory().await;
    assert_eq!(std::fs::read_to_string(&file).expect("there"), secret);
    assert_eq!(again.list_tokens(&Caller::local()).await.expect("one").len(), 1);
    let caller = first.caller(&principal(&first, &secret).expect("known")).await;
    assert!(matches!(caller, Err(Error::Unknown)), "who has no scope has no role");
    // One that was revoked is made anew.
    let id = first.tokens().find(&secret).expect("known");
    let name = id.as_str().strip_prefix("local/").expect("the user's").to_owned();
    first.revoke_token(&Caller::local(), &name).await.expect("revoked");
    kept.factory().await;
    assert_ne!(std::fs::read_to_string(&file).expect("there"), secret);
}

async fn who_owns_servers_is_not_removed(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    create(&factory, &jane, spec("shop", "1.0.0", "x")).await.expect("created");
    assert_eq!(code(factory.remove_user(&Caller::local(), jane.owner()).await), "owns-servers");
    factory.remove(&jane, "shop", false).await.expect("removed");
    factory.remove_user(&Caller::local(), jane.owner()).await.expect("removed");
    assert_eq!(code(factory.remove_user(&Caller::local(), jane.owner()).await), "not-found");
    assert_eq!(code(create(&factory, &jane, spec("shop", "1.0.0", "x")).await), "not-found");
}

async fn an_admin_may_act_for_others_and_is_named(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    let boss = user(&factory, "boss", Role::Admin).await;
    let for_jane = boss.acting_for(jane.owner().clone()).expect("an admin may");
    create(&factory, &for_jane, spec("shop", "1.0.0", "x")).await.expect("created");
    assert!(factory.get(&jane, "shop").await.is_ok());
    assert_eq!(code(factory.get(&boss, "shop").await), "not-found", "it is jane's");
    let log = factory.audit(&jane, &Page::default()).await.expect("a log").entries;
    assert_eq!(
        (log[0].owner.as_str(), log[0].actor.as_str(), log[0].verb.as_str()),
        ("jane", "boss", "servers.create")
    );
    let all = factory.audit_of_all(&boss, &Page::default()).await.expect("a log").entries;
    assert!(all.len() > log.len());
    factory.sweep(&boss).await.expect("nothing is old");
}

/// S5-52: how often, how well and how fast, and nothing of what was said.
async fn calls_are_counted_and_written_down(kept: Kept) {
    let factory = kept.factory().await;
    let jane = user(&factory, "jane", Role::Developer).await;
    create(&factory, &jane, spec("shop", "1.0.0", "x")).await.expect("created");
    for (failed, millis) in [(false, 3), (false, 4), (true, 400)] {
        factory.count_call(jane.owner(), "shop", "say_shop", failed, Duration::from_millis(millis));
    }
    factory.count_call(jane.owner(), "never-made", "t", false, Duration::ZERO);
    factory.flush().await.expect("written");
    factory.count_call(jane.owner(), "shop", "say_shop", false, Duration::from_millis(5));
    let again = kept.factory().await;
    assert_eq!(again.usage(&jane, None, 0).await.expect("read").iter().map(|it| it.calls).sum::<u64>(), 3);
    let usage = factory.usage(&jane, Some("shop"), 0).await.expect("read");
    let usage: Vec<_> = usage.iter().map(|it| (it.latency, it.calls, it.errors, it.micros)).collect();
    assert_eq!(usage, [(5, 3, 0, 12_000), (500, 1, 1, 400_000)]);
    let john = user(&factory, "john", Role::Developer).await;
    assert!(factory.usage(&john, None, 0).await.expect("read").is_empty());
}
