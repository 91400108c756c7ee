//! The Tasks extension on the wire. What a task is kept in is not the business of this crate.

use serde_json::{Value, json};

use crate::{
    auth::with_keys,
    support::{Events, Running},
};

fn declared(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    params
}

#[tokio::test]
async fn a_call_becomes_a_task_for_a_client_that_declared_the_extension() {
    let running = Running::start().await;
    let discovered = running.ask_modern("server/discover", json!({})).await.result();
    assert_eq!(discovered["capabilities"]["extensions"], json!({"io.modelcontextprotocol/tasks": {}}));
    let created = running.ask_modern("tools/call", declared(json!({"name": "later"}))).await.result();
    assert_eq!(created["resultType"], "task");
    assert_eq!(
        (&created["taskId"], &created["status"], &created["ttlMs"]),
        (&json!("t1"), &json!("working"), &json!(60_000))
    );
    assert!(created["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
    let direct = running.ask_modern("tools/call", json!({"name": "later"})).await.result();
    assert_eq!((&direct["resultType"], &direct["content"][0]["text"]), (&json!("complete"), &json!("at once")));
    let older = running.ask_older("tools/call", declared(json!({"name": "later"}))).await.result();
    assert_eq!(older["content"][0]["text"], "at once");
}

#[tokio::test]
async fn a_task_is_asked_for_answered_and_cancelled() {
    let running = Running::start().await;
    let task = running.ask_modern("tasks/get", declared(json!({"taskId": "t1"}))).await.result();
    assert_eq!((&task["resultType"], &task["status"]), (&json!("complete"), &json!("completed")));
    assert_eq!(task["result"]["content"][0]["text"], "done");
    for (method, params) in
        [("tasks/update", json!({"taskId": "t1", "inputResponses": {}})), ("tasks/cancel", json!({"taskId": "t1"}))]
    {
        let mut done = running.ask_modern(method, declared(params)).await.result();
        done.as_object_mut().expect("object").shift_remove("_meta");
        assert_eq!(done, json!({"resultType": "complete"}), "{method}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_for_a_task_is_told() {
    let running = Running::start().await;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({"taskId": "t1", "inputResponses": {}});
        let undeclared = running.ask_modern(method, params.clone()).await;
        assert_eq!(undeclared.error(), (400, -32021), "{method}");
        let required = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
        assert_eq!(undeclared.json()["error"]["data"]["requiredCapabilities"], required);
        let other = running.modern(method, declared(params.clone()), &[("mcp-name", "t2")]);
        assert_eq!(running.ask(other).await.error(), (400, -32020), "{method}");
        let nameless = running.modern(method, declared(params), &[("mcp-name", "")]);
        assert_eq!(running.ask(nameless).await.error(), (400, -32020), "{method}");
        let unknown = running.ask_modern(method, declared(json!({"taskId": "t2", "inputResponses": {}}))).await;
        assert_eq!(unknown.error(), (200, -32602), "{method}");
        let missing = running.ask_modern(method, declared(json!({}))).await;
        assert_eq!(missing.error(), (200, -32602), "{method}");
    }
    for method in ["tasks/list", "tasks/result"] {
        assert_eq!(running.ask_modern(method, declared(json!({"taskId": "t1"}))).await.error(), (404, -32601));
    }
    assert_eq!(running.ask_older("tasks/get", declared(json!({"taskId": "t1"}))).await.error().1, -32601);
}

#[tokio::test]
async fn a_task_of_somebody_else_is_unknown() {
    let running = with_keys().await;
    for (key, known) in [("key-of-alice", true), ("key-of-bob", false)] {
        let request = running.modern("tasks/get", declared(json!({"taskId": "t1"})), &[("x-api-key", key)]);
        let reply = running.ask(request).await;
        if known {
            assert_eq!(reply.result()["taskId"], "t1");
        } else {
            assert_eq!(reply.error(), (200, -32602));
        }
    }
}

#[tokio::test]
async fn who_listens_to_a_task_is_told_what_becomes_of_it() {
    let running = Running::start().await;
    let params = declared(json!({"notifications": {"taskIds": ["t1", "of-somebody-else"]}}));
    let mut events = Events::of(running.send(running.modern("subscriptions/listen", params, &[])).await);
    let acknowledged = events.next().await.expect("first");
    assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": ["t1"]}));
    // It is over already, so there is nothing to wait for.
    for change in [None, Some("t1")] {
        if let Some(id) = change {
            running.server.task_changes.send("of-somebody-else".into()).expect("a listener");
            running.server.task_changes.send(id.into()).expect("a listener");
        }
        let told = events.next().await.expect("news");
        assert_eq!(told["method"], "notifications/tasks");
        assert_eq!((&told["params"]["taskId"], &told["params"]["status"]), (&json!("t1"), &json!("completed")));
        assert_eq!(told["params"]["result"]["content"][0]["text"], "done");
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    }
}

#[tokio::test]
async fn who_did_not_declare_tasks_can_not_listen_to_them() {
    let running = Running::start().await;
    let params = json!({"notifications": {"taskIds": ["t1"]}});
    assert_eq!(running.ask_modern("subscriptions/listen", params).await.error(), (400, -32021));
}
