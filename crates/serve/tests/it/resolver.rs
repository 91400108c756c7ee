//! Credentials from the operator's service, over HTTP (S2-46).

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, response::IntoResponse, routing::get};
use http::StatusCode;
use mcp_serve::{
    HttpClient, Principal,
    resolver::{ApiTokens, ApiTokensConfig, ApiTokensError, ResolveError, Resource, TokenResolver},
};
use url::Url;

use crate::support::within;

/// A credential service that answers always the same, and remembers what it was asked.
async fn service(status: StatusCode, body: &'static str) -> (Url, Arc<Mutex<Vec<(String, String)>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let answer = move |request: Request| async move {
        let authorization = request.headers()["authorization"].to_str().expect("text").to_owned();
        seen.lock().expect("no panic").push((request.uri().to_string(), authorization));
        (status, body).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(get(answer))).await });
    (Url::parse(&format!("http://{address}")).expect("a URL"), asked)
}

fn resolver(url: Url) -> ApiTokens {
    ApiTokens::new(ApiTokensConfig::new(url, "service-secret"), Arc::new(HttpClient::new())).expect("fits")
}

fn github() -> Resource {
    Resource::new("github").expect("a resource")
}

#[tokio::test]
async fn credentials_are_asked_for_by_path_and_read_in_three_spellings() {
    for body in [
        r#"{"access_token":"t-1","expires_at":"2099-01-01T00:00:00Z","provider_username":"octo"}"#,
        r#"{"accessToken":"t-1","expiresAt":4070908800,"provider_username":"octo"}"#,
        r#"{"token":"t-1","expires_at":4070908800000,"provider_user_id":"octo","metadata":{}}"#,
    ] {
        let (url, asked) = service(StatusCode::OK, body).await;
        let found = within(resolver(url).resolve(&Principal::trusted("a/../b c"), &github())).await;
        let found = found.expect("an answer").expect("a credential");
        assert_eq!((found.reveal(), found.account.as_deref()), ("t-1", Some("octo")), "{body}");
        assert!(found.expires_at.is_some(), "{body}");
        let asked = asked.lock().expect("no panic");
        assert_eq!(asked[0], ("/api/credentials/a%2F..%2Fb%20c/github".to_owned(), "Bearer service-secret".to_owned()));
    }
}

#[tokio::test]
async fn what_is_missing_is_no_failure_and_what_fails_is_told_without_secrets() {
    let not_linked = ResolveError::NotLinked { resource: github() };
    let unavailable = ResolveError::Unavailable { resource: github() };
    for (status, body, expected) in [
        (404, "nobody", &not_linked),
        (200, "{}", &not_linked),
        (200, r#"{"access_token":null}"#, &not_linked),
        (401, "the service token is wrong", &unavailable),
        (500, "oops", &unavailable),
        (302, "elsewhere", &unavailable),
        (200, "no JSON", &unavailable),
        (200, r#"{"access_token":"t","expires_at":"soon"}"#, &unavailable),
        (200, r#"{"access_token":"two words"}"#, &ResolveError::Unusable),
    ] {
        let (url, _) = service(StatusCode::from_u16(status).expect("a status"), body).await;
        let error = within(resolver(url).resolve(&Principal::trusted("alice"), &github())).await.expect_err(body);
        assert_eq!(&error, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn an_id_that_would_be_another_path_is_asked_for_nowhere() {
    for id in [".", ".."] {
        let (url, asked) = service(StatusCode::OK, r#"{"token":"t"}"#).await;
        let error = within(resolver(url).resolve(&Principal::trusted(id), &github())).await.expect_err("refused");
        assert_eq!(error, ResolveError::NotLinked { resource: github() });
        assert!(asked.lock().expect("no panic").is_empty());
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_or_at_length_is_given_up() {
    let long = Box::leak(format!(r#"{{"token":"{}"}}"#, "a".repeat(100_000)).into_boxed_str());
    let (url, _) = service(StatusCode::OK, long).await;
    let error = within(resolver(url).resolve(&Principal::trusted("alice"), &github())).await.expect_err("too long");
    assert_eq!(error, ResolveError::Unavailable { resource: github() });
    // It takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}", silent.local_addr().expect("an address"))).expect("a URL");
    let mut config = ApiTokensConfig::new(url, "service-secret");
    config.timeout = std::time::Duration::from_millis(50);
    let resolver = ApiTokens::new(config, Arc::new(HttpClient::new())).expect("fits");
    let error = within(resolver.resolve(&Principal::trusted("alice"), &github())).await.expect_err("silence");
    assert_eq!(error, ResolveError::Unavailable { resource: github() });
}

#[test]
fn the_service_token_goes_over_no_open_line() {
    let new = |url: &str, path: &str| {
        let mut config = ApiTokensConfig::new(Url::parse(url).expect("a URL"), "service-secret");
        config.path = path.to_owned();
        ApiTokens::new(config, Arc::new(HttpClient::new())).map(drop)
    };
    let path = ApiTokensConfig::DEFAULT_PATH;
    assert_eq!(new("https://tenants.example.com/v1", path), Ok(()));
    assert_eq!(new("http://localhost:8080", path), Ok(()));
    assert!(matches!(new("http://tenants.example.com", path), Err(ApiTokensError::Unencrypted { .. })));
    for wrong in ["ftp://a", "https://user:pw@a", "https://a?b=c"] {
        assert!(matches!(new(wrong, path), Err(ApiTokensError::Url { .. })), "{wrong}");
    }
    for wrong in ["", "/:userId", "/x:userId/:resourceType", "/:userId/:resourceType/:other", "a/:userId/:resourceType"]
    {
        assert!(matches!(new("https://a", wrong), Err(ApiTokensError::Path { .. })), "{wrong}");
    }
}
