use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rows::Cut;

const CAPS: Caps = Caps { max_rows: Some(1000), max_bytes: Some(1 << 20), page_size: None };

fn text(selected: Selected) -> String {
    match selected {
        Selected::Rows(rows) => format!("[{}]", String::from_utf8(rows.json).unwrap()),
        Selected::Object(json) | Selected::Scalar(json) => String::from_utf8(json).unwrap(),
        Selected::Lacking => "lacking".to_owned(),
    }
}

/// In pieces of `size` bytes.
fn read(json: &str, select: &str, shape: &Shape, caps: Caps, size: usize) -> Result<(Selected, Next, usize), Fault> {
    let (select, next) = (Pointer::parse(select), Pointer::parse("/next"));
    let mut selector = Selector::new(Rules { select: &select, next: Some(&next), shape, caps, skip: 0 });
    let mut fed = 0;
    for piece in json.as_bytes().chunks(size) {
        fed += piece.len();
        if selector.feed(piece)? {
            break;
        }
    }
    selector.finish().map(|(selected, next)| (selected, next, fed))
}

fn select(json: &str, pointer: &str, schema: Value) -> Result<String, Fault> {
    let shape = Shape::compile(&schema);
    let whole = read(json, pointer, &shape, CAPS, usize::MAX).map(|(selected, ..)| text(selected));
    for size in [1, 3, 7] {
        assert_eq!(
            read(json, pointer, &shape, CAPS, size).map(|(selected, ..)| text(selected)),
            whole,
            "{size}: {json}"
        );
    }
    whole
}

#[test]
fn every_digit_stays_as_it_was() {
    let json = r#" { "data" : [ {"id": 123456789012345678901234567890, "price": 0.10000000000000000000001, "big": 1E400} ] } "#;
    let expected = r#"[{"id":123456789012345678901234567890,"price":0.10000000000000000000001,"big":1E400}]"#;
    assert_eq!(select(json, "/data", json!({})).unwrap(), expected);
    let schema = json!({ "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string" }, "price": { "type": "number" } } } });
    let expected = r#"[{"id":"123456789012345678901234567890","price":0.10000000000000000000001}]"#;
    assert_eq!(select(json, "/data", schema.clone()).unwrap(), expected);
    let text = r#"{"data":[{"price":"18446744073709551617.5","id":"x"}]}"#;
    assert_eq!(select(text, "/data", schema).unwrap(), r#"[{"price":18446744073709551617.5,"id":"x"}]"#);
}

#[test]
fn a_part_is_found_by_its_pointer() {
    let json = r#"{"a/b":{"~":[10,{"x":null}]},"other":[[1,2],3],"s":"t\u00e9\ud83d\ude00"}"#;
    for (pointer, expected) in [
        ("/a~1b/~0/0", "10"),
        ("/a~1b/~0/1", r#"{"x":null}"#),
        ("/a~1b/~0/1/x", "null"),
        ("/other/0", "[1,2]"),
        ("/other", "[[1,2],3]"),
        ("/s", "\"té😀\""),
        ("", r#"{"a/b":{"~":[10,{"x":null}]},"other":[[1,2],3],"s":"té😀"}"#),
    ] {
        assert_eq!(select(json, pointer, json!({})).as_deref(), Ok(expected), "{pointer}");
    }
    for pointer in ["/a", "/a~1b/~0/1/y"] {
        assert_eq!(select(json, pointer, json!({})).as_deref(), Ok("lacking"));
    }
    for pointer in ["/a/b", "/other/2", "/other/00", "/other/-", "/s/0"] {
        assert_eq!(select(json, pointer, json!({})), Err(Fault::Missing(pointer.to_owned())));
    }
}

#[test]
fn an_answer_is_shaped_while_it_is_read() {
    let schema = json!({ "type": "object", "properties": {
        "id": {}, "gone": { "type": "string" }, "kept": { "type": ["string", "null"] },
        "list": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } },
        "free": { "type": "object" },
        "open": { "type": "object", "properties": { "a": {} }, "additionalProperties": true } } });
    let json = r#"{"secret":{"deep":[1,{"id":2}]},"id":7,"gone":null,"kept":null,"list":[{"n":"5","x":[]},[],"s"],"free":{"a":[{}]},"open":{"b":{},"a":1},"id":8,"z":[]}"#;
    let expected = r#"{"id":7,"kept":null,"list":[{"n":5},[],"s"],"free":{"a":[{}]},"open":{"b":{},"a":1}}"#;
    assert_eq!(select(json, "", schema).unwrap(), expected);
}

#[test]
fn a_long_array_is_cut_and_the_rest_not_read() {
    let item = r#"{"a":"0123456789"}"#;
    let json = format!("{{\"items\":[{}],\"next\":\"n\"}}", vec![item; 1000].join(","));
    let cut = |caps, expected, rows| {
        let (selected, _, fed) = read(&json, "/items", &Shape::ANY, caps, 64).unwrap();
        let Selected::Rows(got) = selected else { panic!("rows") };
        assert_eq!((got.cut, got.count), (Some(expected), rows));
        assert_eq!(String::from_utf8(got.json).unwrap(), vec![item; rows as usize].join(","));
        assert!(fed < 2_000, "{fed}");
    };
    cut(Caps { max_rows: Some(10), ..CAPS }, Cut::Rows, 10);
    cut(Caps { max_bytes: Some(100), ..CAPS }, Cut::Bytes, 5);
    cut(Caps { max_bytes: Some(5), ..CAPS }, Cut::Bytes, 0);
    let (selected, next, _) = read(&json, "/items", &Shape::ANY, Caps { max_rows: Some(1000), ..CAPS }, 64).unwrap();
    let Selected::Rows(rows) = selected else { panic!("rows") };
    assert_eq!((rows.count, rows.cut, next), (1000, None, Next::Text("n".to_owned())));
    let caps = Caps { max_bytes: Some(100), ..CAPS };
    assert_eq!(read(&json, "", &Shape::ANY, caps, 64).unwrap_err(), Fault::TooLarge(100));
}

#[test]
fn items_that_were_seen_are_skipped() {
    let pointer = Pointer::default();
    let mut selector = Selector::new(Rules { select: &pointer, next: None, shape: &Shape::ANY, caps: CAPS, skip: 2 });
    selector.feed(br#"[{"a":[1]},[[]],3,"4"]"#).unwrap();
    assert_eq!(text(selector.finish().unwrap().0), r#"[3,"4"]"#);
}

#[test]
fn the_next_page_is_found_before_and_behind_the_items() {
    let check = |json: &str, expected: Next| assert_eq!(read(json, "/i", &Shape::ANY, CAPS, 5).unwrap().1, expected);
    check(r#"{"next":"a","i":[]}"#, Next::Text("a".into()));
    check(r#"{"i":[{"next":"no"}],"next":12345678901234567890123}"#, Next::Number("12345678901234567890123".into()));
    check(r#"{"i":[],"next":null}"#, Next::Nothing);
    check(r#"{"i":[],"next":false}"#, Next::Boolean(false));
    check(r#"{"i":[],"next":{}}"#, Next::Unseen);
    check(r#"{"i":[]}"#, Next::Unseen);
}

#[test]
fn what_is_no_json_is_refused() {
    for json in
        ["", " ", "{", "[1,]", "{\"a\":1,}", "nul", "01", "[1] 2", "\"\\ud800\"", "\"a\nb\"", "<html>", "{'a':1}"]
    {
        assert!(matches!(select(json, "", json!({})), Err(Fault::Broken(_))), "{json}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(matches!(select(&deep, "", json!({})), Err(Fault::Broken(_))));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The same as selecting and shaping the whole tree, whatever the pieces.
    #[test]
    fn pieces_make_no_difference(value in any_json(), size in 1_usize..20, select in "(/[a-c0-2]){0,3}", pretty: bool) {
        let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let schema = json!({ "properties": { "a": { "type": "string" }, "b": { "properties": { "c": {} } } }, "items": { "properties": { "c": {} } } });
        for shape in [Shape::ANY, Shape::compile(&schema)] {
            let expected = value.pointer(&select).map(|part| shape.apply(part.clone()));
            match (read(&json, &select, &shape, CAPS, size), expected) {
                (Ok((Selected::Lacking, ..)), None) => {
                    let (around, _) = select.rsplit_once('/').expect("the whole is there");
                    prop_assert!(value.pointer(around).is_some_and(Value::is_object), "{select}");
                }
                (Ok((selected, ..)), Some(expected)) => {
                    prop_assert_eq!(serde_json::from_str::<Value>(&text(selected)).unwrap(), expected);
                }
                (got, expected) => prop_assert!(got.is_err() && expected.is_none(), "{:?} {:?}", got, expected),
            }
        }
    }

    #[test]
    fn nothing_that_an_upstream_sends_makes_it_fall_over(pieces in prop::collection::vec("[\\[\\]{}\",:0-9a\\\\u e.-]{0,12}", 0..8)) {
        let pointer = Pointer::parse("/a");
        let mut selector = Selector::new(Rules { select: &pointer, next: None, shape: &Shape::ANY, caps: CAPS, skip: 0 });
        if pieces.iter().try_for_each(|piece| selector.feed(piece.as_bytes()).map(drop)).is_ok() {
            let _ = selector.finish();
        }
    }
}
