use proptest::prelude::*;

use super::*;

fn values(template: &str, uri: &str) -> Option<Vec<String>> {
    let template = UriTemplate::parse(template).expect("a template");
    template.matches(uri).map(|values| values.into_iter().map(|(_, value)| value).collect())
}

fn check(template: &str, uri: &str, expected: &[&str]) {
    assert_eq!(values(template, uri), Some(expected.iter().map(|value| (*value).to_owned()).collect()), "{uri}");
}

fn refuse(template: &str, uri: &str) {
    assert_eq!(values(template, uri), None, "{template} {uri}");
}

#[test]
fn a_name_stands_for_one_segment() {
    check("product://{sku}", "product://A-1", &["A-1"]);
    check("order://{year}/{number}", "order://2024/7", &["2024", "7"]);
    check("item://{id}/price?in={currency}", "item://7/price?in=EUR", &["7", "EUR"]);
    for uri in ["product://", "product://a/b", "product://a?b", "product://a#b", "Product:/a", "xproduct://a"] {
        refuse("product://{sku}", uri);
    }
}

#[test]
fn a_reserved_name_may_hold_slashes() {
    check("file:///{+path}", "file:///a/b?c", &["a/b?c"]);
    check("repo://{+path}/{file}", "repo://a/b/c", &["a/b", "c"]);
    check("doc://{+path}.md", "doc://a.md/b.md", &["a.md/b"]);
    refuse("file:///{+path}", "file:///");
}

#[test]
fn values_are_decoded_and_never_re_read() {
    check("product://{sku}", "product://a%2Fb%20%C3%A9%25", &["a/b é%"]);
    check("product://{sku}", "product://x'%20OR%201=1", &["x' OR 1=1"]);
    for uri in ["product://%", "product://%4", "product://%zz", "product://%ff"] {
        refuse("product://{sku}", uri);
    }
    // The `2` of an escape is no literal.
    refuse("a:{x}2{y}", "a:x%2Fy");
    check("a:{x}2{y}", "a:%2F2y", &["/", "y"]);
}

#[test]
fn what_has_two_readings_matches_nothing() {
    check("report://{year}-{month}", "report://2024-05", &["2024", "05"]);
    refuse("report://{year}-{month}", "report://2024-05-06");
    refuse("a:{x}:{y}", "a:b:c:d");
    check("a:{x}:{y}", "a:b%3Ac:d", &["b:c", "d"]);
}

#[test]
fn long_uris_take_no_time() {
    let template = (0..MOST_NAMES).map(|name| format!("{{n{name}}}a")).collect::<String>();
    refuse(&format!("x:{template}"), &format!("x:{}", "a".repeat(LONGEST - 2)));
    refuse("x:{a}", &format!("x:{}", "a".repeat(LONGEST)));
}

#[test]
fn what_is_no_template_is_said_with_its_place() {
    let problem = |text: &str| {
        let problem = UriTemplate::parse(text).expect_err(text);
        (problem.offset, problem.to_string())
    };
    for (text, offset, part) in [
        ("product://{sku", 10, "never closed"),
        ("product://sku}", 13, "closes nothing"),
        ("product://{}", 10, "no name"),
        ("{sku}", 0, "scheme"),
        ("", 0, "scheme"),
        ("1a://{sku}", 0, "scheme"),
        ("a://{x}{y}", 7, "divides"),
        ("a://{x}/{x}", 8, "twice"),
        ("a://{+x}/{+y}", 9, "told apart"),
        ("a://x{?y}", 5, "not understood"),
        ("a://{x,y}", 4, "not understood"),
        ("a://{x:3}", 4, "not understood"),
        ("a://{x*}", 4, "not understood"),
        ("a://{env}", 4, "something else"),
        ("a://a b", 5, "percent-encoded"),
        ("a://é/{x}", 4, "percent-encoded"),
        ("a://%2/{x}", 4, "hexadecimal"),
    ] {
        let (found, message) = problem(text);
        assert_eq!(found, offset, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
    let many = (0..=MOST_NAMES).map(|name| format!("/{{n{name}}}")).collect::<String>();
    assert!(UriTemplate::parse(&format!("a:{many}")).is_err());
    assert!(UriTemplate::parse(&format!("a:{}", "b".repeat(LONGEST))).is_err());
}

fn expand(value: &str, reserved: bool) -> String {
    let keep = |byte: u8| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || reserved && b":/?#[]@!$&'()*+,;=".contains(&byte)
    };
    value.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

proptest! {
    #[test]
    fn what_was_expanded_is_read_back(
        values in prop::collection::vec("\\PC{1,8}", 1..5),
        dividers in prop::collection::vec("[a-z.-]{0,2}[/:;?,=][a-z.-]{0,2}", 5),
        wide in any::<bool>(),
    ) {
        let (mut template, mut uri) = ("x:".to_owned(), "x:".to_owned());
        for (index, (value, divider)) in values.iter().zip(&dividers).enumerate() {
            // A wide name alone: before a divider it could be mistaken.
            let reserved = wide && index + 1 == values.len() && index == 0;
            let plus = if reserved { "+" } else { "" };
            template += &format!("{{{plus}n{index}}}");
            uri += &expand(value, reserved);
            if index + 1 < values.len() {
                template += divider;
                uri += divider;
            }
        }
        let template = UriTemplate::parse(&template).expect("a template");
        let names = (0..values.len()).map(|index| format!("n{index}"));
        prop_assert_eq!(template.matches(&uri), Some(names.zip(values).collect::<Vec<_>>()));
    }

    #[test]
    fn nothing_makes_it_panic(template in "a:(\\PC|[{}+/%a-c]){0,20}", uri in "a:(\\PC|[/%a-c0-9]){0,30}") {
        if let Ok(template) = UriTemplate::parse(&template) {
            let _ = template.matches(&uri);
            prop_assert_eq!(template.matches(&template.to_string()).is_some_and(|values| values.is_empty()), template.names().next().is_none());
        }
    }
}
