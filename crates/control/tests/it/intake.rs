//! Servers of what is there already, over REST and for agents: what is sent, and what is fetched for it.

use mcp_factory::{
    Caller, grants,
    registry::{Limits, Role},
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Running;

const PETS: &str = "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\nservers: [{ url: https://pets.example.com }]\npaths:\n\
    \x20 /pets: { get: { operationId: listPets, tags: [pets], responses: {} } }\n\
    \x20 /stores: { get: { operationId: listStores, tags: [stores], parameters: [{ $ref: 'more.yaml#/a' }], responses: {} } }\n";
const MORE: &str = "a: { name: a, in: query, schema: { type: string } }\n";

fn pets() -> Value {
    json!({ "openapi": { "document": PETS, "files": { "more.yaml": MORE } } })
}

#[tokio::test]
async fn a_document_is_shown_as_a_spec_or_made_a_server() {
    let running = Running::start().await;
    let shown = running.ask("POST", "/mcp/import", &json!({ "from": pets(), "dryRun": true }).to_string()).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let spec = shown.json()["spec"].as_str().unwrap().to_owned();
    assert!(spec.contains("name: list_stores") && spec.contains("\n      a:"), "{spec}");
    assert_eq!(running.ask("GET", "/mcp/servers", "").await.json()["servers"], json!([]));

    let import = json!({ "from": pets(), "name": "zoo" }).to_string();
    let created = running.ask("POST", "/mcp/import", &import).await;
    assert_eq!((created.status, &created.json()["server"]["tools"]), (201, &json!(2)), "{created:?}");
    assert!(created.head.contains("location: /mcp/servers/zoo") && created.json().get("spec").is_none());
    assert_eq!(running.ask("POST", "/mcp/import", &import).await.status, 200);
}

/// S5-7: the same verb.
#[tokio::test]
async fn an_agent_makes_a_server_of_a_document() {
    let running = Running::start().await;
    let chosen = json!({ "openapi": { "document": PETS, "tags": ["pets"] } });
    let shown = running.tool("import_server", json!({ "from": chosen, "dryRun": true })).await;
    assert!(shown["spec"].as_str().unwrap().contains("list_pets"), "{shown}");
    let created = running.tool("import_server", json!({ "from": chosen })).await;
    assert_eq!((&created["outcome"], &created["server"]["name"]), (&json!("created"), &json!("pets")), "{created}");
    let none = json!({ "openapi": { "document": PETS, "tags": ["cats"] } });
    let refused = running.fails(&running.token, "import_server", json!({ "from": none })).await;
    assert_eq!(refused["code"], "invalid-document");
    assert!(refused["findings"].to_string().contains("none of the 2 operations"), "{refused}");
    let (_, listed) = running.rpc(&running.token, "tools/list", json!({})).await;
    let tool = listed["result"]["tools"].as_array().unwrap().iter().find(|it| it["name"] == "import_server").unwrap();
    assert!(!tool["inputSchema"].to_string().contains("$ref"), "a model reads it alone: {tool}");
}

/// The same over REST and for agents; no value ever comes out.
#[tokio::test]
async fn secrets_that_an_import_needs_are_told_with_whether_they_are_set() {
    let running = Running::start().await;
    let key = "components: { securitySchemes: { key: { type: apiKey, in: header, name: X-Key } } }\nsecurity: [{ key: [] }]\npaths:";
    let from = json!({ "openapi": { "document": PETS.replace("paths:", key) } });
    let created = running.ask("POST", "/mcp/import", &json!({ "from": from }).to_string()).await;
    let missing = json!([{ "name": "PETS_KEY", "set": false }]);
    assert_eq!((created.status, &created.json()["secrets"]), (201, &missing), "{created:?}");
    assert_eq!(running.tool("import_server", json!({ "from": from })).await["secrets"], missing);
    let before = running.ask("GET", "/mcp/servers/pets", "").await;
    assert_eq!(before.json()["secrets"], missing);
    assert_eq!(running.tool("deploy_server", json!({ "server": "pets" })).await["secrets"], missing);

    let put = running.ask("PUT", "/mcp/secrets/PETS_KEY", r#"{ "value": "k-1234" }"#).await;
    assert_eq!(put.status, 200, "{put:?}");
    let set = json!([{ "name": "PETS_KEY", "set": true }]);
    let deployed = running.ask("POST", "/mcp/deploy/pets", "{}").await;
    assert_eq!(deployed.json()["secrets"], set, "{deployed:?}");
    assert_eq!(running.tool("get_server", json!({ "server": "pets" })).await["secrets"], set);
    assert_eq!(running.ask("GET", "/mcp/servers/pets", "").await.json()["secrets"], set);
}

#[tokio::test]
async fn toolbox_files_and_collections_are_taken_as_well() {
    let running = Running::start().await;
    let source = "kind: source\nname: db\ntype: sqlite\ndatabase: a.db\n";
    let tool = "kind: tool\nname: find\ntype: sqlite-sql\nsource: db\ndescription: Finds\nstatement: SELECT 1 AS one\n";
    let files = json!({ "toolbox": { "files": { "a.yaml": source, "b.yaml": tool } } });
    let shown = running.ask("POST", "/mcp/import", &json!({ "from": files, "dryRun": true }).to_string()).await;
    assert!(
        shown.status == 200 && shown.json()["spec"].as_str().unwrap().contains("sql: SELECT 1 AS one"),
        "{shown:?}"
    );
    let free = format!("{source}---\n{}", tool.replace("sqlite-sql", "sqlite-execute-sql"));
    let refused = json!({ "from": { "toolbox": { "document": free } } }).to_string();
    let refused = running.ask("POST", "/mcp/import", &refused).await;
    assert_eq!(refused.code(), (422, "invalid-document".to_owned()));
    assert!(refused.body.contains("whoever calls it writes the SQL"), "{refused:?}");

    let collection =
        json!({ "info": { "name": "Shop" }, "item": [{ "name": "a", "request": "https://a.example.com/a" }] });
    let from = json!({ "postman": { "document": collection.to_string() } });
    let created = running.tool("import_server", json!({ "from": from })).await;
    assert_eq!((&created["outcome"], &created["server"]["name"]), (&json!("created"), &json!("shop")), "{created}");
}

/// Programs and private addresses take their grants, whoever's server stands behind.
#[tokio::test]
async fn another_server_is_reached_by_those_only_who_were_granted_it() {
    let running = Running::start().await;
    let token = running.stranger(Role::Developer, Limits::default()).await;
    for mcp in [json!({ "argv": ["/bin/true"] }), json!({ "url": "http://127.0.0.1:9/mcp" })] {
        let import = json!({ "from": { "mcp": mcp }, "dryRun": true }).to_string();
        let refused = running.ask_as(&token, "POST", "/mcp/import", &import).await;
        assert_eq!(refused.code(), (403, "forbidden".to_owned()), "{mcp}");
    }
    let both = json!({ "from": { "mcp": { "url": "https://a.example.com", "argv": ["b"] } } }).to_string();
    assert_eq!(running.ask("POST", "/mcp/import", &both).await.code(), (400, "invalid-argument".to_owned()));
}

#[tokio::test]
async fn a_private_address_is_asked_by_those_only_who_were_granted_it_and_say_so() {
    let running = Running::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openapi.yaml?secret=s3cret", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{PETS}", PETS.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let token = running.stranger(Role::Developer, Limits::default()).await;
    let ask = async |token: &str, private: bool| {
        let from = json!({ "openapi": { "url": url, "allowPrivateNetwork": private } });
        running.ask_as(token, "POST", "/mcp/import", &json!({ "from": from, "dryRun": true }).to_string()).await
    };
    let refused = ask(&token, false).await;
    assert_eq!(refused.code(), (422, "unreadable".to_owned()));
    assert!(refused.body.contains("not on the public internet") && !refused.body.contains("s3cret"), "{refused:?}");
    assert_eq!(ask(&token, true).await.code(), (403, "forbidden".to_owned()));
    // Whoever is an operator has to say so, too.
    assert_eq!(ask(&running.token, false).await.code().1, "unreadable");
    assert_eq!(ask(&running.token, true).await.status, 200);
    let stranger = Caller::local().acting_for("stranger".parse().unwrap()).unwrap();
    running.factory.grant(&stranger, &grants::read("private-networks", "").unwrap()).await.unwrap();
    let shown = ask(&token, true).await;
    assert_eq!(shown.status, 200, "{shown:?}");

    let viewer = running.factory.issue_token(&stranger, "looks", Role::Viewer, None).await.unwrap();
    assert_eq!(ask(viewer.secret.reveal(), false).await.code(), (403, "forbidden".to_owned()));
}

/// What a document refers to by URL is fetched where that is asked for, and from a private network where that is said and granted.
#[tokio::test(flavor = "multi_thread")]
async fn references_of_a_document_are_fetched_within_what_was_granted() {
    let running = Running::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let large = String::from_utf8_lossy(&head[..read]).contains("/large.yaml");
            let body = if large { "#".repeat(17 << 20) } else { MORE.to_owned() };
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let ask = async |file: &str, fetch: bool, private: bool| {
        let document = PETS.replace("more.yaml", &format!("{at}/{file}"));
        let from =
            json!({ "openapi": { "document": document, "fetchReferences": fetch, "allowPrivateNetwork": private } });
        let shown = running.ask("POST", "/mcp/import", &json!({ "from": from, "dryRun": true }).to_string()).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        let shown = shown.json();
        let asked = heard.swap(0, std::sync::atomic::Ordering::SeqCst);
        (asked, shown["spec"].as_str().unwrap().contains("\n      a:"), shown["findings"].to_string())
    };
    let (asked, is_there, told) = ask("more.yaml", false, true).await;
    assert!(asked == 0 && !is_there && told.contains("`fetchReferences`"), "{asked} {told}");
    let (asked, is_there, told) = ask("more.yaml", true, false).await;
    assert!(asked == 0 && !is_there && told.contains("not on the public internet"), "{asked} {told}");
    let (asked, is_there, told) = ask("more.yaml", true, true).await;
    assert!(asked == 1 && is_there && !told.contains("was not read"), "{asked} {told}");
    let (_, is_there, told) = ask("large.yaml", true, true).await;
    assert!(!is_there && told.contains("was not read"), "{told}");

    let token = running.stranger(Role::Developer, Limits::default()).await;
    let document = PETS.replace("more.yaml", &format!("{at}/more.yaml"));
    let from = json!({ "openapi": { "document": document, "fetchReferences": true, "allowPrivateNetwork": true } });
    let shown =
        running.ask_as(&token, "POST", "/mcp/import", &json!({ "from": from, "dryRun": true }).to_string()).await;
    assert!(shown.status == 200 && shown.body.contains("was not read"), "{shown:?}");
    assert_eq!(heard.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let running = Running::start().await;
    for from in
        [json!({}), json!({ "openapi": {} }), json!({ "openapi": { "file": "/etc/passwd" } }), json!({ "swagger": {} })]
    {
        let refused = running.ask("POST", "/mcp/import", &json!({ "from": from }).to_string()).await;
        assert_eq!(refused.code(), (400, "invalid-argument".to_owned()), "{from}");
    }
    let kinds = "one of `openapi`, `toolbox`, `mcp`, `graphql`, `postman`, `database`, `spec`, `grpc`";
    for (from, said) in [
        (json!({}), format!("`from` is empty, expected {kinds}")),
        (json!({ "openapi": {}, "mcp": {} }), format!("`from` has 2 kinds, expected exactly {kinds}")),
        (json!({ "swagger": {} }), format!("`from` has the unknown kind `swagger`, expected {kinds}")),
        (json!("openapi"), format!("`from` is an object with {kinds}")),
        (json!({ "mcp": { "adress": "s3cret" } }), "`from.mcp` has other fields or values than it takes: unknown field `adress`, expected one of `url`, `argv`, `tokenEnvVar`, `tools`".to_owned()),
        (json!({ "mcp": { "argv": "s3cret" } }), "`from.mcp` has other fields or values than it takes".to_owned()),
    ] {
        let refused = running.ask("POST", "/mcp/import", &json!({ "from": from }).to_string()).await;
        assert!(refused.json()["detail"].as_str().unwrap().ends_with(&said), "{from}: {refused:?}");
        let refused = running.fails(&running.token, "import_server", json!({ "from": from })).await;
        assert!(refused["detail"].as_str().unwrap().ends_with(&said), "{from}: {refused}");
    }
    for (field, value) in [("prefer", json!("ours")), ("forgetOptions", json!(true))] {
        let mut import = json!({ "from": { "openapi": { "document": "{}" } }, "name": "zoo" });
        import[field] = value;
        let refused = running.ask("POST", "/mcp/import", &import.to_string()).await;
        assert_eq!(refused.code(), (400, "invalid-argument".to_owned()), "{refused:?}");
        assert!(refused.body.contains("is about an `update`"), "{refused:?}");
    }
    let private = json!({ "from": { "graphql": { "url": "http://127.0.0.1:9/graphql" } } }).to_string();
    let refused = running.ask("POST", "/mcp/import", &private).await;
    assert!(refused.body.contains("set `allowPrivateNetwork: true` beside its URL"), "{refused:?}");
    let ftp = json!({ "from": { "openapi": { "url": "ftp://example.com/a" } } }).to_string();
    assert_eq!(running.ask("POST", "/mcp/import", &ftp).await.code().1, "unreadable");
    let page = json!({ "from": { "openapi": { "document": "<html>" } } }).to_string();
    let refused = running.ask("POST", "/mcp/import", &page).await;
    assert_eq!(refused.code(), (422, "invalid-document".to_owned()));
    assert_eq!(refused.json()["findings"][0]["level"], "error");
}

#[tokio::test]
async fn a_newer_import_keeps_what_people_changed() {
    let running = Running::start().await;
    let send = async |document: &str, more: Value| {
        let mut import = json!({ "from": { "openapi": { "document": document } }, "name": "pets" });
        import.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        running.ask("POST", "/mcp/import", &import.to_string()).await
    };
    let document = PETS.replace("parameters: [{ $ref: 'more.yaml#/a' }], ", "");
    let early = send(&document, json!({ "update": true })).await;
    assert_eq!(early.code(), (404, "not-found".to_owned()));
    assert_eq!(send(&document, json!({})).await.status, 201);
    let again = send(&document, json!({ "update": true })).await;
    assert_eq!((again.status, &again.json()["update"]["changes"]), (200, &json!([])), "{again:?}");

    let spec = send(&document, json!({ "dryRun": true })).await.json()["spec"].as_str().unwrap().to_owned();
    let edited = spec.replace("description: list pets", "description: Every pet");
    let edited = if edited == spec { spec.replacen("description: ", "description: Every pet. ", 1) } else { edited };
    let edited = edited.replace("name: pets\n", "name: pets\nversion: 0.2.0\n");
    assert_eq!(running.ask("POST", "/mcp/create", &edited).await.status, 201);
    let newer = document.replace("listStores, ", "listShops, ").replace("/stores", "/shops");
    let shown = send(&newer, json!({ "update": true, "dryRun": true })).await.json();
    assert!(shown["spec"].as_str().unwrap().contains("Every pet"), "{shown}");
    let updated = send(&newer, json!({ "update": true })).await;
    assert_eq!((updated.status, &updated.json()["outcome"]), (201, &json!("updated")), "{updated:?}");
    assert_eq!(updated.json()["server"]["latest"], "0.3.0", "a tool is gone");
    assert_eq!(updated.json()["update"]["breaking"], json!(["breaking: tool `list_stores`: it is gone"]));

    // Both say something else of it.
    let newest = newer.replace("operationId: listPets,", "operationId: listPets, summary: Animals,");
    let open = send(&newest, json!({ "update": true })).await;
    assert_eq!(open.code(), (409, "conflicts".to_owned()));
    assert_eq!(open.json()["update"]["conflicts"][0]["path"], "tools[list_pets].description", "{open:?}");
    let ours = send(&newest, json!({ "update": true, "prefer": "ours" })).await;
    assert_eq!(ours.json()["outcome"], "unchanged", "{ours:?}");
    assert_eq!(send(&newest, json!({ "update": true })).await.status, 200, "it was decided");
}

/// Issue 6: what was chosen at the last import is chosen again, and nothing of another kind takes a server's place.
#[tokio::test]
async fn an_update_is_of_the_same_thing_and_chooses_the_same() {
    let running = Running::start().await;
    let document = PETS.replace("parameters: [{ $ref: 'more.yaml#/a' }], ", "");
    let send = async |from: Value, more: Value| {
        let mut import = json!({ "from": from, "name": "zoo" });
        import.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        running.ask("POST", "/mcp/import", &import.to_string()).await
    };
    let of = |tags: &[&str]| json!({ "openapi": { "document": document, "tags": tags } });
    assert_eq!(send(of(&["pets"]), json!({})).await.status, 201);
    let again = send(json!({ "openapi": { "document": document } }), json!({})).await;
    assert_eq!(again.code(), (409, "imported-before".to_owned()));
    let details = running.ask("GET", "/mcp/servers/zoo", "").await.json();
    assert_eq!(details["origin"], json!({ "openapi": { "tags": ["pets"] } }));
    let updated = send(of(&[]), json!({ "update": true })).await.json();
    assert_eq!((&updated["outcome"], &updated["server"]["tools"]), (&json!("unchanged"), &json!(1)), "{updated}");
    assert_eq!(updated["findings"][0]["message"], "chosen as at the last import: `tags` [\"pets\"]");
    let updated =
        running.tool("import_server", json!({ "from": of(&[]), "name": "zoo", "update": true, "forgetOptions": true }));
    assert_eq!(updated.await["server"]["tools"], 2);

    let collection =
        json!({ "info": { "name": "Shop" }, "item": [{ "name": "a", "request": "https://a.example.com/a" }] });
    for update in [json!({ "update": true }), json!({ "update": true, "forgetOptions": true })] {
        let refused = send(json!({ "postman": { "document": collection.to_string() } }), update).await;
        assert_eq!(refused.code(), (409, "other-kind".to_owned()));
    }

    // A server that was not imported, and one of a spec that people edited since.
    let spec =
        "name: own\nversion: 1.0.0\ntools: [{ name: hello, description: Says hello, static: { text: hello } }]\n";
    assert_eq!(running.ask("POST", "/mcp/create", spec).await.status, 201);
    let update = json!({ "from": of(&[]), "name": "own", "update": true }).to_string();
    assert_eq!(running.ask("POST", "/mcp/import", &update).await.code(), (409, "not-imported".to_owned()));
    let shown = json!({ "from": of(&["pets"]), "name": "own", "dryRun": true }).to_string();
    let imported = running.ask("POST", "/mcp/import", &shown).await.json()["spec"].as_str().unwrap().to_owned();
    let edited = imported.replace("title: Pets", "title: Ours").replace("name: own\n", "name: own\nversion: 1.1.0\n");
    let from =
        json!({ "spec": { "text": edited, "imported": imported, "origin": { "openapi": { "tags": ["pets"] } } } });
    let created = running.ask("POST", "/mcp/import", &json!({ "from": from }).to_string()).await;
    assert_eq!((created.status, &created.json()["server"]["latest"]), (201, &json!("1.1.0")), "{created:?}");
    let updated = running.ask("POST", "/mcp/import", &update).await;
    assert_eq!((updated.status, &updated.json()["outcome"]), (200, &json!("unchanged")), "{updated:?}");
    assert_eq!(running.ask("GET", "/mcp/servers/own", "").await.json()["title"], "Ours");

    // Its number is taken after a rollback.
    let newer = json!({ "openapi": { "document": document.replace("operationId: listPets,", "operationId: listPets, summary: All,") } });
    let update = async |from: &Value| {
        running.ask("POST", "/mcp/import", &json!({ "from": from, "name": "own", "update": true }).to_string()).await
    };
    assert_eq!(update(&newer).await.json()["server"]["latest"], "1.1.1");
    assert_eq!(running.ask("POST", "/mcp/servers/own/rollback", "{}").await.status, 200);
    let again = update(&newer).await;
    assert_eq!(again.json()["server"]["latest"], "1.1.2", "{again:?}");
    assert!(again.body.contains("there is a version 1.1.1 already: this one is 1.1.2"), "{again:?}");
}
