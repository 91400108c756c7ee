//! Pages of lists: where parameters and answers say how they go on.

use super::*;

#[test]
fn pages_are_recognised_where_parameters_and_answer_agree() {
    let check = |parameters: &[(&str, &str)], response: &str, expected: Value| {
        let list: Vec<String> = parameters
            .iter()
            .map(|(name, kind)| format!("{{ name: {name}, in: query, schema: {{ type: {kind} }} }}"))
            .collect();
        let tool = one_tool(&format!(
            "operationId: get\nparameters: [{}]\nresponses: {{ '200': {response} }}",
            list.join(", ")
        ));
        assert_eq!(tool["paginate"], expected, "{parameters:?} {response}");
    };
    let of = |schema: &str| format!("{{ description: ok, content: {{ application/json: {{ schema: {schema} }} }} }}");
    let list = of("{ type: array, items: { type: object, properties: { id: { type: string } } } }");
    let both = [("page", "integer"), ("per_page", "integer")];
    // A page that is not full is the last only where it is known how many a server gives.
    check(&both, &list, json!({ "style": "page", "pageParam": "page" }));
    let said = [("page", "integer"), ("per_page", "integer, default: 20")];
    check(&said, &list, json!({ "style": "page", "pageParam": "page", "limitParam": "per_page", "pageSize": 20 }));
    let bound = [("page", "integer"), ("per_page", "integer, maximum: 100")];
    check(&bound, &list, json!({ "style": "page", "pageParam": "page", "limitParam": "per_page" }));
    let linked = list.replace("description: ok", "description: ok, headers: { Link: { schema: { type: string } } }");
    check(&both, &linked, json!({ "style": "link", "limitParam": "per_page" }));
    check(
        &[("offset", "integer"), ("limit", "integer")],
        &of(
            "{ type: object, properties: { items: { type: array, items: { type: string } }, total: { type: integer } } }",
        ),
        json!({ "style": "offset", "offsetParam": "offset", "itemsPointer": "/items" }),
    );
    let nested = "{ type: object, properties: { results: { type: array, items: {} }, \
                  paging: { type: object, properties: { next: { type: object, properties: { after: { type: string } } } } } } }";
    check(
        &[("after", "string")],
        &of(nested),
        json!({ "style": "cursor", "cursorParam": "after", "nextPointer": "/paging/next/after", "itemsPointer": "/results" }),
    );
    check(
        &[("pageToken", "string")],
        &of("{ type: object, properties: { files: { type: array, items: {} }, nextPageToken: { type: string } } }"),
        json!({ "style": "cursor", "cursorParam": "pageToken", "nextPointer": "/nextPageToken", "itemsPointer": "/files" }),
    );
    // As Django REST framework has them: the next page is a URL.
    let django = of(
        "{ type: object, properties: { count: { type: integer }, next: { type: string, nullable: true, format: uri }, \
         previous: { type: string, nullable: true, format: uri }, results: { type: array, items: {} } } }",
    );
    check(
        &[("page", "integer"), ("page_size", "integer")],
        &django,
        json!({ "style": "page", "pageParam": "page", "limitParam": "page_size", "nextPointer": "/next", "itemsPointer": "/results" }),
    );
    check(
        &[("limit", "integer"), ("offset", "integer")],
        &django,
        json!({ "style": "offset", "offsetParam": "offset", "limitParam": "limit", "nextPointer": "/next", "itemsPointer": "/results" }),
    );
    let link = json!({ "style": "link", "nextPointer": "/next", "itemsPointer": "/results" });
    check(&[("cursor", "string")], &django, link.clone());
    check(&[("cursor", "string")], &django.replace(", format: uri", ""), link);
    check(
        &[("\"page[cursor]\"", "string")],
        &of(
            "{ type: object, properties: { data: { type: array, items: {} }, links: { type: object, properties: { next: { type: string } } } } }",
        ),
        json!({ "style": "link", "nextPointer": "/links/next", "itemsPointer": "/data" }),
    );
    // A page starts where it is said to be when it is left out.
    let starts = |kind: &str| {
        let kinds = format!("parameters: [{{ name: page, in: query, schema: {{ type: integer, {kind} }} }}]");
        one_tool(&format!("{kinds}\nresponses: {{ '200': {django} }}"))["http"]["query"].clone()
    };
    assert_eq!(starts("default: 0"), json!({ "page": 0 }));
    assert_eq!(starts("minimum: 0"), json!({ "page": 0 }));
    assert_eq!((starts("default: 1, minimum: 0"), starts("default: 1")), (Value::Null, Value::Null));
    // As pydantic writes what may be missing.
    let cursor = "{ anyOf: [{ type: string }, { type: 'null' }] }";
    let pages = of(&format!(
        "{{ type: object, properties: {{ items: {{ type: array, items: {{}} }}, next_cursor: {cursor} }} }}"
    ));
    let tool = one_tool(&format!(
        "parameters: [{{ name: cursor, in: query, schema: {cursor} }}]\nresponses: {{ '200': {pages} }}"
    ));
    assert_eq!(
        tool["paginate"],
        json!({ "style": "cursor", "cursorParam": "cursor", "nextPointer": "/next_cursor", "itemsPointer": "/items" })
    );
    // Nothing says where the next page is.
    check(&[("cursor", "string")], &list, Value::Null);
    check(&[("page", "integer")], &list, Value::Null);
}

/// What is there of the next page would be lost, and a list that is cut would look whole.
#[test]
fn an_answer_that_says_where_the_next_page_is_stays_whole_where_its_pages_are_not_known() {
    let of = |said: &str| {
        let schema = format!("{{ type: object, properties: {{ data: {{ type: array, items: {{}} }}, {said} }} }}");
        one_tool(&format!(
            "responses: {{ '200': {{ description: ok, content: {{ application/json: {{ schema: {schema} }} }} }} }}"
        ))
    };
    for said in [
        "next_cursor: { type: string }",
        "links: { type: object, properties: { next: { type: string } } }",
        "has_more: { type: boolean }",
    ] {
        let tool = of(said);
        assert_eq!((&tool["paginate"], &tool["http"]["select"]), (&Value::Null, &Value::Null), "{said}");
    }
    assert_eq!(of("total: { type: integer }")["http"]["select"], "/data");
}
