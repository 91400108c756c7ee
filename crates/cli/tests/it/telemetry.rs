//! What a collector gets of calls, and what upstreams are told of the trace: over HTTP, as they would.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value as Any},
    metrics::v1::metric::Data,
    trace::v1::Span,
};
use prost::Message as _;

use crate::run::{Place, Serving};

/// A request that somebody was sent.
struct Got {
    path: String,
    traceparent: Option<String>,
    tracestate: Option<String>,
    content_type: Option<String>,
    body: Vec<u8>,
}

/// Answers everything with an empty object, and tells what it was asked.
fn listener() -> (String, mpsc::Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            std::thread::spawn(move || while answer(&stream).is_some_and(|got| tell.send(got).is_ok()) {});
        }
    });
    (url, told)
}

fn answer(mut stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut got = Got { path, traceparent: None, tracestate: None, content_type: None, body: Vec::new() };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "traceparent" => got.traceparent = Some(value.to_owned()),
            "tracestate" => got.tracestate = Some(value.to_owned()),
            "content-type" => got.content_type = Some(value.to_owned()),
            _ => {}
        }
    }
    got.body = vec![0; length];
    reader.read_exact(&mut got.body).ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    Some(got)
}

fn next(told: &mpsc::Receiver<Got>, path: &str) -> Got {
    loop {
        let got = told.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("nothing came to {path}"));
        if got.path == path {
            return got;
        }
    }
}

fn spans(got: &Got) -> Vec<Span> {
    assert_eq!(got.content_type.as_deref(), Some("application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(&*got.body).expect("protobuf of OTLP");
    let scopes = request.resource_spans.into_iter().flat_map(|it| it.scope_spans);
    scopes.flat_map(|it| it.spans).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|it| it.key == key)?.value.clone()?.value?;
    if let Any::StringValue(text) = value { Some(text) } else { None }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn spec(upstream: &str) -> String {
    format!(
        "name: shop\nconnections: [{{ name: api, type: http, url: '{upstream}', allowPrivateNetwork: true }}]\ntools:\n  \
         - {{ name: ask, description: Asks, connection: api, http: {{ path: /stock }} }}\n  \
         - {{ name: fail, description: Fails, connection: api, http: {{ path: /gone, query: {{ a: '{{nothing}}' }} }}, \
         parameters: {{ nothing: {{ type: string, required: true }} }} }}\n"
    )
}

fn modern(server: &Serving, tool: &str, meta: &str, headers: &[(&str, &str)]) -> String {
    let mut all = vec![("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
    all.extend(headers);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"_meta":{{{meta}
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    server.post(&all, &body).1
}

/// X-8, issue §1.
#[test]
fn a_callers_trace_goes_on_through_the_call_to_its_upstream() {
    let ((collector, collected), (upstream, asked)) = (listener(), listener());
    let place = Place::new()
        .file("shop.yaml", &spec(&upstream))
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20")
        .environment("OTEL_SERVICE_NAME", "our-tools");
    let server = place.serve(&["shop.yaml"]);
    let meta = format!("\"traceparent\":\"{PARENT}\",\"tracestate\":\"a=1,b=2\",");
    let ways: [&dyn Fn() -> String; 3] = [
        &|| modern(&server, "ask", &meta, &[]),
        &|| modern(&server, "ask", "", &[("traceparent", PARENT), ("tracestate", "a=1,b=2")]),
        // Older clients, without a session.
        &|| {
            server
                .call(
                    &[("MCP-Protocol-Version", "2025-11-25"), ("traceparent", PARENT), ("tracestate", "a=1,b=2")],
                    "ask",
                    "{}",
                )
                .1
        },
    ];
    for way in ways {
        let answer = way();
        assert!(answer.contains("\"result\"") && !answer.contains("\"isError\":true"), "{answer}");
        let asked = next(&asked, "/stock");
        assert_eq!(asked.tracestate.as_deref(), Some("a=1,b=2"), "what vendors say goes on as it is");
        let upstream = asked.traceparent.expect("the trace goes on");
        let span = spans(&next(&collected, "/v1/traces")).remove(0);
        assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, "b7ad6b7169203331"));
        assert_eq!(upstream, format!("00-{TRACE}-{}-01", hex(&span.span_id)), "the upstream's parent is the call");
        assert_eq!((span.name.as_str(), span.kind), ("tools/call ask", 2), "of a server");
        assert_eq!(text(&span.attributes, "gen_ai.tool.name").as_deref(), Some("ask"));
        assert_eq!(text(&span.attributes, "mcp.server.name").as_deref(), Some("shop"));
        assert_eq!(text(&span.attributes, "error.type"), None);
    }
    // In a session.
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
                    "clientInfo":{"name":"test","version":"1"}}}"#;
    let (head, _) = server.post(&[], hello);
    let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session");
    let headers = [("Mcp-Session-Id", session), ("MCP-Protocol-Version", "2025-11-25"), ("traceparent", PARENT)];
    server.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let answer = server.call(&headers, "ask", "{}");
    let upstream = next(&asked, "/stock").traceparent;
    assert!(upstream.as_ref().is_some_and(|it| it.contains(TRACE)), "{upstream:?} {answer:?}");
    assert_eq!(hex(&spans(&next(&collected, "/v1/traces"))[0].trace_id), TRACE);

    // Nobody's trace is one of its own, and what is no `traceparent` is none.
    modern(&server, "ask", "\"traceparent\":\"00-nonsense\",\"tracestate\":\"a=1\",", &[]);
    let own = next(&asked, "/stock");
    assert!(own.traceparent.is_some_and(|it| !it.contains(TRACE)) && own.tracestate.is_none());
    let own = spans(&next(&collected, "/v1/traces")).remove(0);
    assert!(own.parent_span_id.is_empty() && hex(&own.trace_id) != TRACE, "{own:?}");
    modern(&server, "fail", "", &[]);
    let failed = spans(&next(&collected, "/v1/traces")).remove(0);
    assert!(text(&failed.attributes, "error.type").is_some(), "{failed:?}");

    // What is left is sent at the end.
    assert_eq!(server.terminate().0, Some(0));
    let got = next(&collected, "/v1/metrics");
    let request = ExportMetricsServiceRequest::decode(&*got.body).expect("protobuf of OTLP");
    let resource = &request.resource_metrics[0];
    let service = resource.resource.as_ref().and_then(|it| text(&it.attributes, "service.name"));
    assert_eq!(service.as_deref(), Some("our-tools"));
    let metric = &resource.scope_metrics[0].metrics[0];
    let Some(Data::Histogram(histogram)) = &metric.data else { panic!("a histogram: {metric:?}") };
    assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("mcp.server.operation.duration", "s"));
    let good = histogram.data_points.iter().find(|it| text(&it.attributes, "error.type").is_none()).expect("good ones");
    assert_eq!(good.count, 5);
}

/// X-8, for clients that start their servers: of a file, and of a server of the factory.
#[test]
fn calls_over_standard_input_are_traced_too() {
    let ((collector, collected), (upstream, asked)) = (listener(), listener());
    let place = Place::new()
        .file("shop.yaml", &spec(&upstream))
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
        .environment("OTEL_BSP_SCHEDULE_DELAY", "20");
    assert_eq!(place.run(&["create", "shop.yaml", "--data", "data"]).code, Some(0));
    let opening = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
"#;
    let call = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{{\"name\":\"ask\",\"_meta\":{{\"traceparent\":\"{PARENT}\",\
         \"tracestate\":\"a=1\"}}}}}}\n"
    );
    for args in [&["stdio", "shop.yaml"][..], &["stdio", "shop", "--data", "data"]] {
        let said = place.run_with(args, &format!("{opening}{call}"));
        assert!(said.code == Some(0) && said.out.contains("\"id\":2"), "{said:?}");
        let asked = next(&asked, "/stock");
        let span = spans(&next(&collected, "/v1/traces")).remove(0);
        assert_eq!((span.name.as_str(), hex(&span.trace_id).as_str()), ("tools/call ask", TRACE));
        assert_eq!(asked.traceparent, Some(format!("00-{TRACE}-{}-01", hex(&span.span_id))));
        assert_eq!(asked.tracestate.as_deref(), Some("a=1"));
    }
}

#[test]
fn without_an_endpoint_nothing_is_told_and_upstreams_get_no_trace() {
    let (upstream, asked) = listener();
    let server = Place::new().file("shop.yaml", &spec(&upstream)).serve(&["shop.yaml"]);
    modern(&server, "ask", "", &[("traceparent", PARENT)]);
    assert_eq!(next(&asked, "/stock").traceparent, None);
}

#[test]
fn what_this_build_does_not_speak_is_refused_at_the_start() {
    let place = Place::new()
        .file("shop.yaml", &spec("http://127.0.0.1:1"))
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let said = place.run(&["serve", "shop.yaml", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("`OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`"), "{said:?}");
}
