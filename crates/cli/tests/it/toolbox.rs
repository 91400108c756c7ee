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

/// As the Toolbox has it, from the working directory; else beside its file. Wherever the spec is kept then, it is that file.
#[test]
fn a_relative_path_of_a_database_leads_where_the_toolbox_would_find_it() {
    let tools = format!(
        "{SOURCE}---\n{}",
        TOOL.replace("SELECT name FROM sqlite_master WHERE name = ?", "SELECT name FROM hotels WHERE name = ?")
    );
    let make = |file: std::path::PathBuf, name: &str| {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let rows = format!("CREATE TABLE hotels (name TEXT); INSERT INTO hotels VALUES ('{name}')");
        rusqlite::Connection::open(file).unwrap().execute_batch(&rows).unwrap();
    };
    let place = Place::new();
    make(place.path("below/hotels.db"), "beside");
    std::fs::write(place.path("below/tools.yaml"), &tools).unwrap();
    std::fs::create_dir(place.path("kept")).unwrap();
    for (out, name) in [("kept/beside.yaml", "beside"), ("kept/here.yaml", "here")] {
        if name == "here" {
            make(place.path("hotels.db"), name);
        }
        let said = place.run(&["create", "--toolbox", "below/tools.yaml", "--out", out]);
        assert!(said.code == Some(0) && said.err.contains("note: the file `hotels.db` of `my_db` is `/"), "{said:?}");
        assert_eq!(place.run(&["validate", out, "--strict"]).code, Some(0));
        let said = place.run(&["test", out, "find", &format!("{{\"name\": \"{name}\"}}")]);
        assert!(said.code == Some(0) && said.out.contains(&format!("\"name\": \"{name}\"")), "{out}: {said:?}");
    }
    let gone = Place::new().file("tools.yaml", &tools);
    let said = gone.run(&["create", "--toolbox", "tools.yaml", "--dry-run"]);
    assert!(
        said.out.contains("path: hotels.db") && said.err.contains("there is no file `hotels.db` of `my_db`"),
        "{said:?}"
    );
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
