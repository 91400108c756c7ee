//! What an OpenAPI document refers to by URL, over real sockets: fetched where that is asked for, within bounds, and never from a
//! private network that the document's author chose.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use mcp_factory::intake::{Document, Intake, IntakeError, Openapi, Proposed, Reach};
use mcp_factory_connect::http::{ResolveFuture, Resolver};

/// Every name is this machine's, as names of an intranet are.
#[derive(Debug)]
struct Here;

impl Resolver for Here {
    fn resolve(&self, _: &str) -> ResolveFuture {
        Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) })
    }
}

/// Serves a document with these references, and remembers what it was asked for.
struct Site {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start(references: impl Fn(u16) -> Vec<String>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let port = address.port();
        let paths = references(port).into_iter().enumerate().map(|(n, target)| {
            format!(
                "  /p{n}: {{ get: {{ operationId: get{n}, parameters: [{{ $ref: '{target}' }}], responses: {{}} }} }}\n"
            )
        });
        let document = format!(
            "openapi: 3.0.3\ninfo: {{ title: Pets, version: '1' }}\nservers: [{{ url: https://pets.example.com }}]\npaths:\n\
             \x20 /ok: {{ get: {{ operationId: ok, responses: {{}} }} }}\n{}",
            paths.collect::<String>()
        );
        let heard = Arc::new(Mutex::new(Vec::new()));
        let answer = async move |State(heard): State<Arc<Mutex<Vec<String>>>>, uri: Uri| -> Response {
            heard.lock().expect("nobody panics with it").push(uri.path().to_owned());
            let moved = |place: &str| (StatusCode::FOUND, [(header::LOCATION, place.to_owned())]).into_response();
            match uri.path() {
                "/doc.yaml" => document.clone().into_response(),
                "/moved.yaml" => moved(&format!("http://127.0.0.1:{port}/secret.yaml")),
                "/next.yaml" => moved("/a.yaml"),
                "/chain/a.yaml" => "a: { $ref: 'b.yaml#/b' }\n".into_response(),
                "/chain/b.yaml" => "b: { name: b, in: query, schema: { type: string } }\n".into_response(),
                _ => "a: { name: a, in: query, schema: { type: string } }\n".into_response(),
            }
        };
        let router = Router::new().fallback(any(answer)).with_state(Arc::clone(&heard));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, heard }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// As a person types it who works in a network where every name leads here.
    async fn import(&self, place: &str, references: bool) -> Result<Proposed, IntakeError> {
        let openapi =
            Openapi { from: Some(Document::typed(place)), fetch_references: references, ..Openapi::default() };
        Intake::Openapi(Box::new(openapi)).propose(None, &Reach::operator().with_resolver(Arc::new(Here))).await
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().expect("nobody panics with it"))
    }
}

fn told(proposed: &Proposed) -> String {
    proposed.proposal.findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn parameters(proposed: &Proposed) -> Vec<usize> {
    let tools = proposed.proposal.spec.canonical()["tools"].as_array().expect("tools").clone();
    tools.iter().map(|tool| tool["parameters"].as_object().map_or(0, serde_json::Map::len)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn references_are_fetched_where_that_is_asked_for() {
    let site = Site::start(|port| {
        vec!["a.yaml#/a".to_owned(), format!("http://127.0.0.1:{port}/chain/a.yaml#/a"), "next.yaml#/a".to_owned()]
    })
    .await;
    let url = site.url("127.0.0.1", "/doc.yaml");
    let without = site.import(&url, false).await.expect("a spec");
    assert_eq!(site.heard(), ["/doc.yaml"]);
    assert_eq!(parameters(&without), [0], "the others are left out");
    assert!(
        told(&without).contains("`a.yaml` was not read") && told(&without).contains("`--fetch-references`"),
        "{}",
        told(&without)
    );

    let with = site.import(&url, true).await.expect("a spec");
    assert_eq!(parameters(&with), [0, 1, 1, 1], "{}", told(&with));
    let heard = site.heard();
    assert_eq!(heard, ["/doc.yaml", "/a.yaml", "/chain/a.yaml", "/next.yaml", "/a.yaml", "/chain/b.yaml"]);
}

/// What has a name that anybody can have may be of an intranet, where somebody who typed it meant just that. Issue 6, 5: its
/// author gets no further with their machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_leads_nobody_into_a_private_network() {
    let site = Site::start(|port| {
        vec![
            "a.yaml#/a".to_owned(),
            format!("http://127.0.0.1:{port}/secret.yaml#/a"),
            format!("http://other.example.com:{port}/secret.yaml#/a"),
            "moved.yaml#/a".to_owned(),
            "file:///etc/passwd#/a".to_owned(),
        ]
    })
    .await;
    let done = site.import(&site.url("api.example.com", "/doc.yaml"), true).await.expect("a spec");
    assert_eq!(site.heard(), ["/doc.yaml", "/a.yaml", "/moved.yaml"], "{}", told(&done));
    assert_eq!(parameters(&done), [0, 1]);
    for (place, why) in [
        ("http://127.0.0.1", "is not on the public internet"),
        ("http://other.example.com", "is not on the public internet"),
        ("moved.yaml", "is not on the public internet"),
        ("file:///etc/passwd", "it is no URL of http or https"),
    ] {
        let line = format!("note: `{place}");
        assert!(told(&done).lines().any(|it| it.starts_with(&line) && it.contains(why)), "{place}: {}", told(&done));
    }
    // Nor does what was named itself.
    let refused = site.import(&site.url("api.example.com", "/moved.yaml"), true).await.map(|done| told(&done));
    let refused = refused.expect_err("it leads into a private network").to_string();
    assert!(refused.contains("is not on the public internet"), "{refused}");
    assert_eq!(site.heard(), ["/moved.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_references_are_fetched_and_no_more() {
    let site = Site::start(|_| (0..60).map(|n| format!("r{n}.yaml#/a")).collect()).await;
    let done = site.import(&site.url("127.0.0.1", "/doc.yaml"), true).await.expect("a spec");
    assert_eq!(site.heard().len(), 51);
    assert_eq!(parameters(&done).iter().sum::<usize>(), 50);
    assert!(told(&done).contains("`r55.yaml` was not read: at most 50 are fetched"), "{}", told(&done));
}
