//! `grpc` tools against tonic's own health service, which says what it offers by reflection.

use std::sync::{Arc, Mutex};

use mcp_factory_engine::Engine;
use serde_json::{Value, json};
use tonic::{Request, Status, service::interceptor::InterceptedService, transport::server::TcpIncoming};
use tonic_health::{ServingStatus, pb::FILE_DESCRIPTOR_SET, server::HealthService};

use crate::harness::{call, plan, plan_of_a_stranger};

type Log = Arc<Mutex<Vec<String>>>;

/// Its address, and the `authorization` and `x-note` of each request.
async fn server(reflects: Reflects) -> (String, Log) {
    let log = Log::default();
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop", ServingStatus::NotServing).await;
    let health = tonic_health::pb::health_server::HealthServer::new(HealthService::from_health_reporter(reporter));
    let written = Arc::clone(&log);
    let health = InterceptedService::new(health, move |request: Request<()>| {
        let header = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        written.lock().unwrap().push(format!("{} {}", header("authorization"), header("x-note")));
        if header("x-note") == "refuse" {
            return Err(Status::permission_denied(format!("not with {}", header("authorization"))));
        }
        Ok(request)
    });
    let mut router = tonic::transport::Server::builder().add_service(health);
    let builder =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET);
    match reflects {
        Reflects::V1 => router = router.add_service(builder().build_v1().unwrap()),
        Reflects::V1Alpha => router = router.add_service(builder().build_v1alpha().unwrap()),
        Reflects::Not => {}
    }
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    tokio::spawn(router.serve_with_incoming(incoming));
    (format!("grpc://{address}"), log)
}

#[derive(Clone, Copy)]
enum Reflects {
    V1,
    V1Alpha,
    Not,
}

const TOOLS: &str = r#"
tools:
  - name: check
    description: Whether it serves
    parameters: { service: { type: string }, note: { type: string } }
    grpc: { method: grpc.health.v1.Health/Check, message: { service: "{service}" }, metadata: { X-Note: "{note}" } }
    returns: { type: object, properties: { status: { type: string } } }
  - name: watch
    description: What it tells
    grpc: { method: grpc.health.v1.Health/Watch, message: { service: shop } }
    limits: { maxRows: 1, timeout: 10s }
  - { name: typo, description: A field that is none, grpc: { method: grpc.health.v1.Health/Check, message: { servise: x } } }
"#;

fn engine(url: &str, more: &str) -> Engine {
    let text = format!(
        "name: health\nconnections:\n  - {{ name: shop, type: grpc, url: {url}, allowPrivateNetwork: true{more} }}\n{TOOLS}"
    );
    plan(&text, std::env::temp_dir().as_path(), &[("TOKEN", "s3cret-token")]).unwrap()
}

#[tokio::test]
async fn a_method_is_called_as_the_server_describes_it_in_either_version() {
    for reflects in [Reflects::V1, Reflects::V1Alpha] {
        let (url, log) = server(reflects).await;
        let engine = engine(&url, ", auth: { type: bearer, envVar: TOKEN }");
        assert_eq!(call(&engine, "check", json!({ "service": "shop" })).await, Ok(json!({ "status": "NOT_SERVING" })));
        // What was left out is no field.
        assert_eq!(call(&engine, "check", json!({ "note": "hi" })).await, Ok(json!({ "status": "SERVING" })));
        assert_eq!(*log.lock().unwrap(), ["Bearer s3cret-token -", "Bearer s3cret-token hi"]);
    }
}

/// The health service tells of changes and never comes to an end.
#[tokio::test]
async fn a_stream_is_a_list_of_what_came_until_its_cap_or_in_time() {
    let (url, _) = server(Reflects::V1).await;
    let status = json!([{ "status": "NOT_SERVING" }]);
    let capped = call(&engine(&url, ""), "watch", json!({})).await.unwrap();
    assert_eq!((&capped["items"], &capped["truncated"]["reason"]), (&status, &json!("rows")), "{capped}");

    let text = TOOLS.replace("maxRows: 1, timeout: 10s", "timeout: 1s");
    let connection = format!("{{ name: shop, type: grpc, url: {url}, allowPrivateNetwork: true }}");
    let text = format!("name: health\nconnections:\n  - {connection}\n{text}");
    let patient = plan(&text, std::env::temp_dir().as_path(), &[]).unwrap();
    let told = call(&patient, "watch", json!({})).await.unwrap();
    assert_eq!((&told["items"], &told["truncated"]["reason"]), (&status, &json!("timeout")), "{told}");
}

#[tokio::test]
async fn what_goes_wrong_says_who_said_it_and_no_secret() {
    let (url, _) = server(Reflects::V1).await;
    let bearing = engine(&url, ", auth: { type: bearer, envVar: TOKEN }");
    let host = url.trim_start_matches("grpc://");
    let refused = call(&bearing, "check", json!({ "note": "refuse" })).await.unwrap_err();
    assert_eq!(refused, format!("`{host}` answered PERMISSION_DENIED: not with Bearer [redacted]"));
    let missing = call(&bearing, "check", json!({ "service": "none" })).await.unwrap_err();
    assert!(missing.starts_with(&format!("`{host}` answered NOT_FOUND")), "{missing}");
    let typo = call(&bearing, "typo", json!({})).await.unwrap_err();
    assert!(typo.contains("no `grpc.health.v1.HealthCheckRequest`") && typo.contains("servise"), "{typo}");

    let (silent, _) = server(Reflects::Not).await;
    let mute = call(&engine(&silent, ""), "check", json!({})).await.unwrap_err();
    assert!(mute.contains("no server reflection") && mute.contains("`descriptors`"), "{mute}");

    let gone = engine("grpc://127.0.0.1:1", "");
    let unreachable = call(&gone, "check", json!({})).await.unwrap_err();
    assert!(unreachable.contains("`127.0.0.1:1` can't be reached"), "{unreachable}");
}

#[tokio::test]
async fn a_file_of_descriptors_stands_for_reflection_and_is_looked_at_when_planned() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("health.binpb"), FILE_DESCRIPTOR_SET).unwrap();
    std::fs::write(folder.path().join("broken.binpb"), b"\xff\xff").unwrap();
    let (url, _) = server(Reflects::Not).await;
    let text = |file: &str, tools: &str| {
        format!(
            "name: health\nconnections:\n  - {{ name: shop, type: grpc, url: {url}, allowPrivateNetwork: true, \
             descriptors: {file} }}\n{tools}"
        )
    };
    let engine = plan(&text("health.binpb", TOOLS), folder.path(), &[]).unwrap();
    assert_eq!(call(&engine, "check", json!({ "service": "shop" })).await, Ok(json!({ "status": "NOT_SERVING" })));

    let problem = |file: &str, tools: &str| plan(&text(file, tools), folder.path(), &[]).unwrap_err()[0].to_string();
    let unknown = problem("health.binpb", &TOOLS.replace("Health/Check", "Health/Chekc"));
    assert!(unknown.contains("have no method `grpc.health.v1.Health/Chekc`"), "{unknown}");
    let broken = problem("broken.binpb", TOOLS);
    assert!(broken.contains("no set of file descriptors"), "{broken}");
}

/// X-6: what an owner may reach is the operator's to say.
#[tokio::test]
async fn a_private_address_is_refused_without_grant_and_without_a_word_of_the_author() {
    let (url, log) = server(Reflects::V1).await;
    let spec =
        |more: &str| format!("name: health\nconnections:\n  - {{ name: shop, type: grpc, url: {url}{more} }}\n{TOOLS}");
    let folder = std::env::temp_dir();
    let problem = plan_of_a_stranger(&spec(", allowPrivateNetwork: true"), &folder).unwrap_err()[0].to_string();
    assert!(problem.contains("policy/private-networks"), "{problem}");
    let careful = plan(&spec(""), &folder, &[]).unwrap();
    let refused = call(&careful, "check", json!({})).await.unwrap_err();
    assert!(refused.contains("not on the public internet"), "{refused}");
    assert_eq!(log.lock().unwrap().len(), 0);
}

/// Whoever calls has no say in what the server is told about the call itself.
#[test]
fn metadata_of_grpc_itself_and_a_query_are_refused() {
    let spec = |connection: &str, metadata: &str| {
        format!(
            "name: health\nconnections:\n  - {{ name: shop, type: grpc, url: \"grpc://127.0.0.1:1\"{connection} }}\ntools:\n  \
             - {{ name: a, description: A, grpc: {{ method: a.B/C, metadata: {{ {metadata} }} }} }}\n"
        )
    };
    let problem = |connection: &str, metadata: &str| {
        plan(&spec(connection, metadata), &std::env::temp_dir(), &[]).unwrap_err()[0].to_string()
    };
    assert!(problem("", "grpc-timeout: 1S").contains("set by gRPC itself"));
    let query = problem(", auth: { type: query, name: key, envVar: TOKEN }", "x-note: a");
    assert!(query.contains("gRPC has none: use `header`"), "{query}");
}

#[tokio::test]
async fn many_calls_at_once_share_a_connection_and_each_has_its_answer() {
    let (url, log) = server(Reflects::V1).await;
    let engine = Arc::new(engine(&url, ""));
    let calls = (0..200).map(|number| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let service = if number % 2 == 0 { "shop" } else { "" };
            call(&engine, "check", json!({ "service": service })).await
        })
    });
    for (number, answer) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let status: Value = if number % 2 == 0 { "NOT_SERVING".into() } else { "SERVING".into() };
        assert_eq!(answer.await.unwrap(), Ok(json!({ "status": status })));
    }
    assert_eq!(log.lock().unwrap().len(), 200);
}
