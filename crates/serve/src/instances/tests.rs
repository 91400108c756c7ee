use std::hash::BuildHasher;

use serde_json::json;

use super::*;
use crate::{Extras, Scopes, Server, TokenId, ToolServer};

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

/// S2-8, S2-24.
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

fn made(options: InstanceOptions) -> Instances {
    let factory = async |_: TenantContext| {
        let server: Arc<dyn Server> = ToolServer::new("one", "1").build().expect("a server");
        Ok::<_, FactoryError>(server)
    };
    Instances::new(factory, options)
}

async fn find(instances: &Instances, user: &str, region: usize) -> Result<Arc<Served>, FactoryError> {
    let extras: Extras = [("region", region.to_string())].into_iter().collect();
    match instances.find(TenantContext::new(Principal::trusted(user)).with_extras(extras)) {
        Finding::Ready(found) => found,
        Finding::Pending(found) => found.await,
    }
}

fn few() -> InstanceOptions {
    InstanceOptions {
        max_instances: 50,
        max_instances_per_principal: 10,
        build_rate: None,
        ..InstanceOptions::default()
    }
}

/// S4-39, W2-12: who chooses what a server is made for pushes out nobody's servers but their own.
#[tokio::test]
async fn a_caller_who_asks_for_many_servers_costs_nobody_else_theirs() {
    let instances = made(few());
    let others: Vec<String> = (0..30).map(|n| format!("user {n}")).collect();
    for user in &others {
        find(&instances, user, 0).await.expect("a server");
    }
    for region in 0..1_000 {
        find(&instances, "eve", region).await.expect("a server");
    }
    let builds = instances.stats().builds;
    for user in &others {
        find(&instances, user, 0).await.expect("a server");
    }
    assert_eq!(instances.stats().builds, builds, "all were kept: {:?}", instances.stats());
    assert!(instances.stats().size <= 40, "{:?}", instances.stats());
    find(&instances, "eve", 999).await.expect("a server");
    assert_eq!(instances.stats().builds, builds, "the last of its own are kept");
}

#[tokio::test]
async fn servers_in_use_are_not_let_go_and_no_more_are_made_than_one_may_have() {
    let instances = made(few());
    let mut running = Vec::new();
    for region in 0..10 {
        running.push(find(&instances, "eve", region).await.expect("a server"));
    }
    assert!(matches!(find(&instances, "eve", 10).await, Err(FactoryError::TooMany { .. })));
    find(&instances, "bob", 10).await.expect("another caller");
    running.pop();
    find(&instances, "eve", 10).await.expect("one was free");
    drop(running);
    instances.invalidate(&Principal::trusted("eve"));
    for region in 20..30 {
        find(&instances, "eve", region).await.expect("a share is given back with its server");
    }
}

/// S4-30: tokens of one principal are the operator's choice, and no client's.
#[tokio::test]
async fn each_token_of_a_principal_has_a_share_of_its_own() {
    let rate = Rate { calls: 10, per: Duration::from_secs(3_600) };
    let instances = made(InstanceOptions { max_instances: 100, build_rate: Some(rate), ..few() });
    let of = |token: usize| {
        let mut principal = Principal::clone(&Principal::trusted("service"));
        principal.token = Some(TokenId::new(format!("token-{token}")).expect("an id"));
        let mut caller = TenantContext::new(Arc::new(principal));
        caller.names_entry = true;
        caller
    };
    for round in 0..2 {
        for token in 0..50 {
            match instances.find(of(token)) {
                Finding::Ready(found) if round == 1 => drop(found.expect("it is kept")),
                Finding::Pending(found) if round == 0 => drop(found.await.expect("a server")),
                found => panic!("{round} {token}: {found:?}"),
            }
        }
    }
}

/// making a server is work that comes before any call is counted.
#[tokio::test]
async fn servers_are_made_at_a_rate_of_their_caller() {
    let rate = Rate { calls: 3, per: Duration::from_secs(3_600) };
    let instances = made(InstanceOptions { build_rate: Some(rate), ..few() });
    for region in 0..3 {
        find(&instances, "eve", region).await.expect("a server");
    }
    let refused = find(&instances, "eve", 3).await.expect_err("too often").refusal(&Principal::trusted("eve"));
    assert_eq!(refused.status, http::StatusCode::TOO_MANY_REQUESTS);
    find(&instances, "eve", 2).await.expect("it is there");
    find(&instances, "bob", 3).await.expect("another caller");
    let mut anybody = TenantContext::new(Principal::anonymous());
    anybody.is_anybody = true;
    for region in 0..20 {
        let extras: Extras = [("region", region.to_string())].into_iter().collect();
        let Finding::Pending(found) = instances.find(anybody.clone().with_extras(extras)) else { panic!("not known") };
        found.await.expect("these are many callers");
    }
}
