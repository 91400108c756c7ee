//! Signed tokens: what is taken, and a corpus of what is not.

use std::{sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::StatusCode;
use mcp_serve::{
    Algorithm, Authentication, Authenticator, Challenge, Jwks, JwksConfig, Jwt, JwtConfig, JwtError, Principal, Scopes,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, Issuer, SECRET, Signer, claims, fetch, now};

const ISSUER: &str = "https://login.example.com";

fn config(algorithms: &[&str]) -> JwtConfig {
    let algorithms = algorithms.iter().map(|name| Algorithm::parse(name).expect("known")).collect();
    JwtConfig::new(ISSUER, AUDIENCE, algorithms)
}

fn shared() -> Jwt {
    Jwt::with_secret(config(&["HS256"]), SECRET).expect("configured")
}

pub async fn ask(authenticator: &dyn Authenticator, token: &str) -> Result<Arc<Principal>, Challenge> {
    let request = http::Request::builder().header("authorization", format!("Bearer {token}"));
    let head = request.body(()).expect("a request").into_parts().0;
    match authenticator.authenticate(&head) {
        Authentication::Ready(outcome) => outcome,
        Authentication::Pending(outcome) => outcome.await,
    }
}

fn signed(change: Value) -> String {
    Signer::secret().token(&json!({"alg": "HS256", "typ": "JWT"}), &claims(ISSUER, change))
}

#[tokio::test]
async fn a_token_becomes_the_principal_that_its_claims_name() {
    let config = JwtConfig {
        tenant_claim: Some("org".to_owned()),
        groups_claim: Some("groups".to_owned()),
        ..config(&["HS256"])
    };
    let jwt = Jwt::with_secret(config, SECRET).expect("configured");
    let token = signed(json!({"org": "acme", "groups": ["ops", "dev"], "scope": "stock:read stock:write"}));
    let principal = ask(&jwt, &token).await.expect("good");
    assert_eq!((principal.id.as_str(), principal.tenant.as_deref()), ("alice", Some("acme")));
    assert_eq!(principal.groups, ["ops", "dev"]);
    assert!(principal.scopes.allow("stock:write") && !principal.scopes.allow("stock"));
    assert!(principal.token.is_some());
    let again = ask(&jwt, &token).await.expect("good");
    assert!(Arc::ptr_eq(&principal, &again), "the second time nothing is verified");
    let listed = ask(&jwt, &signed(json!({"org": "acme", "scp": ["a", "b"]}))).await.expect("good");
    assert_eq!(listed.scopes, Scopes::Only(["a".to_owned(), "b".to_owned()].into()));
}

#[tokio::test]
async fn every_algorithm_is_checked_with_the_keys_of_the_issuer() {
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let signer = Signer::new(algorithm);
        let issuer = Issuer::start(vec![signer.jwk("k")]).await;
        let keys = Jwks::at(issuer.at("/jwks"), fetch(), JwksConfig::default());
        let jwt = Jwt::with_keys_of(config(&[algorithm]), keys).expect("configured");
        let header = json!({"alg": algorithm, "kid": "k", "typ": "at+jwt"});
        let token = signer.token(&header, &claims(ISSUER, json!({})));
        assert_eq!(ask(&jwt, &token).await.expect(algorithm).id, "alice");
        let other = Signer::new(if algorithm == "ES256" { "EdDSA" } else { "ES256" });
        let forged = other.token(&header, &claims(ISSUER, json!({"sub": "mallory"})));
        assert_eq!(ask(&jwt, &forged).await.expect_err(algorithm).status(), StatusCode::UNAUTHORIZED);
    }
    for algorithm in ["HS256", "HS384", "HS512"] {
        let jwt = Jwt::with_secret(config(&[algorithm]), SECRET).expect("configured");
        let token = Signer::new(algorithm).token(&json!({"alg": algorithm}), &claims(ISSUER, json!({})));
        assert_eq!(ask(&jwt, &token).await.expect(algorithm).id, "alice");
    }
}

/// S2-58, S2-48, W1-12, W1-13.
#[tokio::test]
async fn hostile_tokens_are_refused_alike() {
    let jwt = shared();
    let header = json!({"alg": "HS256"});
    let good = claims(ISSUER, json!({}));
    let sign = |header: Value, claims: &Value| Signer::secret().token(&header, claims);
    let raw = |header: &str, claims: &str| format!("{}.{}.", BASE64.encode(header), BASE64.encode(claims));
    let unsigned = |header: Value| raw(&header.to_string(), &good.to_string());
    let valid = sign(header.clone(), &good);
    let (message, signature) = valid.rsplit_once('.').expect("three parts");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let mut corpus = vec![
        unsigned(json!({"alg": "none"})),
        unsigned(json!({"alg": "None"})),
        unsigned(json!({"alg": "HS256"})),
        unsigned(json!({"alg": ""})),
        unsigned(json!({})),
        unsigned(json!([])),
        format!("{message}."),
        message.to_owned(),
        format!("{valid}.{signature}"),
        format!("{valid}="),
        format!(" {valid}x"),
        format!("{message}.{}", &signature[1..]),
        ".".to_owned(),
        "..".to_owned(),
        "....".to_owned(),
        "a.b.c".to_owned(),
        "%00.%00.%00".to_owned(),
        raw("{\"alg\":\"HS256\",\"alg\":\"none\"}", "{}"),
        raw("nonsense", "nonsense"),
        raw(&deep, &deep),
        raw("{\"alg\":\"HS256\"}", &deep),
        "x".repeat(4_097),
        // Of other algorithms than the allowed one, with the right secret.
        Signer::new("HS384").token(&json!({"alg": "HS384"}), &good),
        Signer::new("ES256").token(&json!({"alg": "ES256"}), &good),
        Signer::secret().token(&json!({"alg": "RS256"}), &good),
        // With another secret.
        Signer::Hmac(ring::hmac::HMAC_SHA256, vec![0; 32]).token(&header, &good),
        // What would have to be understood, and is not.
        sign(json!({"alg": "HS256", "crit": ["exp"], "exp": 1}), &good),
        sign(json!({"alg": "HS256", "crit": [], "b64": false}), &good),
        sign(json!({"alg": "HS256", "zip": "DEF"}), &good),
        sign(json!({"alg": "HS256", "enc": "A256GCM"}), &good),
        sign(json!({"alg": "HS256", "typ": "logout+jwt"}), &good),
        sign(json!({"alg": "HS256", "kid": "k".repeat(600)}), &good),
        sign(json!({"alg": "HS256", "kid": 7}), &good),
        sign(header.clone(), &json!([])),
        sign(header.clone(), &json!("text")),
        sign(header.clone(), &json!(null)),
    ];
    let controls = ["a\u{0}b", "a\nb", "a\u{7f}", "a\u{85}b", "\t"];
    let changes = [
        json!({"exp": now() - 1}),
        json!({"exp": now()}),
        json!({"exp": null}),
        json!({"exp": (now() + 60).to_string()}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"exp": true}),
        json!({"nbf": now() + 60}),
        // Known to be passed over by a library that takes what can't be read for missing.
        json!({"nbf": (now() + 60).to_string()}),
        json!({"iat": "now"}),
        json!({"iss": null}),
        json!({"iss": "https://login.example.com/"}),
        json!({"iss": "https://evil.example.com"}),
        json!({"iss": [ISSUER]}),
        json!({"aud": null}),
        json!({"aud": "https://other.example.com/mcp"}),
        json!({"aud": format!("{AUDIENCE}/")}),
        json!({"aud": []}),
        json!({"aud": {"0": AUDIENCE}}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "  "}),
        json!({"sub": 7}),
        json!({"sub": ["alice"]}),
        json!({"sub": "x".repeat(256)}),
        // No other claim stands in (W1-12).
        json!({"sub": null, "user_id": "alice", "email": "alice@example.com"}),
        json!({"scope": 7}),
        json!({"scope": [7]}),
    ];
    corpus.extend(changes.into_iter().map(signed));
    corpus.extend(controls.map(|name| signed(json!({ "sub": name }))));
    for token in &corpus {
        let challenge = ask(&jwt, token).await.expect_err(token);
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED, "{token}");
        assert!(!format!("{challenge:?}").contains(token.as_str()) || token.len() < 8, "{token}");
    }
    ask(&jwt, &valid).await.expect("the one they were made of is good");
    ask(&jwt, &signed(json!({"sub": "ü".repeat(255)}))).await.expect("as long as it may be");
    ask(&jwt, &signed(json!({"aud": ["https://a.example.com", AUDIENCE]}))).await.expect("one of several");
}

/// The texts of S2-45.
#[tokio::test]
async fn what_is_wrong_is_told_as_far_as_it_helps() {
    let jwt = shared();
    let said = async |token: &str| format!("{:?}", ask(&jwt, token).await.expect_err("refused"));
    assert!(said("").await.contains("No JWT token provided"));
    assert!(said("x").await.contains("Invalid JWT token"));
    assert!(said(&signed(json!({"exp": now() - 1}))).await.contains("JWT token has expired"));
    assert!(said(&signed(json!({"sub": null}))).await.contains("JWT does not contain user ID"));
    let forged = Signer::Hmac(ring::hmac::HMAC_SHA256, vec![0; 32]);
    let over = forged.token(&json!({"alg": "HS256"}), &claims(ISSUER, json!({"exp": now() - 1})));
    assert!(said(&over).await.contains("Invalid JWT token"), "nothing is told of what was never good");
}

/// The classic confusion: a public key, which everybody knows, taken for the secret.
#[tokio::test]
async fn a_public_key_is_no_secret_and_a_published_secret_no_key() {
    let signer = Signer::new("RS256");
    let public = signer.jwk("k");
    let modulus = BASE64.decode(public["n"].as_str().expect("text")).expect("base64");
    let secret = Signer::Hmac(ring::hmac::HMAC_SHA256, SECRET.to_vec());
    let issuer = Issuer::start(vec![public.clone(), secret.jwk("s")]).await;
    let keys = Jwks::at(issuer.at("/jwks"), fetch(), JwksConfig::default());
    let jwt = Jwt::with_keys_of(config(&["RS256"]), keys.clone()).expect("configured");
    let good = signer.token(&json!({"alg": "RS256", "kid": "k"}), &claims(ISSUER, json!({})));
    ask(&jwt, &good).await.expect("good");
    for (secret, kid) in [(modulus, "k"), (public.to_string().into_bytes(), "k"), (SECRET.to_vec(), "s")] {
        let signer = Signer::Hmac(ring::hmac::HMAC_SHA256, secret);
        for algorithm in ["HS256", "RS256"] {
            let forged = signer.token(&json!({"alg": algorithm, "kid": kid}), &claims(ISSUER, json!({})));
            assert_eq!(ask(&jwt, &forged).await.expect_err("refused").status(), StatusCode::UNAUTHORIZED);
        }
    }
    let mixed = Jwt::with_keys_of(config(&["RS256", "HS256"]), keys).expect_err("refused");
    assert_eq!(mixed, JwtError::Mixed);
}

#[tokio::test]
async fn a_key_does_only_what_its_issuer_made_it_for() {
    let signer = Signer::new("RS256");
    for (member, value) in [
        ("use", json!("enc")),
        ("alg", json!("PS256")),
        ("alg", json!("ES256")),
        ("alg", json!("RSA-OAEP")),
        ("key_ops", json!(["sign"])),
        ("kty", json!("oct")),
        ("n", json!("AQAB")),
        ("kid", json!("another")),
    ] {
        let mut key = signer.jwk("k");
        key[member] = value.clone();
        let issuer = Issuer::start(vec![key, Signer::new("ES256").jwk("e")]).await;
        let keys = Jwks::at(issuer.at("/jwks"), fetch(), JwksConfig::default());
        let jwt = Jwt::with_keys_of(config(&["RS256", "ES256"]), keys).expect("configured");
        let token = signer.token(&json!({"alg": "RS256", "kid": "k"}), &claims(ISSUER, json!({})));
        let challenge = ask(&jwt, &token).await.expect_err(member);
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED, "{member}: {value}");
    }
}

/// W1-11: a short secret is refused at the start.
#[test]
fn what_can_never_be_safe_is_refused_at_the_start() {
    let refused = |config, secret: &[u8]| Jwt::with_secret(config, secret).expect_err("refused");
    assert_eq!(refused(config(&["HS256"]), &SECRET[1..]), JwtError::ShortSecret { bytes: 31 });
    assert_eq!(refused(config(&["RS256"]), SECRET), JwtError::Mixed);
    assert_eq!(refused(config(&[]), SECRET), JwtError::NoAlgorithm);
    let lenient = JwtConfig { leeway: Duration::from_secs(61), ..config(&["HS256"]) };
    assert_eq!(refused(lenient, SECRET), JwtError::Leeway { seconds: 61 });
    let unbound = JwtConfig { audience: String::new(), ..config(&["HS256"]) };
    assert_eq!(refused(unbound, SECRET), JwtError::Empty { field: "audience" });
    assert!(!format!("{:?}", shared()).contains("thirty-two"));
}

#[tokio::test]
async fn leeway_is_for_clocks_that_differ() {
    let jwt = Jwt::with_secret(JwtConfig { leeway: Duration::from_secs(30), ..config(&["HS256"]) }, SECRET)
        .expect("configured");
    ask(&jwt, &signed(json!({"exp": now() - 10}))).await.expect("a little late");
    ask(&jwt, &signed(json!({"nbf": now() + 20}))).await.expect("a little early");
    ask(&jwt, &signed(json!({"exp": now() - 31}))).await.expect_err("too late");
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once() {
    let jwt = shared();
    let (first, second) = (signed(json!({"jti": "1"})), signed(json!({"jti": "2"})));
    let principal = ask(&jwt, &first).await.expect("good");
    jwt.verified().revoke(principal.token.as_ref().expect("a name")).expect("revoked");
    assert_eq!(ask(&jwt, &first).await.expect_err("revoked").status(), StatusCode::UNAUTHORIZED);
    ask(&jwt, &second).await.expect("another token of the same principal");
    jwt.verified().revoke_principal("alice", None).expect("revoked");
    ask(&jwt, &second).await.expect_err("revoked");
    ask(&jwt, &signed(json!({"iat": now() + 5}))).await.expect("issued later");
}

#[tokio::test]
async fn what_is_good_for_one_server_is_not_for_the_next_though_they_share_what_they_know() {
    let verified = Arc::new(mcp_serve::Verified::default());
    let here = shared().sharing(verified.clone());
    let config = JwtConfig { audience: "https://other.example.com/mcp".to_owned(), ..config(&["HS256"]) };
    let there = Jwt::with_secret(config, SECRET).expect("configured").sharing(verified.clone());
    let token = signed(json!({}));
    let principal = ask(&here, &token).await.expect("good");
    assert_eq!(ask(&there, &token).await.expect_err("for another").status(), StatusCode::UNAUTHORIZED);
    verified.revoke(principal.token.as_ref().expect("a name")).expect("revoked");
    ask(&here, &token).await.expect_err("revoked for all of them");
}

proptest! {
    /// Whatever comes, nothing panics, and nothing that was not signed is taken.
    #[test]
    fn no_bytes_are_a_token(text in "[ -~]{0,300}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        prop_assert!(runtime.block_on(ask(&shared(), &text)).is_err());
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed(at in 0_usize..200, to in "[A-Za-z0-9_.-]") {
        let token = signed(json!({}));
        let at = at % token.len();
        prop_assume!(token[at..=at] != to);
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        prop_assert!(runtime.block_on(ask(&shared(), &changed)).is_err());
    }
}
