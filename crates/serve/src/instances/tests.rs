use std::hash::BuildHasher;

use serde_json::json;

use super::*;
use crate::{Extras, Scopes, TokenId};

fn principal() -> Principal {
    let mut principal = Principal::clone(&Principal::trusted("ann"));
    principal.tenant = Some("north".to_owned());
    principal.scopes = Scopes::Only(["read".to_owned()].into());
    principal.claims = json!({"role": "clerk", "exp": 1, "jti": "a"}).as_object().expect("object").clone();
    principal
}

fn key(principal: Principal) -> ServerKey {
    ServerKey(TenantContext::new(Arc::new(principal)))
}

fn same(a: &ServerKey, b: &ServerKey) -> bool {
    let hasher = std::hash::RandomState::new();
    if a == b {
        assert_eq!(hasher.hash_one(a), hasher.hash_one(b));
    }
    let (forth, back) = (a.eq(b), b.eq(a));
    assert_eq!(forth, back, "it is symmetric");
    a == b
}

#[test]
fn whatever_a_factory_could_decide_by_is_part_of_the_key() {
    type Change = (&'static str, fn(&mut Principal));
    let changes: [Change; 7] = [
        ("id", |it| it.id = "bob".to_owned()),
        ("tenant", |it| it.tenant = Some("south".to_owned())),
        ("no tenant", |it| it.tenant = None),
        ("scopes", |it| it.scopes = Scopes::All),
        ("groups", |it| it.groups.push("admins".to_owned())),
        ("claim", |it| drop(it.claims.insert("role".to_owned(), json!("boss")))),
        ("claims", |it| drop(it.claims.insert("more".to_owned(), json!(1)))),
    ];
    for (what, change) in changes {
        let mut other = principal();
        change(&mut other);
        assert!(!same(&key(principal()), &key(other)), "{what}");
    }
    let extras: Extras = [("ghost_owner", "x")].into_iter().collect();
    let with_extras = ServerKey(TenantContext::new(Arc::new(principal())).with_extras(extras));
    assert!(!same(&key(principal()), &with_extras));
}

/// I3: a refreshed token is the same caller.
#[test]
fn what_differs_from_token_to_token_is_not() {
    let mut refreshed = principal();
    refreshed.token = Some(TokenId::of(b"another one"));
    refreshed.claims = json!({"role": "clerk", "exp": 2, "iat": 1}).as_object().expect("object").clone();
    assert!(same(&key(principal()), &key(refreshed)));
}

/// Two tokens of one principal may have two servers.
#[test]
fn entries_of_a_registry_are_told_apart() {
    let of = |token: &str| {
        let mut principal = principal();
        principal.token = Some(TokenId::new(token).expect("an id"));
        let mut caller = TenantContext::new(Arc::new(principal));
        caller.names_entry = true;
        ServerKey(caller)
    };
    assert!(same(&of("one"), &of("one")));
    assert!(!same(&of("one"), &of("two")));
}
