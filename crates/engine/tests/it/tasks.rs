//! Calls that outlast their request, for clients that know tasks and for those that don't.

use std::{path::Path, sync::Arc, time::Duration};

use mcp_factory_engine::{Engine, Tasks};
use mcp_serve::{
    CallContext, Content, Error, Principal, Server, ToolResult,
    model::{DetailedTask, TaskPayload, TaskStatus},
};
use serde_json::{Value, json};

use crate::harness::{answer, plan_with_tasks};

const SPEC: &str = r#"
name: tasks
connections: [{ name: db, type: sqlite, path: tasks.db }]
tools:
  - { name: quick, description: Done soon, sql: SELECT 1 AS one, task: true }
  - name: wait
    description: Wait, then say so
    parameters: { seconds: { type: string, required: true } }
    command: { argv: [sh, -c, 'sleep "$1"; printf "waited %s" "$1"', wait, "{seconds}"] }
    task: true
  - name: until_told
    description: Wait for a file, then say so
    command: { argv: [sh, -c, 'until [ -e go ]; do sleep 0.02; done; printf told'] }
    task: true
  - name: fail
    description: Wait, then fail
    command: { argv: [sh, -c, "until [ -e go ]; do sleep 0.02; done; exit 3"] }
    task: true
  - name: guarded
    description: For those who may
    command: { argv: [sleep, "29"] }
    task: true
    scopes: [jobs:run]
"#;

fn engine(folder: &Path) -> Engine {
    plan_with_tasks(SPEC, folder, Tasks::kept_in(folder.join("tasks"))).unwrap()
}

/// What waits for it goes on. (With times instead, a busy machine is late for one of two.)
fn go(folder: &Path) {
    std::fs::write(folder.join("go"), "").unwrap();
}

fn knowing_tasks(principal: Arc<Principal>) -> CallContext {
    let mut cx = CallContext::new(principal);
    cx.client.tasks = true;
    cx
}

async fn call(engine: &Engine, cx: &CallContext, tool: &str, arguments: Value) -> Result<ToolResult, Error> {
    engine.call_tool(cx, tool, arguments.as_object().unwrap().clone()).await
}

async fn begin(engine: &Engine, cx: &CallContext, tool: &str, arguments: Value) -> String {
    let result = call(engine, cx, tool, arguments).await.unwrap();
    let Content::Task(task) = result.content else { panic!("no task: {result:?}") };
    assert_eq!(task.status, TaskStatus::Working);
    assert!(task.ttl_ms > Some(3_600_000) && task.poll_interval_ms == Some(1000));
    assert!(task.task_id.len() >= 32, "guessable: {}", task.task_id);
    task.task_id
}

async fn get(engine: &Engine, cx: &CallContext, id: &str) -> Result<DetailedTask, Error> {
    engine.tasks().expect("a server with tasks").get(cx, id).await
}

async fn until_over(engine: &Engine, cx: &CallContext, id: &str) -> DetailedTask {
    let mut changes = engine.tasks().unwrap().changes();
    let over = async {
        loop {
            let task = get(engine, cx, id).await.unwrap();
            if task.status().is_terminal() {
                return task;
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), over).await.expect("it ends")
}

#[tokio::test]
async fn what_is_done_soon_is_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let result = call(&engine, &knowing_tasks(Principal::local()), "quick", json!({})).await.unwrap();
    assert_eq!(answer(result), Ok(json!({"items": [{"one": 1}]})));
    assert!(!folder.path().join("tasks").exists(), "nothing had to be kept");
}

#[tokio::test]
async fn what_lasts_becomes_a_task_whose_answer_is_the_tools() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cx) = (engine(folder.path()), knowing_tasks(Principal::local()));
    let id = begin(&engine, &cx, "until_told", json!({})).await;
    let working = get(&engine, &cx, &id).await.unwrap().task.status_message.unwrap();
    assert!(working.starts_with("running for ") && working.ends_with("s of at most 30s"), "{working}");
    go(folder.path());
    let TaskPayload::Completed { result } = until_over(&engine, &cx, &id).await.payload else { panic!("completed") };
    assert_eq!(result["structuredContent"]["value"], "told");
}

#[tokio::test]
async fn a_tool_that_fails_has_completed() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cx) = (engine(folder.path()), knowing_tasks(Principal::local()));
    let id = begin(&engine, &cx, "fail", json!({})).await;
    go(folder.path());
    let TaskPayload::Completed { result } = until_over(&engine, &cx, &id).await.payload else { panic!("completed") };
    assert_eq!(result["isError"], true);
}

#[tokio::test]
async fn a_cancelled_task_stops_and_stays_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cx) = (engine(folder.path()), knowing_tasks(Principal::local()));
    let id = begin(&engine, &cx, "wait", json!({"seconds": "29.123"})).await;
    assert!(programs("29.123") > 0);
    let tasks = engine.tasks().unwrap();
    tasks.cancel(&cx, &id).await.unwrap();
    assert_eq!(get(&engine, &cx, &id).await.unwrap().status(), TaskStatus::Cancelled);
    tasks.cancel(&cx, &id).await.expect("once more is no error");
    let gone = async {
        while programs("29.123") > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the program ends");
}

/// Running programs with this argument.
fn programs(argument: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|byte| *byte == 0).any(|part| part == argument.as_bytes())).count()
}

#[tokio::test]
async fn a_task_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, alice) = (engine(folder.path()), knowing_tasks(Principal::trusted("alice")));
    let id = begin(&engine, &alice, "until_told", json!({})).await;
    let bob = knowing_tasks(Principal::trusted("bob"));
    let tasks = engine.tasks().unwrap();
    assert!(matches!(get(&engine, &bob, &id).await, Err(Error::UnknownTask)));
    assert!(matches!(tasks.cancel(&bob, &id).await, Err(Error::UnknownTask)));
    assert!(matches!(tasks.update(&bob, &id, Default::default()).await, Err(Error::UnknownTask)));
    let told = answer(call(&engine, &bob, "get_result", json!({"task_id": id})).await.unwrap());
    assert!(told.unwrap_err().contains("no such task"));
    go(folder.path());
    assert_eq!(until_over(&engine, &alice, &id).await.status(), TaskStatus::Completed);
}

#[tokio::test]
async fn a_result_needs_the_scope_of_its_tool_still() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let id = begin(&engine, &knowing_tasks(Principal::trusted("alice")), "guarded", json!({})).await;
    let mut without = Principal::clone(&Principal::trusted("alice"));
    without.scopes = mcp_serve::Scopes::Only(["other".to_owned()].into());
    let without = knowing_tasks(Arc::new(without));
    assert!(matches!(get(&engine, &without, &id).await, Err(Error::InsufficientScope { .. })));
}

#[tokio::test]
async fn what_was_finished_is_there_for_the_next_engine_and_what_runs_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let cx = knowing_tasks(Principal::local());
    let (done, lost) = {
        let engine = engine(folder.path());
        let done = begin(&engine, &cx, "until_told", json!({})).await;
        go(folder.path());
        until_over(&engine, &cx, &done).await;
        (done, begin(&engine, &cx, "wait", json!({"seconds": "29.321"})).await)
    };
    let engine = engine(folder.path());
    assert_eq!(get(&engine, &cx, &done).await.unwrap().status(), TaskStatus::Completed);
    assert_eq!(get(&engine, &cx, &lost).await.unwrap().status(), TaskStatus::Working);
}

#[tokio::test]
async fn a_client_without_tasks_asks_for_the_result() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cx) = (engine(folder.path()), CallContext::new(Principal::local()));
    let quick = call(&engine, &cx, "wait", json!({"seconds": "0.5"})).await.unwrap();
    assert_eq!(answer(quick), Ok(json!({"value": "waited 0.5"})), "it waits a while itself");
    let slow = call(&engine, &cx, "until_told", json!({})).await.unwrap();
    let Content::Both { blocks, json } = slow.content else { panic!("{slow:?}") };
    assert!(blocks[0].as_text().unwrap().text.contains("Call `get_result` with"));
    let told: Value = serde_json::from_str(json.get()).unwrap();
    assert_eq!(told["status"], "working");
    go(folder.path());
    let result = call(&engine, &cx, "get_result", json!({"task_id": told["task_id"]})).await.unwrap();
    assert_eq!(answer(result), Ok(json!({"value": "told"})));
    for wrong in [json!({}), json!({"task_id": 7}), json!({"task_id": "nonsense"})] {
        assert!(call(&engine, &cx, "get_result", wrong).await.unwrap().is_error);
    }
}

#[tokio::test]
async fn a_caller_who_leaves_before_there_is_a_task_takes_the_work_along() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, cx) = (engine(folder.path()), CallContext::new(Principal::local()));
    let left =
        tokio::time::timeout(Duration::from_millis(500), call(&engine, &cx, "wait", json!({"seconds": "28.456"})));
    assert!(left.await.is_err());
    let gone = async {
        while programs("28.456") > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the program ends");
}

#[tokio::test]
async fn lists_have_get_result_where_a_tool_may_become_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let cx = CallContext::new(Principal::local());
    let names =
        |engine: &Engine| engine.tools(&cx).items().iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&engine(folder.path())), ["quick", "wait", "until_told", "fail", "guarded", "get_result"]);
    let without = SPEC.replace("task: true", "task: false");
    let without = plan_with_tasks(&without, folder.path(), Tasks::in_memory()).unwrap();
    assert_eq!(names(&without), ["quick", "wait", "until_told", "fail", "guarded"]);
    assert!(without.tasks().is_none());
}

#[tokio::test]
async fn a_caller_who_leaves_while_the_task_is_written_down_leaves_none_behind() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::new(engine(folder.path()));
    // Around the moment at which a call becomes a task.
    let callers = (0..12_u64).map(|number| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            let cx = knowing_tasks(Principal::local());
            let call = call(&engine, &cx, "wait", json!({"seconds": "27.789"}));
            if let Ok(created) = tokio::time::timeout(Duration::from_millis(199 + number), call).await
                && let Content::Task(task) = created.unwrap().content
            {
                engine.tasks().unwrap().cancel(&cx, &task.task_id).await.unwrap();
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let file = folder.path().join("tasks/tasks.db");
    let running = || {
        let Ok(store) = rusqlite::Connection::open(&file) else { return 0 };
        store.query_row("SELECT count(*) FROM tasks WHERE status = 'working'", [], |row| row.get(0)).unwrap_or(0_u32)
    };
    let none = async {
        while running() > 0 || programs("27.789") > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), none).await.expect("nothing runs any more");
}
