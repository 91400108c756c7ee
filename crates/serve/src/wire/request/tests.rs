use super::*;

fn request(body: &str) -> Request<'_> {
    match parse_request(body.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("expected a request: {other:?}"),
    }
}

fn code(body: &[u8]) -> i32 {
    parse_request(body).expect_err("should be refused").code()
}

#[test]
fn a_call_is_read_without_copying() {
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1]},"_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"t"}}}"#;
    let request = request(body);
    assert_eq!(request.id.get(), "7");
    assert!(matches!(request.method, Cow::Borrowed("tools/call")));
    assert!(matches!(request.params.name, Some(Text(Cow::Borrowed("echo")))));
    assert_eq!(request.params.arguments.map(RawValue::get), Some(r#"{"a":[1]}"#));
    let meta = request.params.meta.expect("meta");
    assert!(matches!(meta.protocol_version, Some(Text(Cow::Borrowed("2026-07-28")))));
    assert_eq!(meta.progress_token.map(RawValue::get), Some("\"t\""));
}

#[test]
fn ids_are_strings_or_numbers_and_kept_as_text() {
    for id in ["1", "-3", "1.0", "\"a\\u0062\"", "12345678901234567890123"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(request(&body).id.get(), id);
    }
    for id in ["null", "true", "[1]", "{}"] {
        assert_eq!(code(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#).as_bytes()), -32600);
    }
}

#[test]
fn what_is_not_a_request_is_told_apart() {
    let notification = parse_request(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert!(matches!(notification, Ok(Message::Notification { .. })));
    for response in
        [r#"{"jsonrpc":"2.0","id":1,"result":null}"#, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#]
    {
        assert!(matches!(parse_request(response.as_bytes()), Ok(Message::Response)), "{response}");
    }
}

#[test]
fn every_kind_of_nonsense_has_its_code() {
    for (body, expected) in [
        (&b""[..], -32700),
        (b"{", -32700),
        (b"hello", -32700),
        (b"{\"jsonrpc\":\"2.0\"} trailing", -32700),
        (b"\xff\xfe", -32700),
        (b"[", -32700),
        (b"[]", -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600),
        (b"1", -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[1]}", -32602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"name\":1}}", -32602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":[\"2026-07-28\",{}]}}", -32602),
    ] {
        assert_eq!(code(body), expected, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn nesting_is_counted_outside_strings() {
    assert_eq!(depth("1"), 0);
    assert_eq!(depth("{}"), 1);
    assert_eq!(depth(r#"{"a":[{"b":"[[[["}],"c":{}}"#), 3);
    assert_eq!(depth(r#"["\"[[[\\",[]]"#), 2);
}

#[test]
fn a_body_of_brackets_is_refused_without_recursion() {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"arguments":{}}}}}"#, "[".repeat(1 << 20));
    assert_eq!(code(body.as_bytes()), -32700);
    let closed = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"arguments":{closed}}}}}"#);
    assert_eq!(depth(request(&body).params.arguments.expect("arguments").get()), 1 << 20);
}
