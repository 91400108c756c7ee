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
    // The last would make an answer that strict readers can't read.
    for id in ["null", "true", "[1]", "{}", r#""\ud83da""#] {
        assert_eq!(code(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#).as_bytes()), -32600);
    }
}

#[test]
fn progress_tokens_are_strings_or_numbers() {
    let body = |token| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","_meta":{{"progressToken":{token}}}}}}}"#
        )
    };
    for token in ["1", "\"a\\u0062\""] {
        assert_eq!(
            request(&body(token)).params.meta.and_then(|meta| meta.progress_token).map(RawValue::get),
            Some(token)
        );
    }
    for token in ["true", "[1]", "{}", r#""\ud83da""#] {
        assert_eq!(code(body(token).as_bytes()), -32602);
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
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":null}", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"method\":\"ping\",\"error\":{}}", -32600),
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

fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((".*", inner), 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn true_depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(true_depth).max().unwrap_or(0),
        serde_json::Value::Object(fields) => 1 + fields.values().map(true_depth).max().unwrap_or(0),
        _ => 0,
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body: Vec<u8>) {
        let _ = parse_request(&body);
    }

    #[test]
    fn almost_a_message_is_read_or_refused(prefix in 0_usize..120, rest in ".{0,20}") {
        let whole = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","arguments":{"a":[1]},"_meta":{}}}"#;
        let body = format!("{}{rest}", &whole[..prefix.min(whole.len())]);
        let _ = parse_request(body.as_bytes());
    }

    #[test]
    fn arguments_arrive_as_they_were_sent(arguments in json()) {
        let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"arguments": arguments}});
        let body = body.to_string();
        let read = request(&body).params.arguments.map_or(serde_json::Value::Null, |raw| {
            serde_json::from_str(raw.get()).expect("JSON")
        });
        proptest::prop_assert_eq!(read, arguments);
    }

    #[test]
    fn depth_is_counted_as_a_parser_would(value in json()) {
        proptest::prop_assert_eq!(depth(&value.to_string()), true_depth(&value));
        proptest::prop_assert_eq!(depth(&serde_json::to_string_pretty(&value).expect("JSON")), true_depth(&value));
    }
}
