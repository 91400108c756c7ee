//! Keys that change, an issuer that is down, and introspection.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use mcp_serve::{Algorithm, Introspection, IntrospectionConfig, Jwks, JwksConfig, Jwt, JwtConfig};
use serde_json::{Value, json};

use crate::{
    issuer::{AUDIENCE, Issuer, Signer, claims, fetch, now},
    jwt::ask,
};

/// Asks as often as anybody wants.
fn eager() -> JwksConfig {
    JwksConfig { unknown_every: Duration::ZERO, retry_after: Duration::ZERO, ..JwksConfig::default() }
}

fn jwt(issuer: &Issuer, config: JwksConfig) -> Jwt {
    let keys = Jwks::of_issuer(&issuer.url, fetch(), config);
    let config = JwtConfig::new(&issuer.url, AUDIENCE, vec![Algorithm::Es256]);
    Jwt::with_keys_of(config, keys).expect("configured")
}

fn token(issuer: &Issuer, signer: &Signer, kid: &str, user: &str) -> String {
    signer.token(&json!({"alg": "ES256", "kid": kid}), &claims(&issuer.url, json!({ "sub": user })))
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_is_good_no_longer() {
    let (old, new) = (Signer::new("ES256"), Signer::new("ES256"));
    let issuer = Issuer::start(vec![old.jwk("old")]).await;
    let jwt = jwt(&issuer, eager());
    ask(&jwt, &token(&issuer, &old, "old", "a")).await.expect("good");
    ask(&jwt, &token(&issuer, &old, "old", "b")).await.expect("good");
    assert_eq!(issuer.key_requests(), 1, "keys are kept");
    *issuer.state.keys.lock().expect("lock") = vec![new.jwk("new")];
    ask(&jwt, &token(&issuer, &new, "new", "c")).await.expect("the new key is fetched");
    assert_eq!(issuer.key_requests(), 2);
    let challenge = ask(&jwt, &token(&issuer, &old, "old", "d")).await.expect_err("withdrawn");
    assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn made_up_key_ids_do_not_hammer_the_issuer() {
    let signer = Signer::new("ES256");
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    let jwt = jwt(&issuer, JwksConfig::default());
    for kid in 0..50 {
        let forged = token(&issuer, &signer, &format!("made-up-{kid}"), "eve");
        assert_eq!(ask(&jwt, &forged).await.expect_err("unknown").status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(issuer.key_requests(), 1);
    ask(&jwt, &token(&issuer, &signer, "k", "alice")).await.expect("meanwhile all others are served");
}

#[tokio::test]
async fn who_comes_at_once_asks_once() {
    let signer = Signer::new("ES256");
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    let jwt = Arc::new(jwt(&issuer, JwksConfig::default()));
    let callers = (0..20).map(|caller| {
        let (jwt, token) = (jwt.clone(), token(&issuer, &signer, "k", &format!("user-{caller}")));
        tokio::spawn(async move { ask(&*jwt, &token).await.expect("good").id.clone() })
    });
    for (caller, answer) in futures_util::future::join_all(callers).await.into_iter().enumerate() {
        assert_eq!(answer.expect("no panic"), format!("user-{caller}"));
    }
    assert_eq!(issuer.key_requests(), 1);
}

#[tokio::test]
async fn an_issuer_that_is_down_sends_nobody_away() {
    let signer = Signer::new("ES256");
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    issuer.down(true);
    let jwt = jwt(&issuer, JwksConfig { fresh_for: Duration::ZERO, ..eager() });
    let challenge = ask(&jwt, &token(&issuer, &signer, "k", "a")).await.expect_err("nobody knows");
    assert_eq!(challenge.status(), StatusCode::SERVICE_UNAVAILABLE, "the token may be good");
    issuer.down(false);
    ask(&jwt, &token(&issuer, &signer, "k", "b")).await.expect("it is up again");
    issuer.down(true);
    for user in 0..5 {
        ask(&jwt, &token(&issuer, &signer, "k", &format!("c{user}"))).await.expect("with the keys of before");
    }
    let unknown = ask(&jwt, &token(&issuer, &signer, "rotated-meanwhile", "d")).await.expect_err("nobody knows");
    assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn keys_of_an_issuer_that_stays_down_end_some_time() {
    let signer = Signer::new("ES256");
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    let jwt = jwt(&issuer, JwksConfig { stale_for: Duration::ZERO, ..eager() });
    issuer.down(true);
    let challenge = ask(&jwt, &token(&issuer, &signer, "k", "a")).await.expect_err("too old");
    assert_eq!(challenge.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_none() {
    let signer = Signer::new("ES256");
    let issuer = Issuer::start(vec![signer.jwk("k")]).await;
    let other = format!("{}/tenant", issuer.url);
    let keys = Jwks::of_issuer(&other, fetch(), JwksConfig::default());
    let jwt = Jwt::with_keys_of(JwtConfig::new(&other, AUDIENCE, vec![Algorithm::Es256]), keys).expect("configured");
    let token = signer.token(&json!({"alg": "ES256", "kid": "k"}), &claims(&other, json!({})));
    assert_eq!(ask(&jwt, &token).await.expect_err("no keys").status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(issuer.key_requests(), 0);
}

fn introspection(issuer: &Issuer) -> Introspection {
    let config = IntrospectionConfig::new(issuer.at("/introspect"), &issuer.url, AUDIENCE);
    Introspection::new(config, ("me", "a secret & more"), fetch()).expect("configured")
}

fn says(issuer: &Issuer, change: Value) {
    let mut said = claims(&issuer.url, change);
    said["active"] = said.get("active").cloned().unwrap_or(json!(true));
    *issuer.state.of_token.lock().expect("lock") = said;
}

#[tokio::test]
async fn what_the_issuer_says_of_a_token_is_believed_for_a_while() {
    let issuer = Issuer::start(Vec::new()).await;
    let introspection = Arc::new(introspection(&issuer));
    says(&issuer, json!({"scope": "a b", "token_type": "Bearer"}));
    let callers = (0..10).map(|_| {
        let introspection = introspection.clone();
        tokio::spawn(async move { ask(&*introspection, "opaque+/token").await.expect("active").id.clone() })
    });
    for caller in futures_util::future::join_all(callers).await {
        assert_eq!(caller.expect("no panic"), "alice");
    }
    assert_eq!(issuer.state.introspections.load(Ordering::SeqCst), 1);
    let (form, credential) = issuer.state.asked.lock().expect("lock").clone();
    assert_eq!(form, "token=opaque%2B%2Ftoken&token_type_hint=access_token");
    assert_eq!(credential, "Basic bWU6YStzZWNyZXQrJTI2K21vcmU=", "encoded as a form before it is put together");
    says(&issuer, json!({"active": false}));
    for _ in 0..5 {
        assert_eq!(ask(&*introspection, "unknown").await.expect_err("refused").status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(issuer.state.introspections.load(Ordering::SeqCst), 2, "bad answers are kept too");
}

#[tokio::test]
async fn what_is_no_token_for_this_server_is_refused() {
    let issuer = Issuer::start(Vec::new()).await;
    let introspection = introspection(&issuer);
    for (number, change) in [
        json!({"active": false}),
        json!({"active": "true"}),
        json!({"active": 1}),
        json!({"aud": null}),
        json!({"aud": "https://other.example.com"}),
        json!({"iss": "https://other.example.com"}),
        json!({"exp": now() - 1}),
        json!({"exp": "never"}),
        json!({"nbf": now() + 60}),
        json!({"sub": null, "username": "alice"}),
        json!({"sub": "a\u{0}b"}),
        json!({"token_type": "DPoP"}),
        json!({"token_type": "refresh_token"}),
    ]
    .into_iter()
    .enumerate()
    {
        says(&issuer, change.clone());
        let challenge = ask(&introspection, &format!("token-{number}")).await.expect_err("refused");
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED, "{change}");
    }
}

#[tokio::test]
async fn an_introspection_that_is_down_is_no_refusal_and_not_kept() {
    let issuer = Issuer::start(Vec::new()).await;
    let introspection = introspection(&issuer);
    says(&issuer, json!({}));
    issuer.down(true);
    assert_eq!(ask(&introspection, "t").await.expect_err("down").status(), StatusCode::SERVICE_UNAVAILABLE);
    issuer.down(false);
    ask(&introspection, "t").await.expect("up again");
}
