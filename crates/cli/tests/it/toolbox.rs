//! `create --toolbox` and `create --postman`, as they are typed.

use crate::run::Place;

const SOURCE: &str = "kind: source\nname: my-db\ntype: sqlite\ndatabase: hotels.db\n";
const TOOL: &str = "kind: tool\nname: find\ntype: sqlite-sql\nsource: my-db\ndescription: Finds\n\
    statement: SELECT name FROM sqlite_master WHERE name = ?\nparameters: [{ name: name, type: string, description: A name }]\n";

#[test]
fn toolbox_files_become_one_server_that_answers() {
    let place = Place::new().file("source.yaml", SOURCE).file("tools.yaml", &format!("{TOOL}examples: []\n"));
    let files = ["create", "--toolbox", "source.yaml", "tools.yaml"];
    let said = place.run(&[&files[..], &["--dry-run"]].concat());
    assert!(said.code == Some(0) && said.out.starts_with("name: source\n"), "{said:?}");
    assert!(said.out.contains("WHERE name = :name"), "{said:?}");
    assert!(
        said.err.contains("left out: `examples` of the tool `find` (at tools.yaml#/tools/find, line 1"),
        "{said:?}"
    );
    assert!(said.err.ends_with("1 tool of source.yaml, tools.yaml, 1 part left out as listed above\n"), "{said:?}");
    let said = place.run(&[&files[..], &["--name", "hotels", "--out", "hotels.yaml"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(place.run(&["validate", "hotels.yaml", "--strict"]).code, Some(0));
    let said = place.run(&["create", "--toolbox", "source.yaml", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("the file declares no tools"), "{said:?}");
}

#[test]
fn a_postman_collection_becomes_a_server() {
    let collection =
        r#"{"info": {"name": "Shop"}, "item": [{"name": "Get it", "request": "https://a.example.com/a/:id"}]}"#;
    let place = Place::new().file("shop.json", collection);
    let said = place.run(&["create", "--postman", "shop.json", "--dry-run"]);
    assert!(said.code == Some(0) && said.out.contains("path: \"/a/{id}\""), "{said:?}");
    assert!(said.err.ends_with("1 tool of shop.json\n"), "{said:?}");
    let said = place.run(&["create", "--postman", "shop.json", "--tag", "a", "--dry-run"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}
