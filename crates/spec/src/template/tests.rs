use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn lookup<'v>(values: &'v Value) -> impl Fn(&str) -> Option<Cow<'v, Value>> + Copy {
    move |name| values.get(name).filter(|value| !value.is_null()).map(Cow::Borrowed)
}

fn names(text: &str) -> Vec<(String, usize)> {
    Text::parse(text).unwrap().placeholders().map(|p| (p.name.clone(), p.offset)).collect()
}

#[test]
fn placeholders_are_found_with_their_places_and_doubled_braces_are_braces() {
    assert_eq!(names("/x/{a}/{principal.claims.org}"), [("a".into(), 3), ("principal.claims.org".into(), 7)]);
    assert_eq!(Text::parse("{{a}} {b}").unwrap().plain(lookup(&json!({ "b": 1 }))), "{a} 1");
    assert_eq!(names("{{{a}}}"), [("a".into(), 2)]);
}

#[test]
fn what_is_no_placeholder_is_a_problem_at_its_place() {
    for (text, offset) in [("a{", 1), ("}", 0), ("x{}", 1), ("{a b}", 0), ("{a..b}", 0), ("ok {1}", 3), ("{{}", 2)] {
        assert_eq!(Text::parse(text).unwrap_err().offset, offset, "{text}");
    }
}

#[test]
fn a_value_in_a_path_stays_one_piece_of_one_segment() {
    let path = |value: &str| Text::parse("/c/{id}/x").unwrap().path(lookup(&json!({ "id": value })));
    assert_eq!(path("a/../b?c#d%2f e"), Ok("/c/a%2F..%2Fb%3Fc%23d%252f%20e/x".into()));
    assert_eq!(path(".."), Err(ValueError::Climbs { name: "id".into() }));
    assert_eq!(path("."), Err(ValueError::Climbs { name: "id".into() }));
    assert_eq!(path(""), Err(ValueError::Empty { name: "id".into() }));
    assert_eq!(path("..."), Ok("/c/.../x".into()));
    let split = Text::parse("/c/{a}{b}").unwrap().path(lookup(&json!({ "a": ".", "b": "." })));
    assert!(matches!(split, Err(ValueError::Climbs { .. })));
}

#[test]
fn a_header_refuses_line_breaks_and_goes_when_something_is_left_out() {
    let text = Text::parse("Bearer {t}").unwrap();
    assert_eq!(text.header(lookup(&json!({ "t": "a" }))), Ok(Some("Bearer a".into())));
    assert_eq!(text.header(lookup(&json!({}))), Ok(None));
    assert!(text.header(lookup(&json!({ "t": "a\r\nX: y" }))).is_err());
}

#[test]
fn a_whole_value_keeps_its_type_and_what_is_left_out_takes_its_key_along() {
    let template =
        json!({ "a": "{n}", "b": ["{n}", "{gone}", "x{n}"], "c": "{gone}", "d": "{{n}}", "e": { "f": "{gone}" } });
    let rendered = Json::parse(&template).unwrap().render(lookup(&json!({ "n": [1, true] })));
    assert_eq!(rendered, Some(json!({ "a": [1, true], "b": [[1, true], "x[1,true]"], "d": "{n}", "e": {} })));
}

proptest! {
    #[test]
    fn taking_apart_never_panics_and_text_without_braces_stays(text in ".{0,60}") {
        let parsed = Text::parse(&text);
        if !text.contains(['{', '}']) {
            prop_assert_eq!(parsed.unwrap().plain(|_| None), text);
        }
    }

    #[test]
    fn no_value_changes_the_number_of_segments_of_a_path(value in ".{1,40}") {
        let values = Value::Object(Map::from_iter([("v".to_owned(), Value::String(value))]));
        if let Ok(path) = Text::parse("/a/{v}/b").unwrap().path(lookup(&values)) {
            prop_assert_eq!(path.split('/').count(), 4);
            prop_assert!(!path.contains(['?', '#', '\\', ' ', '\n']));
        }
    }

    #[test]
    fn what_is_filled_in_is_not_read_again(value in ".{0,40}") {
        let values = Value::Object(Map::from_iter([("v".to_owned(), Value::String(value.clone()))]));
        prop_assert_eq!(Text::parse("{v}!").unwrap().plain(lookup(&values)), format!("{value}!"));
    }
}
