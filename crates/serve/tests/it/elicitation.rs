//! Asking the person behind a call, in both eras.

use mcp_serve::{Limits, NoAuthentication, Principal, http::Config, stdio};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::{
    auth::with_keys,
    support::{Events, Reply, Running, TestServer, within},
};

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

fn meta() -> Value {
    json!({ VERSION: "2026-07-28", CAPABILITIES: { "elicitation": {} } })
}

fn call(name: &str) -> Value {
    json!({ "name": name, "arguments": { "id": 7 }, "_meta": meta() })
}

fn again(mut params: Value, state: &Value, answer: Value) -> Value {
    params["requestState"] = state.clone();
    params["inputResponses"] = json!({ "sure": answer });
    params
}

/// The state that a question came with.
fn state(result: &Value) -> Value {
    assert_eq!(result["resultType"], "input_required", "{result}");
    let question = json!({ "method": "elicitation/create", "params": {
        "mode": "form", "message": "Are you sure?", "requestedSchema": { "type": "object", "properties": {} } } });
    assert_eq!(result["inputRequests"], json!({ "sure": question }));
    assert!(result.get("content").is_none() && result.get("ttlMs").is_none(), "{result}");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
    result["requestState"].clone()
}

fn text(result: &Value) -> &str {
    assert_eq!(result["resultType"], "complete", "{result}");
    result["content"][0]["text"].as_str().expect("text")
}

#[tokio::test]
async fn a_request_that_stands_alone_ends_with_the_question_and_is_sent_again_with_the_answer() {
    let running = Running::start().await;
    for (said, heard) in [
        (json!({ "action": "accept", "content": { "a": 1 } }), r#"Accepted({"a": Number(1)})"#),
        (json!({ "action": "accept" }), "Accepted({})"),
        (json!({ "action": "decline" }), "Declined"),
        (json!({ "action": "cancel" }), "Cancelled"),
    ] {
        let state = state(&running.ask_modern("tools/call", call("ask")).await.result());
        let result = running.ask_modern("tools/call", again(call("ask"), &state, said)).await.result();
        assert_eq!(text(&result), heard);
    }
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    let running = Running::start().await;
    let accept = json!({ "action": "accept" });
    let prompt = json!({ "name": "ask", "_meta": meta() });
    let sealed = state(&running.ask_modern("prompts/get", prompt.clone()).await.result());
    let result = running.ask_modern("prompts/get", again(prompt, &sealed, accept.clone())).await.result();
    assert_eq!(result["messages"][0]["content"]["text"], "Accepted({})");
    let resource = json!({ "uri": "doc://ask", "_meta": meta() });
    let sealed = state(&running.ask_modern("resources/read", resource.clone()).await.result());
    let result = running.ask_modern("resources/read", again(resource, &sealed, accept)).await.result();
    assert_eq!(result["contents"][0]["text"], "Accepted({})");
}

#[tokio::test]
async fn a_call_that_reports_its_progress_asks_as_well() {
    let running = Running::start().await;
    let mut params = call("ask");
    params["_meta"]["progressToken"] = 1.into();
    let sealed = state(&running.ask_modern("tools/call", params.clone()).await.result());
    let accepted = again(params, &sealed, json!({ "action": "accept" }));
    assert_eq!(text(&running.ask_modern("tools/call", accepted).await.result()), "Accepted({})");
}

#[tokio::test]
async fn only_clients_that_declare_it_are_asked() {
    let running = Running::start().await;
    for declared in [json!({}), json!({ "sampling": {} }), json!({ "elicitation": { "url": {} } })] {
        let params = json!({ "name": "ask", "_meta": { VERSION: "2026-07-28", CAPABILITIES: declared } });
        let reply = running.ask_modern("tools/call", params).await;
        assert_eq!(reply.error(), (400, -32021), "{declared}");
        assert_eq!(reply.json()["error"]["data"], json!({ "requiredCapabilities": { "elicitation": {} } }));
    }
    let reply = running.ask_older("tools/call", json!({ "name": "ask" })).await;
    assert_eq!(reply.error(), (200, -32602));
    let (session, _) = crate::sessions::open(&running, &[]).await;
    let reply = crate::sessions::ask(&running, &session, &[], "tools/call", json!({ "name": "ask" })).await;
    assert_eq!(reply.error(), (200, -32602));
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_asked_again_and_what_is_forged_is_refused() {
    let running = Running::start().await;
    let accept = || json!({ "action": "accept" });
    let ask = |params: Value| running.ask_modern("tools/call", params);
    let sealed = state(&ask(call("ask")).await.result());

    // Answers without a state, or to something else, or none.
    let mut forged = call("ask");
    forged["inputResponses"] = json!({ "sure": accept() });
    state(&ask(forged).await.result());
    let mut wrong = again(call("ask"), &sealed, accept());
    wrong["inputResponses"] = json!({ "other": accept() });
    let sealed = state(&ask(wrong).await.result());
    let mut none = again(call("ask"), &sealed, accept());
    none["inputResponses"] = json!(7);
    let sealed = state(&ask(none).await.result());

    // A changed state, and the right one with other arguments.
    let changed = format!("{}-TAMPERED", sealed.as_str().expect("text"));
    assert_eq!(ask(again(call("ask"), &json!(changed), accept())).await.error(), (200, -32602));
    let mut other = again(call("ask"), &sealed, accept());
    other["arguments"]["id"] = 8.into();
    assert_eq!(ask(other).await.error(), (200, -32602));

    // Once.
    let right = again(call("ask"), &sealed, accept());
    assert_eq!(text(&ask(right.clone()).await.result()), "Accepted({})");
    state(&ask(right).await.result());
}

#[tokio::test]
async fn the_answer_of_one_caller_is_none_of_another() {
    let running = with_keys().await;
    let ask = |params: Value, key| running.ask(running.modern("tools/call", params, &[("x-api-key", key)]));
    let sealed = state(&ask(call("ask"), "key-of-alice").await.result());
    let accepted = again(call("ask"), &sealed, json!({ "action": "accept" }));
    assert_eq!(ask(accepted.clone(), "key-of-bob").await.error(), (200, -32602));
    assert_eq!(text(&ask(accepted, "key-of-alice").await.result()), "Accepted({})");
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
    "capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}"#;

pub async fn session(running: &Running) -> String {
    let reply = running.ask(running.post(&[], INITIALIZE)).await;
    let id = reply.header("mcp-session-id").to_owned();
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(running, &id, initialized.to_owned()).await.status, 202);
    id
}

pub async fn post(running: &Running, session: &str, body: String) -> Reply {
    let headers = [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
    running.ask(running.post(&headers, body)).await
}

/// Calls in a session and returns the stream of its answer, with the id of the question that came first.
async fn asked(running: &Running, session: &str) -> (Events, Value) {
    asked_by(running, session, "ask").await
}

pub async fn asked_by(running: &Running, session: &str, tool: &str) -> (Events, Value) {
    let headers = [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool } });
    let mut events = Events::of(running.send(running.post(&headers, body.to_string())).await);
    let question = events.next().await.expect("a question");
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Are you sure?");
    (events, question["id"].clone())
}

#[tokio::test]
async fn a_session_is_asked_while_the_call_waits() {
    let running = Running::start().await;
    let session = session(&running).await;
    for (said, heard) in [
        (json!({ "action": "accept", "content": {} }), "Accepted({})"),
        (json!({ "action": "decline" }), "Declined"),
        (json!({ "action": "cancel" }), "Cancelled"),
    ] {
        let (mut events, id) = asked(&running, &session).await;
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": said });
        assert_eq!(post(&running, &session, answer.to_string()).await.status, 202);
        let answer = events.next().await.expect("an answer");
        assert_eq!(answer["result"]["content"][0]["text"], heard);
        assert_eq!(answer["id"], 7);
    }
    // A client that can't after all.
    let (mut events, id) = asked(&running, &session).await;
    let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32603, "message": "no screen" } });
    assert_eq!(post(&running, &session, error.to_string()).await.status, 202);
    assert_eq!(events.next().await.expect("an answer")["result"]["content"][0]["text"], "Cancelled");
}

#[tokio::test]
async fn a_call_that_waits_for_a_person_takes_no_place_of_others() {
    let limits = Limits { concurrency: Some(1), rate: None };
    let running = Running::with(Config { limits, ..Config::default() }, NoAuthentication::default()).await;
    let session = session(&running).await;
    let (mut events, id) = asked(&running, &session).await;
    running.ask_modern("tools/call", json!({ "name": "whoami" })).await.result();
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept" } });
    post(&running, &session, answer.to_string()).await;
    assert_eq!(events.next().await.expect("an answer")["result"]["content"][0]["text"], "Accepted({})");
    running.ask_modern("tools/call", json!({ "name": "whoami" })).await.result();
    let (_events, _) = asked(&running, &session).await;
    assert_eq!(within(running.stopped()).await.forced, 0, "a shutdown waits for no person");
}

#[tokio::test]
async fn the_question_of_a_cancelled_call_is_taken_back() {
    let running = Running::start().await;
    let session = session(&running).await;
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let listening =
        running.request(http::Method::GET, &[&headers[..], &[("accept", "text/event-stream")]].concat(), "");
    let mut stream = Events::of(running.send(listening).await);
    let (_events, id) = asked(&running, &session).await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    assert_eq!(post(&running, &session, cancel.to_string()).await.status, 202);
    let taken_back = stream.next().await.expect("a notification");
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], id);
}

#[tokio::test]
async fn a_client_that_reads_no_events_is_not_asked_for_ever() {
    let running = Running::start().await;
    let session = session(&running).await;
    let headers =
        [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25"), ("accept", "application/json")];
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "ask" } });
    let reply = within(running.ask(running.post(&headers, body.to_string()))).await;
    assert_eq!(reply.error(), (200, -32602));
}

#[tokio::test]
async fn stdio_asks_in_both_eras() {
    for modern in [true, false] {
        let (mut input, server_input) = tokio::io::duplex(1 << 16);
        let (server_output, output) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let limits = Limits::none();
            let (server, principal) = (TestServer::new(), Principal::local());
            stdio::serve_on(server, principal, &limits, server_input, server_output, std::future::pending()).await
        });
        let mut lines = BufReader::new(output).lines();
        let mut next = async || -> Value {
            let line = within(lines.next_line()).await.expect("reads").expect("a line");
            serde_json::from_str(&line).expect("JSON")
        };
        let request = |params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let mut send = async |text: String| input.write_all(format!("{text}\n").as_bytes()).await.expect("sends");
        if modern {
            send(request(call("ask")).to_string()).await;
            let sealed = state(&next().await["result"]);
            let changed = json!(format!("{}x", sealed.as_str().expect("text")));
            let accept = json!({ "action": "accept" });
            send(request(again(call("ask"), &changed, accept.clone())).to_string()).await;
            assert_eq!(next().await["error"]["code"], -32602);
            send(request(again(call("ask"), &sealed, accept)).to_string()).await;
            assert_eq!(text(&next().await["result"]), "Accepted({})");
        } else {
            send(INITIALIZE.replace('\n', "")).await;
            next().await;
            send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()).await;
            send(request(json!({ "name": "ask" })).to_string()).await;
            let question = next().await;
            assert_eq!(question["method"], "elicitation/create");
            send(json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "action": "decline" } }).to_string())
                .await;
            assert_eq!(next().await["result"]["content"][0]["text"], "Declined");
        }
    }
}
