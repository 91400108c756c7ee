//! OAuth 2 client credentials against a token endpoint and an upstream that takes what it gave.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response as Outgoing},
};
use futures_util::future::join_all;
use mcp_factory_connect::http::{Auth, Base, Class, Client, ClientConfig, ClientCredentials, Request};

use crate::http::{Seen, client, get, private, upstream};

fn with_tokens(token_url: String, base: &str) -> ClientConfig {
    let credentials = ClientCredentials {
        token_url,
        id_secret: "ID".into(),
        secret_secret: "PASSWORD".into(),
        scopes: vec!["read".into(), "list".into()],
    };
    ClientConfig { auth: Auth::ClientCredentials(credentials), ..private(base.to_owned()) }
}

fn token(number: usize, expires_in: &str) -> Outgoing {
    let body = format!(r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":{expires_in}}}"#);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A client, its token endpoint, and an upstream that answers 401 to every token up to `revoked`.
async fn start(expires_in: &'static str, revoked: Arc<AtomicUsize>) -> (Client, Seen, Seen) {
    let (tokens, token_log) = upstream(move |_, _, count| token(count, expires_in)).await;
    let (port, log) = crate::http::upstream_with_headers(move |headers: &HeaderMap| {
        let number =
            headers["authorization"].to_str().unwrap().trim_start_matches("Bearer t").parse::<usize>().unwrap();
        if number < revoked.load(Ordering::Relaxed) { StatusCode::UNAUTHORIZED } else { StatusCode::OK }
    })
    .await;
    let config = with_tokens(format!("http://127.0.0.1:{tokens}/token"), &format!("http://127.0.0.1:{port}"));
    (client(config), token_log, log)
}

#[tokio::test]
async fn one_token_is_fetched_for_all_calls_with_the_client_named_as_the_standard_says() {
    let (client, tokens, log) = start("3600", Arc::default()).await;
    let responses = join_all((0..20).map(|_| client.send(get("/a")))).await;
    assert!(responses.into_iter().all(|response| response.unwrap().status == StatusCode::OK));
    let asked = tokens.lines();
    assert_eq!(asked.len(), 1, "{asked:?}");
    // `a+client:s3cret%26%3A`
    assert!(asked[0].contains("authorization=Basic YStjbGllbnQ6czNjcmV0JTI2JTNB"), "{asked:?}");
    assert!(
        asked[0].ends_with(
            "content-type=application/x-www-form-urlencoded [grant_type=client_credentials&scope=read+list]"
        )
    );
    assert_eq!(log.lines().iter().filter(|line| line.contains("authorization=Bearer t0")).count(), 20);
}

#[tokio::test]
async fn a_token_is_fetched_again_shortly_before_it_expires() {
    let (client, tokens, log) = start("\"0\"", Arc::default()).await;
    for _ in 0..3 {
        client.send(get("/a")).await.unwrap();
    }
    assert_eq!(tokens.lines().len(), 3);
    assert!(log.lines()[2].contains("Bearer t2"));
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_replaced_once_and_the_call_made_again() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let (client, tokens, log) = start("3600", Arc::clone(&revoked)).await;
    client.send(get("/a")).await.unwrap();
    revoked.store(1, Ordering::Relaxed);
    let mut request = Request::new(Method::POST, "/a");
    request.body = Some("body".into());
    assert_eq!(client.send(request).await.unwrap().status, StatusCode::OK);
    assert_eq!(tokens.lines().len(), 2);
    let last: Vec<String> = log.lines().split_off(1);
    assert!(last[0].contains("Bearer t0") && last[1].contains("Bearer t1") && last[1].ends_with("[body]"), "{last:?}");
    // A token that was refused when it was new is not asked for again and again.
    revoked.store(9, Ordering::Relaxed);
    assert_eq!(client.send(get("/a")).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!((tokens.lines().len(), log.lines().len()), (3, 5));
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_is_asked_once_and_nothing_secret_is_told() {
    let (tokens, asked) = upstream(|_, _, _| {
        let body = r#"{"error":"invalid_client","error_description":"a client:s3cret&: is wrong"}"#;
        (StatusCode::UNAUTHORIZED, body)
    })
    .await;
    let (port, log) = upstream(|_, _, _| "never").await;
    let client = client(with_tokens(format!("http://127.0.0.1:{tokens}/t"), &format!("http://127.0.0.1:{port}")));
    for response in join_all((0..5).map(|_| client.send(get("/a")))).await {
        let error = response.unwrap_err();
        let expected = format!(
            "the token endpoint `127.0.0.1:{tokens}` of `crm` gave no token (401 Unauthorized, `invalid_client`)"
        );
        assert_eq!((error.class(), error.to_string()), (Class::Configuration, expected));
    }
    assert_eq!(asked.lines().len(), 1, "who waited for an attempt shares what came of it");
    assert!(log.lines().is_empty());
    // The next call tries again.
    client.send(get("/a")).await.unwrap_err();
    assert_eq!(asked.lines().len(), 2);
}

#[tokio::test]
async fn what_is_no_token_is_refused_with_what_is_wrong() {
    let check = async |answer: &'static str, part: &str| {
        let (tokens, _) = upstream(move |_, _, _| answer).await;
        let client = client(with_tokens(format!("http://127.0.0.1:{tokens}/t"), "http://127.0.0.1:1"));
        let error = client.send(get("/a")).await.unwrap_err();
        assert_eq!(error.class(), Class::BadResponse, "{answer}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("s3cret"), "{error}");
    };
    check("s3cret", "answered no token").await;
    check(r#"{"access_token":"s3cret"}"#, "answered no token").await;
    check(r#"{"access_token":"s3cret","token_type":"mac"}"#, "no bearer token").await;
    check(r#"{"access_token":"s3cret\r\nX: y","token_type":"bearer"}"#, "can't stand in a header").await;
}

#[tokio::test]
async fn the_secret_of_a_client_goes_over_https_and_to_no_private_address() {
    let (tokens, asked) = upstream(|_, _, count| token(count, "60")).await;
    for (token_url, class) in [
        (format!("http://127.0.0.1:{tokens}/t"), Class::Configuration),
        (format!("https://127.0.0.1:{tokens}/t"), Class::Refused),
        (format!("https://localhost:{tokens}/t"), Class::Refused),
        ("nonsense".to_owned(), Class::Configuration),
    ] {
        let config = with_tokens(token_url.clone(), "https://example.com");
        let config =
            ClientConfig { allow_private_network: false, base: Base::Url("https://example.com".into()), ..config };
        let error = client(config).send(get("/a")).await.unwrap_err();
        assert_eq!(error.class(), class, "{token_url}: {error}");
    }
    assert!(asked.lines().is_empty());
}
