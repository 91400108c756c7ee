//! Somebody's rmcp server behind our HTTP: all that it does arrives, and nothing of its caller's credential reaches it.
#![expect(deprecated, reason = "2026-07-28 deprecates log messages and keeps them for a year")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mcp_serve::{
    Live, NoAuthentication, Principal,
    http::{Config, serve},
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, ContentBlock, ElicitRequest,
        ElicitRequestParams, ElicitationSchema, ErrorCode, InputRequiredResult, JsonObject, ListToolsResult,
        LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
        ServerCapabilities, ServerConfig, ServerRequest, Tool,
    },
    server_of,
};
use rmcp::{ErrorData, RoleServer, ServerHandler, service::RequestContext};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    elicitation,
    server_factory::ask,
    support::{Reply, Running, TestServer, within},
};

#[derive(Default)]
struct Theirs {
    more: AtomicBool,
    waiting: Arc<Notify>,
    left: Arc<Notify>,
}

impl ServerHandler for Theirs {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().enable_logging().build(),
        )
    }

    /// On two pages, and with one more tool after `grow`.
    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        let tool = |name: &'static str| Tool::new(name, "theirs", schema.clone());
        if request.and_then(|request| request.cursor).is_some() {
            let mut last = vec![tool("last")];
            last.extend(self.more.load(Ordering::SeqCst).then(|| tool("grown")));
            return Ok(ListToolsResult::with_all_items(last));
        }
        let mut first = ListToolsResult::with_all_items(vec![tool("first")]);
        first.next_cursor = Some("2".to_owned());
        Ok(first)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        cx: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = |text: &str| Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into());
        match &*request.name {
            "whoami" => {
                assert!(cx.extensions.get::<http::request::Parts>().is_none());
                text(&cx.extensions.get::<Arc<Principal>>().expect("a principal").id)
            }
            "report" => {
                if let Some(token) = cx.meta.get_progress_token() {
                    for step in [1.0, 2.0] {
                        let said = ProgressNotificationParam::new(token.clone(), step).with_total(2.0);
                        cx.peer.notify_progress(said).await.expect("heard");
                    }
                }
                text("reported")
            }
            "grow" => {
                self.more.store(true, Ordering::SeqCst);
                cx.peer.notify_tool_list_changed().await.expect("heard");
                text("grown")
            }
            "wait" => {
                self.waiting.notify_one();
                let left = self.left.clone();
                let gone = cx.ct.clone();
                tokio::spawn(async move {
                    gone.cancelled().await;
                    left.notify_one();
                });
                std::future::pending().await
            }
            "ask" => {
                let question = ElicitRequestParams::FormElicitationParams {
                    meta: None,
                    message: "Are you sure?".to_owned(),
                    requested_schema: ElicitationSchema::new(BTreeMap::new()),
                };
                let asked = ServerRequest::ElicitRequest(ElicitRequest::new(question));
                match cx.peer.send_request(asked).await {
                    Ok(ClientResult::ElicitResult(said)) => text(&format!("{:?}", said.action)),
                    other => text(&format!("not asked: {}", other.is_err())),
                }
            }
            "rounds" => match request.input_responses {
                None => {
                    let question = json!({ "method": "elicitation/create", "params": { "mode": "form",
                        "message": "Are you sure?", "requestedSchema": { "type": "object", "properties": {} } } });
                    let asked = json!({ "resultType": "input_required", "inputRequests": { "sure": question },
                        "requestState": "theirs" });
                    let asked: InputRequiredResult = serde_json::from_value(asked).expect("a question");
                    Ok(asked.into())
                }
                Some(said) => text(&format!("{:?} {}", request.request_state, said["sure"]["action"])),
            },
            "talk" => {
                let said = json!({ "rows": 3 });
                cx.peer
                    .notify_logging_message(LoggingMessageNotificationParam::new(LoggingLevel::Warning, said))
                    .await
                    .expect("heard");
                text("talked")
            }
            "refuse" => Err(ErrorData::new(ErrorCode(-31_999), "not today", Some(json!({ "until": "tomorrow" })))),
            "reserved" => Err(ErrorData::new(ErrorCode(-32_042), "theirs", None)),
            other => Err(ErrorData::new(ErrorCode::INVALID_PARAMS, format!("Unknown tool: {other}"), None)),
        }
    }
}

async fn served(handler: Theirs) -> std::net::SocketAddr {
    let server = server_of(handler).await.expect("a server");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let open = Arc::new(NoAuthentication::default());
    tokio::spawn(serve(server, listener, open, Config::default(), std::future::pending()));
    address
}

async fn call(address: std::net::SocketAddr, tool: &str) -> Reply {
    ask(address, "/mcp", None, "tools/call", json!({ "name": tool })).await
}

async fn names(address: std::net::SocketAddr) -> Vec<String> {
    let listed = ask(address, "/mcp", None, "tools/list", json!({})).await.result();
    let tools = listed["tools"].as_array().expect("a list").iter();
    tools.map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
}

/// S1-7, S2-32.
#[tokio::test]
async fn what_a_handler_lists_answers_and_refuses_arrives_as_it_is() {
    let address = served(Theirs::default()).await;
    assert_eq!(names(address).await, ["first", "last"], "all its pages are one");
    let answer = call(address, "whoami").await.result();
    assert_eq!(answer["content"][0]["text"], "anonymous");
    let refused = call(address, "refuse").await.json();
    assert_eq!(refused["error"], json!({ "code": -31_999, "message": "not today", "data": { "until": "tomorrow" } }));
    assert_eq!(call(address, "reserved").await.error(), (200, -32603), "a code that only the protocol may use");
    assert_eq!(call(address, "nope").await.json()["error"]["message"], "Unknown tool: nope");
}

#[tokio::test]
async fn a_list_that_changed_is_read_again() {
    let address = served(Theirs::default()).await;
    call(address, "grow").await.result();
    let grown = async {
        while names(address).await.len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    within(grown).await;
    assert_eq!(names(address).await, ["first", "last", "grown"]);
}

#[tokio::test]
async fn progress_comes_back_on_the_stream_of_its_call() {
    let server = server_of(Theirs::default()).await.expect("a server");
    let live = Live::new(server, Arc::new(NoAuthentication::default()), Config::default());
    let running = Running::live(live, TestServer::new()).await;
    let params = json!({ "name": "report", "_meta": { "progressToken": "mine" } });
    let reply = running.ask(running.modern("tools/call", params, &[])).await;
    let events = reply.events();
    let steps: Vec<&Value> = events.iter().filter(|event| event["method"] == "notifications/progress").collect();
    assert_eq!(steps.len(), 2, "{events:?}");
    assert!(steps.iter().all(|step| step["params"]["progressToken"] == "mine"));
}

#[tokio::test]
async fn a_caller_who_leaves_is_told_to_the_handler() {
    let theirs = Theirs::default();
    let (waiting, left) = (theirs.waiting.clone(), theirs.left.clone());
    let address = served(theirs).await;
    let called = tokio::spawn(async move { call(address, "wait").await });
    within(waiting.notified()).await;
    called.abort();
    within(left.notified()).await;
}

async fn asking() -> Running {
    let server = server_of(Theirs::default()).await.expect("a server");
    let live = Live::new(server, Arc::new(NoAuthentication::default()), Config::default());
    Running::live(live, TestServer::new()).await
}

/// In the middle of the call, or by ending with the question: the handler asked as one of sessions does, or as one of rounds.
#[tokio::test]
async fn what_a_handler_asks_its_client_is_asked_in_both_eras() {
    let running = asking().await;
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } });
    let session = elicitation::session(&running).await;
    for (tool, answer) in [("ask", "Accept"), ("rounds", r#"Some("theirs") "accept""#)] {
        let mut params = json!({ "name": tool, "_meta": meta });
        let asked = running.ask_modern("tools/call", params.clone()).await.result();
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let requests = asked["inputRequests"].as_object().expect("questions");
        let (name, question) = requests.iter().next().expect("one");
        assert_eq!(question["params"]["message"], "Are you sure?");
        params["requestState"] = asked["requestState"].clone();
        params["inputResponses"] = json!({ name.as_str(): { "action": "accept" } });
        let done = running.ask_modern("tools/call", params).await.result();
        assert_eq!(done["content"][0]["text"], answer, "{done}");

        let (mut events, id) = elicitation::asked_by(&running, &session, tool).await;
        let said = json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept" } });
        assert_eq!(elicitation::post(&running, &session, said.to_string()).await.status, 202);
        let done = events.next().await.expect("an answer");
        assert_eq!(done["result"]["content"][0]["text"], answer, "{done}");
    }
    // A client that can't be asked is not, and the handler does not wait for ever.
    let done = running.ask_modern("tools/call", json!({ "name": "ask" })).await;
    assert!(!done.text.contains("Accept"), "{done:?}");
}

#[tokio::test]
async fn log_messages_of_a_handler_reach_the_call_that_asked_for_them() {
    let running = asking().await;
    let messages = |reply: Reply| -> Vec<Value> {
        let events = reply.events().into_iter().filter(|event| event["method"] == "notifications/message");
        events.map(|event| event["params"].clone()).collect()
    };
    let params = json!({ "name": "talk", "_meta": { "io.modelcontextprotocol/logLevel": "info" } });
    let reply = running.ask(running.modern("tools/call", params, &[])).await;
    let said = messages(reply);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((&said[0]["level"], &said[0]["data"]), (&json!("warning"), &json!({ "rows": 3 })));
    let params = json!({ "name": "talk" });
    let silent = running.ask(running.modern("tools/call", params, &[])).await;
    assert_eq!(silent.result()["content"][0]["text"], "talked");
    assert!(!silent.text.contains("notifications/message"));
}
