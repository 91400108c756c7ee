//! The four patterns of docs/patterns/per-bearer.md (S4-46), started and called.

#![allow(clippy::duplicate_mod, reason = "each example is a program of its own, and has its command line")]

use std::{sync::Mutex, time::Duration};

use mcp_serve::{
    per_bearer::{OAuth, Options, PerBearerServer},
    tokens::{HashKey, MemoryTokens, Token},
};
use serde_json::json;

use crate::support::{Running, within};

#[expect(dead_code, reason = "its main runs elsewhere")]
#[path = "../../examples/per_bearer_development.rs"]
mod development;
#[expect(dead_code, reason = "its main runs elsewhere")]
#[path = "../../examples/per_bearer_production.rs"]
mod production;
#[expect(dead_code, reason = "its main runs elsewhere")]
#[path = "../../examples/per_bearer_prototype.rs"]
mod prototype;
#[expect(dead_code, reason = "its main runs elsewhere")]
#[path = "../../examples/per_bearer_saas.rs"]
mod saas;

fn anywhere() -> Options {
    Options::at("127.0.0.1:0".parse().expect("an address"))
}

fn client(server: &PerBearerServer) -> Running {
    let port = server.get_server_info().expect("it runs").port;
    Running::reaching(format!("127.0.0.1:{port}").parse().expect("an address"))
}

/// The text that a tool answers with, or the status.
async fn call(client: &Running, secret: &str, tool: &str) -> Result<String, u16> {
    let bearer = format!("Bearer {secret}");
    let request = client.modern("tools/call", json!({ "name": tool }), &[("authorization", &bearer)]);
    let reply = client.ask(request).await;
    match reply.json()["result"]["content"][0]["text"].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(reply.status.as_u16()),
    }
}

#[tokio::test]
async fn the_prototype_answers() {
    let server = prototype::start(anywhere()).await.expect("starts");
    assert_eq!(call(&client(&server), "test", "hello").await, Ok("hello".to_owned()));
    assert_eq!(call(&client(&server), "other", "hello").await, Err(401));
}

#[tokio::test]
async fn customers_come_change_and_go() {
    let service = saas::CustomerService::start(anywhere()).await.expect("starts");
    let client = client(&service.mcp);
    let acme = service.add_customer(1, "acme", saas::Plan::Free).expect("added");
    let globex = service.add_customer(2, "globex", saas::Plan::Pro).expect("added");
    assert_eq!(call(&client, acme.reveal(), "search").await, Ok("found".to_owned()));
    assert!(call(&client, acme.reveal(), "report").await.is_err());
    assert!(service.change_plan(1, "acme", saas::Plan::Pro));
    assert_eq!(call(&client, acme.reveal(), "report").await, Ok("a report".to_owned()));
    assert!(service.remove_customer(1) && !service.remove_customer(1));
    assert_eq!(call(&client, acme.reveal(), "search").await, Err(401));
    assert_eq!(call(&client, globex.reveal(), "search").await, Ok("found".to_owned()));
}

#[tokio::test]
async fn a_developer_sees_what_happens() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let show = |line| SEEN.lock().expect("lock").push(line);
    let server = development::start(anywhere(), show).await.expect("starts");
    let client = client(&server);
    let dev = server.get_tokens()[0].token.token.clone();
    let answers = [call(&client, "dev", "whoami").await, call(&client, "test", "whoami").await];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{dev}: {answers:?}");
    within(async {
        while !SEEN.lock().expect("lock").iter().any(|line| line.contains("called whoami")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(SEEN.lock().expect("lock")[0].starts_with("listening on http://127.0.0.1:"));
}

#[tokio::test]
async fn production_serves_the_tokens_of_a_store() {
    let oauth2 = OAuth {
        issuer: "https://login.example.com".to_owned(),
        authorization_endpoint: "https://login.example.com/authorize".to_owned(),
        token_endpoint: "https://login.example.com/token".to_owned(),
        registration_endpoint: None,
    };
    let key = HashKey::from_bytes(&[1; 32]).expect("long enough");
    let (server, tokens) = production::start(anywhere(), MemoryTokens::default(), key, oauth2).await.expect("starts");
    let claims = json!({"plan": "pro"}).as_object().expect("an object").clone();
    let token = Token::new("a-secret-of-acme").with_id("acme").with_claims(claims);
    tokens.add(token).await.expect("added");
    let client = client(&server);
    assert_eq!(call(&client, "a-secret-of-acme", "plan").await, Ok("pro".to_owned()));
    tokens.rotate("acme", "another-secret-of-acme", Duration::ZERO).await.expect("rotated");
    assert_eq!(call(&client, "a-secret-of-acme", "plan").await, Err(401));
    assert_eq!(call(&client, "another-secret-of-acme", "plan").await, Ok("pro".to_owned()));
}

/// S4-44: measured, and said in docs/patterns/per-bearer.md.
#[test]
fn the_page_says_how_much_shorter_the_prototype_is() {
    let lines = |file: &str, anchor: &str| {
        let (_, rest) = file.split_once(&format!("// ANCHOR: {anchor}\n")).expect("an anchor");
        let (inside, _) = rest.split_once("// ANCHOR_END").expect("its end");
        inside.lines().filter(|line| !line.trim().is_empty()).count()
    };
    let ours = lines(include_str!("../../examples/per_bearer_prototype.rs"), "prototype");
    let raw = lines(include_str!("../../examples/per_bearer_raw_rmcp.rs"), "raw");
    let page = include_str!("../../../../docs/patterns/per-bearer.md");
    let said = format!("{ours} lines instead of {raw}");
    assert!(page.contains(&said), "docs/patterns/per-bearer.md should say: {said}");
}
