use super::*;
use crate::{Format, NodeValue, syntax, syntax::Entry};

fn found(text: &str) -> Vec<Diagnostic> {
    let (root, wrong) = syntax::read(text.as_bytes(), Format::Yaml);
    assert_eq!(wrong, [], "{text}");
    check(&root.expect("a document"), &Path::default()).found
}

fn valid(text: &str) {
    assert_eq!(found(text), [], "{text}");
}

/// One finding: its code, its path, what it underlines, and a part of what it says.
fn one(text: &str, code: Code, path: &str, underlined: &str, part: &str) {
    let all = found(text);
    let [found] = &all[..] else { panic!("{text}: {all:#?}") };
    assert_eq!((found.code, &*found.path.to_string()), (code, path), "{text}: {found:?}");
    let place = found.span.start.offset as usize..found.span.end.offset as usize;
    assert_eq!(text[place].trim_end(), underlined, "{text}: {found:?}");
    let says = format!("{} {}", found.message, found.help.as_deref().unwrap_or_default());
    assert!(says.contains(part), "{text}: {says}");
}

fn invalid(text: &str, path: &str, underlined: &str, part: &str) {
    one(text, Code::SchemaInvalid, path, underlined, part);
}

#[test]
fn schemas_of_the_draft_are_valid() {
    for text in [
        "true",
        "{}",
        "{ type: string, format: date, pattern: '^\\d{4}(?=-)', minLength: 1, maxLength: 1 }",
        "{ type: [string, 'null'], enum: [a, null], default: null, example: a, x-mine: 1 }",
        "{ type: number, minimum: 1.5, maximum: 1.5, multipleOf: 0.5, exclusiveMaximum: 2 }",
        "{ type: object, properties: { a: { type: integer } }, required: [a], minProperties: 1 }",
        "{ type: object, properties: { a: true }, required: [b], additionalProperties: true }",
        "{ type: object, properties: { a: true }, patternProperties: { '^b': true }, required: [b] }",
        "{ anyOf: [{ required: [a] }, { properties: { b: true }, required: [c] }] }",
        "{ $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'https://a.example/b', $ref: '#/$defs/a', $defs: { a: { type: string } }, default: x }",
        "{ type: string, contentEncoding: base64, contentMediaType: image/png, deprecated: true, readOnly: true }",
        "{ const: 1, type: integer, title: One, description: One, $comment: One }",
        "{ type: integer, enum: [1.0] }",
        "{ not: {}, if: {}, then: {}, else: {}, contains: {}, minContains: 0, unevaluatedItems: false, propertyNames: {} }",
    ] {
        valid(text);
    }
}

#[test]
fn a_keyword_with_what_it_does_not_take_is_invalid() {
    invalid("{ type: int }", "type", "int", "did you mean `integer`");
    invalid("{ type: [string, strnig] }", "type", "strnig", "did you mean `string`");
    invalid("{ type: [string, string] }", "type", "string", "twice");
    invalid("{ type: null }", "type", "null", "in quotes");
    invalid("{ minLength: -1 }", "minLength", "-1", "whole number");
    invalid("{ minimum: '1' }", "minimum", "'1'", "expected a number, found text");
    invalid("{ multipleOf: 0 }", "multipleOf", "0", "above 0");
    invalid("{ enum: yes }", "enum", "yes", "expected a list");
    invalid("{ items: [{}] }", "items", "[{}]", "prefixItems");
    invalid("{ allOf: [] }", "allOf", "[]", "not empty");
    invalid("{ properties: { a: 1 } }", "properties.a", "1", "expected a schema");
    invalid("{ properties: { a: { required: true } } }", "properties.a.required", "true", "list of names");
    invalid("{ required: [a, a] }", "required[1]", "a", "twice");
    invalid("{ dependentRequired: { a: [1] } }", "dependentRequired.a[0]", "1", "a name");
    invalid("{ pattern: '[a-z' }", "pattern", "'[a-z'", "regular expression");
    invalid("{ patternProperties: { '(': true } }", "patternProperties.(", "'('", "regular expression");
    invalid(
        "{ $schema: 'http://json-schema.org/draft-07/schema#' }",
        "$schema",
        "'http://json-schema.org/draft-07/schema#'",
        "2020-12",
    );
    invalid("{ $defs: { a: { $id: b } } }", "$defs.a.$id", "b", "at the top");
    invalid("{ $defs: { a: { $anchor: x }, b: { $anchor: x } } }", "$defs.b.$anchor", "x", "twice");
    invalid("{ example: 1, examples: 1 }", "examples", "1", "list of values");
}

#[test]
fn what_nothing_can_satisfy_is_invalid() {
    invalid("{ minimum: 10, maximum: 1 }", "minimum", "10", "above `maximum`");
    invalid("{ minimum: 1, exclusiveMaximum: 1 }", "minimum", "1", "exclusiveMaximum");
    invalid("{ exclusiveMinimum: 2, maximum: 2 }", "exclusiveMinimum", "2", "maximum");
    invalid("{ exclusiveMinimum: 2, exclusiveMaximum: 2 }", "exclusiveMinimum", "2", "exclusiveMaximum");
    for what in ["Length", "Items", "Properties", "Contains"] {
        invalid(&format!("{{ min{what}: 2, max{what}: 1 }}"), &format!("min{what}"), "2", "nothing can satisfy");
    }
    invalid("{ enum: [] }", "enum", "[]", "nothing can satisfy");
    invalid("{ type: string, enum: [1, 2] }", "enum", "[1, 2]", "of the type `string`");
    invalid("{ type: integer, const: 1.5 }", "const", "1.5", "of the type `integer`");
    invalid("{ properties: { a: true }, required: [b] }", "required[0]", "b", "closed");
    invalid("{ additionalProperties: false, required: [b] }", "required[0]", "b", "closed");
    invalid("{ properties: { a: false }, required: [a] }", "required[0]", "a", "never allowed");
    let nested = "{ items: { properties: { a: { type: object, properties: {}, required: [b] } } } }";
    invalid(nested, "items.properties.a.required[0]", "b", "closed");
}

#[test]
fn a_plain_schema_is_not_closed() {
    let (root, _) = syntax::read(b"{ properties: { a: true }, required: [b], default: { b: 1 } }", Format::Yaml);
    assert_eq!(check_plain(&root.expect("a document"), &Path::default()).found, []);
}

#[test]
fn references_lead_to_schemas_within() {
    valid("{ $defs: { 'a/b c': { $anchor: here } }, anyOf: [{ $ref: '#/$defs/a~1b%20c' }, { $ref: '#here' }] }");
    valid("{ type: object, properties: { child: { $ref: '#' } } }");
    invalid("{ $ref: 'https://a.example/b' }", "$ref", "'https://a.example/b'", "never fetched");
    invalid("{ $ref: 'other.json#/a' }", "$ref", "'other.json#/a'", "never fetched");
    invalid(
        "{ $defs: { point: {} }, items: { $ref: '#/$defs/piont' } }",
        "items.$ref",
        "'#/$defs/piont'",
        "`#/$defs/point`",
    );
    invalid("{ examples: [{}], items: { $ref: '#/examples/0' } }", "items.$ref", "'#/examples/0'", "no schema");
    invalid("{ $ref: '#nowhere' }", "$ref", "'#nowhere'", "no schema");
}

#[test]
fn a_schema_that_could_run_away_is_invalid() {
    let is_refused = |text: &str, part: &str| {
        let all = found(text);
        let [found] = &all[..] else { panic!("{all:#?}") };
        assert_eq!(found.code, Code::SchemaInvalid);
        assert!(found.message.contains(part), "{}", found.message);
    };
    is_refused("{ $ref: '#' }", "never ends");
    is_refused("{ $defs: { a: { allOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } } }", "never ends");
    let defs = |count: usize, of: &dyn Fn(usize) -> String| {
        let defs: Vec<String> = (0..count).map(|index| format!("d{index}: {}", of(index))).collect();
        format!("{{ $defs: {{ {}, d{count}: {{}} }} }}", defs.join(", "))
    };
    let twice =
        |index: usize| format!("{{ allOf: [{{ $ref: '#/$defs/d{0}' }}, {{ $ref: '#/$defs/d{0}' }}] }}", index + 1);
    is_refused(&defs(40, &twice), "multiply");
    let next = |index: usize| format!("{{ items: {{ $ref: '#/$defs/d{}' }} }}", index + 1);
    is_refused(&defs(400, &next), "too many steps");
    valid(&defs(120, &next));
    let deep = (0..=DEEPEST).fold(Node { span: Span::default(), value: NodeValue::Bool(true) }, |inner, _| {
        let entry = Entry { key: "items".into(), key_span: Span::default(), value: inner };
        Node { span: Span::default(), value: NodeValue::Mapping(vec![entry]) }
    });
    let all = check(&deep, &Path::default()).found;
    assert!(all.len() == 1 && all[0].message.contains("deeper"), "{all:#?}");
}

#[test]
fn defaults_and_examples_fit_their_schema() {
    let default = |text: &str, path: &str, underlined: &str, part: &str| {
        one(text, Code::SchemaDefault, path, underlined, part);
    };
    default("{ type: integer, default: often }", "default", "often", "integer");
    default("{ type: string, enum: [s], default: xl }", "default", "xl", "the default");
    default("{ items: { type: integer }, default: [1, x] }", "default[1]", "x", "integer");
    default(
        "{ $defs: { 'a b': { maximum: 1 } }, items: { $ref: '#/$defs/a%20b', default: 2 } }",
        "items.default",
        "2",
        "1",
    );
    // The language closes the object, so that its default can't have more.
    default("{ properties: { a: true }, default: { b: 1 } }", "default", "{ b: 1 }", "b");
    one("{ type: string, example: 1 }", Code::SchemaExample, "example", "1", "the example");
    one("{ type: integer, examples: [3, often] }", Code::SchemaExample, "examples[1]", "often", "integer");
}

#[test]
fn an_unknown_keyword_is_a_warning_with_a_fix() {
    for (text, key, near) in [
        ("{ minLenght: 3 }", "minLenght", Some("minLength")),
        ("{ items: { min_length: 3 } }", "min_length", Some("minLength")),
        ("{ item: {} }", "item", Some("items")),
        ("{ zebra: {} }", "zebra", None),
    ] {
        let all = found(text);
        let [found] = &all[..] else { panic!("{all:#?}") };
        assert_eq!(found.code, Code::SchemaUnknownKeyword);
        assert_eq!(&text[found.span.start.offset as usize..found.span.end.offset as usize], key);
        assert_eq!(found.fix.as_ref().map(|fix| &*fix.replacement), near);
        assert!(found.fix.as_ref().is_none_or(|fix| fix.span == found.span));
    }
}

#[test]
fn many_findings_are_cut() {
    let text = format!("{{ allOf: [{}] }}", vec!["{ minLenght: 1, type: int }"; 5_000].join(", "));
    assert!(found(&text).len() <= MOST_FOUND);
}

#[test]
fn an_example_is_not_judged_by_a_schema_that_could_run_away() {
    let twice = |index: usize| {
        format!("d{index}: {{ allOf: [{{ $ref: '#/$defs/d{0}' }}, {{ $ref: '#/$defs/d{0}' }}] }}", index + 1)
    };
    let many: Vec<String> = (0..30).map(twice).collect();
    for schema in [
        "{ type: object, $ref: '#' }".to_owned(),
        format!("{{ type: object, $defs: {{ {}, d30: {{ type: object }} }}, $ref: '#/$defs/d0' }}", many.join(", ")),
    ] {
        let text = format!(
            "name: a\ntools: [{{ name: t, description: T, inputSchema: {schema}, command: {{ argv: [t] }}, examples: [{{ arguments: {{ a: 1 }}, expect: {{ value: 1 }} }}] }}]\n"
        );
        let reading =
            crate::read(&crate::Source { name: "a", bytes: text.as_bytes(), format: Format::Yaml }, &crate::NoFiles);
        assert!(
            reading.diagnostics.iter().any(|found| found.code == Code::SchemaInvalid),
            "{:#?}",
            reading.diagnostics
        );
    }
}

fn anything() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        Just(Value::from(0.5)),
        Just(Value::from(1e30)),
        prop::sample::select(vec!["string", "a", "^a", "(", "#", "#/$defs/a", "#/properties/a", "date", ""])
            .prop_map(Value::from),
        Just(serde_json::json!(["a"])),
        Just(serde_json::json!([])),
    ];
    let keyword = prop::sample::select(keywords::KEYWORDS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            3 => prop::collection::vec((keyword.clone(), inner.clone()), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
            1 => inner.clone().prop_map(|inner| serde_json::json!({ "a": inner })),
            1 => prop::collection::vec(inner, 1..3).prop_map(Value::from),
        ]
    })
}

proptest::proptest! {
    /// Compiling is left out where it could find nothing that was not found.
    #[test]
    fn what_nothing_is_wrong_with_compiles(schema in anything()) {
        let text = schema.to_string();
        let (root, _) = syntax::read(text.as_bytes(), Format::Json);
        let root = root.expect("a document");
        if matches!(root.value, NodeValue::Mapping(_)) {
            for checked in [check(&root, &Path::default()), check_plain(&root, &Path::default())] {
                if !checked.found.iter().any(|found| found.code == Code::SchemaInvalid) {
                    let compiled = compile(&schema);
                    proptest::prop_assert!(compiled.is_ok(), "{text}: {compiled:?}");
                }
            }
        }
    }
}
