//! Documents that are no good, or mean no good: each ends with a spec or with findings, soon.

use mcp_factory_intake::{
    Level,
    openapi::{NoFiles, Options, import},
};

fn ends(document: &str) -> Result<usize, Vec<String>> {
    import("api.yaml", document.as_bytes(), &NoFiles, &Options::default()).map(|done| done.spec.tools.len()).map_err(
        |found| {
            assert!(found.iter().any(|it| it.level == Level::Error), "{found:?}");
            found.iter().map(ToString::to_string).collect()
        },
    )
}

#[test]
fn what_is_no_openapi_says_so() {
    for (document, expected) in [
        ("", "expected a mapping, found an empty document"),
        ("name: a spec of ours", "the document is no OpenAPI: it has neither `openapi` nor `swagger`"),
        ("openapi: 4.0.0", "`openapi: 4.0.0` is no version that is known"),
        ("openapi: 3.0.0\npaths: {}", "the document has no operations: there is nothing to make tools of"),
        ("openapi: 3.0.0\npaths: [1, 2]", "the document has no operations"),
        ("{\"openapi\": \"3.0.0\", ", "expected a key in double quotes"),
    ] {
        let found = ends(document).expect_err(document);
        assert!(found.iter().any(|it| it.contains(expected)), "{document:?}: {found:?}");
    }
}

/// Each schema refers twice to the next: written out it would have a billion parts.
#[test]
fn references_that_multiply_are_bounded() {
    let schemas: String = (0..40)
        .map(|n| format!("    S{n}: {{ type: object, properties: {{ a: {{ $ref: '#/components/schemas/S{m}' }}, b: {{ $ref: '#/components/schemas/S{m}' }} }} }}\n", m = n + 1))
        .collect();
    let document = format!(
        "openapi: 3.0.0\ninfo: {{ title: Bomb, version: '1' }}\npaths:\n  /x:\n    post:\n      requestBody: {{ content: {{ application/json: {{ \
         schema: {{ $ref: '#/components/schemas/S0' }} }} }} }}\n      responses: {{}}\ncomponents:\n  schemas:\n{schemas}    S40: {{ type: string }}\n"
    );
    assert_eq!(ends(&document), Ok(1));
}

#[test]
fn references_that_go_in_circles_end() {
    let document = "openapi: 3.0.0\ninfo: { title: Round, version: '1' }\npaths:\n  /x:\n    post:\n      parameters: [{ $ref: '#/components/parameters/A' }]\n\
                    \x20     requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/A' } } } }\n      responses: {}\n\
                    \x20 /y:\n    get: { responses: { '200': { description: x, content: { application/json: { schema: { allOf: [{ $ref: '#/components/schemas/B' }] } } } } } }\n\
                    components:\n  parameters: { A: { $ref: '#/components/parameters/A' } }\n\
                    \x20 schemas: { A: { $ref: '#/components/schemas/A' }, B: { allOf: [{ $ref: '#/components/schemas/B' }, { anyOf: [{ $ref: '#/components/schemas/B' }] }] } }\n";
    assert_eq!(ends(document), Ok(1), "the operation with the parameter is left out");
}

/// Nothing of a document is ever code, a path of this machine or a URL of somebody else.
#[test]
fn names_and_paths_stay_what_they_are() {
    for path in [
        "/a/{b",
        "/a}b",
        "/{{x}}",
        "/a/../b",
        "//evil.example/x",
        "/a?b=c",
        "/a b/ä",
        "http://evil.example/x",
        "/\\u0000",
    ] {
        let document = format!(
            "openapi: 3.0.0\ninfo: {{ title: '\"; DROP', version: '1' }}\nservers: [{{ url: https://a.example }}]\n\
             paths:\n  /ok: {{ get: {{ responses: {{}} }} }}\n  '{path}': {{ get: {{ operationId: '{{x}}\"', responses: {{}} }} }}\n"
        );
        let tools = ends(&document).unwrap_or_else(|found| panic!("{path}: {found:?}"));
        assert!((1..=2).contains(&tools), "{path}: {tools}");
    }
}

#[test]
fn schemas_of_wrong_types_cost_only_themselves() {
    let odd = [
        "null",
        "[]",
        "'text'",
        "3",
        "{ type: [] }",
        "{ type: 7 }",
        "{ properties: [1] }",
        "{ required: yes }",
        "{ enum: {} }",
        "{ items: 3, type: array }",
        "{ allOf: {} }",
        "{ anyOf: [null] }",
        "{ $ref: 3 }",
        "{ $ref: '#/nowhere' }",
        "{ minimum: x, type: integer }",
    ];
    for schema in odd {
        let document = format!(
            "openapi: 3.0.0\ninfo: {{ title: Odd, version: '1' }}\nservers: [{{ url: https://a.example }}]\npaths:\n  /x:\n    post:\n\
             \x20     parameters: [{{ name: a, in: query, schema: {schema} }}, 7, {{ name: 7 }}, {{ in: query }}]\n\
             \x20     requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}\n      responses: {{ 200: {schema}, x: 1 }}\n"
        );
        assert_eq!(ends(&document), Ok(1), "{schema}");
    }
}
