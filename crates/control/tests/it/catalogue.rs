//! The read API of the official registry, as its clients ask it.

use serde_json::{Value, json};

use crate::{Limits, Role, Running, shop};

const OFFICIAL: &str = "io.modelcontextprotocol.registry/official";

async fn listed(running: &Running, query: &str) -> (Vec<String>, Value) {
    let answer = running.ask("GET", &format!("/v0.1/servers{query}"), "").await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let answer = answer.json();
    let servers = answer["servers"].as_array().unwrap();
    assert_eq!(answer["metadata"]["count"], servers.len());
    let named = servers.iter().map(|it| {
        let (server, latest) = (&it["server"], it["_meta"][OFFICIAL]["isLatest"] == true);
        let latest = if latest { " latest" } else { "" };
        format!("{} {}{latest}", server["name"].as_str().unwrap(), server["version"].as_str().unwrap())
    });
    (named.collect(), answer["metadata"]["nextCursor"].clone())
}

/// PROTOCOL §5.
#[tokio::test]
async fn clients_of_the_official_registry_find_every_version_page_by_page() {
    let running = Running::start().await;
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        assert_eq!(running.ask("POST", "/mcp/create", &shop(version, "hello")).await.status, 201);
    }
    let bakery = shop("0.1.0", "hello").replace("name: shop", "name: bakery\nauth: { type: api_key, header: X-Bread }");
    assert_eq!(running.ask("POST", "/mcp/create", &bakery).await.status, 201);

    let (mut found, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let (entries, next) = listed(&running, &query).await;
        assert_eq!(entries.len(), 1);
        found.extend(entries);
        let Some(next) = next.as_str() else { break };
        query = format!("?limit=1&cursor={next}");
    }
    assert_eq!(found, ["local/bakery 0.1.0 latest", "local/shop 1.0.0", "local/shop 1.1.0", "local/shop 1.2.0 latest"]);
    assert_eq!(listed(&running, "?version=latest&search=hop").await.0, ["local/shop 1.2.0 latest"]);
    assert_eq!(listed(&running, "?version=1.1.0&include_deleted=true").await.0, ["local/shop 1.1.0"]);
    assert_eq!(listed(&running, "?updated_since=2100-01-01T00:00:00Z").await.0, [""; 0]);
    assert_eq!(listed(&running, "?search=%25").await.0, [""; 0]);

    let versions = running.ask("GET", "/v0.1/servers/local%2Fshop/versions", "").await.json();
    assert_eq!(versions["servers"][0]["server"]["version"], "1.2.0", "the newest first");
    assert_eq!(versions["metadata"]["count"], 3);
    for (path, status, code) in [
        ("local%2Fnever/versions", 404, "not-found"),
        ("com.example%2Fshop/versions", 404, "not-found"),
        ("shop/versions/latest", 404, "not-found"),
        ("local%2Fshop/versions/9.9.9", 404, "not-found"),
        ("local%2Fshop/versions/new", 400, "invalid-argument"),
    ] {
        let refused = running.ask("GET", &format!("/v0.1/servers/{path}"), "").await;
        assert_eq!(refused.code(), (status, code.to_owned()), "{path}");
        assert!(refused.json()["error"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn an_entry_says_where_the_version_that_runs_answers_and_what_it_takes() {
    let running = Running::start().await;
    running.ask("POST", "/mcp/create", &shop("1.0.0", "hello")).await;
    running.ask("POST", "/mcp/deploy/shop", "").await;
    running.ask("POST", "/mcp/create", &shop("1.1.0", "hello")).await;
    let at = |version: &'static str| running.ask("GET", version, "");
    let runs = at("/v0.1/servers/local%2Fshop/versions/1.0.0").await.json();
    let url = format!("http://{}/servers/shop/mcp", running.address);
    assert_eq!(runs["server"]["remotes"], json!([{ "type": "streamable-http", "url": url }]));
    let latest = at("/v0.1/servers/local%2Fshop/versions/latest").await.json();
    assert_eq!((&latest["server"]["version"], latest["server"].get("remotes")), (&json!("1.1.0"), None));
    // As a file, it is the same.
    let exported = at("/mcp/servers/shop/export?format=server.json&version=1.0.0").await;
    assert!(exported.head.contains("content-disposition: attachment; filename=\"server.json\""), "{exported:?}");
    assert_eq!(exported.json(), runs["server"]);
    assert_eq!(at("/mcp/servers/shop/export?format=zip").await.code(), (400, "invalid-argument".to_owned()));
    // S5-60.
    let stranger = running.stranger(Role::Developer, Limits::default()).await;
    let theirs = running.ask_as(&stranger, "GET", "/v0.1/servers", "").await.json();
    assert_eq!(theirs, json!({ "servers": [], "metadata": { "count": 0 } }));
}
