use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_serve::Principal;
use proptest::prelude::*;

use super::*;

/// Knows with which secret it was made, and is counted.
#[derive(Debug)]
struct Account {
    token: String,
    alive: Arc<AtomicUsize>,
}

impl Drop for Account {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

const BOUNDS: Bounds = Bounds { most: 2, idle: Duration::from_secs(600), wait: Duration::from_secs(5) };

fn caller(id: &str) -> CallContext {
    CallContext::new(Principal::trusted(id))
}

fn of_tenant(id: &str, tenant: Option<&str>) -> CallContext {
    let mut principal = Principal::clone(&Principal::trusted(id));
    principal.tenant = tenant.map(str::to_owned);
    CallContext::new(Arc::new(principal))
}

fn stores() -> FixedSecrets {
    let owner: FixedSecrets = [("TOKEN", "of the owner")].into_iter().collect();
    let principals = ["a", "b", "c", "d"].map(|id| Subject::Principal(id.to_owned()));
    let tenants = ["a", "b"].map(|id| Subject::Tenant(id.to_owned()));
    principals.into_iter().chain(tenants).fold(owner, |secrets, subject| {
        let value = subject.to_string();
        secrets.with(subject, "TOKEN", value)
    })
}

fn accounts(per: Per, secrets: Arc<dyn Secrets>, bounds: Bounds) -> (Connected<Account>, Arc<AtomicUsize>) {
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&alive);
    let open = move |secrets: Arc<dyn Secrets>| {
        let token = secrets.get("TOKEN").map(|token| token.expose().to_owned()).unwrap_or_default();
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Account { token, alive: Arc::clone(&counted) })
    };
    (Connected::each("crm", per, secrets, vec!["TOKEN".to_owned()], bounds, open).unwrap(), alive)
}

#[tokio::test]
async fn each_principal_and_each_tenant_has_its_own() {
    let (principals, _) = accounts(Per::Principal, Arc::new(stores()), BOUNDS);
    for id in ["a", "b", "c", "a"] {
        assert_eq!(principals.of(&caller(id)).await.unwrap().token, format!("the principal `{id}`"));
    }
    let (tenants, alive) = accounts(Per::Tenant, Arc::new(stores()), BOUNDS);
    for (id, tenant) in [("x", "a"), ("y", "a"), ("a", "b")] {
        let cx = of_tenant(id, Some(tenant));
        assert_eq!(tenants.of(&cx).await.unwrap().token, format!("the tenant `{tenant}`"));
    }
    assert_eq!(alive.load(Ordering::SeqCst), 2, "two callers of a tenant share its connection");
}

#[tokio::test]
async fn whoever_has_no_secret_of_their_own_is_refused_by_name() {
    let (principals, alive) = accounts(Per::Principal, Arc::new(stores()), BOUNDS);
    let refused = async |connected: &Connected<Account>, cx: CallContext| connected.of(&cx).await.unwrap_err();
    let error = refused(&principals, caller("anonymous")).await;
    assert!(error.contains("`TOKEN`") && error.contains("`anonymous`") && !error.contains("of the owner"), "{error}");
    assert!(refused(&principals, caller("")).await.contains("you have no id"));
    let (tenants, _) = accounts(Per::Tenant, Arc::new(stores()), BOUNDS);
    for tenant in [None, Some("")] {
        assert!(refused(&tenants, of_tenant("a", tenant)).await.contains("you have no tenant"));
    }
    let (nobodys, _) = accounts(Per::Principal, Arc::new(mcp_factory_connect::Environment), BOUNDS);
    assert!(refused(&nobodys, caller("a")).await.contains("--principal-secrets"));
    assert_eq!(alive.load(Ordering::SeqCst), 0, "nothing was opened");
}

#[tokio::test]
async fn what_is_in_use_stays_and_the_one_unused_for_longest_goes() {
    let bounds = Bounds { wait: Duration::from_millis(100), ..BOUNDS };
    let (connected, alive) = accounts(Per::Principal, Arc::new(stores()), bounds);
    let in_use = connected.of(&caller("a")).await.unwrap();
    drop(connected.of(&caller("b")).await.unwrap());
    let other = connected.of(&caller("c")).await.unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 2, "`b` went");
    let error = connected.of(&caller("d")).await.unwrap_err();
    assert!(error.contains("in use for 0.1s"), "{error}");
    let d = caller("d");
    let (waited, ()) = tokio::join!(connected.of(&d), async { drop(other) });
    assert_eq!(waited.unwrap().token, "the principal `d`", "it waited until there was room");
    assert_eq!(in_use.token, "the principal `a`");
}

#[tokio::test]
async fn nobody_keeps_a_connection_for_longer_than_its_idle_time() {
    let (connected, alive) =
        accounts(Per::Principal, Arc::new(stores()), Bounds { idle: Duration::from_millis(20), ..BOUNDS });
    let until = async |left: usize| {
        while alive.load(Ordering::SeqCst) != left {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let in_use = connected.of(&caller("a")).await.unwrap();
    drop(connected.of(&caller("b")).await.unwrap());
    until(1).await;
    assert_eq!(in_use.token, "the principal `a`", "a call that is not over keeps it");
    drop(in_use);
    until(0).await;
}

#[tokio::test]
async fn a_secret_that_changes_or_goes_counts_at_once() {
    #[derive(Debug, Default)]
    struct Changing(Mutex<FixedSecrets>);

    impl Secrets for Changing {
        fn get(&self, name: &str) -> Result<Secret, mcp_factory_connect::SecretError> {
            self.0.lock().unwrap().get(name)
        }

        fn of(&self, subject: &Subject) -> Result<Arc<dyn Secrets>, mcp_factory_connect::SecretError> {
            self.0.lock().unwrap().of(subject)
        }
    }

    let store = |value: &str| FixedSecrets::default().with(Subject::Principal("a".to_owned()), "TOKEN", value);
    let secrets = Arc::new(Changing(Mutex::new(store("old"))));
    let (connected, alive) = accounts(Per::Principal, secrets.clone(), BOUNDS);
    let before = connected.of(&caller("a")).await.unwrap();
    *secrets.0.lock().unwrap() = store("new");
    assert_eq!(connected.of(&caller("a")).await.unwrap().token, "new");
    assert_eq!(before.token, "old", "a running call keeps what it has");
    *secrets.0.lock().unwrap() = FixedSecrets::default();
    assert!(connected.of(&caller("a")).await.is_err());
    drop(before);
    assert_eq!(alive.load(Ordering::SeqCst), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn callers_never_meet_and_never_have_too_many(calls in prop::collection::vec((0..4usize, 0..3u32), 1..200), most in 1..4usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let (connected, alive) = accounts(Per::Principal, Arc::new(stores()), Bounds { most, ..BOUNDS });
            let calls: Vec<_> = calls.into_iter().map(|(caller_number, yields)| {
                let (connected, alive) = (connected.clone(), Arc::clone(&alive));
                tokio::spawn(async move {
                    let id = ["a", "b", "c", "d"][caller_number];
                    let lease = connected.of(&caller(id)).await.unwrap();
                    for _ in 0..yields {
                        tokio::task::yield_now().await;
                    }
                    assert_eq!(lease.token, format!("the principal `{id}`"));
                    // The one that is about to be closed is counted until its lock is free.
                    assert!(alive.load(Ordering::SeqCst) <= most + 4);
                })
            }).collect();
            for call in calls {
                call.await.unwrap();
            }
            assert!(alive.load(Ordering::SeqCst) <= most);
        });
    }
}
