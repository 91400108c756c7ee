//! `create --openapi`, as it is typed.

use crate::{factory::json, run::Place};

const PETS: &str = "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\nservers: [{ url: https://pets.example.com }]\npaths:\n\
    \x20 /pets/{id}: { get: { operationId: getPet, tags: [pets], summary: A pet, responses: {} } }\n\
    \x20 /stores: { get: { operationId: listStores, parameters: [{ name: a, in: cookie, schema: { type: string } }], responses: {} } }\n";

#[test]
fn a_document_is_shown_written_or_made_a_server() {
    let place = Place::new().file("pets.yaml", PETS);
    let said = place.run(&["create", "--openapi", "pets.yaml", "--dry-run"]);
    assert!(said.code == Some(0) && said.out.starts_with("name: pets\ntitle: Pets\n"), "{said:?}");
    assert!(said.err.contains("left out: the optional cookie `a` (at /paths/~1stores/get, line 6"), "{said:?}");
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
