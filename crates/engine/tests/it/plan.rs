//! What this build can't run is said before anything starts, and is never left out quietly.

use std::sync::Arc;

use mcp_serve::{CallContext, Principal, Server as _};
use serde_json::json;

use crate::harness::{call, plan, plan_of_a_stranger};

fn problems(text: &str) -> Vec<(&'static str, String)> {
    let folder = tempfile::tempdir().unwrap();
    plan(text, folder.path(), &[]).unwrap_err().into_iter().map(|problem| (problem.code, problem.path)).collect()
}

#[test]
fn a_tool_kind_that_is_not_built_yet_is_not_supported() {
    let text = "
name: a
connections:
  - { name: cache, type: redis, envVar: REDIS_URL }
tools:
  - { name: a, description: A, redis: [GET, cart] }
  - { name: b, description: B, redis: [GET, basket] }
";
    let expected = [("plan/not-supported", "tools[0].redis"), ("plan/not-supported", "tools[1].redis")];
    assert_eq!(problems(text), expected.map(|(code, path)| (code, path.to_owned())));
}

#[test]
fn nobody_can_be_told_from_the_caller_where_nobody_says_who_they_are() {
    let tool = "{ name: a, description: A, static: { text: hello }, confirm: { message: Really?, by: managers } }";
    let unusable = ("plan/unusable", "tools[0].confirm.by".to_owned());
    assert_eq!(problems(&format!("name: a\ntools:\n  - {tool}\n")), [unusable]);
    let folder = tempfile::tempdir().unwrap();
    let text = format!("name: a\nauth: {{ type: api_key, envVar: KEYS }}\ntools:\n  - {tool}\n");
    plan(&text, folder.path(), &[]).unwrap();
}

#[test]
fn what_keeps_callers_apart_is_refused_rather_than_left_out() {
    let text = "
name: a
connections:
  - { use: shop_db }
  - { name: rows, type: postgresql, envVar: DB }
  - { name: crm, type: http, url: 'https://crm.example.com', auth: { type: principal, resource: 'https://crm.example.com' } }
tools:
  - { name: a, description: A, connection: rows, sql: SELECT 1, annotations: { readOnly: true } }
  - { name: b, description: B, connection: rows, sql: SELECT 1, annotations: { readOnly: true } }
toolsets:
  - { name: all, description: All, tools: [a, b] }
permissions: { source: header, header: X-Toolsets, trustedProxies: [10.0.0.0/8], signature: { header: X-S, envVar: S } }
";
    let paths: Vec<String> = problems(text).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["connections[0].use", "connections[2].auth", "permissions.trustedProxies"]);
}

#[tokio::test]
async fn a_stub_says_that_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let engine = plan("name: a\ntools:\n  - { name: later, description: Later }\n", folder.path(), &[]).unwrap();
    let error = call(&engine, "later", json!({})).await.unwrap_err();
    assert!(error.contains("not implemented"), "{error}");
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_named_in_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
name: a
connections:
  - { name: db, type: postgresql, envVar: NOT_SET }
tools:
  - { name: a, description: A, sql: SELECT 1, annotations: { readOnly: true } }
";
    let engine = plan(text, folder.path(), &[]).unwrap();
    let error = call(&engine, "a", json!({})).await.unwrap_err();
    assert!(error.contains("NOT_SET"), "{error}");
}

#[test]
fn what_the_operator_did_not_grant_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
name: a
connections:
  - { name: db, type: sqlite, envVar: DB }
  - { name: api, type: http, url: 'https://example.com', allowPrivateNetwork: true }
tools:
  - { name: a, description: A, sql: SELECT 1, annotations: { readOnly: true } }
  - { name: b, description: B, http: { path: /x } }
";
    let problems = plan_of_a_stranger(text, folder.path()).unwrap_err();
    let found: Vec<(&str, &str)> = problems.iter().map(|problem| (problem.code, problem.path.as_str())).collect();
    assert_eq!(found, [("policy/private-networks", "tools[1]")]);
}

#[tokio::test]
async fn servers_with_the_same_tools_share_what_is_listed_and_each_answers_for_itself() {
    let text = |name: &str, answer: &str| {
        format!(
            "
name: {name}
connections: [{{ name: db, type: sqlite, path: ./{name}.db }}]
tools:
  - name: only_in_this_test
    description: A row
    parameters: {{ id: {{ type: integer, minimum: 1, maximum: 9.5, required: true, description: Ein Schlüssel }} }}
    returns: {{ type: object, properties: {{ name: {{ type: string }} }}, required: [name] }}
    sql: SELECT '{answer}' AS name WHERE :id = 1
    single: true
    annotations: {{ readOnly: true, idempotent: true }}
"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let [one, other] =
        [("one", "a"), ("other", "b")].map(|(name, answer)| plan(&text(name, answer), folder.path(), &[]).unwrap());
    let cx = CallContext::new(Principal::local());
    let listed = one.tools(&cx);
    assert!(Arc::ptr_eq(&listed, &other.tools(&cx)));
    // Of the JSON, which is all that is kept until somebody asks for more.
    assert_eq!(serde_json::to_string(listed.items()).unwrap(), listed.json().get());
    assert_eq!(call(&one, "only_in_this_test", json!({ "id": 1 })).await, Ok(json!({ "name": "a" })));
    assert_eq!(call(&other, "only_in_this_test", json!({ "id": 1 })).await, Ok(json!({ "name": "b" })));
    assert!(call(&other, "only_in_this_test", json!({ "id": 0 })).await.unwrap_err().contains("at least 1"));
    let kept = Arc::downgrade(&listed);
    drop((listed, one));
    assert!(kept.upgrade().is_some());
    drop(other);
    assert!(kept.upgrade().is_none(), "nobody has it any more");
}
