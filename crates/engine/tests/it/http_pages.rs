//! Pages of an upstream, in every style, walked by what a caller is given and nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use mcp_factory_engine::Engine;
use mcp_serve::Principal;
use serde_json::{Value, json};

use crate::{
    harness::{answer, call, call_as, plan},
    http_tool::{engine, listen},
};

const TOOLS: &str = "
tools:
  - name: cursor
    description: Cursor
    parameters: { q: { type: string, default: a } }
    http: { path: /cursor, query: { q: '{q}', after: ignored } }
    paginate: { style: cursor, cursorParam: after, limitParam: first, nextPointer: /meta/next, itemsPointer: /items, pageSize: 4 }
    returns: { type: array, items: { type: object, properties: { n: { type: integer } } } }
  - { name: page, description: Page, http: { path: /page, select: /items }, paginate: { style: page, pageParam: page, limitParam: size, pageSize: 4 } }
  - { name: zero, description: From zero, http: { path: /zero, query: { page: 0 } }, paginate: { style: page, pageParam: page, itemsPointer: /items } }
  - { name: more, description: Says whether, http: { path: /more }, paginate: { style: page, pageParam: page, itemsPointer: /items, nextPointer: /more } }
  - { name: offset, description: Offset, http: { path: /offset }, paginate: { style: offset, offsetParam: skip, limitParam: take, pageSize: 4, itemsPointer: /items } }
  - { name: link, description: Link, http: { path: /link }, paginate: { style: link, itemsPointer: /items } }
  - { name: body, description: Link in the body, http: { path: /body }, paginate: { style: link, itemsPointer: /items, nextPointer: /next } }
  - { name: cut, description: Cut, http: { path: /page }, paginate: { style: page, pageParam: page, limitParam: size, pageSize: 4, itemsPointer: /items }, limits: { maxRows: 3 } }
  - { name: evil, description: Evil, http: { path: /evil }, paginate: { style: link, itemsPointer: /items } }
  - { name: climb, description: Climbs, http: { path: /climb }, paginate: { style: link, itemsPointer: /items } }
  - { name: circle, description: Circle, http: { path: /circle }, paginate: { style: cursor, cursorParam: after, nextPointer: /meta/next, itemsPointer: /items } }
";

type Log = Arc<Mutex<Vec<String>>>;

/// Ten items, four to a page.
async fn upstream(State(log): State<Log>, uri: Uri, Query(query): Query<HashMap<String, String>>) -> Response {
    log.lock().unwrap().push(uri.to_string());
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let items = |from: usize| -> Vec<Value> {
        (from.min(10)..(from + 4).min(10)).map(|n| json!({ "n": n, "extra": "x" })).collect()
    };
    let kind = uri.path().rsplit('/').next().unwrap().to_owned();
    let from = match &*kind {
        "cursor" => query.get("after").and_then(|after| after.strip_prefix("s3cret-")?.parse().ok()).unwrap_or(0),
        "page" | "more" => (number("page").unwrap_or(1) - 1) * 4,
        "zero" => number("page").unwrap() * 4,
        "offset" => number("skip").unwrap_or(0),
        _ => number("from").unwrap_or(0),
    };
    let mut body = json!({ "items": items(from) });
    let mut headers = HeaderMap::new();
    let next = (from + 4 < 10).then_some(from + 4);
    let mut link = |target: String| headers.insert(header::LINK, format!("<{target}>; rel=\"next\"").parse().unwrap());
    match (&*kind, next) {
        ("cursor", next) => body["meta"] = json!({ "next": next.map(|from| format!("s3cret-{from}")) }),
        ("more", next) => body["more"] = json!(next.is_some()),
        ("link", Some(from)) => drop(link(format!("/base/link?from={from}&key=k3y"))),
        ("body", next) => body["next"] = json!(next.map(|from| format!("?from={from}")).unwrap_or_default()),
        ("evil", _) => drop(link("http://169.254.169.254/latest".to_owned())),
        ("climb", _) => drop(link("/base/../admin".to_owned())),
        ("circle", _) => body["meta"] = json!({ "next": "same" }),
        _ => {}
    }
    (headers, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn start() -> (Engine, Log) {
    let log = Log::default();
    let router = Router::new().fallback(upstream).with_state(Arc::clone(&log));
    (engine(listen(router).await, TOOLS), log)
}

/// The numbers of each page.
async fn walk(engine: &Engine, tool: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut arguments = json!({});
    loop {
        let page = call(engine, tool, arguments).await.unwrap();
        pages.push(page["items"].as_array().unwrap().iter().map(|item| item["n"].as_i64().unwrap()).collect());
        assert!(pages.len() < 10, "{tool} does not end");
        match page.get("nextCursor") {
            Some(cursor) => arguments = json!({ "cursor": cursor }),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn every_style_of_paging_is_walked_to_its_end() {
    let (engine, log) = start().await;
    let whole = vec![vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]];
    let mut and_an_empty_one = whole.clone();
    and_an_empty_one.push(vec![]);
    for tool in ["cursor", "page", "more", "offset", "link", "body"] {
        assert_eq!(walk(&engine, tool).await, whole, "{tool}");
    }
    // Nothing says how many a page has: only an empty one is the end.
    assert_eq!(walk(&engine, "zero").await, and_an_empty_one);
    let asked = log.lock().unwrap().clone();
    assert_eq!(asked[0], "/base/cursor?q=a&after=ignored&first=4");
    assert_eq!(asked[1], "/base/cursor?q=a&first=4&after=s3cret-4");
    assert_eq!(walk(&engine, "circle").await.len(), 2, "an upstream that leads in a circle ends");
}

#[tokio::test]
async fn a_page_that_was_cut_goes_on_where_it_was_cut() {
    let (engine, log) = start().await;
    assert_eq!(walk(&engine, "cut").await, vec![vec![0, 1, 2], vec![3], vec![4, 5, 6], vec![7], vec![8, 9]]);
    let pages: Vec<bool> = log.lock().unwrap().iter().map(|uri| uri.contains("page=2")).collect();
    assert_eq!(pages, [false, false, true, true, false]);
    let page = call(&engine, "cut", json!({})).await.unwrap();
    assert_eq!(page["truncated"]["reason"], "rows");
}

#[tokio::test]
async fn a_cursor_is_the_callers_own_and_shows_nothing_of_the_upstream() {
    let (engine, log) = start().await;
    let page = call(&engine, "cursor", json!({ "q": "a" })).await.unwrap();
    assert_eq!(page["items"][0], json!({ "n": 0 }), "an item is shaped");
    let cursor = page["nextCursor"].as_str().unwrap().to_owned();
    let sent = log.lock().unwrap().len();
    let refused = async |tool: &str, principal: &str, arguments: Value| {
        let result = call_as(&engine, Principal::trusted(principal), tool, arguments).await.unwrap();
        let error = answer(result).unwrap_err();
        assert!(error.contains("`cursor` was not made by this tool"), "{error}");
    };
    refused("cursor", "bob", json!({ "q": "a", "cursor": cursor })).await;
    refused("cursor", "alice", json!({ "q": "b", "cursor": cursor })).await;
    refused("page", "alice", json!({ "cursor": cursor })).await;
    for forged in
        ["", "s3cret-4", "{\"page\":{\"link\":{\"path\":\"/admin\",\"query\":\"\"}}}", "AAAA", &"A".repeat(9_000)]
    {
        refused("cursor", "alice", json!({ "q": "a", "cursor": forged })).await;
    }
    let mut changed = cursor.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    refused("cursor", "alice", json!({ "q": "a", "cursor": String::from_utf8(changed).unwrap() })).await;
    assert_eq!(log.lock().unwrap().len(), sent, "nothing was asked");
    assert!(!cursor.contains("s3cret"));
    // The default counts as given.
    assert!(call(&engine, "cursor", json!({ "cursor": cursor })).await.is_ok());
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_refused() {
    let (engine, _) = start().await;
    for (tool, why) in [("evil", "another host"), ("climb", "out of the path")] {
        let page = call(&engine, tool, json!({})).await.unwrap();
        assert!(page["items"].as_array().is_some_and(|items| !items.is_empty()), "what is here is answered: {page}");
        assert!(page.get("nextCursor").is_none() && page["truncated"]["reason"] == "link", "{page}");
        assert!(page["truncated"]["message"].as_str().unwrap().contains(why), "{page}");
    }
}

#[tokio::test]
async fn a_key_that_the_upstream_echoes_in_its_link_is_sent_once_and_as_it_is_now() {
    let log = Log::default();
    let address = listen(Router::new().fallback(upstream).with_state(Arc::clone(&log))).await;
    let text = format!(
        "name: a\nconnections:\n  - {{ name: api, type: http, url: 'http://{address}/base', allowPrivateNetwork: true, \
         auth: {{ type: query, name: key, envVar: KEY }} }}\n{TOOLS}"
    );
    let engine = plan(&text, tempfile::tempdir().unwrap().path(), &[("KEY", "n3w")]).unwrap();
    assert_eq!(walk(&engine, "link").await.len(), 3);
    assert_eq!(*log.lock().unwrap(), ["/base/link?key=n3w", "/base/link?from=4&key=n3w", "/base/link?from=8&key=n3w"]);
}

#[tokio::test]
async fn what_is_no_list_makes_no_pages() {
    let engine = engine(
        listen(Router::new().fallback(|| async { ([(header::CONTENT_TYPE, "application/json")], "{\"items\":{}}") }))
            .await,
        TOOLS,
    );
    let refused = call(&engine, "page", json!({})).await.unwrap_err();
    assert!(refused.contains("no list of items at `/items`"), "{refused}");
}

/// As Google's and others answer: no list where it has no elements, and still a next page behind it.
#[tokio::test]
async fn a_list_that_is_left_out_is_empty() {
    let answer = |Query(query): Query<HashMap<String, String>>| async move {
        let body = match query.get("after").map(String::as_str) {
            Some("ignored") => json!({ "meta": { "next": "b" } }),
            Some("b") => json!({ "items": null, "meta": { "next": "c" } }),
            _ => json!({ "items": [{ "n": 1 }] }),
        };
        ([(header::CONTENT_TYPE, "application/json")], body.to_string())
    };
    let lists = engine(listen(Router::new().fallback(answer)).await, TOOLS);
    assert_eq!(walk(&lists, "cursor").await, [vec![], vec![], vec![1]]);
    let nothing =
        listen(Router::new().fallback(|| async { ([(header::CONTENT_TYPE, "application/json")], "[]") })).await;
    let refused = call(&engine(nothing, TOOLS), "page", json!({})).await.unwrap_err();
    assert!(refused.contains("nothing at `/items`"), "{refused}");
}

#[tokio::test]
async fn a_page_for_people_is_no_list() {
    let html = || async { ([(header::CONTENT_TYPE, "text/html")], "<html>") };
    let engine = engine(listen(Router::new().fallback(html)).await, TOOLS);
    let refused = call(&engine, "page", json!({})).await.unwrap_err();
    assert!(refused.contains("`text/html`, which can't be read as JSON"), "{refused}");
}
