use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use serde_json::json;
use tokio::sync::Notify;

use super::*;

const TTL: Duration = Duration::from_secs(600);

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn caller(id: &str) -> CallContext {
    CallContext::new(Principal::trusted(id))
}

fn of(number: usize) -> ToolResult {
    ToolResult::text(number.to_string())
}

fn said(result: &ToolResult) -> String {
    match &result.content {
        Content::Blocks(blocks) => blocks[0].as_text().unwrap().text.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_given_again_until_its_time_is_over() {
    let answers = Answers::new();
    let key = key("t", &caller("a"), &Map::new());
    assert_eq!(said(&answers.get(key, TTL, async { of(1) }).await), "1");
    assert_eq!(said(&answers.get(key, TTL, async { of(2) }).await), "1");
    let over = [7; 32];
    assert_eq!(said(&answers.get(over, Duration::ZERO, async { of(1) }).await), "1");
    assert_eq!(said(&answers.get(over, Duration::ZERO, async { of(2) }).await), "2");
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let answers = Answers::new();
    let failed = answers.get([0; 32], TTL, async { ToolResult::error("down") }).await;
    assert!(failed.is_error);
    assert_eq!(said(&answers.get([0; 32], TTL, async { of(2) }).await), "2");
}

/// So many ask while the first one makes the answer; gives how often it was made and what was said.
async fn crowd(outcome: ToolResult) -> (usize, Vec<String>) {
    let (answers, made) = (Arc::new(Answers::new()), Arc::new(AtomicUsize::new(0)));
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let ask = || {
        let (answers, made, outcome) = (Arc::clone(&answers), Arc::clone(&made), outcome.clone());
        let (begun, finish) = (Arc::clone(&begun), Arc::clone(&finish));
        async move {
            let work = async {
                made.fetch_add(1, Ordering::SeqCst);
                begun.notify_one();
                finish.notified().await;
                outcome
            };
            said(&answers.get([0; 32], TTL, work).await)
        }
    };
    let mut tasks = vec![tokio::spawn(ask())];
    begun.notified().await;
    tasks.extend((0..10).map(|_| tokio::spawn(ask())));
    // One thread: all of them run until they wait.
    tokio::task::yield_now().await;
    finish.notify_one();
    let mut texts = Vec::new();
    for task in tasks {
        texts.push(task.await.unwrap());
    }
    (made.load(Ordering::SeqCst), texts)
}

#[tokio::test]
async fn a_crowd_that_asks_for_one_answer_has_it_made_once() {
    let large = "x".repeat(MOST_BYTES as usize / 3);
    for outcome in [of(1), ToolResult::error("down"), ToolResult::text(large)] {
        let expected = said(&outcome);
        let (made, texts) = crowd(outcome).await;
        assert_eq!(made, 1);
        assert!(texts.iter().all(|text| *text == expected));
    }
}

#[tokio::test]
async fn when_the_one_who_makes_it_gives_up_the_next_one_does() {
    let answers = Arc::new(Answers::new());
    let begun = Arc::new(Notify::new());
    let leader = tokio::spawn({
        let (answers, begun) = (Arc::clone(&answers), Arc::clone(&begun));
        async move {
            let work = async {
                begun.notify_one();
                std::future::pending().await
            };
            answers.get([0; 32], TTL, work).await
        }
    });
    begun.notified().await;
    let followers: Vec<_> = (0..10)
        .map(|number| {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { said(&answers.get([0; 32], TTL, async { of(number) }).await) })
        })
        .collect();
    tokio::task::yield_now().await;
    leader.abort();
    let mut texts = std::collections::BTreeSet::new();
    for follower in followers {
        texts.insert(follower.await.unwrap());
    }
    assert_eq!(texts.len(), 1, "one of them made it for all");
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes_and_number() {
    let answers = Answers::new();
    for number in 0..3 * MOST_ANSWERS {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        answers.get(key, TTL, async { of(1) }).await;
    }
    assert!(answers.kept.len() as u64 <= MOST_ANSWERS, "{}", answers.kept.len());
    for number in 0..100_u8 {
        answers.get([number; 32], TTL, async { ToolResult::text("x".repeat(1 << 20)) }).await;
    }
    assert!(answers.kept.weight() <= MOST_BYTES);
}

#[test]
fn callers_tools_and_arguments_have_keys_of_their_own() {
    let mut of_tenant = Principal::clone(&Principal::trusted("a"));
    of_tenant.tenant = Some("x".to_owned());
    let mut of_empty_tenant = of_tenant.clone();
    of_empty_tenant.tenant = Some(String::new());
    let mut claims = Principal::clone(&Principal::trusted("a"));
    claims.claims = arguments(json!({ "org": "x" }));
    let of = |principal: Principal| CallContext::new(Arc::new(principal));
    let plain = arguments(json!({ "a": 1, "b": { "c": [1, 2], "d": null } }));
    let mut keys = vec![key("t", &caller("a"), &plain)];
    keys.push(key("u", &caller("a"), &plain));
    keys.push(key("t", &caller("b"), &plain));
    keys.extend([of_tenant, of_empty_tenant, claims].map(|principal| key("t", &of(principal), &plain)));
    for other in [
        json!({ "a": 1 }),
        json!({ "a": "1", "b": { "c": [1, 2], "d": null } }),
        json!({ "a": 1, "b": { "c": [2, 1], "d": null } }),
        json!({ "a": 1, "b": { "c": [1, 2] } }),
        json!({ "a": 1, "b": { "c": [1, 2], "d": false } }),
        json!({ "a": 1, "b": { "c": [1], "d": null } }),
        json!({ "ab": 1, "b": { "c": [1, 2], "d": null } }),
    ] {
        keys.push(key("t", &caller("a"), &arguments(other)));
    }
    let different: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
    let reordered = arguments(json!({ "b": { "d": null, "c": [1, 2] }, "a": 1 }));
    assert_eq!(key("t", &caller("a"), &reordered), keys[0]);
}

proptest! {
    #[test]
    fn different_arguments_have_different_keys(a in object_strategy(), b in object_strategy()) {
        let same = key("t", &caller("a"), &a) == key("t", &caller("a"), &b);
        prop_assert_eq!(same, a == b);
    }
}

fn object_strategy() -> impl Strategy<Value = Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from)
    ];
    let tree = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]{0,2}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect()))
        ]
    });
    prop::collection::btree_map("[ab]{0,2}", tree, 0..3).prop_map(|fields| fields.into_iter().collect())
}
