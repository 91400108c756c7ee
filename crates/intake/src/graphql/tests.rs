use super::*;

fn named(kind: &str, name: &str) -> Value {
    json!({ "kind": kind, "name": name })
}

fn must(inner: Value) -> Value {
    json!({ "kind": "NON_NULL", "ofType": inner })
}

fn list(inner: Value) -> Value {
    json!({ "kind": "LIST", "ofType": inner })
}

fn field(name: &str, kind: Value, args: Value) -> Value {
    json!({ "name": name, "type": kind, "args": args })
}

fn plain(name: &str, kind: Value) -> Value {
    field(name, kind, json!([]))
}

fn argument(name: &str, kind: Value, default: Value) -> Value {
    json!({ "name": name, "type": kind, "defaultValue": default })
}

fn id() -> Value {
    argument("id", must(named("SCALAR", "ID")), Value::Null)
}

fn text() -> Value {
    named("SCALAR", "String")
}

fn schema() -> Value {
    json!({ "data": { "__schema": { "queryType": { "name": "Query" }, "mutationType": { "name": "Mutation" }, "types": [
        { "kind": "OBJECT", "name": "Query", "fields": [
            field("hotel", named("OBJECT", "Hotel"), json!([id()])),
            field("hotelsIn", must(list(must(named("OBJECT", "Hotel")))), json!([argument("stars", list(must(named("ENUM", "Stars"))), json!("[ONE]"))])),
            field("count", named("SCALAR", "Int"), json!([])),
        ] },
        { "kind": "OBJECT", "name": "Mutation", "fields": [
            field("add", named("UNION", "Added"), json!([argument("hotel", must(named("INPUT_OBJECT", "HotelInput")), Value::Null)])),
        ] },
        { "kind": "OBJECT", "name": "Hotel", "fields": [
            field("name", must(named("SCALAR", "String")), json!([])),
            field("owner", named("OBJECT", "Hotel"), json!([])),
            field("room", named("OBJECT", "Hotel"), json!([id()])),
        ] },
        { "kind": "ENUM", "name": "Stars", "enumValues": [{ "name": "ONE" }, { "name": "TWO" }] },
        { "kind": "UNION", "name": "Added", "possibleTypes": [] },
        { "kind": "INPUT_OBJECT", "name": "HotelInput", "inputFields": [
            argument("name", must(named("SCALAR", "String")), Value::Null), argument("parent", named("INPUT_OBJECT", "HotelInput"), Value::Null),
        ] },
    ] } } })
}

#[test]
fn fields_become_tools_with_variables_and_selections_that_end() {
    let connection = Map::from_iter([("url".to_owned(), "https://api.example.com/graphql".into())]);
    let proposal = import("hotels", connection.clone(), &schema(), &Options::default()).unwrap();
    let spec = proposal.spec.canonical();
    let query = |tool: usize| spec["tools"][tool]["graphql"]["query"].as_str().unwrap().to_owned();
    assert_eq!(query(0), "query($id: ID!) { hotel(id: $id) { name owner { name owner { name } } } }");
    assert!(query(1).starts_with("query($stars: [Stars!]) { hotelsIn(stars: $stars) { name"), "{}", query(1));
    assert_eq!(query(2), "query { count }");
    assert_eq!(query(3), "mutation($hotel: HotelInput!) { add(hotel: $hotel) { __typename } }");
    assert_eq!(spec["tools"][1]["name"], "hotels_in");
    assert_eq!(spec["tools"][0]["graphql"]["variables"], json!({ "id": "{id}" }));
    assert_eq!(spec["tools"][3]["annotations"], json!({ "destructive": true }));
    let stars = &spec["tools"][1]["parameters"]["stars"]["items"];
    assert_eq!(*stars, json!({ "type": "string", "enum": ["ONE", "TWO"] }));
    let chosen = Options { fields: vec!["hotel*".to_owned()], ..Options::default() };
    assert_eq!(import("hotels", connection.clone(), &schema(), &chosen).unwrap().spec.tools.len(), 2);
    let found = import("hotels", connection, &json!({ "errors": [] }), &chosen).unwrap_err();
    assert!(found[0].message.contains("introspection may be turned off"), "{found:?}");
}

#[test]
fn what_an_argument_is_where_it_is_left_out_is_told_and_the_endpoints_to_put_in() {
    let mut count = argument("count", must(named("SCALAR", "Int")), json!("10"));
    count["description"] = "How many".into();
    let types = json!([
        { "kind": "OBJECT", "name": "Query", "fields": [field("list", list(must(text())), json!([
            count, argument("by", named("INPUT_OBJECT", "Order"), Value::Null)]))] },
        { "kind": "INPUT_OBJECT", "name": "Order", "inputFields": [argument("field", must(text()), json!("\"name\""))] },
    ]);
    let proposal = imported(types, json!({}), &Options::default()).unwrap();
    assert_eq!(query(&proposal), "query($count: Int, $by: Order) { list(count: $count, by: $by) }");
    let parameters = &proposal.spec.canonical()["tools"][0]["parameters"];
    assert_eq!(parameters["count"], json!({ "type": "integer", "description": "How many. Default: 10." }));
    assert_eq!(parameters["by"]["properties"]["field"]["description"], "Default: \"name\".");
}

/// What comes of a schema with these types; `Query` is among them.
fn imported(types: Value, more: Value, options: &Options) -> Result<Proposal, Vec<Finding>> {
    let mut schema = json!({ "queryType": { "name": "Query" }, "types": types });
    schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let connection = Map::from_iter([("url".to_owned(), "https://api.example.com/graphql".into())]);
    import("shop", connection, &json!({ "data": { "__schema": schema } }), options)
}

fn query(proposal: &Proposal) -> String {
    proposal.spec.canonical()["tools"][0]["graphql"]["query"].as_str().unwrap().to_owned()
}

/// Each of its types is asked for what it has, and two that call things of two types the same are told apart.
#[test]
fn a_union_is_asked_for_what_each_of_its_types_has() {
    let types = json!([
        { "kind": "OBJECT", "name": "Query", "fields": [plain("find", list(named("UNION", "Found")))] },
        { "kind": "UNION", "name": "Found", "possibleTypes": [{ "name": "Book" }, { "name": "Shirt" }, { "name": "Gone" }, { "name": "Shut" }] },
        { "kind": "OBJECT", "name": "Book", "fields": [
            plain("title", must(text())), plain("size", named("SCALAR", "Int")), plain("by", named("OBJECT", "Author"))] },
        { "kind": "OBJECT", "name": "Shirt", "fields": [
            plain("title", must(text())), plain("size", text()), plain("like", named("UNION", "Found"))] },
        { "kind": "OBJECT", "name": "Shut", "fields": [field("secret", text(), json!([id()]))] },
        { "kind": "OBJECT", "name": "Author", "fields": [plain("name", text()), plain("best", named("UNION", "Found"))] },
    ]);
    let query = query(&imported(types, json!({}), &Options::default()).unwrap());
    let deepest = "{ __typename ... on Book { title size } ... on Shirt { title size_of_Shirt: size } }";
    let like = format!(
        "like {{ __typename ... on Book {{ title size by {{ name }} }} \
        ... on Shirt {{ title size_of_Shirt: size like {deepest} }} }}"
    );
    assert_eq!(
        query,
        format!(
            "query {{ find {{ __typename ... on Book {{ title size by {{ name best {deepest} }} }} \
             ... on Shirt {{ title size_of_Shirt: size {like} }} }} }}"
        )
    );
}

#[test]
fn an_interface_is_asked_for_what_all_have_and_for_what_each_has_besides() {
    let types = json!([
        { "kind": "OBJECT", "name": "Query", "fields": [plain("node", named("INTERFACE", "Node"))] },
        { "kind": "INTERFACE", "name": "Node", "fields": [plain("id", must(named("SCALAR", "ID")))],
          "possibleTypes": [{ "name": "A" }, { "name": "B" }, { "name": "... on x { y }" }] },
        { "kind": "OBJECT", "name": "A", "fields": [plain("id", must(named("SCALAR", "ID"))), plain("a", text())] },
        { "kind": "OBJECT", "name": "B", "fields": [plain("id", must(named("SCALAR", "ID")))] },
    ]);
    let proposal = imported(types, json!({}), &Options::default()).unwrap();
    assert_eq!(query(&proposal), "query { node { __typename id ... on A { a } } }");
}

#[test]
fn what_is_deprecated_and_what_goes_on_for_ever_is_left_out_and_told() {
    let mut old = plain("old", text());
    old["isDeprecated"] = true.into();
    old["deprecationReason"] = "use `find`".into();
    let types = || {
        json!([
            { "kind": "OBJECT", "name": "Query", "fields": [plain("thing", named("OBJECT", "Thing")), old] },
            { "kind": "OBJECT", "name": "Thing", "fields": [plain("name", text()), old] },
            { "kind": "OBJECT", "name": "Sub", "fields": [plain("changes", text())] },
        ])
    };
    let more = || json!({ "subscriptionType": { "name": "Sub" } });
    let proposal = imported(types(), more(), &Options::default()).unwrap();
    assert_eq!(proposal.spec.tools.len(), 1);
    assert_eq!(query(&proposal), "query { thing { name } }");
    let told: Vec<String> = proposal.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "left out: the field `old`: deprecated: use `find` (at /query/old)",
            "left out: the field `changes`: a subscription goes on for as long as somebody listens, and a tool answers once (at /subscription/changes)"
        ]
    );
    let asked = Options { fields: vec!["old".to_owned()], ..Options::default() };
    assert_eq!(query(&imported(types(), more(), &asked).unwrap()), "query { old }", "whoever names it has it");
}

/// Types hold each other in every way, and a filter holds itself: what is asked and described stays small.
#[test]
fn cycles_and_wide_types_end() {
    let name = |number: usize| format!("T{number}");
    let mut types: Vec<Value> = (0..40)
        .map(|number| {
            let fields = (0..40).map(|other| plain(&format!("f{other}"), must(named("OBJECT", &name(other)))));
            let fields: Vec<Value> = fields.chain([plain("name", text())]).collect();
            json!({ "kind": "OBJECT", "name": name(number), "fields": fields })
        })
        .collect();
    let holds: Vec<Value> =
        (0..60).map(|number| argument(&format!("a{number}"), named("INPUT_OBJECT", "Filter"), Value::Null)).collect();
    types.push(json!({ "kind": "INPUT_OBJECT", "name": "Filter", "inputFields": holds }));
    let all: Vec<Value> = (0..40).map(|number| json!({ "name": name(number) })).collect();
    types.push(json!({ "kind": "UNION", "name": "Any", "possibleTypes": all }));
    let filter = argument("where", named("INPUT_OBJECT", "Filter"), Value::Null);
    types.push(
        json!({ "kind": "OBJECT", "name": "Query", "fields": [field("any", named("UNION", "Any"), json!([filter]))] }),
    );
    let proposal = imported(types.into(), json!({}), &Options::default()).unwrap();
    let query = query(&proposal);
    assert!(query.matches(' ').count() < 700 && query.contains("... on T0 { name f0 { name"), "{query}");
    let schema = proposal.spec.canonical()["tools"][0]["parameters"].to_string();
    assert!(schema.len() > 100 && schema.len() < 20_000, "{}", schema.len());
}

#[test]
fn what_an_endpoint_answers_instead_of_its_schema_is_told_with_what_to_do() {
    for (status, kind, body, said) in [
        (
            "404 Not Found",
            Some("text/html; charset=utf-8"),
            "<html>",
            "answers 404 Not Found with `text/html; charset=utf-8`, and no JSON; look whether this is the URL",
        ),
        ("200 OK", None, "", "answers 200 OK with no `Content-Type`, and no JSON"),
        (
            "404 Not Found",
            Some("application/json"),
            "{\"message\":\"Not Found\"}",
            "with JSON that is no answer of GraphQL; look whether",
        ),
        (
            "400 Bad Request",
            Some("application/json"),
            "{\"errors\":[{\"message\":\"GraphQL introspection is not allowed\"}]}",
            "does not tell its schema: `GraphQL introspection is not allowed`; where introspection",
        ),
    ] {
        let why = answered(status, kind, body.as_bytes()).unwrap_err();
        assert!(why.contains(said) && why.contains("`--token-env-var`"), "{why}");
    }
    let answer = schema();
    assert_eq!(answered("200 OK", None, answer.to_string().as_bytes()).unwrap(), answer);
}
