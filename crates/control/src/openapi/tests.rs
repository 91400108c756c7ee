use super::*;

/// An API change is seen in review as a change of this file.
#[test]
fn the_document_is_what_it_was() {
    let mut document = document();
    document["info"]["version"] = "the version".into();
    insta::assert_json_snapshot!(document);
}

/// What a route lacks is named. See CONTRIBUTING.md, "A route of the REST API".
#[test]
fn every_operation_says_what_it_is_who_may_and_what_it_answers() {
    let mut whole = document();
    let schemas = whole["components"]["schemas"].clone();
    let mut lacking = Vec::new();
    let mut ids = std::collections::HashSet::new();
    for (method, path, operation) in operations(&mut whole) {
        let mut lacks = |what: &str| lacking.push(format!("{method} {path} lacks {what}"));
        if operation.get("summary").and_then(Value::as_str).unwrap_or_default().is_empty() {
            lacks("a summary: the first line of its handler's documentation");
        }
        if !ids.insert(operation["operationId"].clone()) {
            lacks("a handler with a name of its own in its resource");
        }
        let role = operation.get("security").map(|it| it[0]["bearer"][0].clone());
        let is_open = ["/healthz", "/readyz"].contains(&path);
        let has_role = role.is_some_and(|role| ["viewer", "developer", "admin"].iter().any(|known| role == **known));
        if has_role == is_open {
            lacks(r#"a role: `security(("bearer" = ["developer"]))`"#);
        }
        let answers = operation["responses"].as_object().expect("answers");
        if !answers.keys().any(|status| status.starts_with('2') || status == "501") {
            lacks("what it answers when all is well: `responses((status = 200, body = …))`");
        }
        for (status, answer) in answers {
            let kinds = answer.get("content").and_then(Value::as_object);
            if kinds.is_none() && answer.get("$ref").is_none() && !["204", "304"].contains(&status.as_str()) {
                lacks(&format!("the body of {status}"));
            }
        }
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            if parameter["required"] == true && parameter.get("example").is_none() {
                lacks(&format!("`#[param(example = …)]` of {}", parameter["name"]));
            }
        }
        if let Some(body) = operation.get("requestBody") {
            let contents = body["content"].as_object().expect("kinds of content");
            for (kind, content) in contents {
                let named = content["schema"]["$ref"].as_str().and_then(|it| it.rsplit('/').next());
                let schema = named.map_or(&content["schema"], |name| &schemas[name]);
                let shown = content.get("example").or_else(|| schema.get("example"));
                let has = |field: &Value| field.get("example").is_some();
                let fields = schema["properties"].as_object();
                let required = schema["required"].as_array().into_iter().flatten();
                let by_field = fields.is_some_and(|fields| fields.values().any(has))
                    && required.into_iter().all(|name| has(&schema["properties"][name.as_str().unwrap_or_default()]));
                if shown.is_none() && !by_field {
                    lacks(&format!("an example of its {kind} body: `#[schema(example = …)]` at its fields"));
                }
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

/// Whatever refers to something refers to something that is there.
#[test]
fn every_schema_that_is_named_is_there() {
    let whole = document();
    let text = whole.to_string();
    for named in text.split(r##""$ref":"#/components/"##).skip(1) {
        let (kind, name) = named.split('"').next().and_then(|it| it.split_once('/')).expect("a name");
        assert!(whole["components"][kind].get(name).is_some(), "{name}");
    }
}

/// What is not in the document is not served: no route is made but by `routes!`, which puts it there.
#[test]
fn every_route_is_in_the_document() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("openapi/tests.rs") && path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for way in [".route(", ".route_service(", ".nest(", ".nest_service(", "routing::{", "routing::get"] {
                    assert!(!text.contains(way), "`{way}` in {}: use `routes!`", path.display());
                }
            }
        }
    }
}
