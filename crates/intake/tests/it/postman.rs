//! What a Postman collection says, in a spec.

use mcp_factory_intake::{
    Finding, Level, Proposal,
    postman::{Options, import},
};
use serde_json::{Value, json};

fn of(collection: &Value) -> Result<Proposal, Vec<Finding>> {
    import(collection.to_string().as_bytes(), &Options::default())
}

fn proposal(collection: &Value) -> Proposal {
    of(collection).unwrap_or_else(|found| panic!("{found:#?}"))
}

/// A collection with these items and variables.
fn with(items: Value, rest: Value) -> Value {
    let schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
    let mut collection = json!({ "info": { "name": "The Shop", "schema": schema }, "item": items });
    collection.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap_or_default());
    collection
}

fn one(request: Value) -> Value {
    let spec = proposal(&with(json!([{ "name": "Do it", "request": request }]), json!({}))).spec.canonical();
    spec["tools"][0].clone()
}

fn field(tool: &Value, name: &str) -> Value {
    let schema = tool.get("inputSchema").and_then(|schema| schema.get("properties")).or(tool.get("parameters"));
    schema.and_then(|fields| fields.get(name)).cloned().unwrap_or_default()
}

#[test]
fn requests_become_tools_folders_toolsets_and_variables_the_server() {
    let collection = with(
        json!([
            { "name": "Products", "description": "What is sold", "item": [
                { "name": "List products", "request": { "method": "GET", "description": "All of **them**",
                    "url": { "raw": "{{baseUrl}}/products?q=&limit=20&lang={{lang}}", "query": [
                        { "key": "q", "value": "", "description": "Words" }, { "key": "limit", "value": "20" },
                        { "key": "lang", "value": "{{lang}}" }, { "key": "old", "value": "true", "disabled": true }] } },
                  "response": [{ "code": 200, "body": "[{\"id\": 1, \"name\": \"Lamp\"}]" }, { "code": 404, "body": "{\"error\": 1}" }] },
                { "name": "Delete", "request": { "method": "DELETE", "url": "{{baseUrl}}/products/:id" } } ] },
            { "name": "https://api.example.com/v1/health", "request": "{{baseUrl}}/health" },
        ]),
        json!({ "variable": [{ "key": "baseUrl", "value": "{{host}}/v1" }, { "key": "host", "value": "https://api.example.com" }, { "key": "lang", "value": "en" }] }),
    );
    let spec = proposal(&collection).spec.canonical();
    assert_eq!(spec["name"], "the-shop");
    assert_eq!(spec["connections"], json!([{ "name": "api", "type": "http", "url": "https://api.example.com/v1" }]));
    assert_eq!(
        spec["toolsets"],
        json!([{ "name": "products", "description": "What is sold", "tools": ["list_products", "delete"] }])
    );
    let list = &spec["tools"][0];
    assert_eq!((&list["name"], &list["description"]), (&json!("list_products"), &json!("All of them")));
    assert_eq!(list["http"]["query"], json!({ "q": "{q}", "limit": "{limit}", "lang": "{lang}", "old": "{old}" }));
    assert_eq!((&field(list, "limit")["type"], &field(list, "limit")["default"]), (&json!("integer"), &json!(20)));
    assert_eq!((&field(list, "lang")["default"], &field(list, "q")["description"]), (&json!("en"), &json!("Words")));
    assert_eq!((field(list, "old").get("default"), &field(list, "old")["type"]), (None, &json!("boolean")));
    assert!(list["returns"]["items"]["properties"].get("name").is_some(), "{list}");
    let delete = &spec["tools"][1];
    assert_eq!(
        (&delete["http"]["path"], &delete["annotations"]),
        (&json!("/products/{id}"), &json!({ "destructive": true }))
    );
    assert_eq!(spec["tools"][2]["name"], "get_health");
}

/// Above 60 tools nobody should have to have made folders; and what stands beside folders is in a toolset, too.
#[test]
fn many_requests_are_searched_by_folder_or_by_the_first_step_of_their_path() {
    let items = |many: usize| -> Vec<Value> {
        let url = |n: usize| format!("https://a.example/api/v1/{}/{n}", ["products", "orders"][n % 2]);
        (0..many).map(|n| json!({ "name": format!("Do {n}"), "request": { "method": "GET", "url": url(n) } })).collect()
    };
    let of = |items: Vec<Value>| proposal(&with(items.into(), json!({}))).spec.canonical();
    let few = of(items(60));
    assert_eq!((few.get("exposure"), few.get("toolsets")), (None, None));

    let many = of(items(61));
    assert_eq!(many["exposure"], json!({ "mode": "dynamic" }));
    let named = |spec: &Value| -> Vec<(String, usize)> {
        let toolsets = spec["toolsets"].as_array().expect("toolsets").iter();
        let size = |it: &Value| it["tools"].as_array().expect("tools").len();
        toolsets.map(|it| (it["name"].as_str().expect("a name").to_owned(), size(it))).collect()
    };
    assert_eq!(named(&many), [("orders".to_owned(), 30), ("products".to_owned(), 31)]);

    let mut mixed = items(60);
    let folder = mixed.drain(..30).collect::<Vec<_>>();
    mixed.extend([json!({ "name": "Old ones", "item": folder }), json!({ "name": "None", "item": [] })]);
    mixed.extend(items(64).drain(60..));
    let mixed = of(mixed);
    let expected = [("old_ones".to_owned(), 30), ("orders".to_owned(), 17), ("products".to_owned(), 17)];
    assert_eq!(named(&mixed), expected);
}

#[test]
fn the_fields_of_a_body_are_parameters() {
    let raw = r#"{"name": "Lamp", "price": 9.5, "tags": ["a"], "owner": {{ownerId}}, "note": "by {{user}}", "size": {"w": 1}, "none": null}"#;
    let url = "https://a.example.com/products";
    let tool = one(json!({ "method": "POST", "url": url, "body": { "mode": "raw", "raw": raw } }));
    assert_eq!(tool["http"]["body"]["owner"], "{owner}");
    let name = field(&tool, "name");
    assert_eq!(
        (&name["type"], &name["required"], &name["examples"]),
        (&json!("string"), &json!(true), &json!(["Lamp"]))
    );
    assert_eq!(
        (&field(&tool, "price")["type"], &field(&tool, "tags")["items"]["type"]),
        (&json!("number"), &json!("string"))
    );
    assert_eq!(field(&tool, "size")["properties"]["w"], json!({ "type": "integer", "examples": [1] }));
    assert_eq!(field(&tool, "note").get("examples"), None);
    assert_eq!(field(&tool, "none").get("required"), None);

    let form = json!({ "mode": "formdata", "formdata": [{ "key": "title", "value": "x", "type": "text" }, { "key": "photo", "type": "file", "src": "/home/me/a.png" }] });
    let tool = one(json!({ "method": "POST", "url": url, "body": form }));
    assert_eq!(
        (&tool["http"]["bodyType"], &field(&tool, "photo")["contentEncoding"]),
        (&json!("multipart"), &json!("base64"))
    );
    assert!(!tool.to_string().contains("/home/me"));

    let text = one(json!({ "method": "PUT", "url": url, "body": { "mode": "raw", "raw": "<a>1</a>" } }));
    assert_eq!((&text["http"]["body"], &text["http"]["bodyType"]), (&json!("{body}"), &json!("text")));
    assert_eq!(field(&text, "body")["examples"], json!(["<a>1</a>"]));

    let graphql = json!({ "mode": "graphql", "graphql": { "query": "query ($id: ID!) { shop(id: $id) { name } }", "variables": "{\"id\": \"7\"}" } });
    let tool = one(json!({ "method": "POST", "url": url, "body": graphql }));
    assert_eq!(tool["http"]["body"]["query"], "query ($id: ID!) {{ shop(id: $id) {{ name }} }}");
    assert_eq!(tool["http"]["body"]["variables"], json!({ "id": "{id}" }));
}

#[test]
fn credentials_are_named_and_no_value_of_one_is_copied() {
    let bearer = json!({ "type": "bearer", "bearer": [{ "key": "token", "value": "hunter2-hunter2" }] });
    let collection = with(
        json!([
            { "name": "a", "request": { "url": "https://a.example.com/a" } },
            { "name": "b", "request": { "url": "https://a.example.com/b", "auth": { "type": "noauth" } } },
            { "name": "c", "request": { "url": "https://a.example.com/c", "auth": { "type": "apikey", "apikey": [{ "key": "key", "value": "X-Key" }, { "key": "value", "value": "{{shopKey}}" }, { "key": "in", "value": "header" }] } } },
            { "name": "d", "request": { "url": "https://me:pass-word@a.example.com/d?api_key=0123456789abc", "auth": { "type": "noauth" } } },
            { "name": "e", "request": { "url": "https://a.example.com/e", "auth": { "type": "noauth" }, "header": [{ "key": "Authorization", "value": "Bearer {{jwt}}" }, { "key": "Cookie", "value": "sid=55555" }] } },
            { "name": "f", "request": { "url": "https://a.example.com/f", "auth": { "type": "awsv4", "awsv4": [{ "key": "secretKey", "value": "hunter2-hunter2" }] } } },
            { "name": "g", "request": { "method": "POST", "url": "https://a.example.com/g", "auth": { "type": "basic", "basic": { "username": "u", "password": "hunter2-hunter2" } }, "body": { "mode": "raw", "raw": "{\"password\": \"hunter2-hunter2\", \"user\": \"u\"}" } } },
        ]),
        json!({ "auth": bearer, "variable": [{ "key": "secret", "value": "hunter2-hunter2", "type": "secret" }], "event": [{ "listen": "test", "script": { "exec": ["pm.test()"] } }] }),
    );
    let proposal = proposal(&collection);
    let spec = proposal.spec.canonical();
    let all = format!("{spec} {:?}", proposal.findings);
    for secret in ["hunter2", "pass-word", "0123456789abc", "55555"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    let auth = |tool: usize| {
        let connections = spec["connections"].as_array().unwrap();
        let named = &spec["tools"][tool]["connection"];
        connections.iter().find(|it| it["name"] == *named).unwrap()["auth"].clone()
    };
    assert_eq!(auth(0), json!({ "type": "bearer", "envVar": "THE_SHOP_TOKEN" }));
    assert_eq!(auth(1), Value::Null);
    assert_eq!(auth(2), json!({ "type": "header", "name": "X-Key", "envVar": "THE_SHOP_SHOP_KEY" }));
    assert_eq!(auth(3), json!({ "type": "query", "name": "api_key", "envVar": "THE_SHOP_API_KEY" }));
    let cookie = json!({ "type": "header", "name": "Cookie", "envVar": "THE_SHOP_COOKIE" });
    assert_eq!(auth(4), json!([{ "type": "bearer", "envVar": "THE_SHOP_JWT" }, cookie]));
    assert_eq!(auth(6)["passwordEnvVar"], "THE_SHOP_PASSWORD");
    let told: String = proposal.findings.iter().map(|finding| format!("{finding}\n")).collect();
    assert!(told.contains("`awsv4`") && told.contains("1 scripts"), "{told}");
}

#[test]
fn a_raw_body_goes_out_as_the_collection_says() {
    let raw = |raw: &str, language: Value, header: Value| {
        let body = json!({ "mode": "raw", "raw": raw, "options": { "raw": { "language": language } } });
        let tool = one(json!({ "method": "POST", "url": "https://a.example.com/x", "header": header, "body": body }));
        (tool["http"]["bodyType"].clone(), tool["http"]["headers"]["Content-Type"].clone())
    };
    let header = |value: &str| json!([{ "key": "content-type", "value": value }]);
    let text = json!("text");
    assert_eq!(raw("a,b", Value::Null, header("text/csv")), (text.clone(), json!("text/csv")));
    assert_eq!(raw("<a/>", Value::Null, header("application/xml")), (text.clone(), json!("application/xml")));
    assert_eq!(raw("<a/>", "xml".into(), json!([])), (text.clone(), json!("application/xml")));
    assert_eq!(raw("a", "text".into(), header("text/plain")), (text.clone(), Value::Null));
    assert_eq!(
        raw("{\"a\": 1}", "json".into(), header("application/vnd.api+json")),
        (Value::Null, json!("application/vnd.api+json"))
    );
    assert_eq!(raw("{\"a\": 1}", "json".into(), header("application/json")), (Value::Null, Value::Null));
    let off = json!([{ "key": "Content-Type", "value": "text/csv", "disabled": true }]);
    assert_eq!(raw("a", Value::Null, off), (text, Value::Null));
    let form = json!({ "mode": "urlencoded", "urlencoded": [{ "key": "a", "value": "1" }] });
    let tool = one(
        json!({ "method": "POST", "url": "https://a.example.com/x", "header": header("application/x-www-form-urlencoded"), "body": form }),
    );
    assert_eq!(tool["http"].get("headers"), None, "a form says itself what it is");
}

#[test]
fn comments_in_json_are_passed_over() {
    let raw = "{ // it's \"the\" name\n  \"name\": \"a // b \\\" /* c */\", /* {{gone}} */ \"n\": {{count}} // , \"old\": 1\n}";
    let body = json!({ "mode": "raw", "raw": raw, "options": { "raw": { "language": "json" } } });
    let tool = one(json!({ "method": "POST", "url": "https://a.example.com/x", "body": body }));
    assert_eq!(tool["http"]["body"], json!({ "name": "{name}", "n": "{n}" }));
    assert_eq!(field(&tool, "name")["examples"], json!(["a // b \" /* c */"]));
}

/// Issue 6, D11.
#[test]
fn two_credentials_of_one_kind_are_two_secrets() {
    let bearer = |token: &str| json!({ "type": "bearer", "bearer": [{ "key": "token", "value": token }] });
    let get = |name: &str| json!({ "name": name, "request": { "url": format!("https://a.example.com/{name}") } });
    let collection = with(
        json!([
            get("a"),
            { "name": "admin", "auth": bearer("another-secret"), "item": [get("b"), get("c")] },
            { "name": "same", "auth": bearer("one-secret"), "item": [get("d")] },
            { "name": "named", "auth": bearer("{{adminToken}}"), "item": [get("e")] },
        ]),
        json!({ "auth": bearer("one-secret") }),
    );
    let proposal = proposal(&collection);
    let spec = proposal.spec.canonical();
    let secret = |tool: usize| {
        let connections = spec["connections"].as_array().expect("connections");
        let named = &spec["tools"][tool]["connection"];
        connections.iter().find(|it| it["name"] == *named).expect("it is there")["auth"]["envVar"].clone()
    };
    let secrets: Vec<Value> = (0..5).map(secret).collect();
    let (one, two) = (json!("THE_SHOP_TOKEN"), json!("THE_SHOP_TOKEN_2"));
    assert_eq!(secrets, [one.clone(), two.clone(), two, one, json!("THE_SHOP_ADMIN_TOKEN")]);
    let told: Vec<String> = proposal.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "note: `THE_SHOP_TOKEN_2`: its value is another than that of `THE_SHOP_TOKEN` (at /item/1/item/0 (b)"
        ),
        "{told:?}"
    );
}

#[test]
fn a_server_that_is_not_said_is_a_variable_and_what_is_no_collection_is_told() {
    let collection = with(
        json!([{ "name": "a", "request": { "url": { "raw": "{{apiHost}}:8080/x/{{id}}", "path": ["x", "{{id}}"] } } }, { "name": "b", "request": { "url": { "host": ["127", "0", "0", "1"], "port": "9", "path": ["y"], "protocol": "http" } } }]),
        json!({}),
    );
    let spec = proposal(&collection).spec.canonical();
    assert_eq!(spec["connections"][0]["envVar"], "THE_SHOP_URL");
    assert_eq!(
        (&spec["connections"][1]["url"], &spec["connections"][1]["allowPrivateNetwork"]),
        (&json!("http://127.0.0.1:9"), &json!(true))
    );
    assert_eq!(spec["tools"][0]["http"]["path"], "/x/{id}");
    let error = |value: &Value| {
        of(value).expect_err("it is none").iter().find(|it| it.level == Level::Error).unwrap().to_string()
    };
    let other = error(&json!({ "openapi": "3.0.0" }));
    assert!(
        other.contains("no Postman collection")
            && other.ends_with("it is an OpenAPI document, which `--openapi` takes"),
        "{other}"
    );
    assert!(error(&with(json!([]), json!({}))).contains("has no requests"));
    assert!(import(b"{", &Options::default()).is_err());
}

#[test]
fn all_credentials_of_a_request_are_sent_at_once_or_told() {
    let basic =
        json!({ "type": "basic", "basic": [{ "key": "username", "value": "u" }, { "key": "password", "value": "p" }] });
    let key = json!([{ "key": "X-Api-Key", "value": "abc123def456" }]);
    let collection = with(
        json!([
            { "name": "a", "request": { "url": "https://a.example.com/a", "header": key } },
            { "name": "b", "request": { "url": "https://a.example.com/b?api_key=abc123def456ghi", "auth": basic, "header": key } },
            { "name": "c", "request": { "url": "https://a.example.com/c", "header": [{ "key": "Authorization", "value": "Bearer {{other}}" }] } },
            { "name": "d", "request": { "method": "POST", "url": "https://a.example.com/d", "header": [{ "key": "Content-Type", "value": "application/{{x}}" }], "body": { "mode": "raw", "raw": "a" } } },
        ]),
        json!({ "auth": { "type": "bearer", "bearer": [{ "key": "token", "value": "one-secret" }] } }),
    );
    let proposal = proposal(&collection);
    let spec = proposal.spec.canonical();
    let auth = |tool: usize| {
        let connections = spec["connections"].as_array().expect("connections");
        let named = &spec["tools"][tool]["connection"];
        connections.iter().find(|it| it["name"] == *named).expect("it is there")["auth"].clone()
    };
    let token = json!({ "type": "bearer", "envVar": "THE_SHOP_TOKEN" });
    let in_header = json!({ "type": "header", "name": "X-Api-Key", "envVar": "THE_SHOP_X_API_KEY" });
    assert_eq!(auth(0), json!([token, in_header]));
    let user = json!({ "type": "basic", "userEnvVar": "THE_SHOP_USER", "passwordEnvVar": "THE_SHOP_PASSWORD" });
    let in_query = json!({ "type": "query", "name": "api_key", "envVar": "THE_SHOP_API_KEY" });
    assert_eq!(auth(1), json!([user, in_query, in_header]));
    assert_eq!(auth(2), token);
    let told: Vec<String> = proposal.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("`Authorization`: another credential stands in the header authorization"), "{told:?}");
    assert!(told[1].contains("`Content-Type: application/{{x}}`, of which the collection has no value"), "{told:?}");
}
