//! Requests: right ones, and what can be wrong about them. A failing one shrinks to the fewest changes of a right one.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json, value::RawValue};

pub const MODERN: &str = "2026-07-28";
pub const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Bytes of a body that both ways take.
pub const LARGEST: usize = 64 * 1024;

#[derive(Debug, Clone)]
pub struct Case {
    /// `None`: without a version, which is as of 2025-03-26.
    pub version: Option<&'static str>,
    pub method: &'static str,
    pub params: Value,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone)]
pub enum Change {
    Verb(&'static str),
    /// In place of the header that the client should send; `None` is without it.
    Header(&'static str, Option<&'static [u8]>),
    /// Once more.
    Again(&'static str, &'static [u8]),
    /// In the message: a pointer, and the value there; `None` removes it.
    Field(&'static str, Option<Value>),
    /// Instead of the id, as text.
    Id(&'static str),
    Raw(Raw),
}

#[derive(Debug, Clone)]
pub enum Raw {
    Before(&'static [u8]),
    After(&'static [u8]),
    /// Only so many hundredths of it.
    Cut(u8),
    /// A message in an array.
    Batch,
    Replaced(&'static [u8]),
    /// A field that is there twice.
    Twice(&'static str),
    /// Arguments that are nested so deeply.
    Deep(usize),
    /// Arguments of so many bytes.
    Long(usize),
}

/// A request as it is sent, and what it says.
#[derive(Debug, Clone)]
pub struct Sent {
    pub verb: Method,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
}

pub const METHODS: [&str; 24] = [
    "tools/call",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "server/discover",
    "subscriptions/listen",
    "ping",
    "initialize",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/roots/list_changed",
    "sampling/createMessage",
    "nonsense",
    "tools/Call",
];

fn request() -> impl Strategy<Value = (&'static str, Value)> {
    let call = |name: &str, arguments: Value| ("tools/call", json!({"name": name, "arguments": arguments}));
    prop_oneof![
        8 => select(vec![
            call("echo", json!({"z": 1, "a": {"b": [null, true, 1.5, "\u{1f600}"]}})),
            call("text", json!({})),
            call("failing", json!({})),
            call("refuse", json!({})),
            call("nope", json!({})),
            call("routed", json!({"region": "eu", "count": 7})),
            call("routed", json!({"region": null})),
            call("caf\u{e9}", json!({})),
            ("tools/call", json!({"name": "echo"})),
            ("tools/list", json!({})),
            ("tools/list", json!({"cursor": "x"})),
            ("resources/list", json!({})),
            ("resources/templates/list", json!({})),
            ("resources/read", json!({"uri": "doc://a"})),
            ("resources/read", json!({"uri": "doc://nope"})),
            ("prompts/list", json!({})),
            ("prompts/get", json!({"name": "greet", "arguments": {"who": "bob"}})),
            ("prompts/get", json!({"name": "nope"})),
            ("completion/complete", json!({
                "ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who", "value": "b"},
                "context": {"arguments": {"a": "b"}},
            })),
            ("completion/complete", json!({
                "ref": {"type": "ref/resource", "uri": "doc://{name}"}, "argument": {"name": "name", "value": "b"},
            })),
            ("server/discover", json!({})),
            ("subscriptions/listen", json!({"notifications": {
                "toolsListChanged": true, "promptsListChanged": false, "resourceSubscriptions": ["doc://a"],
            }})),
        ]),
        1 => select(METHODS.to_vec()).prop_map(|method| (method, json!({}))),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}\u{1f600}"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({"x": 1}),
        json!(MODERN),
        json!("2025-11-25"),
        json!("2.0"),
    ])
}

fn field() -> impl Strategy<Value = Change> {
    let meta = |key: &str| format!("/params/_meta/{}", key.replace('/', "~1"));
    let places = [
        "/jsonrpc".to_owned(),
        "/id".to_owned(),
        "/method".to_owned(),
        "/params".to_owned(),
        "/params/name".to_owned(),
        "/params/uri".to_owned(),
        "/params/cursor".to_owned(),
        "/params/arguments".to_owned(),
        "/params/arguments/region".to_owned(),
        "/params/arguments/count".to_owned(),
        "/params/notifications".to_owned(),
        "/params/notifications/toolsListChanged".to_owned(),
        "/params/notifications/resourceSubscriptions".to_owned(),
        "/params/ref".to_owned(),
        "/params/ref/type".to_owned(),
        "/params/argument".to_owned(),
        "/params/argument/value".to_owned(),
        "/params/context".to_owned(),
        "/params/context/arguments".to_owned(),
        "/params/requestState".to_owned(),
        "/params/inputResponses".to_owned(),
        "/params/_meta".to_owned(),
        "/params/unknown".to_owned(),
        meta(VERSION),
        meta(CAPABILITIES),
        meta("io.modelcontextprotocol/clientInfo"),
        meta("io.modelcontextprotocol/logLevel"),
        meta("progressToken"),
        meta("unknown"),
        "/result".to_owned(),
        "/error".to_owned(),
        "/unknown".to_owned(),
    ];
    let places: Vec<&'static str> = places.into_iter().map(|place| &*place.leak()).collect();
    let any = (select(places), proptest::option::weighted(0.75, value()));
    let some = select(vec![
        ("/method", json!("tools/list")),
        ("/method", json!("notifications/cancelled")),
        ("/method", json!("nonsense")),
        ("/method", json!("caf\u{e9}")),
        ("/params/name", json!("routed")),
        ("/params/name", json!("=?base64?ZWNobw==?=")),
        ("/params/arguments", json!({"region": "us", "count": 7.0})),
        ("/params/_meta/io.modelcontextprotocol~1protocolVersion", json!("1900-01-01")),
        ("/params/_meta/io.modelcontextprotocol~1protocolVersion", json!("2099-01-01")),
        ("/params/_meta/io.modelcontextprotocol~1logLevel", json!("debug")),
        ("/params/_meta/io.modelcontextprotocol~1clientInfo", json!({"name": "n", "version": "1"})),
        ("/params/_meta/progressToken", json!("p")),
        ("/result", json!({})),
        ("/error", json!({"code": -1, "message": "m"})),
        ("/params/inputResponses", json!([])),
    ]);
    prop_oneof![
        9 => any.prop_map(|(place, value)| Change::Field(place, value)),
        3 => some.prop_map(|(place, value)| Change::Field(place, Some(value))),
        1 => Just(Change::Field("/id", None)),
        1 => Just(Change::Header("mcp-param-count", Some(b"7.0"))),
    ]
}

fn header() -> impl Strategy<Value = Change> {
    let values: Vec<(&'static str, Vec<&'static [u8]>)> = vec![
        (
            "accept",
            vec![
                b"*/*",
                b"application/json",
                b"text/event-stream",
                b"text/html",
                b"APPLICATION/JSON, Text/Event-Stream",
                b"application/json;q=0, text/event-stream",
                b"application/json; q=0.5, text/event-stream; q=0.1",
                b"",
            ],
        ),
        (
            "content-type",
            vec![
                b"application/json; charset=utf-8",
                b"APPLICATION/JSON",
                b"text/plain",
                b"application/jsonx",
                b"application/x-www-form-urlencoded",
                b"",
            ],
        ),
        (
            "mcp-protocol-version",
            vec![
                b"2026-07-28",
                b"2025-11-25",
                b"2025-06-18",
                b"2025-03-26",
                b"2024-11-05",
                b"1900-01-01",
                b"2099-01-01",
                b"DRAFT",
                b"\xff",
                b"",
            ],
        ),
        ("mcp-method", vec![b"tools/call", b"tools/list", b"TOOLS/CALL", b"initialize", b"\xff", b""]),
        ("mcp-name", vec![b"echo", b"=?base64?ZWNobw==?=", b"=?base64?%%?=", b"caf\xc3\xa9", b"\xff", b""]),
        ("mcp-param-region", vec![b"eu", b"us", b"=?base64?ZXU=?=", b"\xff", b""]),
        ("mcp-param-count", vec![b"7", b"07", b"7.0", b"7e0", b"8", b"seven"]),
        ("mcp-session-id", vec![b"nonsense", b"\xff", b""]),
        ("last-event-id", vec![b"1"]),
        ("origin", vec![b"http://localhost:3000", b"https://evil.example", b"null", b"\xff", b""]),
        ("host", vec![b"127.0.0.1:80", b"[::1]", b"evil.example", b"a b", b"\xff", b""]),
    ];
    let pairs: Vec<(&'static str, Option<&'static [u8]>)> = values
        .iter()
        .flat_map(|(name, values)| values.iter().map(|value| (*name, Some(*value))).chain([(*name, None)]))
        .collect();
    let again: Vec<(&'static str, &'static [u8])> =
        values.iter().flat_map(|(name, values)| values.iter().map(|value| (*name, *value))).collect();
    prop_oneof![
        4 => select(pairs).prop_map(|(name, value)| Change::Header(name, value)),
        1 => select(again).prop_map(|(name, value)| Change::Again(name, value)),
    ]
}

fn raw() -> impl Strategy<Value = Change> {
    let fixed: Vec<&'static [u8]> = vec![
        b"",
        b" ",
        b"null",
        b"7",
        b"\"x\"",
        b"{}",
        b"[]",
        b"[[]]",
        b"not JSON",
        b"\xff\xfe",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\xff\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\",\"params\":null}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"m\"}}",
        b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"m\"}}",
    ];
    prop_oneof![
        2 => select(fixed).prop_map(Raw::Replaced),
        1 => Just(Raw::Batch),
        1 => (0..100_u8).prop_map(Raw::Cut),
        1 => select(vec![b"\xef\xbb\xbf".as_slice(), b" \r\n\t", b"x", b"\x00", b"\xff"]).prop_map(Raw::Before),
        1 => select(vec![b" \r\n\t".as_slice(), b"x", b"\x00", b"\xff", b"{}"]).prop_map(Raw::After),
        1 => select(vec!["\"id\":8", "\"method\":\"ping\"", "\"jsonrpc\":\"2.0\"", "\"params\":{}"]).prop_map(Raw::Twice),
        1 => select(vec![10_usize, 63, 64, 65, 126, 127, 128, 10_000]).prop_map(Raw::Deep),
        1 => select(vec![1_000_usize, LARGEST / 2, LARGEST, LARGEST * 2]).prop_map(Raw::Long),
    ]
    .prop_map(Change::Raw)
}

fn change() -> impl Strategy<Value = Change> {
    let ids = vec![
        "0",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1.0",
        "1.5",
        "1e3",
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"a\\u0062\"",
        "\"\\ud83d\\ude00\"",
        "01",
        "\"unfinished",
    ];
    prop_oneof![
        5 => field(),
        5 => header(),
        1 => select(ids).prop_map(Change::Id),
        2 => raw(),
        1 => select(vec!["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "NONSENSE"]).prop_map(Change::Verb),
    ]
}

pub fn case() -> impl Strategy<Value = Case> {
    let version = prop_oneof![
        6 => Just(Some(MODERN)),
        2 => Just(Some("2025-11-25")),
        1 => Just(Some("2025-06-18")),
        1 => Just(Some("2025-03-26")),
        1 => Just(None),
    ];
    (version, request(), vec(change(), 0..4)).prop_map(|(version, (method, params), changes)| Case {
        version,
        method,
        params,
        changes,
    })
}

impl Case {
    pub fn sent(&self) -> Sent {
        let mut message = json!({"jsonrpc": "2.0", "id": 7, "method": self.method, "params": self.params});
        if self.version == Some(MODERN) {
            message["params"]["_meta"] = json!({VERSION: MODERN, CAPABILITIES: {}});
        }
        for change in &self.changes {
            match change {
                Change::Field(place, value) => set(&mut message, place, value.as_ref()),
                Change::Id(_) => set(&mut message, "/id", Some(&json!("@id@"))),
                Change::Raw(Raw::Deep(_)) => set(&mut message, "/params/arguments/deep", Some(&json!("@deep@"))),
                Change::Raw(Raw::Long(bytes)) => {
                    set(&mut message, "/params/arguments/long", Some(&json!("x".repeat(*bytes))));
                }
                _ => {}
            }
        }
        let mut sent = Sent { verb: Method::POST, headers: self.headers(&message), body: Vec::new() };
        sent.body = message.to_string().into_bytes();
        for change in &self.changes {
            match change {
                Change::Verb(verb) => sent.verb = verb.parse().expect("a method"),
                Change::Header(name, value) => {
                    sent.headers.retain(|(given, _)| given != name);
                    sent.headers.extend(value.map(|value| (*name, value.to_vec())));
                }
                Change::Again(name, value) => sent.headers.push((name, value.to_vec())),
                Change::Id(id) => sent.body = replaced(&sent.body, b"\"@id@\"", id.as_bytes()),
                Change::Raw(raw) => raw.change(&mut sent.body),
                Change::Field(..) => {}
            }
        }
        sent
    }

    /// As a client sends them that means what its message says.
    fn headers(&self, message: &Value) -> Vec<(&'static str, Vec<u8>)> {
        let mut headers = vec![
            ("host", b"localhost".to_vec()),
            ("accept", b"application/json, text/event-stream".to_vec()),
            ("content-type", b"application/json".to_vec()),
        ];
        let params = &message["params"];
        let version = params["_meta"][VERSION].as_str().filter(|it| HeaderValue::from_str(it).is_ok()).or(self.version);
        headers.extend(version.map(|version| ("mcp-protocol-version", version.into())));
        if self.version != Some(MODERN) {
            return headers;
        }
        headers.extend(text(&message["method"]).map(|method| ("mcp-method", method)));
        let name = match message["method"].as_str() {
            Some("tools/call" | "prompts/get") => &params["name"],
            Some("resources/read") => &params["uri"],
            _ => &Value::Null,
        };
        headers.extend(text(name).map(|name| ("mcp-name", name)));
        if params["name"] == "routed" {
            headers.extend(text(&params["arguments"]["region"]).map(|region| ("mcp-param-region", region)));
            let count = params["arguments"]["count"].as_i64().map(|count| count.to_string().into_bytes());
            headers.extend(count.map(|count| ("mcp-param-count", count)));
        }
        headers
    }
}

/// As a header, encoded where it has to be.
fn text(value: &Value) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let text = value.as_str()?;
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    if plain && !text.starts_with("=?base64?") {
        return Some(text.into());
    }
    Some(format!("=?base64?{}?=", base64::prelude::BASE64_STANDARD.encode(text)).into_bytes())
}

fn set(message: &mut Value, place: &str, value: Option<&Value>) {
    let (parent, key) = place.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    // What a former change took away stays away.
    let Some(Value::Object(parent)) = message.pointer_mut(parent) else { return };
    match value {
        Some(value) => drop(parent.insert(key, value.clone())),
        None => drop(parent.shift_remove(&key)),
    }
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|part| part == from) {
        Some(at) => [&text[..at], to, &text[at + from.len()..]].concat(),
        None => text.to_vec(),
    }
}

impl Raw {
    fn change(&self, body: &mut Vec<u8>) {
        match self {
            Self::Before(bytes) => drop(body.splice(..0, bytes.iter().copied())),
            Self::After(bytes) => body.extend_from_slice(bytes),
            Self::Cut(hundredths) => body.truncate(body.len() * usize::from(*hundredths) / 100),
            Self::Batch => *body = [b"[", &**body, b"]"].concat(),
            Self::Replaced(bytes) => *body = bytes.to_vec(),
            Self::Twice(field) => *body = replaced(body, b"{", format!("{{{field},").as_bytes()),
            // As a tree it would be written and dropped by recursion.
            Self::Deep(depth) => {
                let deep = [&*b"[".repeat(*depth), b"1", &*b"]".repeat(*depth)].concat();
                *body = replaced(body, b"\"@deep@\"", &deep);
            }
            Self::Long(_) => {}
        }
    }
}

impl Sent {
    pub fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(&self.body)));
        *request.method_mut() = self.verb.clone();
        *request.uri_mut() = "/mcp".parse().expect("a path");
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value).expect("a header");
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        request
    }

    /// The header, if it is there once.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(given, _)| *given == name);
        values.next().filter(|_| values.next().is_none()).map(|(_, value)| &**value)
    }

    pub fn times(&self, name: &str) -> usize {
        self.headers.iter().filter(|(given, _)| *given == name).count()
    }

    /// However deep they are.
    pub fn fields(&self) -> Option<HashMap<String, &RawValue>> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}
