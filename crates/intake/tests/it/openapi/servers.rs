//! Where the API is, and who the server says it is to it.

use super::*;

/// A document with these operations (each with its `security`) and schemes.
fn secured(operations: &[&str], schemes: &str, server: &str) -> Proposal {
    let paths: String = operations
        .iter()
        .enumerate()
        .map(|(at, security)| format!("  /p{at}: {{ get: {{ responses: {{}}, security: {security} }} }}\n"))
        .collect();
    proposal(&format!(
        "openapi: 3.1.0\ninfo: {{ title: Shop, version: '1' }}\nservers: [{server}]\npaths:\n{paths}components: {{ securitySchemes: {{ {schemes} }} }}\n"
    ))
}

const SERVER: &str = "{ url: 'https://api.example.com/v1' }";

/// What was made of it, as JSON.
fn connections(proposal: &Proposal) -> Value {
    proposal.spec.canonical()["connections"].clone()
}

#[test]
fn each_scheme_has_a_secret_of_its_own() {
    let made = secured(
        &[
            "[{ person: [] }]",
            "[{ machine: [] }]",
            "[{ login: [] }]",
            "[{ person: [] }]",
            "[{ basic: [], key: [] }]",
            "[{ other: [] }]",
        ],
        "person: { type: http, scheme: bearer }, login: { type: openIdConnect, openIdConnectUrl: 'https://x.example' }, \
         machine: { type: oauth2, flows: { authorizationCode: { authorizationUrl: 'https://x.example', tokenUrl: 'https://x.example', scopes: {} } } }, \
         basic: { type: http, scheme: basic }, other: { type: http, scheme: basic }, key: { type: apiKey, in: header, name: X-Key }",
        SERVER,
    );
    let connections = connections(&made);
    let auth = |at: usize| connections[at]["auth"].clone();
    assert_eq!(auth(0)["envVar"], "SHOP_TOKEN");
    assert_eq!(auth(1)["envVar"], "SHOP_MACHINE_TOKEN");
    assert_eq!(auth(2)["envVar"], "SHOP_LOGIN_TOKEN");
    assert_eq!((&auth(3)[0]["userEnvVar"], &auth(3)[1]["envVar"]), (&json!("SHOP_USER"), &json!("SHOP_KEY")));
    assert_eq!(
        (&auth(4)["userEnvVar"], &auth(4)["passwordEnvVar"]),
        (&json!("SHOP_OTHER_USER"), &json!("SHOP_OTHER_PASSWORD"))
    );
    assert_eq!(connections.as_array().map(Vec::len), Some(5), "{connections:#}");
}

#[test]
fn a_place_of_tokens_is_relative_to_the_server() {
    let flow = |url: &str| {
        format!("a: {{ type: oauth2, flows: {{ clientCredentials: {{ tokenUrl: '{url}', scopes: {{}} }} }} }}")
    };
    let auth = |made: &Proposal| connections(made)[0]["auth"].clone();
    let made = secured(&["[{ a: [] }]"], &flow("/oauth/token"), SERVER);
    assert_eq!(auth(&made)["tokenUrl"], "https://api.example.com/oauth/token");
    let made = secured(&["[{ a: [] }]", "[{ a: [] }]"], &flow("/oauth/token"), "{ url: /v1 }");
    assert_eq!(auth(&made), json!({ "type": "bearer", "envVar": "SHOP_TOKEN" }));
    let told: Vec<String> = made.findings.iter().map(ToString::to_string).collect();
    assert!(
        told[0].starts_with(
            "note: `a` gives tokens at `/oauth/token`, which is no URL: one that was got elsewhere is sent (at"
        ),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|it| it.contains("gives tokens")).count(), 1, "it is told once: {told:?}");
}

#[test]
fn a_variable_of_a_server_that_has_no_default_is_told() {
    let of = |variables: &str| {
        let made =
            secured(&["[]"], "", &format!("{{ url: 'https://{{region}}.example.com/v1', variables: {variables} }}"));
        let told: Vec<String> = made.findings.iter().map(ToString::to_string).collect();
        (connections(&made)[0].clone(), told.join("\n"))
    };
    let (connection, told) = of("{ region: { default: eu } }");
    assert_eq!(connection["url"], "https://eu.example.com/v1");
    let said = "note: the server's variable `region` is `eu`, its default: the API is at `https://eu.example.com/v1` (at /servers, line";
    assert!(told.starts_with(said), "{told}");
    let (connection, told) = of("{ region: { enum: [us, eu] } }");
    assert_eq!(connection["url"], "https://us.example.com/v1");
    assert!(
        told.starts_with(
            "note: the server's variable `region` has no `default`: `us` is taken, its first value (at /servers, line"
        ),
        "{told}"
    );
    for variables in ["{ region: {} }", "{}"] {
        let (connection, told) = of(variables);
        assert_eq!((&connection["envVar"], connection.get("url")), (&json!("SHOP_URL"), None));
        assert!(
            told.contains("note: the server's variable `region` has no `default`, which it has to have")
                && told.contains("set `SHOP_URL`"),
            "{told}"
        );
    }
    let (connection, told) = of("{ region: { default: '' } }");
    assert_eq!((&connection["envVar"], connection.get("url")), (&json!("SHOP_URL"), None));
    assert!(
        told.starts_with(
            "note: the `default` of the server's variable `region` is empty, so that the document does not say where the API is"
        ) && told.contains("set `SHOP_URL`"),
        "{told}"
    );
}

#[test]
fn a_variable_of_a_server_may_be_empty_where_a_place_is_left() {
    for (server, url) in [
        ("https://api{suffix}.example.com{port}/v1", "https://api.example.com/v1"),
        ("https://api.example.com{port}/{suffix}", "https://api.example.com/"),
    ] {
        let made = secured(
            &["[]"],
            "",
            &format!("{{ url: '{server}', variables: {{ suffix: {{ default: '' }}, port: {{ default: '' }} }} }}"),
        );
        assert_eq!((&connections(&made)[0]["url"], made.findings.len()), (&json!(url), 0), "{server}");
    }
}

/// Where the API is, and what was told, for a document with these servers and somebody who says where it is.
fn placed(servers: &str, base: Option<&str>, origin: Option<&str>) -> (Value, String) {
    let document = format!(
        "openapi: 3.1.0\ninfo: {{ title: Shop, version: '1' }}\n{servers}paths: {{ /a: {{ get: {{ responses: {{}}, security: [] }} }}, \
         /b: {{ get: {{ responses: {{}}, security: [{{ k: [] }}] }} }} }}\n\
         components: {{ securitySchemes: {{ k: {{ type: http, scheme: bearer }} }} }}\n"
    );
    let url = |text: &str| text.parse().expect("a URL");
    let options = Options { base: base.map(url), origin: origin.map(url), ..Options::default() };
    let made = import("api.yaml", document.as_bytes(), &NoFiles, &options).expect("a spec");
    let told: Vec<String> = made.findings.iter().map(ToString::to_string).collect();
    (connections(&made)[0]["url"].clone(), told.join("\n"))
}

#[test]
fn a_base_url_keeps_its_path_and_without_one_gets_that_of_the_server() {
    let check = |servers: &str, base: &str, expected: &str| {
        let servers = if servers.is_empty() { String::new() } else { format!("servers: [{{ url: '{servers}' }}]\n") };
        let (url, told) = placed(&servers, Some(base), Some("https://docs.example.com/deep/openapi.yaml"));
        assert_eq!((url, told.as_str()), (json!(expected), ""), "{servers} {base}");
    };
    check("", "https://api.example.com/a/b", "https://api.example.com/a/b");
    check("", "https://api.example.com", "https://api.example.com/");
    check("/", "https://api.example.com/a/b", "https://api.example.com/a/b");
    check("/api/v3", "https://api.example.com", "https://api.example.com/api/v3");
    check("/api/v3", "https://api.example.com/v9", "https://api.example.com/v9");
    check("api/v3", "https://api.example.com", "https://api.example.com/api/v3");
    // Nothing says what stands for `{region}`, nor is this where HTTP goes.
    check("https://{region}.example.com/v1", "https://api.example.com/a", "https://api.example.com/a");
    check("https://{region}.example.com/v1", "https://api.example.com", "https://api.example.com/v1");
    check("ws://api.example.com/v1", "https://api.example.com/a", "https://api.example.com/a");
    check("https://api.example.com/v1", "https://api.example.com/v1", "https://api.example.com/v1");
}

#[test]
fn a_base_url_that_is_not_used_is_told_once() {
    for (server, url) in [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("//api.example.com/v1", "http://api.example.com/v1"),
    ] {
        let servers = format!("servers: [{{ url: '{server}' }}]\n");
        let (found, told) = placed(&servers, Some("http://user:secret@other.example.com/v9"), None);
        assert_eq!(found, url);
        let said =
            format!("note: `http://other.example.com/v9` is not used: the document says that the API is at `{url}`");
        assert!(told.starts_with(&said) && told.matches("is not used").count() == 1, "{told}");
    }
}

#[test]
fn without_a_base_url_a_server_is_relative_to_where_the_document_came_from() {
    let origin = Some("https://docs.example.com/deep/openapi.yaml");
    assert_eq!(placed("", None, origin).0, "https://docs.example.com/");
    assert_eq!(placed("servers: [{ url: v1 }]\n", None, origin).0, "https://docs.example.com/deep/v1");
}
