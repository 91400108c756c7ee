use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::*;
use crate::{Gate, Limits, Principal, Rate, Scopes};

fn registry() -> TokenRegistry {
    TokenRegistry::default()
}

fn long(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

fn who(registry: &TokenRegistry, secret: &str) -> Option<String> {
    registry.principal_of(secret.as_bytes()).map(|principal| principal.id.clone())
}

#[test]
fn a_token_is_known_until_it_is_removed() {
    let registry = registry();
    let id = registry.add(Token::new(long("a")).with_id("customer-1").with_scopes(["read"])).expect("added");
    assert_eq!(id, "customer-1");
    let principal = registry.principal_of(long("a").as_bytes()).expect("known");
    assert_eq!((&*principal.id, principal.token.as_ref()), ("customer-1", Some(&id)));
    assert_eq!(principal.scopes, Scopes::Only(["read".to_owned()].into()));
    assert_eq!(registry.remove("customer-1").expect("it was there").token, id);
    assert_eq!(who(&registry, &long("a")), None);
    assert_eq!(registry.remove("customer-1"), None);
    assert!(registry.is_empty());
}

// S4-22, S4-37
#[test]
fn a_token_without_a_name_gets_one_that_tells_nothing() {
    let (one, other) = (registry(), registry());
    let id = one.add(Token::new(long("a"))).expect("added");
    assert!(id.as_str().starts_with("key-") && id.as_str().len() == 20, "{id}");
    assert_ne!(other.add(Token::new(long("a"))).expect("added"), id, "another key, another name");
    assert_eq!(one.find(&long("a")), Some(id.clone()));
    assert_eq!(one.find(id.as_str()), Some(id));
    assert_eq!(one.find("somebody"), None);
}

// I4
#[test]
fn secrets_overlap_while_clients_change_over() {
    let registry = registry();
    registry.add(Token::new(long("old")).with_id("c")).expect("added");
    registry.rotate("c", long("new"), Duration::from_secs(3600)).expect("fine").expect("known");
    assert_eq!((who(&registry, &long("old")), who(&registry, &long("new"))), (Some("c".into()), Some("c".into())));
    registry.rotate("c", long("newer"), Duration::ZERO).expect("fine").expect("known");
    assert_eq!(
        [long("old"), long("new"), long("newer")].map(|secret| who(&registry, &secret).is_some()),
        [false, false, true]
    );
    assert_eq!(registry.rotate("nobody", long("x"), Duration::ZERO), Ok(None));
}

#[test]
fn an_expired_token_or_secret_is_unknown() {
    let registry = registry();
    let past = SystemTime::now() - Duration::from_secs(1);
    let future = SystemTime::now() + Duration::from_secs(3600);
    registry.add(Token::new(long("a")).expires_at(past)).expect("added");
    registry
        .add(Token::new(long("b")).with_id("b").with_secret_until(long("c"), past).expires_at(future))
        .expect("added");
    assert_eq!([long("a"), long("b"), long("c")].map(|secret| who(&registry, &secret).is_some()), [false, true, false]);
}

#[test]
fn what_is_no_good_token_is_refused_and_never_mended() {
    let registry = registry();
    registry.add(Token::new(long("a")).with_id("a").with_secret(long("a2"))).expect("added");
    for (token, message) in [
        (Token::new(long("b")).with_id(""), "the token id of a token is empty"),
        (Token::new(long("b")).with_id("x".repeat(256)), "has more than 255 bytes"),
        (Token::new(long("b")).with_id("a\u{0}b"), "holds a control character"),
        (Token::new(long("b")).with_principal("a\nb"), "the principal of a token holds a control character"),
        (Token::new(long("b")).with_tenant(""), "the tenant of a token is empty"),
        (Token::new(long("b")).with_id("a"), "there is a token `a` already"),
        (Token::new(long("a2")), "one of another token"),
        (Token::new(long("b")).with_secret(long("b")), "one of another token"),
        (Token::new(long("b")).with_id(long("b")), "must not be its secret"),
        (Token::new("short"), "at least 16 characters"),
        (Token::new("x".repeat(5000)), "at most 4096 characters"),
        (Token::new("sixteen characters and a blank"), "no header can carry"),
    ] {
        let error = registry.add(token).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(registry.len(), 1);
    let padded = registry.add(Token::new(long("p")).with_id(" a ")).expect("another name");
    assert_eq!(padded, " a ");
    let full = TokenRegistry::new(RegistryOptions { max_tokens: 1, min_secret: 1, ..RegistryOptions::default() });
    full.add(Token::new("dev")).expect("short secrets may be allowed");
    assert_eq!(full.add(Token::new("test")), Err(TokenError::Full { most: 1 }));
}

#[test]
fn adding_many_is_all_or_nothing() {
    let registry = registry();
    let tokens = || (0..100).map(|n| Token::new(long(&n.to_string())).with_id(format!("t{n}")));
    let twice = tokens().chain([Token::new(long("x")).with_id("t5")]);
    assert!(matches!(registry.add_all(twice), Err(TokenError::Exists { id }) if id == "t5"));
    assert!(registry.is_empty());
    assert_eq!(registry.add_all(tokens()).expect("added").len(), 100);
    assert_eq!(registry.clear(), 100);
    assert_eq!(who(&registry, &long("5")), None);
}

#[test]
fn an_update_keeps_secrets_and_what_was_counted() {
    let registry = registry();
    let once = Limits { rate: Some(Rate { calls: 1, per: Duration::from_secs(60) }), concurrency: None };
    registry.add(Token::new(long("a")).with_id("a").with_limits(once)).expect("added");
    registry.add(Token::new(long("b")).with_id("b")).expect("added");
    let principal = registry.principal_of(long("a").as_bytes()).expect("known");
    registry.gate(&principal).expect("a gate").enter(&principal).expect("the first call");
    let admin = |record: &mut TokenRecord| {
        Arc::make_mut(&mut record.principal).scopes = Scopes::Only(["admin".to_owned()].into());
    };
    registry.update("a", admin).expect("fine").expect("known");
    let principal = registry.principal_of(long("a").as_bytes()).expect("known");
    assert!(principal.scopes.allow("admin"));
    assert!(registry.gate(&principal).expect("a gate").enter(&principal).is_err(), "the limit goes on counting");
    let renamed =
        registry.update("a", |record| Arc::make_mut(&mut record.principal).token = Some("z".parse().expect("id")));
    assert!(matches!(renamed, Err(TokenError::Renamed { .. })));
    let stolen = registry.record("b").expect("known").secrets;
    assert_eq!(registry.update("a", |record| record.secrets = stolen), Err(TokenError::SecretTaken));
    registry.update("a", |record| record.limits = Limits::none()).expect("fine");
    assert!(registry.gate(&principal).is_none());
}

#[test]
fn a_call_enters_the_gates_of_all_and_of_its_token() {
    let all = Gate::new(&Limits { rate: None, concurrency: Some(2) });
    let own = Gate::new(&Limits { rate: None, concurrency: Some(1) });
    let principal = Principal::local();
    let first = all.enter_with(Some(&own), &principal).expect("first");
    assert!(all.enter_with(Some(&own), &principal).is_err(), "one at a time with this token");
    let other = all.enter(&principal).expect("others go on");
    drop(first);
    let _again = all.enter_with(Some(&own), &principal).expect("its place is free again");
    assert!(all.enter(&principal).is_err());
    drop(other);
}

// T7, S4-37
#[test]
fn nothing_shows_a_secret() {
    let registry = registry();
    let token = Token::new("the-secret-of-this-token").with_secret("another-secret-of-it").with_id("c");
    let mut shown = format!("{token:?} {:?} {:?}", Secret::from("the-secret-of-this-token"), HashKey::random());
    registry.add(token).expect("added");
    let record = registry.record("c").expect("known");
    let info = serde_json::to_string(&registry.list()).expect("JSON");
    shown += &format!("{registry:?} {record:?} {:?} {info}", registry.get("c"));
    assert!(shown.contains("\"c\""));
    for part in ["the-secret", "another-secret"] {
        assert!(!shown.contains(part), "{shown}");
    }
    for byte in record.secrets[0].hash.as_bytes().windows(4) {
        assert!(!shown.contains(&format!("{byte:?}")), "{shown}");
    }
}

// S4-10, T15
#[test]
fn ten_thousand_tokens_are_added_within_a_second() {
    let registry = registry();
    let tokens: Vec<_> =
        (0..10_000).map(|n| Token::new(format!("secret-number-{n:06}")).with_id(format!("customer-{n}"))).collect();
    let before = worked();
    registry.add_all(tokens).expect("added");
    let took = worked() - before;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(who(&registry, "secret-number-004711").as_deref(), Some("customer-4711"));
}

/// How long this thread was on a processor: other work on the machine is not counted.
fn worked() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

#[test]
fn readers_never_miss_a_token_that_stays() {
    let registry = registry();
    registry.add(Token::new(long("stays")).with_id("stays")).expect("added");
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (registry, done) = (registry.clone(), done.clone());
        move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(who(&registry, &long("stays")).as_deref(), Some("stays"));
            }
        }
    });
    for n in 0..300 {
        registry
            .update("stays", |record| Arc::make_mut(&mut record.principal).groups = vec![n.to_string()])
            .expect("fine");
        registry.add(Token::new(long(&n.to_string())).with_id(n.to_string())).expect("added");
        if n % 2 == 0 {
            registry.remove(&n.to_string());
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    reader.join().expect("always known");
    assert_eq!(registry.len(), 151);
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

// T15 and the size that issue 4 names: 100,000 keys.
#[test]
fn a_hundred_thousand_tokens_take_little_memory() {
    let registry = registry();
    let before = resident();
    for chunk in 0..10 {
        let tokens = (0..10_000)
            .map(|n| chunk * 10_000 + n)
            .map(|n| Token::new(format!("secret-number-{n:06}")).with_id(format!("customer-{n}")));
        registry.add_all(tokens).expect("added");
    }
    let each = (resident() - before) / 100_000;
    let began = Instant::now();
    for n in 0..1_000 {
        let secret = format!("secret-number-{:06}", n * 97);
        assert_eq!(
            registry.principal_of(secret.as_bytes()).map(|it| it.id.clone()),
            Some(format!("customer-{}", n * 97))
        );
    }
    println!("{each} bytes each, a look-up takes {:?} in a build for tests", began.elapsed() / 1_000);
    assert!(each < 1_024, "{each} bytes each");
}
