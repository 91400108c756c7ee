//! `create --openapi`, as it is typed.

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
    assert!(said.err.ends_with("2 tools of pets.yaml, 1 left out as listed above\n"), "{said:?}");

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

#[test]
fn what_is_no_document_says_why() {
    let place = Place::new().file("spec.yaml", "name: shop\n").file("pets.yaml", PETS);
    let said = place.run(&["create", "--openapi", "spec.yaml", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("neither `openapi` nor `swagger`"), "{said:?}");
    let said = place.run(&["create", "--openapi", "pets.yaml", "--tag", "cats", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("none of the 2 operations was chosen"), "{said:?}");
    let said = place.run(&["create", "pets.yaml", "--dry-run"]);
    assert_eq!(said.code, Some(2), "a spec is not made of one: {said:?}");
    assert_eq!(place.run(&["create", "--openapi", "gone.yaml", "--dry-run"]).code, Some(1));
}

#[test]
fn a_newer_document_is_brought_into_the_file_that_people_edited() {
    let place = Place::new()
        .file("pets.yaml", PETS)
        .file("newer.yaml", &PETS.replace("A pet", "One pet").replace("listStores", "listShops"));
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
