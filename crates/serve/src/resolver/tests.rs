use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use super::*;

/// Counts how often it is asked; answers when it is let.
#[derive(Debug, Default)]
struct Counting {
    asked: AtomicUsize,
    gate: Option<Notify>,
    /// This many first answers are failures.
    failing: usize,
    life: Option<Duration>,
}

impl TokenResolver for Arc<Counting> {
    fn resolve<'a>(
        &'a self,
        principal: &'a Principal,
        resource: &'a Resource,
    ) -> BoxFuture<'a, Result<Option<Arc<Credential>>, ResolveError>> {
        Box::pin(async move {
            let nth = self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            if nth < self.failing {
                return Err(ResolveError::Unavailable { resource: resource.clone() });
            }
            let mut credential = Credential::new(format!("{}-{nth}", principal.id))?;
            credential.expires_at = self.life.map(|life| SystemTime::now() + life);
            Ok(Some(Arc::new(credential)))
        })
    }
}

fn github() -> Resource {
    Resource::new("github").expect("a resource")
}

async fn token(resolver: &impl TokenResolver, of: &str) -> Result<String, ResolveError> {
    let found = resolver.resolve(&Principal::trusted(of), &github()).await?;
    Ok(found.expect("a credential").reveal().to_owned())
}

fn cached(counting: Counting) -> (Arc<Counting>, Cached<Arc<Counting>>) {
    let counting = Arc::new(counting);
    (counting.clone(), Cached::new(counting, CachedConfig::default()))
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_at_once_is_answered_at_once() {
    let (counting, cached) = cached(Counting { gate: Some(Notify::new()), ..Counting::default() });
    let all = futures_util::future::join_all((0..100).map(|_| token(&cached, "alice")));
    let let_go = async { counting.gate.as_ref().expect("a gate").notify_one() };
    let (tokens, ()) = tokio::join!(all, let_go);
    assert!(tokens.iter().all(|token| token.as_deref() == Ok("alice-0")));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_wedges_nobody() {
    let (counting, cached) = cached(Counting { gate: Some(Notify::new()), ..Counting::default() });
    let mut first = Box::pin(token(&cached, "alice"));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(token(&cached, "alice"));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    counting.gate.as_ref().expect("a gate").notify_one();
    assert_eq!(second.await.as_deref(), Ok("alice-1"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_and_tried_again_a_moment_later() {
    let (counting, cached) = cached(Counting { failing: 1, ..Counting::default() });
    for _ in 0..10 {
        assert_eq!(token(&cached, "alice").await, Err(ResolveError::Unavailable { resource: github() }));
    }
    assert_eq!(counting.asked.load(Ordering::SeqCst), 1, "a service that is down is not hammered");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-1"));
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_the_credential_of_another() {
    let (_, cached) = cached(Counting::default());
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-0"));
    assert_eq!(token(&cached, "bob").await.as_deref(), Ok("bob-1"));
    let elsewhere = Principal { tenant: Some("acme".to_owned()), ..(*Principal::trusted("alice")).clone() };
    let found = cached.resolve(&elsewhere, &github()).await.expect("found").expect("a credential");
    assert_eq!(found.reveal(), "alice-2", "another alice, of a tenant");
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-0"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_replaced_once_for_all_who_were_refused() {
    let (counting, cached) = cached(Counting::default());
    let (alice, resource) = (Principal::trusted("alice"), github());
    let refused = cached.resolve(&alice, &resource).await.expect("found").expect("a credential");
    for _ in 0..3 {
        let next = cached.refresh(&alice, &resource, &refused).await.expect("found").expect("a credential");
        assert_eq!(next.reveal(), "alice-1");
    }
    assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-1"));
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_kept_no_longer_than_it_is_good_for() {
    let (counting, cached) = cached(Counting { life: Some(Duration::from_secs(90)), ..Counting::default() });
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-0"));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-0"));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(token(&cached, "alice").await.as_deref(), Ok("alice-1"));
    assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_cache_is_bounded_however_many_callers_come() {
    let counting = Arc::new(Counting::default());
    let cached = Cached::new(counting, CachedConfig { capacity: 100, ..CachedConfig::default() });
    for n in 0..10_000 {
        token(&cached, &format!("user-{n}")).await.expect("a credential");
    }
    assert!(cached.kept() <= 100, "{}", cached.kept());
}

#[tokio::test]
async fn fixed_credentials_of_one_go_before_those_of_all() {
    let alice = Principal::trusted("alice");
    let fixed = FixedTokens::new().for_everybody(github(), Credential::new("shared").expect("a token")).for_principal(
        &alice,
        github(),
        Credential::new("hers").expect("a token"),
    );
    assert_eq!(token(&fixed, "alice").await.as_deref(), Ok("hers"));
    assert_eq!(token(&fixed, "bob").await.as_deref(), Ok("shared"));
    let elsewhere = fixed.resolve(&alice, &Resource::new("mail").expect("a resource")).await;
    assert_eq!(elsewhere.map(|found| found.is_none()), Ok(true));
}

#[tokio::test]
async fn a_closure_is_a_resolver_and_its_source_says_what_is_missing() {
    let resolver = resolver_fn(|principal: Arc<Principal>, _| async move {
        (principal.id == "alice").then(|| Credential::new("hers")).transpose()
    });
    let resolver: Arc<dyn TokenResolver> = Arc::new(resolver);
    let of = |id| TokenSource::new(resolver.clone(), Principal::trusted(id), github());
    assert_eq!(of("alice").credential().await.expect("hers").reveal(), "hers");
    let missing = of("bob").credential().await.expect_err("none");
    assert_eq!(missing, ResolveError::NotLinked { resource: github() });
    assert_eq!(missing.status(), StatusCode::FORBIDDEN);
    assert_eq!(ResolveError::Unavailable { resource: github() }.status(), StatusCode::BAD_GATEWAY);
}

#[test]
fn resources_are_named_as_the_factory_pattern_names_them() {
    assert_eq!(Resource::new("GitHub-2_x").expect("a resource").as_str(), "github-2_x");
    assert_eq!(Resource::new("").expect_err("no name").to_string(), "resourceType is required");
    for wrong in ["a b", "a/b", "ä", "a.b", "a\0"] {
        assert!(matches!(Resource::new(wrong), Err(ResourceError::Malformed(_))), "{wrong}");
    }
    assert_eq!(EnvironmentTokens::variable(&Resource::new("my-api").expect("a resource")), "MY_API_ACCESS_TOKEN");
}

#[test]
fn tokens_are_shown_by_nothing_and_what_no_header_carries_is_none() {
    let credential = Credential::new("hunter2").expect("a token");
    assert!(!format!("{credential:?}").contains("hunter2"));
    assert!(Credential::new("a".repeat(Credential::LONGEST)).is_ok());
    for wrong in [String::new(), "a\nb".to_owned(), "a b".to_owned(), "a".repeat(Credential::LONGEST + 1)] {
        assert_eq!(Credential::new(wrong).err(), Some(ResolveError::Unusable));
    }
}

/// S2-46: `JWTTokenResolver`; and nothing shows what the claims say.
#[tokio::test]
async fn a_credential_may_be_among_the_claims_of_its_caller() {
    let mut principal = Principal::clone(&Principal::trusted("alice"));
    let claims = serde_json::json!({ "tokens": { "github": "ghp-of-alice", "gitlab": 7, "jira": null } });
    principal.claims = claims.as_object().expect("an object").clone();
    let resolver = JwtTokenResolver::default();
    let of = async |resource: &str| {
        let found = resolver.resolve(&principal, &Resource::new(resource).expect("a resource")).await;
        found.map(|found| found.map(|credential| credential.reveal().to_owned()))
    };
    assert_eq!(of("github").await, Ok(Some("ghp-of-alice".to_owned())));
    assert_eq!(of("gitlab").await, Err(ResolveError::Unusable));
    assert_eq!((of("jira").await, of("calendar").await), (Ok(None), Ok(None)));
    assert!(!format!("{principal:?}").contains("ghp"), "{principal:?}");
}
