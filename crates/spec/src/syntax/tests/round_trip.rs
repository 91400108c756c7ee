//! Whatever is written as JSON reads back the same, by both readers: JSON is YAML.

use proptest::prelude::*;
use serde_json::Value;

use super::super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof!["\\PC{0,12}", "[a-z{}\\[\\]:,&*#?|<>=!%@\\\\'\" \\n\\t-]{0,12}", "(null|true|~|0x1|1e5|on|<<|---)"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Every place is within the text, and children are within their parents.
pub(super) fn check_places(text: &str, node: &Node) {
    let part = |span: Span| text.get(span.start.offset as usize..span.end.offset as usize).expect("a part of the text");
    let within = |inner: Span| {
        assert!(node.span.start.offset <= inner.start.offset && inner.end.offset <= node.span.end.offset, "{inner:?}");
        part(inner)
    };
    part(node.span);
    match &node.value {
        NodeValue::Sequence(items) => {
            for item in items {
                within(item.span);
                check_places(text, item);
            }
        }
        NodeValue::Mapping(entries) => {
            for entry in entries {
                within(entry.key_span);
                within(entry.value.span);
                check_places(text, &entry.value);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn json_reads_back_the_same(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("JSON");
        let (root, found) = read(text.as_bytes(), Format::Json);
        prop_assert_eq!(found, []);
        let root = root.expect("a tree");
        check_places(&text, &root);
        prop_assert_eq!(root.to_json(), value);
    }

    #[test]
    fn json_is_yaml(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("JSON");
        // DEL and C1 stand in JSON as they are; YAML has no raw control characters.
        prop_assume!(!text.contains(|letter: char| letter.is_control() && !letter.is_ascii_whitespace()));
        let (root, found) = read(text.as_bytes(), Format::Yaml);
        prop_assert_eq!(found, [], "{}", text);
        let root = root.expect("a tree");
        check_places(&text, &root);
        prop_assert_eq!(root.to_json(), value);
    }

    #[test]
    fn any_bytes_end_in_a_tree_or_a_diagnostic(bytes in prop::collection::vec(any::<u8>(), 0..64), json: bool) {
        let (root, found) = read(&bytes, if json { Format::Json } else { Format::Yaml });
        prop_assert!(root.is_some() || !found.is_empty());
    }

    #[test]
    fn places_of_anything_are_in_order(text in "(a:|- | - |  |#| x|\n|\\[|\\]|\\{|\\}|,|\\?|'b'|\"c\"|&d |\\*d|\\|){0,12}") {
        if let (Some(root), _) = read(text.as_bytes(), Format::Yaml) && !text.contains('*') {
            check_places(&text, &root);
        }
    }

    #[test]
    fn any_yaml_ends_in_a_tree_or_a_diagnostic(text in "[ab1 {}\\[\\]:,&*#?|<>=!%@\\\\'\"\\n\\t-]{0,40}") {
        let (root, found) = read(text.as_bytes(), Format::Yaml);
        prop_assert!(root.is_some() || !found.is_empty());
        root.iter().for_each(|root| check_places(&text, root));
    }
}
