//! What `http` tools send besides JSON: forms with files, and bytes. The upstream takes them apart with a parser of its own.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Multipart, State},
    http::HeaderMap,
    routing::post,
};
use mcp_factory_engine::Engine;
use serde_json::json;

use crate::{
    harness::call,
    http_tool::{engine, listen},
};

/// Name, file name, type, content.
type Part = (String, Option<String>, Option<String>, Vec<u8>);

#[derive(Debug, Clone, Default)]
struct Got {
    forms: Arc<Mutex<Vec<Vec<Part>>>>,
    bodies: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

const TOOLS: &str = r#"
tools:
  - name: upload
    description: Files and fields
    parameters:
      photo: { type: string, contentEncoding: base64, contentMediaType: image/png, required: true }
      scans: { type: array, items: { type: string, contentEncoding: base64 } }
      name: { type: string }
      type: { type: string }
      title: { type: string, default: "" }
      details: { type: object }
      count: { type: integer }
    http:
      method: POST
      path: /form
      bodyType: multipart
      headers: { Content-Type: text/plain }
      body:
        photo: "{photo}"
        scan: "{scans}"
        named: { content: "{photo}", filename: "{name}", contentType: "{type}" }
        title: "Title: {title}"
        details: "{details}"
        count: "{count}"
        note: { content: fixed, contentType: text/markdown }
        fixed: { content: 1, other: 2 }
  - name: fields
    description: All fields in one argument
    parameters: { fields: { type: object, required: true } }
    http: { method: POST, path: /form, bodyType: multipart, body: "{fields}" }
  - name: put
    description: Bytes
    parameters: { file: { type: string, contentEncoding: base64, contentMediaType: application/pdf } }
    http: { method: PUT, path: /bytes, bodyType: binary, body: "{file}" }
  - name: many
    description: One argument many times
    parameters: { file: { type: string, contentEncoding: base64, required: true } }
    http: { method: POST, path: /form, bodyType: multipart, body: { f: ["{file}", "{file}", "{file}", "{file}", "{file}", "{file}"] } }
"#;

async fn form(State(got): State<Got>, mut form: Multipart) -> &'static str {
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let part = (
            field.name().unwrap_or_default().to_owned(),
            field.file_name().map(str::to_owned),
            field.content_type().map(str::to_owned),
            field.bytes().await.unwrap().to_vec(),
        );
        parts.push(part);
    }
    got.forms.lock().unwrap().push(parts);
    "ok"
}

async fn bytes(State(got): State<Got>, headers: HeaderMap, body: Bytes) -> &'static str {
    got.bodies.lock().unwrap().push((headers, body));
    "ok"
}

async fn start() -> (Engine, Got) {
    let got = Got::default();
    let router = Router::new()
        .route("/base/form", post(form))
        .route("/base/bytes", axum::routing::put(bytes))
        .with_state(got.clone());
    (engine(listen(router).await, TOOLS), got)
}

fn part(name: &str, file: Option<&str>, kind: Option<&str>, content: &[u8]) -> Part {
    (name.to_owned(), file.map(str::to_owned), kind.map(str::to_owned), content.to_vec())
}

#[tokio::test]
async fn a_form_carries_files_and_fields() {
    let (engine, got) = start().await;
    let arguments = json!({
        "photo": "iVBORw==", "scans": ["YQ==", "Yg"], "name": "Foto \"1\" ü.png", "type": "image/png; a=b",
        "title": "x\r\n--y", "details": { "a": [1, null] }, "count": 3,
    });
    call(&engine, "upload", arguments).await.unwrap();
    let png = b"\x89PNG";
    let expected = [
        part("photo", Some("photo"), Some("image/png"), png),
        part("scan", Some("scan"), Some("application/octet-stream"), b"a"),
        part("scan", Some("scan"), Some("application/octet-stream"), b"b"),
        part("named", Some("Foto %221%22 ü.png"), Some("image/png; a=b"), png),
        part("title", None, None, b"Title: x\r\n--y"),
        part("details", None, Some("application/json"), b"{\"a\":[1,null]}"),
        part("count", None, None, b"3"),
        part("note", None, Some("text/markdown"), b"fixed"),
        part("fixed", None, Some("application/json"), b"{\"content\":1,\"other\":2}"),
    ];
    assert_eq!(got.forms.lock().unwrap()[0], expected);
    // What was left out goes, and takes its part with it.
    call(&engine, "upload", json!({ "photo": "" })).await.unwrap();
    let names: Vec<String> = got.forms.lock().unwrap()[1].iter().map(|part| part.0.clone()).collect();
    assert_eq!(names, ["photo", "named", "title", "note", "fixed"]);
}

#[tokio::test]
async fn no_name_file_name_or_type_leaves_its_part() {
    let (engine, got) = start().await;
    let upload = |name: &str, kind: &str| json!({ "photo": "YQ==", "name": name, "type": kind });
    let nasty = [
        "a\r\nContent-Type: text/html",
        "a\"\r\n\r\nbody",
        "a\nb",
        "a\0b",
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "..",
        "",
        "a\u{85}b",
    ];
    for name in nasty {
        assert!(call(&engine, "upload", upload(name, "text/plain")).await.is_err(), "{name:?}");
    }
    for kind in ["text/plain\r\nX: y", "nonsense", "text", "a/b\"; c", "text/plain; a=\"\r\n\""] {
        assert!(call(&engine, "upload", upload("a", kind)).await.is_err(), "{kind:?}");
    }
    for name in ["a\r\nb", "a\0"] {
        assert!(call(&engine, "fields", json!({ "fields": { name: "x" } })).await.is_err(), "{name:?}");
    }
    assert!(got.forms.lock().unwrap().is_empty(), "nothing was sent");

    let odd = ["a\"; filename=\"b", "a\";name=\"admin", "é;=,'()%22{}", "--", "a\\", "name=\"x\""];
    for name in odd {
        let stripped = name.replace('\\', "");
        call(&engine, "upload", upload(&stripped, "text/plain")).await.unwrap();
        call(&engine, "fields", json!({ "fields": { name: "x", "other": ["1", "2"] } })).await.unwrap();
        let forms = got.forms.lock().unwrap().split_off(0);
        let escaped = |name: &str| name.replace('"', "%22").replace('\\', "%5C");
        let named = forms[0].iter().find(|part| part.0 == "named").unwrap();
        assert_eq!((named.1.clone(), forms[0].len()), (Some(escaped(&stripped)), 5), "{name}");
        let names: Vec<&str> = forms[1].iter().map(|part| &*part.0).collect();
        assert_eq!(names, [&escaped(name), "other", "other"]);
    }
}

#[tokio::test]
async fn content_never_ends_its_part() {
    let (engine, got) = start().await;
    for content in ["\r\n--", "\r\n--boundary--\r\n", "--\r\nContent-Disposition: form-data; name=\"admin\"\r\n\r\n1"] {
        call(&engine, "fields", json!({ "fields": { "a": content, "b": content } })).await.unwrap();
        let parts = got.forms.lock().unwrap().pop().unwrap();
        assert_eq!(parts, [part("a", None, None, content.as_bytes()), part("b", None, None, content.as_bytes())]);
    }
}

#[tokio::test]
async fn bytes_are_sent_as_they_are_and_anything_but_base64_is_refused() {
    let (engine, got) = start().await;
    for (written, expected) in [("JVBERi0=", &b"%PDF-"[..]), ("/+8", b"\xff\xef"), ("", b"")] {
        call(&engine, "put", json!({ "file": written })).await.unwrap();
        let (headers, body) = got.bodies.lock().unwrap().pop().unwrap();
        assert_eq!((&body[..], headers["content-type"].to_str().unwrap()), (expected, "application/pdf"));
    }
    for wrong in ["JVBERi0*", "a", "YQ==YQ==", "Y Q==", "YQ\n==", "_-8", "data:text/plain;base64,YQ=="] {
        let refused = call(&engine, "put", json!({ "file": wrong })).await.unwrap_err();
        assert!(refused.contains("`file` is not base64"), "{wrong}: {refused}");
    }
    assert!(got.bodies.lock().unwrap().is_empty(), "nothing was sent");
    call(&engine, "put", json!({})).await.unwrap();
    let (headers, body) = got.bodies.lock().unwrap().pop().unwrap();
    assert!(body.is_empty() && !headers.contains_key("content-type"), "a body that was left out is none");
    let large = "A".repeat(4 << 20);
    let refused = call(&engine, "many", json!({ "file": large })).await.unwrap_err();
    assert!(refused.contains("more than 16777216 bytes"), "{refused}");
}
