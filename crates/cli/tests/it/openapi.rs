//! `create --openapi`, as it is typed.

use std::io::{BufRead as _, Write as _};

use crate::{factory::json, run::Place};

const PETS: &str = "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\nservers: [{ url: https://pets.example.com }]\npaths:\n\
    \x20 /pets/{id}: { get: { operationId: getPet, tags: [pets], summary: A pet, responses: {} } }\n\
    \x20 /stores: { get: { operationId: listStores, parameters: [{ name: a, in: query, schema: { type: object } }], responses: {} } }\n";

#[test]
fn a_document_is_shown_written_or_made_a_server() {
    let place = Place::new().file("pets.yaml", PETS);
    let said = place.run(&["create", "--openapi", "pets.yaml", "--dry-run"]);
    assert!(said.code == Some(0) && said.out.starts_with("name: pets\ntitle: Pets\n"), "{said:?}");
    assert!(
        said.err.contains("left out: the query parameter `a`, an object of any keys (at /paths/~1stores/get, line 6"),
        "{said:?}"
    );
    assert!(said.err.ends_with("2 tools of pets.yaml, 1 part left out as listed above\n"), "{said:?}");

    let chosen = ["create", "--openapi", "pets.yaml", "--tag", "pets", "--name", "zoo", "--out", "zoo.yaml"];
    let said = place.run(&chosen);
    assert!(said.code == Some(0) && said.out.is_empty(), "{said:?}");
    assert_eq!(place.run(&["validate", "zoo.yaml", "--strict"]).code, Some(0));
    let said = place.run(&chosen);
    assert!(said.code == Some(1) && said.err.contains("hint: remove it, or choose another name"), "{said:?}");

    let said = place.run(&["create", "--openapi", "pets.yaml", "--output", "json"]);
    let created = json(&said.out);
    assert_eq!((&created["outcome"], &created["server"]["tools"]), (&"created".into(), &2.into()), "{said:?}");
}

/// A document whose parameter is at another URL.
#[test]
fn what_a_document_refers_to_by_url_is_fetched_where_that_is_typed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let parameter = "a: { name: colour, in: query, schema: { type: string } }\n";
    let document =
        PETS.replace("{ name: a, in: query, schema: { type: object } }", &format!("{{ $ref: '{at}/more/a.yaml#/a' }}"));
    let (place, served) = (Place::new().file("pets.yaml", &document), document.clone());
    let (heard, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = std::io::BufReader::new(&stream).read_line(&mut line);
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let body = if path == "/more/a.yaml" { parameter } else { &served };
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
            if heard.send(path).is_err() {
                break;
            }
        }
    });
    for (source, own) in [("pets.yaml", vec![]), (&*format!("{at}/pets.yaml"), vec!["/pets.yaml".to_owned()])] {
        let said = place.run(&["create", "--openapi", source, "--dry-run"]);
        assert!(said.code == Some(0) && !said.out.contains("colour"), "{said:?}");
        assert!(
            said.err.contains("more/a.yaml` was not read") && said.err.contains("`--fetch-references`"),
            "{said:?}"
        );
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), own);
        let said = place.run(&["create", "--openapi", source, "--dry-run", "--fetch-references"]);
        assert!(said.code == Some(0) && said.out.contains("colour"), "{said:?}");
        assert_eq!(asked.try_iter().collect::<Vec<_>>(), [own, vec!["/more/a.yaml".to_owned()]].concat());
    }
}

/// As `<(curl …)` and `… | mcp-factory create --openapi /dev/stdin` hand it over.
#[test]
fn a_document_is_read_out_of_a_pipe() {
    let said = Place::new().run_with(&["create", "--openapi", "/dev/stdin", "--dry-run"], PETS);
    assert!(said.code == Some(0) && said.out.starts_with("name: pets\n"), "{said:?}");
    let said = Place::new().run_with(&["create", "/dev/stdin", "--output", "json"], &said.out);
    assert_eq!(json(&said.out)["outcome"], "created", "{said:?}");
}

#[test]
fn what_is_no_document_says_why() {
    let place = Place::new().file("spec.yaml", "name: shop\n").file("pets.yaml", PETS);
    let said = place.run(&["create", "--openapi", "spec.yaml", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("neither `openapi` nor `swagger`"), "{said:?}");
    let said = place.run(&["create", "--openapi", "pets.yaml", "--tag", "cats", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("none of the 2 operations was chosen"), "{said:?}");
    assert!(said.err.contains("none has the tag `cats`"), "{said:?}");
    let said = place.run(&["create", "--openapi", "pets.yaml", "--base-url", "ftp://x", "--dry-run"]);
    let told = "`--base-url` is a URL of `http` or `https`, not `ftp://x/`";
    assert!(said.code == Some(2) && said.err.contains(told), "{said:?}");
    let said = place.run(&["create", "--openapi", "pets.yaml", "--token-env-var", "TOKEN", "--dry-run"]);
    assert!(said.code == Some(2) && said.err.contains("is about `--mcp` or `--graphql`"), "{said:?}");
    let said = place.run(&["create", "pets.yaml", "--dry-run"]);
    assert_eq!(said.code, Some(2), "a spec is not made of one: {said:?}");
    assert_eq!(place.run(&["create", "--openapi", "gone.yaml", "--dry-run"]).code, Some(1));
}

#[test]
fn a_newer_document_is_brought_into_the_file_that_people_edited() {
    let place = Place::new().file("pets.yaml", PETS).file(
        "newer.yaml",
        &PETS.replace("A pet", "One pet").replace("listStores", "listShops").replace("/stores", "/shops"),
    );
    assert_eq!(place.run(&["create", "--openapi", "pets.yaml", "--out", "server.yaml"]).code, Some(0));
    let update = |document: &str, more: &[&str]| {
        place.run(&[&["create", "--openapi", document, "--update", "server.yaml"], more].concat())
    };
    let said = update("pets.yaml", &[]);
    assert!(said.code == Some(0) && said.err.contains("nothing changed in `server.yaml`"), "{said:?}");
    let text = std::fs::read_to_string(place.path("server.yaml")).unwrap();
    let edited = text.replace("title: Pets", "title: Our pets # ours");
    std::fs::write(place.path("server.yaml"), edited).unwrap();
    let said = update("newer.yaml", &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "changed: tools[get_pet] (description)",
        "breaking: tool `list_stores`: it is gone",
        "added: tools[list_shops]",
    ] {
        assert!(said.err.contains(line), "{line}: {said:?}");
    }
    let text = std::fs::read_to_string(place.path("server.yaml")).unwrap();
    assert!(text.contains("title: Our pets # ours\n") && text.contains("One pet"), "{text}");

    std::fs::write(place.path("server.yaml"), text.replace("One pet", "My pet")).unwrap();
    let said = update("pets.yaml", &[]);
    assert!(
        said.code == Some(1) && said.err.contains("conflict: tools[get_pet].description: ours is \"My pet\""),
        "{said:?}"
    );
    assert!(std::fs::read_to_string(place.path("server.yaml")).unwrap().contains("list_shops"), "nothing was changed");
    assert_eq!(update("pets.yaml", &["--prefer", "theirs"]).code, Some(0));
    assert!(std::fs::read_to_string(place.path("server.yaml")).unwrap().contains("A pet"));
}

/// What a spec needs of secrets is said wherever somebody could wonder why it does not work.
#[test]
fn secrets_that_an_import_needs_are_told_by_each_command_until_they_are_set() {
    let keyed = PETS.replace("paths:", "components: { securitySchemes: { key: { type: apiKey, in: header, name: X-Key } } }\nsecurity: [{ key: [] }]\npaths:");
    let place = Place::new().file("pets.yaml", &keyed).environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    let said = place.run(&["create", "--openapi", "pets.yaml", "--out", "server.yaml"]);
    let told = "needs `PETS_KEY`: an environment variable for `serve`, a secret for a server of the factory (mcp-factory secrets set PETS_KEY < FILE)\n";
    assert!(said.code == Some(0) && said.err.contains(told), "{said:?}");
    let said = place.run(&["status", "server.yaml"]);
    assert!(said.out.contains("\nneeds: `PETS_KEY` (missing)\n"), "{said:?}");
    let serving = place.serve(&["server.yaml"]);
    assert!(serving.terminate().1.contains("environment variable `PETS_KEY` is not set; what needs it fails"));

    let missing = "needs the secret `PETS_KEY`, which is not set: mcp-factory secrets set PETS_KEY < FILE\n";
    let said = place.run(&["create", "--openapi", "pets.yaml"]);
    assert_eq!(
        said.out,
        format!("pets 0.1.0 was created: 2 tools\n{missing}next: mcp-factory deploy pets\n"),
        "{said:?}"
    );
    let said = place.run(&["status", "pets"]);
    assert!(
        said.out.contains("  needs        secret `PETS_KEY` (missing)\n") && said.out.ends_with(missing),
        "{said:?}"
    );
    let said = place.run(&["deploy", "pets"]);
    assert!(said.code == Some(0) && said.out.ends_with(missing), "{said:?}");
    assert_eq!(place.run_with(&["secrets", "set", "PETS_KEY"], "k-1234").code, Some(0));
    let said = place.run(&["deploy", "pets"]);
    assert!(said.code == Some(0) && !said.out.contains("PETS_KEY"), "{said:?}");
    let said = place.run(&["status", "pets"]);
    assert!(said.out.contains("  needs        secret `PETS_KEY` (set)\n") && !said.out.contains("k-1234"), "{said:?}");
    let said = place.run(&["status", "pets", "--output", "json"]);
    assert_eq!(json(&said.out)["secrets"], serde_json::json!([{ "name": "PETS_KEY", "set": true }]), "{said:?}");
    assert_eq!(place.run(&["down"]).code, Some(0));
}
