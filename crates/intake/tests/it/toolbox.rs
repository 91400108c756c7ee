//! What a Toolbox file says, in a spec.

use mcp_factory_intake::{
    Finding, Level, Proposal,
    toolbox::{Options, import},
};
use serde_json::{Value, json};

fn of(document: &str) -> Result<Proposal, Vec<Finding>> {
    import(&[("tools.yaml", document.as_bytes())], &Options::default())
}

fn proposal(document: &str) -> Proposal {
    of(document).unwrap_or_else(|found| panic!("{found:#?}"))
}

fn spec(document: &str) -> Value {
    proposal(document).spec.canonical()
}

fn left_out(proposal: &Proposal) -> String {
    let left_out = proposal.findings.iter().filter(|finding| matches!(finding.level, Level::Partly | Level::LeftOut));
    left_out.map(|finding| format!("{finding}\n")).collect()
}

/// A tool of a source of that type, with that statement and these parameters.
fn with(source: &str, tool: &str) -> String {
    let where_it_is = if source == "sqlite" { "database: hotels.db" } else { "host: db.example.com\ndatabase: hotels" };
    format!(
        "kind: source\nname: db\ntype: {source}\n{where_it_is}\n---\nkind: tool\nname: find\nsource: db\ntype: {source}-sql\ndescription: Finds\n{tool}\n"
    )
}

fn sql(source: &str, tool: &str) -> String {
    spec(&with(source, tool))["tools"][0]["sql"].as_str().unwrap_or_default().to_owned()
}

fn refused(source: &str, tool: &str) -> String {
    let found = of(&with(source, tool)).expect_err("it is refused");
    found.iter().map(|finding| format!("{finding}\n")).collect()
}

const NAME: &str = "parameters: [{ name: name, type: string, description: The name }, { name: stars, type: integer, description: Stars, minValue: 1, maxValue: 5 }]";

#[test]
fn the_flat_and_the_nested_form_become_the_same_spec() {
    let flat = spec(
        "# hotels\nkind: source\nname: my-pg\ntype: postgres\nhost: ${PGHOST:localhost}\nport: 5432\ndatabase: hotels\n\
         user: reader\npassword: ${PGPASSWORD}\n---\nkind: tool\nname: search-hotels\ntype: postgres-sql\nsource: my-pg\n\
         description: Search hotels by name\nstatement: SELECT * FROM hotels WHERE name ILIKE '%' || $1 || '%' ORDER BY id\n\
         parameters:\n  - { name: name, type: string, description: The name }\n---\nkind: toolset\nname: reading\ntools: [search-hotels]\n",
    );
    let nested = spec(
        "sources:\n  my-pg:\n    kind: postgres\n    host: ${PGHOST:localhost}\n    port: 5432\n    database: hotels\n    user: reader\n\
         \x20   password: ${PGPASSWORD}\ntools:\n  search-hotels:\n    kind: postgres-sql\n    source: my-pg\n\
         \x20   description: Search hotels by name\n    statement: SELECT * FROM hotels WHERE name ILIKE '%' || $1 || '%' ORDER BY id\n\
         \x20   parameters:\n      - { name: name, type: string, description: The name }\ntoolsets:\n  reading: [search-hotels]\n",
    );
    assert_eq!(flat, nested);
    assert_eq!(flat["connections"], json!([{ "name": "my_pg", "type": "postgresql", "envVar": "MY_PG_URL" }]));
    let tool = &flat["tools"][0];
    assert_eq!(tool["name"], "search-hotels");
    assert_eq!(tool["sql"], "SELECT * FROM hotels WHERE name ILIKE '%' || :name || '%' ORDER BY id");
    assert_eq!(tool["annotations"], json!({ "readOnly": true }));
    assert_eq!(flat["toolsets"][0]["tools"], json!(["search-hotels"]));
    assert_eq!(flat.get("exposure"), None);
}

#[test]
fn many_tools_are_searched_whatever_toolsets_their_author_made() {
    let tool = |n: usize| {
        format!(
            "---\nkind: tool\nname: t{n}\ntype: sqlite-sql\nsource: db\ndescription: Finds\nstatement: SELECT {n}\n"
        )
    };
    let source = "kind: source\nname: db\ntype: sqlite\ndatabase: hotels.db\n";
    let few = spec(&format!("{source}{}", (0..60).map(tool).collect::<String>()));
    assert_eq!((few.get("exposure"), few.get("toolsets")), (None, None));
    let set = "---\nkind: toolset\nname: reading\ntools: [t1, t2]\n";
    let many = spec(&format!("{source}{}{set}", (0..61).map(tool).collect::<String>()));
    assert_eq!(many["exposure"], json!({ "mode": "dynamic" }));
    let sizes =
        many["toolsets"].as_array().expect("toolsets").iter().map(|it| it["tools"].as_array().map_or(0, Vec::len));
    assert_eq!(sizes.collect::<Vec<_>>(), [2, 59]);
}

#[test]
fn placeholders_of_each_driver_become_the_name_of_the_parameter() {
    let twice = format!("statement: SELECT $1::text, '$1', $2, $1 FROM t -- $2\n{NAME}");
    assert_eq!(sql("postgres", &twice), "SELECT :name::text, '$1', :stars, :name FROM t -- $2");
    let question = format!("statement: SELECT * FROM t WHERE a = ? AND b = '?' AND c > ?\n{NAME}");
    let named = "SELECT * FROM t WHERE a = :name AND b = '?' AND c > :stars";
    assert_eq!(sql("mysql", &question), named);
    assert_eq!(sql("sqlite", &question), named);
    let all = format!("statement: SELECT ?2, :name, @stars, $name, ?1 FROM t\n{NAME}");
    assert_eq!(sql("sqlite", &all), "SELECT :stars, :name, :stars, :name, :name FROM t");
    assert!(refused("postgres", &format!("statement: SELECT $3\n{NAME}")).contains("is the 3. of 2 parameters"));
    assert!(refused("sqlite", &format!("statement: SELECT :other\n{NAME}")).contains("names no parameter"));
    assert!(refused("postgres", &format!("statement: SELECT $1; DELETE FROM t\n{NAME}")).contains("second statement"));
}

#[test]
fn parameters_keep_what_they_accept() {
    let document = with(
        "postgres",
        "statement: SELECT $1, $2, $3, $4, $5, $6, $7\nparameters:\n\
         - { name: size, type: string, description: Its size, allowedValues: [s, m] }\n\
         - { name: code, type: string, description: Its code, allowedValues: ['^[A-Z]{2}$'], excludedValues: [XX] }\n\
         - { name: price, type: float, description: Its price, minValue: 0.5, default: 2 }\n\
         - { name: ids, type: array, description: Ids, items: { name: id, type: integer, description: An id } }\n\
         - { name: more, type: map, description: More, valueType: integer, required: false }\n\
         - { name: is-new, type: boolean, description: Whether, default: null }\n\
         - { name: copy, type: string, description: A copy, valueFromParam: size }",
    );
    let tool = spec(&document)["tools"][0].clone();
    let schema = tool.get("inputSchema").or(tool.get("parameters")).unwrap().clone();
    let fields = schema.get("properties").unwrap_or(&schema).clone();
    assert_eq!(fields["size"]["enum"], json!(["s", "m"]));
    assert_eq!(fields["code"]["pattern"], "(?:^[A-Z]{2}$)");
    assert_eq!(fields["code"]["not"], json!({ "pattern": "(?:XX)" }));
    assert_eq!((&fields["price"]["minimum"], &fields["price"]["default"]), (&json!(0.5), &json!(2)));
    assert_eq!(fields["ids"]["items"]["type"], "integer");
    assert_eq!(fields["more"]["additionalProperties"], json!({ "type": "integer" }));
    // `default: null` is no default: the Toolbox keeps the parameter required.
    assert_eq!(fields["is_new"]["required"], true);
    assert_eq!(fields["more"].get("required"), None);
    assert_eq!(tool["sql"], "SELECT :size, :code, :price, :ids, :more, :is_new, :size");
}

#[test]
fn template_parameters_are_bound_where_a_value_means_the_same() {
    let check = |statement: &str, parameter: &str, expected: &str| {
        let tool =
            format!("statement: \"{statement}\"\ntemplateParameters: [{{ name: x, description: It, {parameter} }}]");
        assert_eq!(sql("sqlite", &tool), expected);
    };
    check("SELECT '{{.x}}'", "type: string", "SELECT :x");
    check("SELECT * FROM t WHERE a LIKE '%{{.x}}%'", "type: string", "SELECT * FROM t WHERE a LIKE ('%' || :x || '%')");
    check("SELECT * FROM t LIMIT {{.x}}", "type: integer", "SELECT * FROM t LIMIT :x");
    check("SELECT * FROM t WHERE a = {{.x}}", "type: string, escape: single-quotes", "SELECT * FROM t WHERE a = :x");
    check(
        "SELECT * FROM t WHERE b {{if .x}}AND a = '{{.x}}'{{end}} ORDER BY a",
        "type: string, default: ''",
        "SELECT * FROM t WHERE b AND (COALESCE(:x, '') = '' OR (a = :x)) ORDER BY a",
    );
    let mysql = "statement: SELECT * FROM t WHERE a LIKE '{{.x}}%'\ntemplateParameters: [{ name: x, description: It, type: string }]";
    assert_eq!(sql("mysql", mysql), "SELECT * FROM t WHERE a LIKE CONCAT(:x, '%')");
}

#[test]
fn a_template_parameter_that_names_something_is_a_tool_for_each_allowed_value_or_refused() {
    let parameter = "templateParameters: [{ name: table, type: string, description: The table";
    let chosen = spec(&with(
        "postgres",
        &format!(
            "statement: SELECT * FROM {{{{.table}}}} WHERE name = $1\nparameters: [{{ name: name, type: string, description: The name }}]\n{parameter}, allowedValues: [hotels, rooms], escape: double-quotes }}]\n---\nkind: toolset\nname: all\ntools: [find]"
        ),
    ));
    assert_eq!(chosen["tools"][0]["name"], "find_hotels");
    assert_eq!(chosen["tools"][1]["sql"], "SELECT * FROM \"rooms\" WHERE name = :name");
    assert_eq!(chosen["toolsets"][0]["tools"], json!(["find_hotels", "find_rooms"]));
    for statement in [
        "SELECT * FROM {{.table}}",
        "EXPLAIN {{.table}}",
        "SELECT 'a' || {{.table}}",
        "SELECT * FROM \"t_{{.table}}\"",
        "SELECT E'{{.table}}'",
        "SELECT 1 {{if .table}}ORDER BY 1{{end}}",
        "SELECT 1 WHERE true {{if .table}}AND a OR b{{end}}",
        "SELECT {{array .table}}",
        "SELECT 1 {{range .table}}x{{end}}",
    ] {
        let quoted = serde_json::to_string(statement).unwrap();
        refused("postgres", &format!("statement: {quoted}\n{parameter} }}]"));
    }
    let pattern = format!("statement: SELECT * FROM {{{{.table}}}}\n{parameter}, allowedValues: ['^h.*'] }}]");
    assert!(refused("postgres", &pattern).contains("has no list of `allowedValues`"));
}

#[test]
fn tokens_stand_for_the_caller_and_a_tool_that_wants_another_one_is_refused() {
    let document = with(
        "postgres",
        "authRequired: [login]\nscopesRequired: [hotels]\nstatement: SELECT * FROM t WHERE a = $1 AND b = $2 AND c = $3\nparameters:\n\
         - { name: user, type: string, description: U, authServices: [{ name: login, field: sub }] }\n\
         - { name: mail, type: string, description: M, authServices: [{ name: login, field: email }] }\n\
         - { name: c, type: string, description: C }\n---\n\
         kind: authService\nname: login\ntype: generic\naudience: hotels\nauthorizationServer: https://login.example.com\nmcpEnabled: true\nscopesRequired: [read]\n---\n\
         kind: authService\nname: other\ntype: google\nclientId: abc\n---\n\
         kind: tool\nname: guarded\ntype: postgres-sql\nsource: db\ndescription: G\nauthRequired: [other]\nstatement: SELECT 1",
    );
    let proposal = proposal(&document);
    let spec = proposal.spec.canonical();
    let auth =
        json!({ "type": "oauth2", "issuer": "https://login.example.com", "audience": "hotels", "scopes": ["read"] });
    assert_eq!(spec["auth"], auth);
    assert_eq!(spec["tools"].as_array().unwrap().len(), 1);
    let sql = "SELECT * FROM t WHERE a = :principal.id AND b = :principal.claims.email AND c = :c";
    assert_eq!((&spec["tools"][0]["sql"], &spec["tools"][0]["scopes"]), (&json!(sql), &json!(["hotels"])));
    let left_out = left_out(&proposal);
    assert!(left_out.contains("the auth service `other`"), "{left_out}");
    assert!(left_out.contains("needs a token of `other`, which the server does not check"), "{left_out}");
}

#[test]
fn secrets_are_named_and_never_copied() {
    let proposal = proposal(
        "kind: source\nname: db\ntype: mysql\nhost: db.example.com\ndatabase: d\nuser: u\npassword: hunter2-hunter2\n---\n\
         kind: source\nname: api\ntype: http\nbaseUrl: https://someone:pass-word@api.example.com/v1\nheaders: { Authorization: Bearer abcdef0123456789, Accept: application/json }\n---\n\
         kind: source\nname: keyed\ntype: http\nbaseUrl: ${BASE}\nqueryParams: { api_key: '${KEY}', lang: en }\n---\n\
         kind: tool\nname: a\ntype: mysql-sql\nsource: db\ndescription: A\nstatement: SELECT 1\n---\n\
         kind: tool\nname: b\ntype: http\nsource: api\nmethod: GET\npath: /b\ndescription: B\nheaders: { X-Api-Key: 0123456789abcdef }\n---\n\
         kind: tool\nname: c\ntype: http\nsource: keyed\nmethod: GET\npath: /c?q=1\ndescription: C",
    );
    let spec = proposal.spec.canonical();
    let connections = spec["connections"].as_array().unwrap();
    let of = |name: &str| connections.iter().find(|it| it["name"] == name).unwrap().clone();
    assert_eq!(of("db")["envVar"], "DB_URL");
    assert_eq!(of("api")["url"], "https://api.example.com/v1");
    assert_eq!(of("api")["auth"], json!({ "type": "bearer", "envVar": "API_TOKEN" }));
    assert_eq!(of("api")["headers"], json!({ "Accept": "application/json" }));
    assert_eq!(of("keyed")["envVar"], "BASE");
    assert_eq!(of("keyed")["auth"], json!({ "type": "query", "name": "api_key", "envVar": "KEY" }));
    assert_eq!(spec["tools"][2]["http"]["query"], json!({ "lang": "en", "q": "1" }));
    let all = format!("{spec} {:?}", proposal.findings);
    for secret in ["hunter2", "pass-word", "abcdef0123456789", "0123456789abcdef"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[test]
fn requests_keep_their_path_query_headers_and_body() {
    let tool = spec(
        "sources: { api: { kind: http, baseUrl: https://api.example.com } }\ntools:\n  add:\n    kind: http\n    source: api\n    method: POST\n\
         \x20   path: users/{{.id}}/pets\n    description: Adds\n    headers: { X-Kind: '{json}' }\n\
         \x20   requestBody: |\n      {\"name\": \"{{.name}}\", \"age\": {{.age}}, \"tags\": {{json .tags}}, \"note\": \"of {{.name}} {x}\"}\n\
         \x20   pathParams: [{ name: id, type: integer, description: The id }]\n    queryParams: [{ name: lang, type: string, description: L, required: false }]\n\
         \x20   bodyParams: [{ name: name, type: string, description: N }, { name: age, type: integer, description: A }, { name: tags, type: array, description: T, items: { name: t, type: string, description: T } }]\n\
         \x20   headerParams: [{ name: X-Trace, type: string, description: T }]\n",
    )["tools"][0]
        .clone();
    let http = json!({
        "method": "POST",
        "path": "/users/{id}/pets",
        "query": { "lang": "{lang}" },
        "headers": { "X-Kind": "{{json}}", "X-Trace": "{X_Trace}" },
        "body": { "name": "{name}", "age": "{age}", "tags": "{tags}", "note": "of {name} {{x}}" },
    });
    assert_eq!(tool["http"], http);
}

#[test]
fn prompts_resources_and_groups_are_kept_and_the_rest_is_told() {
    let proposal = proposal(&with(
        "sqlite",
        "statement: SELECT 1\nicon: none\n---\nkind: prompt\nname: review\ndescription: Reviews\narguments: [{ name: code, description: The code }]\n\
         messages: [{ role: user, content: 'Review {{.code}} as {json}' }]\n---\n\
         kind: resource\nname: codes\ntype: text\ntext: 'DE: Germany'\n---\nkind: resource\nname: file\ntype: file\npath: /etc/passwd\n---\n\
         kind: group\nname: desk\ndescription: For the desk\ntools: [find, gone]\nprompts: [review]\n---\nkind: group\ndescription: All of it\n---\n\
         kind: embeddingModel\nname: model\ntype: gemini\n---\nkind: tool\nname: free\ntype: sqlite-execute-sql\nsource: db\ndescription: Runs SQL\n---\n\
         kind: tool\nname: other\ntype: bigquery-sql\nsource: big\ndescription: B\nstatement: SELECT 1\n---\nkind: source\nname: big\ntype: bigquery\nproject: p\n---\nkind: dream\nname: x",
    ));
    let spec = proposal.spec.canonical();
    assert_eq!(spec["description"], "All of it");
    assert_eq!(spec["prompts"][0]["messages"][0]["text"], "Review {code} as {{json}}");
    assert_eq!(spec["resources"][0]["uri"], "text://codes");
    assert_eq!(spec["toolsets"], json!([{ "name": "desk", "description": "For the desk", "tools": ["find"] }]));
    let left_out = left_out(&proposal);
    for told in [
        "`icon` of the tool `find`",
        "the resource `file`",
        "is without `gone`",
        "`prompts` of the toolset `desk`",
        "`model` of `embeddingModels`",
        "the tool `free`: whoever calls it writes the SQL",
        "a source of the type `bigquery` has no counterpart",
        "there is no kind `dream`",
    ] {
        assert!(left_out.contains(told), "{told}: {left_out}");
    }
}

#[test]
fn what_is_no_toolbox_file_is_told_with_its_place() {
    let error = |document: &str| {
        let found = of(document).expect_err("there is nothing in it");
        found.into_iter().map(|finding| finding.to_string()).collect::<Vec<_>>().join("\n")
    };
    assert!(error("").contains("declares no tools"));
    assert!(error("- a").contains("is a mapping"));
    assert!(
        error("kind: source\nname: a\n---\nkind: tool\nname: [\n").contains("line 5"),
        "{}",
        error("kind: source\nname: a\n---\nkind: tool\nname: [\n")
    );
    assert!(error("kind: tool\nname: a\nsource: b\ntype: x-sql").contains("its source `b` is not there"));
}
