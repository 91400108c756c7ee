//! Documents that are no good, or mean no good: each ends with a spec or with findings, soon.

use mcp_factory_intake::{
    Finding, Level, Proposal, graphql, mcp,
    openapi::{Files, NoFiles, Options, import},
    postman, toolbox,
};
use serde_json::{Map, Value, json};

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
        ("{\"info\": {}, \"item\": []}", "it is a Postman collection, which `--postman` takes"),
        ("data: { __schema: {} }", "which `--graphql`, with the URL of the endpoint, takes"),
        ("openapi: 4.0.0", "`openapi: 4.0.0` is no version that is known"),
        ("openapi: 3.9.0", "`openapi: 3.9.0` is no version that is known"),
        ("\u{feff}\n<!doctype HTML><html></html>", "it is a page (HTML or XML), and no document"),
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

const LIMITED: &str = "openapi: 3.0.0\ninfo: { title: Big, version: '1' }\nservers: [{ url: https://a.example }]\n";

/// 100 MB are refused before they are read.
#[test]
fn what_is_too_large_says_so() {
    let mut document = String::with_capacity(100 << 20);
    document.push_str(LIMITED);
    document.push_str("paths: {}\nx: '");
    document.push_str(&"a".repeat((100 << 20) - document.len()));
    let found = ends(&document).expect_err("too large");
    assert!(found[0].contains("over the limit of 64MiB"), "{found:?}");

    let collection = format!("{{\"info\":{{}},\"item\":[],\"x\":\"{}\"}}", "a".repeat(100 << 20));
    let found = postman::import(collection.as_bytes(), &postman::Options::default()).expect_err("too large");
    assert!(found[0].message.contains("over the limit of 64MiB"), "{found:?}");

    let file = format!("tools:\n  a: {{ description: '{}' }}\n", "a".repeat(100 << 20));
    let found =
        toolbox::import(&[("tools.yaml", file.as_bytes())], &toolbox::Options::default()).expect_err("too large");
    assert!(found.iter().any(|it| it.message.contains("over the limit of")), "{}", found.len());
}

/// 100,000 levels, as JSON and as YAML in both of its styles.
#[test]
fn what_is_too_deep_says_so() {
    const DEEP: usize = 100_000;
    let schema = format!("{}{{}}{}", "{\"allOf\":[".repeat(DEEP), "]}".repeat(DEEP));
    let json = format!("{{\"openapi\":\"3.0.0\",\"paths\":{{\"/x\":{{\"get\":{schema}}}}}}}");
    let flow = format!("{LIMITED}paths: {{ /x: {{ get: {} }} }}\n", schema.replace("\"allOf\":", "a: "));
    let lists = format!("{LIMITED}paths: {}{}\n", "[".repeat(DEEP), "]".repeat(DEEP));
    let block: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for (what, document) in
        [("json", json), ("flow", flow), ("lists", lists), ("block", format!("{LIMITED}paths:\n{block}"))]
    {
        let found = ends(&document).expect_err(what);
        assert!(found.iter().any(|it| it.contains("nested deeper than 64 levels")), "{what}: {found:?}");
    }
    let folders = format!("{}{}", "{\"item\":[".repeat(DEEP), "]}".repeat(DEEP));
    let found = postman::import(folders.as_bytes(), &postman::Options::default()).expect_err("too deep");
    assert!(found[0].message.contains("nested deeper than 64 levels"), "{found:?}");
    let tools = format!("tools: {}{}\n", "{ a: ".repeat(DEEP), "}".repeat(DEEP));
    let found =
        toolbox::import(&[("tools.yaml", tools.as_bytes())], &toolbox::Options::default()).expect_err("too deep");
    assert!(found.iter().any(|it| it.message.contains("nested deeper than 64 levels")), "{found:?}");
}

/// A chain of references over 100,000 schemas, and as many that each operation could reach.
#[test]
fn long_ways_of_references_end() {
    const LONG: usize = 100_000;
    let schemas: String = (0..LONG)
        .map(|n| format!("\"S{n}\":{{\"allOf\":[{{\"$ref\":\"#/components/schemas/S{}\"}}],\"description\":\"the schema of this number\"}},", n + 1))
        .collect();
    let direct: String =
        (0..LONG).map(|n| format!("\"D{n}\":{{\"$ref\":\"#/components/schemas/D{}\"}},", n + 1)).collect();
    let fields: String = (0..LONG).map(|n| format!("\"f{n}\":{{\"$ref\":\"#/components/schemas/S{n}\"}},")).collect();
    let body = |schema: &str| {
        format!(
            "{{\"post\":{{\"requestBody\":{{\"content\":{{\"application/json\":{{\"schema\":{schema}}}}}}},\"responses\":{{}}}}}}"
        )
    };
    let document = format!(
        "{{\"openapi\":\"3.0.0\",\"info\":{{\"title\":\"Chain\"}},\"servers\":[{{\"url\":\"https://a.example\"}}],\"paths\":{{\"/a\":{},\"/b\":{},\"/c\":{}}},\
         \"components\":{{\"schemas\":{{{schemas}{direct}\"All\":{{\"type\":\"object\",\"properties\":{{{fields}\"last\":{{}}}}}}}}}}}}",
        body("{\"$ref\":\"#/components/schemas/S0\"}"),
        body("{\"$ref\":\"#/components/schemas/D0\"}"),
        body("{\"$ref\":\"#/components/schemas/All\"}"),
    );
    assert_eq!(ends(&document), Ok(3));
}

/// YAML's own way to say a thing a billion times.
#[test]
fn aliases_that_multiply_say_so() {
    let mut document = format!("{LIMITED}x: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for n in 1..10 {
        let of = format!("*a{}, ", n - 1).repeat(9);
        document.push_str(&format!("x{n}: &a{n} [{}]\n", of.trim_end_matches(", ")));
    }
    document.push_str("paths: { /x: { get: { responses: {} } } }\n");
    // What is copied is bounded; the rest of the document is none of the bomb's.
    let found = match import("api.yaml", document.as_bytes(), &NoFiles, &Options::default()) {
        Ok(done) => done.findings,
        Err(found) => found,
    };
    assert!(found.iter().any(|it| it.message.contains("alias")), "{found:?}");
    let tools = format!("{document}tools: {{ t: *a9 }}\n");
    let found = toolbox::import(&[("tools.yaml", tools.as_bytes())], &toolbox::Options::default()).expect_err("a bomb");
    assert!(found.iter().any(|it| it.message.contains("alias")), "{found:?}");
}

/// Few bytes that every operation repeats: what they share would be written out thousands of times.
#[test]
fn what_thousands_share_is_bounded() {
    let long = "word ".repeat(60);
    let properties: String =
        (0..400).map(|n| format!("\"p{n}\":{{\"type\":\"string\",\"description\":\"{long}\"}},")).collect();
    let paths: String = (0..9_000).map(|n| format!("\"/x{n}\":{{\"$ref\":\"#/components/pathItems/All\"}},")).collect();
    let document = format!(
        "{{\"openapi\":\"3.1.0\",\"info\":{{\"title\":\"Shared\"}},\"servers\":[{{\"url\":\"https://a.example\"}}],\"paths\":{{{paths}\"/y\":{{}}}},\
         \"components\":{{\"pathItems\":{{\"All\":{{\"post\":{{\"requestBody\":{{\"content\":{{\"application/json\":{{\"schema\":\
         {{\"properties\":{{{properties}\"last\":{{}}}}}}}}}}}}}}}}}}}}}}"
    );
    let found = ends(&document).expect_err("too much");
    assert!(found.iter().any(|it| it.contains("its tools would make a spec of more than 48 MB")), "{found:?}");
}

#[test]
fn more_operations_than_a_server_can_have_are_refused() {
    // As long as what people write, or it would be refused as what keeps a machine busy.
    let long = "what nobody reads of the very many things that there are here";
    let paths: String = (0..100_000).map(|n| format!("\"/{n}\":{{\"get\":{{\"summary\":\"{long}\"}}}},")).collect();
    let document = format!("{{\"openapi\":\"3.0.0\",\"paths\":{{{paths}\"/y\":{{}}}}}}");
    let found = ends(&document).expect_err("too many");
    let expected = "100000 operations are more than the 10000 tools that a server can have";
    assert!(found.iter().any(|it| it.contains(expected)), "{found:?}");

    let requests = format!("{{\"name\":\"{long}\",\"request\":\"https://a.example/x\"}},").repeat(100_000);
    let collection = format!("{{\"info\":{{\"name\":\"Many\"}},\"item\":[{requests}{{\"name\":\"b\"}}]}}");
    let found = postman::import(collection.as_bytes(), &postman::Options::default()).expect_err("too many");
    assert!(found[0].message.contains("100001 requests are more than"), "{found:?}");

    let tools: Vec<Value> = (0..100_000).map(|n| json!({ "name": format!("t{n}") })).collect();
    let found = mcp::import("many", Map::new(), tools, &mcp::Options::default()).expect_err("too many");
    assert!(found[0].message.contains("100000 tools are more than"), "{found:?}");

    let fields: Vec<Value> = (0..100_000)
        .map(|n| json!({ "name": format!("f{n}"), "args": [], "type": { "kind": "SCALAR", "name": "Int" } }))
        .collect();
    let answer = json!({ "data": { "__schema": { "queryType": { "name": "Query" }, "types": [{ "kind": "OBJECT", "name": "Query", "fields": fields }] } } });
    let found = graphql::import("many", Map::new(), &answer, &graphql::Options::default()).expect_err("too many");
    assert!(found.last().is_some_and(|it| it.message.contains("100000 fields are more than")), "{}", found.len());
}

/// What is looked through for each of its parts would never end.
#[test]
fn lists_of_hundreds_of_thousands_are_read_once() {
    const MANY: usize = 50_000;
    let list = |of: &dyn Fn(usize) -> String| (0..MANY).map(of).collect::<Vec<_>>().join(",");
    let texts = list(&|n| format!("\"value number {n}\""));
    for (what, schema) in [
        ("enum", format!("{{\"type\":\"string\",\"enum\":[{texts}]}}")),
        ("required", format!("{{\"type\":\"object\",\"properties\":{{\"a\":{{}}}},\"required\":[{texts}]}}")),
        (
            "anyOf",
            format!(
                "{{\"anyOf\":[{}]}}",
                list(&|n| format!(
                    "{{\"type\":\"string\",\"description\":\"one choice of very many, this one is {n}\"}}"
                ))
            ),
        ),
        (
            "properties",
            format!(
                "{{\"properties\":{{{}}}}}",
                list(&|n| format!("\"a property of this number: p{n}\":{{\"type\":\"string\"}}"))
            ),
        ),
        ("description", format!("{{\"description\":\"{}\"}}", "<a[b<!--".repeat(MANY))),
    ] {
        let document = format!(
            "{{\"openapi\":\"3.0.0\",\"info\":{{\"title\":\"Long\"}},\"servers\":[{{\"url\":\"https://a.example\"}}],\"paths\":{{\"/x\":{{\"post\":{{\"requestBody\":\
             {{\"content\":{{\"application/json\":{{\"schema\":{schema}}}}}}},\"responses\":{{}}}}}}}}}}"
        );
        assert_eq!(ends(&document), Ok(1), "{what}");
    }
    let parameters = list(&|n| {
        format!(
            "{{\"name\":\"p{n}\",\"in\":\"query\",\"description\":\"one of the very many that nobody will ever fill in\"}}"
        )
    });
    let operation = |rest: &str| {
        format!(
            "{{\"openapi\":\"3.0.0\",\"info\":{{\"title\":\"Long\"}},\"servers\":[{{\"url\":\"https://a.example\"}}],\"paths\":{{\"/y\":{{\"get\":{{}}}},\
             \"/x\":{{\"get\":{{{rest},\"responses\":{{}}}}}}}}}}"
        )
    };
    assert_eq!(ends(&operation(&format!("\"parameters\":[{parameters}]"))), Ok(1), "the operation is left out");
    let security = list(&|n| format!("{{\"a security scheme of this number, of which there is none {n}\":[]}}"));
    assert_eq!(ends(&operation(&format!("\"security\":[{security}],\"tags\":[{texts}]"))), Ok(2));

    let tools = list(&|n| format!("\"a_tool_of_very_many_{n}\":{{}}"));
    let found = toolbox::import(
        &[("tools.json", format!("{{\"tools\":{{{tools}}}}}").as_bytes())],
        &toolbox::Options::default(),
    );
    assert!(found.expect_err("too many").iter().any(|it| it.level == Level::Error));
}

/// All want the same name, and each gets one.
#[test]
fn names_that_thousands_want_are_numbered() {
    // The path says nothing that a name could be made of.
    let path = |n: usize| format!("{n:012b}").replace('0', "!").replace('1', "~");
    let paths: String =
        (0..4_000).map(|n| format!("\"/x{}\":{{\"get\":{{\"operationId\":\"same\"}}}},", path(n))).collect();
    let document = format!(
        "{{\"openapi\":\"3.0.0\",\"info\":{{\"title\":\"Same\"}},\"servers\":[{{\"url\":\"https://a.example\"}}],\"paths\":{{{paths}\"/y\":{{}}}}}}"
    );
    let made = ends(&document).unwrap_or_else(|found| panic!("{:?}", &found[..found.len().min(3)]));
    assert_eq!(made, 4_000);
}

/// Quotes, newlines, control and bidirectional characters: names are made of what names are made of, and texts stay texts.
#[test]
fn names_that_mean_no_good_stay_names() {
    let nasty = "a\"'`\n\r\t\u{0}\u{1b}[31m\u{202e}evil\u{2066}\u{200b}{x}${y}: #\u{feff}ä";
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let check = |what: &str, done: Result<Proposal, Vec<Finding>>| match done {
        Ok(done) => {
            for tool in &done.spec.tools {
                assert!(is_name(&tool.name), "{what}: {}", tool.name);
            }
            let text = done.spec.canonical_yaml();
            let again = mcp_factory_spec::read(
                &mcp_factory_spec::Source::new("a.yaml", text.as_bytes()),
                &mcp_factory_spec::AllFiles,
            );
            assert!(again.spec.is_some(), "{what}: {:?}", again.diagnostics);
            done.spec.tools.len()
        }
        Err(found) => panic!("{what}: {found:?}"),
    };
    let document = json!({
        "openapi": "3.0.0", "info": { "title": nasty, "description": nasty }, "servers": [{ "url": "https://a.example" }],
        "tags": [{ "name": nasty, "description": nasty }],
        "paths": { format!("/{nasty}"): { "get": { "responses": {} } }, "/x": { "post": {
            "operationId": nasty, "summary": nasty, "tags": [nasty],
            "parameters": [{ "name": nasty, "in": "query", "description": nasty, "schema": { "type": "string" } }],
            "requestBody": { "content": { "application/json": { "schema": { "type": "object", "properties": { nasty: { "description": nasty } } } } } },
            "responses": {} } } }
    });
    let text = document.to_string();
    let done = import("api.json", text.as_bytes(), &NoFiles, &Options::default());
    // In a path, they are encoded.
    assert!(done.as_ref().is_ok_and(|done| done.spec.canonical().to_string().contains("%0A%0D%09%00%1B")), "{done:?}");
    assert_eq!(check("openapi", done), 2);

    let collection = json!({
        "info": { "name": nasty, "description": nasty },
        "item": [{ "name": nasty, "item": [{ "name": nasty, "request": { "method": "GET", "description": nasty,
            "url": { "raw": "https://a.example/x", "host": ["a", "example"], "protocol": "https", "path": ["x"], "query": [{ "key": nasty, "value": nasty }] } } }] }]
    });
    let text = collection.to_string();
    assert_eq!(check("postman", postman::import(text.as_bytes(), &postman::Options::default())), 1);

    let connection = || Map::from_iter([("url".to_owned(), "https://a.example/x".into())]);
    let listed = |name: &str| json!({ "name": name, "title": nasty, "description": nasty, "inputSchema": { "type": "object", "properties": { "a": { "description": nasty } } } });
    let listed = vec![listed("fine"), listed(nasty), listed("with \"quotes\"")];
    let done = mcp::import(nasty, connection(), listed, &mcp::Options::default());
    assert_eq!(check("mcp", done), 2, "what a spec can't name is left out");

    let fields = json!([
        { "name": nasty, "args": [], "type": { "kind": "SCALAR", "name": "Int" } },
        { "name": "fine", "description": nasty, "args": [{ "name": nasty, "type": { "kind": "SCALAR", "name": "Int" } }], "type": { "kind": "SCALAR", "name": "Int" } },
        { "name": "good", "description": nasty, "args": [], "type": { "kind": "SCALAR", "name": "Int" } },
    ]);
    let answer = json!({ "data": { "__schema": { "queryType": { "name": "Query" }, "types": [{ "kind": "OBJECT", "name": "Query", "fields": fields }] } } });
    let made = check("graphql", graphql::import(nasty, connection(), &answer, &graphql::Options::default()));
    assert!((1..=2).contains(&made), "{made}");

    let file = json!({
        "sources": { nasty: { "kind": "sqlite", "database": "a.db" } },
        "tools": { nasty: { "kind": "sqlite-sql", "source": nasty, "description": nasty, "statement": "SELECT 1" } }
    });
    let text = file.to_string();
    if let Ok(done) = toolbox::import(&[("tools.json", text.as_bytes())], &toolbox::Options::default()) {
        assert!(done.spec.tools.iter().all(|tool| is_name(&tool.name)));
    }
}

/// Schemas of another server's tools, nested as deep as JSON can be read: the tool goes, or all of it is refused.
#[test]
fn deep_schemas_of_other_servers_end() {
    for deep in [30, 60, 120, 127] {
        let mut schema = json!({ "type": "object" });
        for _ in 0..deep {
            schema = json!({ "items": schema });
        }
        let tools = vec![
            json!({ "name": "deep", "inputSchema": { "type": "object", "properties": { "a": schema } } }),
            json!({ "name": "fine" }),
        ];
        let connection = Map::from_iter([("url".to_owned(), "https://a.example/mcp".into())]);
        match mcp::import("deep", connection, tools, &mcp::Options::default()) {
            Ok(done) => assert!(!done.spec.tools.is_empty()),
            Err(found) => assert!(found.iter().any(|it| it.level == Level::Error), "{deep}: {found:?}"),
        }
    }
}

/// References to other places are asked of whoever reads files, and of nobody else; what is not given is told.
#[test]
fn nothing_is_fetched() {
    use std::sync::Mutex;

    #[derive(Default)]
    struct Asked(Mutex<Vec<String>>);
    impl Files for Asked {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            self.0.lock().unwrap().push(path.to_owned());
            Err("it is not given".to_owned())
        }
    }
    let targets = [
        "http://169.254.169.254/latest/meta-data",
        "http://localhost:8080/x#/a",
        "file:///etc/passwd",
        "../../../etc/passwd",
        "//evil.example/x",
        "gopher://a",
    ];
    let paths: String = targets
        .iter()
        .enumerate()
        .map(|(n, target)| format!("  /x{n}: {{ get: {{ parameters: [{{ name: a, in: query, schema: {{ $ref: '{target}' }} }}], responses: {{}} }} }}\n"))
        .collect();
    let asked = Asked::default();
    let done = import("api.yaml", format!("{LIMITED}paths:\n{paths}").as_bytes(), &asked, &Options::default())
        .expect("a spec");
    assert_eq!(done.spec.tools.len(), targets.len());
    assert_eq!(
        done.findings.iter().filter(|it| it.message.contains("leads nowhere")).count(),
        targets.len(),
        "{:?}",
        done.findings
    );
    assert_eq!(asked.0.lock().unwrap().len(), targets.len());
    let why = "`http://169.254.169.254/latest/meta-data` was not read: it is not given";
    assert!(done.findings.iter().any(|it| it.message == why), "{:?}", done.findings);

    let many: String = (0..1_000)
        .map(|n| {
            format!("  /x{n}: {{ get: {{ parameters: [{{ $ref: 'https://a.example/{n}' }}], responses: {{}} }} }}\n")
        })
        .collect();
    let found = import("api.yaml", format!("{LIMITED}paths:\n{many}").as_bytes(), &asked, &Options::default());
    let found = found.map_or_else(|found| found, |done| done.findings);
    assert_eq!(found.iter().filter(|it| it.message.contains("was not read")).count(), 20);
    assert!(found.iter().any(|it| it.message.ends_with("further files were not read")), "{found:?}");
}

/// Short names and few words: so many values in so few bytes are not read, and what is printed has to be.
#[test]
fn what_an_import_prints_can_be_read() {
    let printed = |tools: usize, parameters: usize, schema: &Value| {
        let parameter = |n: usize| json!({ "name": format!("{n:x}"), "in": "query", "schema": { "$ref": "#/components/schemas/S" } });
        let parameters: Vec<Value> = (0..parameters).map(parameter).collect();
        let operation = json!({ "get": { "parameters": parameters, "responses": {} } });
        let paths: Map<String, Value> = (0..tools).map(|n| (format!("/{n:x}"), operation.clone())).collect();
        let document = json!({
            "openapi": "3.0.0", "info": { "title": "A", "version": "1" }, "paths": paths,
            "servers": [{ "url": "https://a.example" }], "components": { "schemas": { "S": schema } }
        });
        import("a.json", document.to_string(), &NoFiles, &Options::default()).map(|done| done.spec.canonical_yaml())
    };
    let (number, dense) = (json!({ "type": "integer" }), json!({ "enum": ('a'..='x').collect::<Vec<_>>() }));
    for (tools, parameters, schema) in [(1, 1, &number), (2_000, 2, &number), (20, 800, &number), (12, 390, &dense)] {
        let text = printed(tools, parameters, schema).unwrap_or_else(|found| panic!("{tools} {parameters}: {found:?}"));
        let source = mcp_factory_spec::Source::new("server.yaml", text.as_bytes());
        let reading = mcp_factory_spec::read(&source, &mcp_factory_spec::NoFiles);
        assert!(reading.spec.is_some(), "{tools} {parameters}: {:?}", reading.diagnostics.first());
    }
    let found = printed(14, 390, &dense).map(|text| text.len()).expect_err("too many values");
    let error = found.iter().find(|it| it.level == Level::Error).expect("it says why").to_string();
    assert!(error.contains("the 14 tools would make a spec of") && error.contains(" values in "), "{error}");
}
