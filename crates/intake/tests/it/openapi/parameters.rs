//! Where each parameter goes, and how it is written there.

use super::*;

fn get(parameters: &str) -> (Value, Vec<String>) {
    let done = proposal(&one(&format!("operationId: get\nresponses: {{}}\nparameters: [{parameters}]")));
    let told = done.findings.iter().map(ToString::to_string).collect();
    (done.spec.canonical()["tools"][0].clone(), told)
}

/// Issue 6: as Stripe's documents have `created`.
#[test]
fn a_deep_object_that_may_be_a_number_goes_out_as_either() {
    let choice = "{ anyOf: [{ type: object, properties: { gte: { type: integer }, lt: { type: integer } } }, { type: integer }] }";
    let (tool, told) =
        get(&format!("{{ name: created, in: query, style: deepObject, explode: true, schema: {choice} }}"));
    assert_eq!(tool["http"]["query"], json!({ "created": "{created}" }));
    assert_eq!(tool["http"]["styles"], json!({ "created": "deepObject" }));
    let choices = &tool["parameters"]["created"]["anyOf"];
    assert_eq!(
        (&choices[0]["properties"]["gte"], &choices[1]),
        (&json!({ "type": "integer" }), &json!({ "type": "integer" }))
    );
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn an_object_of_a_query_is_its_keys_and_what_can_not_be_one_is_told() {
    let (tool, told) = get(
        "{ name: f, in: query, schema: { anyOf: [{ type: object, properties: { a: { type: string } } }, { type: object, properties: \
         { a: { type: string }, b: { type: integer } } }, { type: string }] } }",
    );
    assert_eq!(tool["http"]["query"], json!({ "a": "{a}", "b": "{b}", "f": "{f}" }));
    assert_eq!(told, Vec::<String>::new());

    let (tool, told) = get("{ name: f, in: query, schema: { type: object, additionalProperties: { type: string } } }");
    assert_eq!(tool["http"]["query"], Value::Null);
    assert!(told[0].starts_with("left out: the query parameter `f`, an object of any keys (at"), "{told:?}");

    let (tool, told) = get(
        "{ name: f, in: query, schema: { type: object, properties: { a: { type: string } }, additionalProperties: true } }",
    );
    assert_eq!(tool["http"]["query"], json!({ "a": "{a}" }));
    assert!(
        told[0].starts_with("left out: of the query parameter `f`, keys that the document does not name"),
        "{told:?}"
    );
}

#[test]
fn a_key_that_has_to_be_there_is_a_parameter_that_has_to_be() {
    let object = "{ type: object, required: [a], properties: { a: { type: string }, b: { type: string } } }";
    let required = |parameter: &str| {
        let (tool, _) = get(&format!("{{ name: f, in: query, {parameter} schema: {object} }}"));
        let is = |name: &str| tool["parameters"][name]["required"] == true;
        (is("a"), is("b"))
    };
    assert_eq!(required("required: true,"), (true, false));
    assert_eq!(required(""), (false, false));
}

#[test]
fn an_object_of_a_query_that_comes_back_to_itself_is_its_keys_too() {
    let document = one(
        "operationId: get\nresponses: {}\nparameters: [{ name: f, in: query, schema: { $ref: '#/components/schemas/F' } }, \
        { name: d, in: query, style: deepObject, description: Deep, schema: { $ref: '#/components/schemas/F' } }]",
    ) + "components: { schemas: { F: { type: object, properties: { a: { type: string }, not: { $ref: '#/components/schemas/F' } } } } }\n";
    let tool = &tools(&document)[0];
    assert_eq!(tool["http"]["query"], json!({ "a": "{a}", "not": "{not}", "d": "{d}" }), "{tool:#}");
    assert_eq!(tool["http"]["styles"], json!({ "d": "deepObject" }));
    let properties = &tool["inputSchema"]["properties"];
    assert_eq!(properties["not"], json!({ "type": "string", "description": "Written as JSON." }));
    assert_eq!(properties["d"]["properties"]["not"], json!({ "$ref": "#/$defs/F" }));
    assert_eq!(properties["d"]["description"], "Deep");
}

#[test]
fn a_list_in_one_text_is_a_list_of_what_the_document_says() {
    let items = "{ type: array, items: { type: string, enum: [a, b] }, maxItems: 3 }";
    let list = json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] }, "maxItems": 3 });
    for (parameter, style) in [
        ("in: query, explode: false", "commaDelimited"),
        ("in: query, style: spaceDelimited, explode: false", "spaceDelimited"),
        ("in: query, style: pipeDelimited, explode: false", "pipeDelimited"),
        ("in: header", "commaDelimited"),
        ("in: path, required: true", "commaDelimited"),
        ("in: path, required: true, style: matrix", "commaDelimited"),
    ] {
        let (tool, told) = get(&format!("{{ name: id, {parameter}, schema: {items} }}"));
        assert_eq!(tool["http"]["styles"], json!({ "id": style }), "{parameter}");
        let mut taken = tool["parameters"]["id"].clone();
        taken.as_object_mut().expect("an object").shift_remove("required");
        assert_eq!((taken, told), (list.clone(), Vec::new()), "{parameter}");
    }
    // What stands between would be a name.
    let (tool, _) =
        get(&format!("{{ name: id, in: path, required: true, style: matrix, explode: true, schema: {items} }}"));
    assert_eq!((&tool["parameters"]["id"]["type"], &tool["http"]["styles"]), (&json!("string"), &Value::Null));
}

#[test]
fn a_list_in_a_header_is_written_as_its_collection_format_says() {
    for (place, path) in [("header", "/a"), ("path", "/a/{f}")] {
        for (format, style) in [
            ("", "commaDelimited"),
            (", collectionFormat: csv", "commaDelimited"),
            (", collectionFormat: ssv", "spaceDelimited"),
            (", collectionFormat: tsv", "tabDelimited"),
            (", collectionFormat: pipes", "pipeDelimited"),
        ] {
            let tools = tools(&format!(
                "swagger: '2.0'\ninfo: {{ title: A, version: '1' }}\nhost: a.example\nschemes: [https]\npaths:\n  {path}: {{ get: {{ \
                 responses: {{}}, parameters: [{{ name: f, in: {place}, required: true, type: array, items: {{ type: string }}{format} }}] }} }}\n"
            ));
            assert_eq!(tools[0]["http"]["styles"], json!({ "f": style }), "{place}{format}");
        }
    }
}

#[test]
fn a_list_of_a_header_that_is_json_is_a_text_that_says_so() {
    let list = "{ type: array, items: { type: string } }";
    let (tool, _) = get(&format!("{{ name: f, in: header, content: {{ application/json: {{ schema: {list} }} }} }}"));
    assert_eq!(tool["parameters"]["f"], json!({ "type": "string", "description": "Written as JSON." }), "{tool:#}");
    assert_eq!(tool["http"]["styles"], Value::Null);
}

#[test]
fn what_is_no_parameter_is_told() {
    let (tool, told) = get(
        "{ name: a, schema: { type: string } }, { in: query, schema: { type: string } }, { name: b, in: body, schema: {} }, \
         { name: 'a b', in: header, schema: { type: string } }, { name: ok, in: query, schema: { type: string } }",
    );
    assert_eq!(tool["http"]["query"], json!({ "ok": "{ok}" }));
    let told: Vec<&str> = told.iter().filter_map(|it| it.split(" (at").next()).collect();
    assert_eq!(
        told,
        [
            "left out: the parameter `a`, which says nothing of where it is: it has no `in`",
            "left out: a parameter in `query` without a `name`",
            "left out: the parameter `b` in `body`, where none can be",
            "left out: the header `a b`, which is no name of one",
        ]
    );
}

#[test]
fn a_method_that_tools_do_not_send_is_told() {
    let document =
        one("operationId: get\nresponses: {}").replace("\n    get:", "\n    trace: { responses: {} }\n    get:");
    let done = proposal(&document);
    assert_eq!((done.spec.tools.len(), done.findings.len()), (1, 1));
    assert_eq!(done.findings[0].level, Level::LeftOut);
    assert!(
        done.findings[0]
            .to_string()
            .starts_with("left out: its method is `TRACE`, which tools don't send (at /paths/~1things~1{id}/trace")
    );
}
