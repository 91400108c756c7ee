//! Who gets what from every operation of the OpenAPI document, asked with no token, a wrong one, another owner's, and one for less
//! than it takes. An operation that is added is in here by itself.

use mcp_factory::Secret;
use mcp_factory_testing::Postgres;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _};

use crate::{Limits, Reply, Role, Running, open_in, shop, within};

/// One operation, with all that a request needs.
#[derive(Debug)]
struct Operation {
    id: String,
    method: String,
    path: String,
    head: String,
    body: String,
    /// The role that it takes; none where it needs no token.
    role: Option<String>,
}

/// As the document says, about the server `shop` and other things by the same name.
fn operations() -> Vec<Operation> {
    let document = mcp_factory_control::openapi();
    let schemas = &document["components"]["schemas"];
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |it| (path, it)));
    let operations = all.map(|(path, (method, said))| {
        let mut path = path.clone();
        let mut query = Vec::new();
        for parameter in said["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let example = match &parameter["example"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if parameter["in"] == "path" {
                path = path.replace(&format!("{{{name}}}"), &example.replace('/', "%2F"));
            } else if parameter["in"] == "query" && !parameter["example"].is_null() {
                query.push(format!("{name}={}", example.replace(' ', "+").replace('/', "%2F")));
            }
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let content = said["requestBody"]["content"].as_object().and_then(|it| it.iter().next());
        let (kind, body) =
            content.map(|(kind, content)| (kind.as_str(), example(content, schemas))).unwrap_or_default();
        Operation {
            id: said["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase(),
            path,
            head: if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") },
            body: if kind.is_empty() { String::new() } else { body.to_string() },
            role: said["security"][0]["bearer"][0].as_str().map(str::to_owned),
        }
    });
    operations.collect()
}

fn example(content: &Value, schemas: &Value) -> Value {
    if let Some(example) = content.get("example") {
        return example.clone();
    }
    let name = content["schema"]["$ref"].as_str().and_then(|it| it.rsplit('/').next()).unwrap();
    if let Some(example) = schemas[name].get("example") {
        return example.clone();
    }
    let fields = schemas[name]["properties"].as_object().unwrap().iter();
    fields
        .filter(|(_, field)| !field["example"].is_null())
        .map(|(name, field)| (name.clone(), field["example"].clone()))
        .collect()
}

impl Running {
    /// What goes on is read no further than its head.
    async fn try_as(&self, token: &str, operation: &Operation) -> Reply {
        let Operation { method, path, head, body, .. } = operation;
        let mut stream = self.send(token, method, path, head, body).await;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(within(stream.read_line(&mut head)).await.unwrap() > 0, "{operation:?}: {head}");
        }
        let mut body = String::new();
        let head = head.to_lowercase();
        if !head.contains("text/event-stream") {
            within(stream.read_to_string(&mut body)).await.unwrap();
        }
        Reply { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
    }

    /// What its owner has, as they see it.
    async fn all_of_it(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for path in
            ["/mcp/servers", "/mcp/servers/shop/versions", "/mcp/servers/shop/keys", "/mcp/secrets", "/mcp/tokens"]
        {
            let reply = self.ask("GET", path, "").await;
            assert_eq!(reply.status, 200, "{path}: {reply:?}");
            seen.push(reply.body);
        }
        seen
    }

    async fn filled() -> Self {
        Self::start().await.fill().await
    }

    async fn filled_in_postgres() -> (Postgres, Self) {
        let postgres = Postgres::start();
        let data = tempfile::tempdir().unwrap();
        let factory = open_in(&data, Some(Secret::new(postgres.url()))).await;
        (postgres, Self::with(factory, data).await.fill().await)
    }

    async fn fill(self) -> Self {
        let spec = shop("1.0.0", "hello").replace("Greets", "Greets marked");
        assert_eq!(self.ask("POST", "/mcp/create", &spec).await.status, 201);
        assert_eq!(self.ask("POST", "/mcp/deploy/shop", "").await.status, 200);
        assert_eq!(self.ask("PUT", "/mcp/secrets/SHOP_KEY", r#"{"value": "marked-secret"}"#).await.status, 200);
        let token = r#"{"name": "shop", "role": "viewer"}"#;
        assert_eq!(self.ask("POST", "/mcp/tokens", token).await.status, 201);
        self
    }
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_token_sqlite() {
    nobody_gets_anywhere_without_a_token(&Running::filled().await).await;
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_token_postgresql() {
    let (_postgres, running) = Running::filled_in_postgres().await;
    nobody_gets_anywhere_without_a_token(&running).await;
}

/// S5-60, T4: the same answer whatever is behind a path, and whatever is wrong with a token.
async fn nobody_gets_anywhere_without_a_token(running: &Running) {
    let before = running.all_of_it().await;
    let nothing = |method: &str, path: &str| Operation {
        id: "nothing".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        head: String::new(),
        body: String::new(),
        role: Some("viewer".to_owned()),
    };
    let made_up = [nothing("GET", "/"), nothing("GET", "/mcp/nothing"), nothing("PATCH", "/mcp/servers")];
    for operation in operations().iter().chain(&made_up) {
        if operation.role.is_none() {
            assert!(["health.alive", "health.ready"].contains(&operation.id.as_str()), "{operation:?}");
            continue;
        }
        for token in ["", "a-wrong-token-that-is-long-enough"] {
            let reply = running.try_as(token, operation).await;
            assert_eq!(reply.code(), (401, "unauthenticated".to_owned()), "{operation:?}");
            assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        }
    }
    assert_eq!(running.all_of_it().await, before);
}

#[tokio::test]
async fn what_is_anothers_is_not_there_sqlite() {
    what_is_anothers_is_not_there(&Running::filled().await).await;
}

#[tokio::test]
async fn what_is_anothers_is_not_there_postgresql() {
    let (_postgres, running) = Running::filled_in_postgres().await;
    what_is_anothers_is_not_there(&running).await;
}

/// S5-54, S5-60: what is another owner's is as unknown as what never was, and stays as it is.
async fn what_is_anothers_is_not_there(running: &Running) {
    let stranger = running.stranger(Role::Developer, Limits::default()).await;
    let before = running.all_of_it().await;
    for operation in operations() {
        let reply = running.try_as(&stranger, &operation).await;
        assert!(!reply.body.to_lowercase().contains("marked"), "{operation:?}: {reply:?}");
        let is_about_a_server =
            ["/servers/shop", "/servers/local%2Fshop", "/deploy/shop"].iter().any(|part| operation.path.contains(part));
        if is_about_a_server && operation.role.as_deref() != Some("admin") {
            assert_eq!(reply.code(), (404, "not-found".to_owned()), "{operation:?}");
            let path = operation.path.replace("shop", "never");
            let never = running.try_as(&stranger, &Operation { path, ..operation }).await;
            assert_eq!(reply.body.replace("shop", "never"), never.body, "as if it never was");
        }
    }
    assert_eq!(running.all_of_it().await, before);
    assert_eq!(running.call("hello").await.0, 200, "and nothing happened to it");
}

#[tokio::test]
async fn a_role_gets_no_further_than_it_goes_sqlite() {
    a_role_gets_no_further_than_it_goes(&Running::filled().await).await;
}

#[tokio::test]
async fn a_role_gets_no_further_than_it_goes_postgresql() {
    let (_postgres, running) = Running::filled_in_postgres().await;
    a_role_gets_no_further_than_it_goes(&running).await;
}

/// The same owner, with a token for less.
async fn a_role_gets_no_further_than_it_goes(running: &Running) {
    let mut tokens = Vec::new();
    for role in ["viewer", "developer"] {
        let body = format!(r#"{{"name": "as-{role}", "role": "{role}"}}"#);
        let issued = running.ask("POST", "/mcp/tokens", &body).await.json();
        tokens.push((role, issued["secret"].as_str().unwrap().to_owned()));
    }
    let before = running.all_of_it().await;
    let (mut refused, ranks) = (0, ["viewer", "developer", "admin"]);
    let rank = |role: &str| ranks.iter().position(|known| *known == role).unwrap();
    for operation in operations() {
        let Some(needed) = &operation.role else { continue };
        for (role, token) in tokens.iter().filter(|(role, _)| rank(role) < rank(needed)) {
            let reply = running.try_as(token, &operation).await;
            assert_eq!(reply.code(), (403, "forbidden".to_owned()), "{role}: {operation:?}");
            refused += 1;
        }
    }
    assert!(refused > 10, "the document says who may");
    assert_eq!(running.all_of_it().await, before);
}
