//! Our HTTP against rmcp's own, in front of the same handler, on generated requests: the same status and the same
//! JSON-RPC answer, or one of the differences that are listed here with their reason.
//!
//! Each request is the first of its connection and has no session; what sessions do is rmcp's on both sides.

mod case;
mod handler;

use std::{cell::RefCell, sync::Arc};

use http::{Method, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use mcp_serve::{
    Limits, Live, NoAuthentication,
    http::{Config, Endpoint},
    server_of,
};
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::Value;

use self::case::{Case, Change, Raw, Sent};
use self::handler::Handler;
use crate::support::within;

struct Both {
    ours: Endpoint,
    theirs: StreamableHttpService<Arc<Handler>, LocalSessionManager>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    status: u16,
    /// `None` where the body is no JSON-RPC.
    message: Option<Value>,
}

impl Both {
    async fn new() -> Self {
        let config =
            Config { max_body: case::LARGEST, max_sessions: 100_000, limits: Limits::none(), ..Config::default() };
        let server = server_of(handler::Handler).await.expect("a server");
        let ours =
            Endpoint::new(Live::new(server, Arc::new(NoAuthentication::default()), config)).expect("an endpoint");
        let config = StreamableHttpServerConfig::default()
            .with_json_response(true)
            .with_legacy_session_mode(false)
            .with_max_request_body_bytes(case::LARGEST)
            .with_allowed_origins(["http://localhost:*"]);
        let theirs = StreamableHttpService::new(|| Ok(handler::shared()), Arc::default(), config);
        Self { ours, theirs }
    }

    async fn ask(&self, sent: &Sent) -> (Answer, Answer) {
        let ours = within(self.ours.handle(sent.request(), None)).await;
        let theirs = within(self.theirs.handle(sent.request())).await;
        (Answer::of(ours).await, Answer::of(theirs).await)
    }
}

impl Answer {
    async fn of<B>(response: Response<B>) -> Self
    where
        B: hyper::body::Body<Data = bytes::Bytes, Error: std::fmt::Debug>,
    {
        let (head, body) = response.into_parts();
        let is = |kind: &str| head.headers.get(CONTENT_TYPE).is_some_and(|given| given == kind);
        let message = if is("text/event-stream") {
            Some(first_event(body).await)
        } else {
            let body = within(body.collect()).await.expect("a body").to_bytes();
            is("application/json").then(|| serde_json::from_slice(&body).expect("JSON"))
        };
        Self { status: head.status.as_u16(), message: message.map(comparable) }
    }

    fn error(&self) -> Option<i64> {
        self.message.as_ref()?.pointer("/error/code")?.as_i64()
    }

    fn refuses(&self) -> bool {
        self.status >= 400 || self.error().is_some()
    }

    fn is(&self, status: u16, code: i64) -> bool {
        self.status == status && self.error() == Some(code)
    }
}

/// Of a stream that may never end.
async fn first_event<B>(body: B) -> Value
where
    B: hyper::body::Body<Data = bytes::Bytes, Error: std::fmt::Debug>,
{
    let mut body = std::pin::pin!(body);
    let mut text = String::new();
    loop {
        let frame = within(body.frame()).await.expect("an event").expect("a frame");
        text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        for event in text.rsplit_once("\n\n").map_or("", |(whole, _)| whole).split("\n\n") {
            let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            if !data.trim().is_empty() {
                return serde_json::from_str(&data).expect("JSON");
            }
        }
    }
}

/// What may differ in any answer: the words of errors, how long lists may be kept (rmcp says so to older clients, too), and
/// who made a result, which ours always say (basic/index: results SHOULD carry `serverInfo`).
fn comparable(mut message: Value) -> Value {
    if let Some(result) = message.get_mut("result").and_then(Value::as_object_mut) {
        for hint in ["ttlMs", "cacheScope", "_meta"] {
            result.shift_remove(hint);
        }
        // The default of the schema.
        if result.get("isError") == Some(&Value::Bool(false)) {
            result.shift_remove("isError");
        }
    }
    for id in ["/id", "/params/_meta/io.modelcontextprotocol~1subscriptionId"] {
        // rmcp makes 1000 of `1e3`.
        if let Some(id) = message.pointer_mut(id).filter(|id| id.is_f64()) {
            *id = serde_json::json!(id.as_f64().expect("a number") as i64);
        }
    }
    if let Some(error) = message.get_mut("error").and_then(Value::as_object_mut) {
        let said = error.get("code") == Some(&Value::from(-31_999));
        if !said {
            error.shift_remove("message");
            error.shift_remove("data");
        }
    }
    message
}

/// Something that we answer otherwise than rmcp, on purpose: when, and why.
struct Difference {
    why: &'static str,
    holds: fn(&Case, &Sent, &Answer, &Answer) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "what is refused before it is read as JSON-RPC is refused in words by rmcp (streamable-http: the body MAY be a \
              JSON-RPC error without an id)",
        holds: |_, _, ours, theirs| ours.status == theirs.status && ours.status >= 400 && theirs.message.is_none(),
    },
    Difference {
        why: "`Accept` may be missing, `*/*` or name one type (streamable-http asks clients to \
              name both; there are some that don't)",
        holds: |_, sent, ours, theirs| {
            theirs.status == 406
                && ours.status != 406
                && !(accepts(sent, "application/json") && accepts(sent, "text/event-stream"))
        },
    },
    Difference {
        why: "what is no JSON is -32700, what is no message -32600, with 400; rmcp says 415 (basic/index: the \
              codes of JSON-RPC)",
        holds: |_, sent, ours, theirs| {
            let read = std::str::from_utf8(&sent.body).is_ok_and(|text| {
                serde_json::from_str::<serde::de::IgnoredAny>(text.trim_start_matches('\u{feff}')).is_ok()
            });
            theirs.status == 415
                && if read { ours.is(400, -32600) || ours.is(400, -32602) } else { ours.is(400, -32700) }
        },
    },
    Difference {
        why: "an id is any JSON string or number and comes back as it was written (schema: RequestId is string | number); \
              rmcp reads integers of 64 bits",
        holds: |_, sent, ours, theirs| {
            let id = sent.json().and_then(|message| message.get("id").cloned());
            theirs.status == 415 && ours.status != 415 && id.is_some_and(|id| id.is_number() && !id.is_i64())
        },
    },
    Difference {
        why: "a byte order mark is ignored (RFC 8259, 8.1: parsers MAY ignore it rather than treat it as an error)",
        holds: |_, sent, ours, theirs| {
            theirs.status == 415 && ours.status != 415 && sent.body.starts_with("\u{feff}".as_bytes())
        },
    },
    Difference {
        why: "params that don't fit a method that is known are -32602 (server/tools: malformed requests); rmcp takes the \
              message for a method that is not known, or a list's params for none",
        holds: |_, sent, ours, theirs| {
            let method = sent.json().and_then(|message| Some(message.get("method")?.as_str()?.to_owned()));
            ours.error() == Some(-32602)
                && method.is_some_and(|method| case::METHODS.contains(&&*method))
                && (theirs.error() == Some(-32601) || theirs.status == 200)
        },
    },
    Difference {
        why: "`server/discover` is of 2026-07-28: to a request that names an older revision it is unknown (basic/versioning: \
              what looks like an answer of 2026-07-28 keeps a client there)",
        holds: |_, sent, ours, theirs| {
            let older = [&b"2025-11-25"[..], b"2025-06-18", b"2025-03-26"];
            ours.is(200, -32601)
                && (theirs.is(400, -32602) || theirs.status == 200)
                && sent.json().is_some_and(|message| message["method"] == "server/discover")
                && sent.header("mcp-protocol-version").is_some_and(|version| older.contains(&version))
        },
    },
    Difference {
        why: "arguments are nested at most 64 deep (server/tools: servers MUST validate inputs; `Config::max_depth`)",
        holds: |case, _, ours, _| {
            let deep = |change: &Change| matches!(change, Change::Raw(Raw::Deep(depth)) if *depth > 62);
            ours.is(200, -32602) && case.changes.iter().any(deep)
        },
    },
    Difference {
        why: "a header that says something of the message is there once (streamable-http, as rmcp has it for `Mcp-Method`)",
        holds: |_, sent, ours, _| ours.is(400, -32020) && sent.times("mcp-protocol-version") > 1,
    },
    Difference {
        why: "2024-11-05 has no Streamable HTTP and is not served (basic/transports of that revision)",
        holds: |_, sent, ours, theirs| {
            let without = |answer: &Answer| {
                let mut message = answer.message.clone()?;
                message.get_mut("result")?.as_object_mut()?.shift_remove("supportedVersions")?;
                Some(message)
            };
            ours.is(400, -32022) && sent.header("mcp-protocol-version") == Some(b"2024-11-05")
                || without(ours).is_some_and(|ours| Some(ours) == without(theirs))
        },
    },
    Difference {
        why: "answers to questions that can't be read are as good as missing (basic/patterns/mrtr: ask again rather than fail)",
        holds: |_, sent, ours, theirs| {
            sent.json().is_some_and(|message| message.pointer("/params/inputResponses").is_some())
                && ours.status == 200
                && theirs.error() == Some(-32601)
        },
    },
    Difference {
        why: "nothing is done about a notification, so what it says is not read",
        holds: |_, sent, ours, theirs| {
            ours.status == 202
                && theirs.status == 415
                && sent.fields().is_some_and(|message| !message.contains_key("id") && message.contains_key("params"))
        },
    },
    Difference {
        why: "a notification may come without `Mcp-Method` and `Mcp-Name` (streamable-http asks them of requests; the \
              official TypeScript client sends them with these only)",
        holds: |_, sent, ours, theirs| {
            ours.status == 202
                && theirs.is(400, -32020)
                && sent.fields().is_some_and(|message| !message.contains_key("id"))
                && (sent.times("mcp-method") == 0
                    || sent.json().is_some_and(|message| message["method"] == sent_method(sent)))
        },
    },
    Difference {
        why: "integers in headers are compared as numbers (streamable-http, server validation)",
        holds: |_, sent, ours, theirs| {
            let sent =
                sent.header("mcp-param-count").and_then(|count| std::str::from_utf8(count).ok()?.parse::<f64>().ok());
            ours.status == 200 && theirs.is(400, -32020) && sent == Some(7.0)
        },
    },
    Difference {
        why: "`Mcp-Method` may come encoded like the other headers; the methods that there are need it not",
        holds: |_, sent, ours, theirs| {
            (ours.is(404, -32601) || ours.status == 202)
                && theirs.is(400, -32020)
                && sent_method(sent).starts_with("=?base64?")
        },
    },
    Difference {
        why: "without `_meta` and without `Mcp-Method`, which of both is missing may be told",
        holds: |_, sent, ours, theirs| ours.is(400, -32602) && theirs.is(400, -32020) && sent.times("mcp-method") == 0,
    },
    Difference {
        why: "a request has one `Host` (RFC 9112, 3.2); one that can't be read is none that is served",
        holds: |_, sent, ours, theirs| {
            sent.times("host") > 1 && ours.is(400, -32600) || ours.is(403, 403) && theirs.status == 400
        },
    },
    Difference {
        why: "rmcp is set up without sessions, so that it has no GET and DELETE, and ignores session ids of older clients",
        holds: |_, sent, ours, theirs| {
            sent.verb != Method::POST && theirs.status == 405 && (ours.is(400, -32600) || ours.is(404, -32600))
                || sent.times("mcp-session-id") > 0 && (ours.is(404, -32600) || ours.is(400, -32600))
        },
    },
    Difference {
        why: "of several faults each may be told first",
        holds: |case, _, ours, theirs| case.changes.len() > 1 && ours.refuses() && theirs.refuses(),
    },
];

fn sent_method(sent: &Sent) -> &str {
    sent.header("mcp-method").and_then(|method| std::str::from_utf8(method).ok()).unwrap_or_default()
}

fn accepts(sent: &Sent, kind: &str) -> bool {
    sent.headers.iter().any(|(name, value)| {
        *name == "accept"
            && String::from_utf8_lossy(value).split(',').any(|range| range.trim().eq_ignore_ascii_case(kind))
    })
}

/// Whoever wants others sets `PROPTEST_RNG_SEED`, and `PROPTEST_CASES` for more.
const SEED: u64 = 20_260_728;

#[test]
fn our_http_answers_as_rmcps_does_or_differs_for_a_reason() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let both = runtime.block_on(Both::new());
    let given = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let config = match given.rng_seed {
        RngSeed::Random => ProptestConfig { cases: 12_000, rng_seed: RngSeed::Fixed(SEED), ..given.clone() },
        RngSeed::Fixed(_) => given.clone(),
    };
    println!("{} requests, seed {}", config.cases, config.rng_seed);
    let found = RefCell::new([0_usize; DIFFERENCES.len()]);
    let ran = TestRunner::new(config).run(&case::case(), |case| {
        let sent = case.sent();
        let (ours, theirs) = runtime.block_on(both.ask(&sent));
        if ours == theirs {
            return Ok(());
        }
        match DIFFERENCES.iter().position(|difference| (difference.holds)(&case, &sent, &ours, &theirs)) {
            Some(reason) => found.borrow_mut()[reason] += 1,
            None => {
                let body = String::from_utf8_lossy(&sent.body).chars().take(1_000).collect::<String>();
                prop_assert!(false, "{body}\nours: {ours:?}\nrmcp's: {theirs:?}");
            }
        }
        Ok(())
    });
    if let Err(failed) = ran {
        panic!("{failed}");
    }
    for (difference, times) in DIFFERENCES.iter().zip(found.into_inner()) {
        println!("{times:5} {}", difference.why);
        assert!(
            times > 0 || given.rng_seed != RngSeed::Random,
            "no request differs like this any more: {}",
            difference.why
        );
    }
}
