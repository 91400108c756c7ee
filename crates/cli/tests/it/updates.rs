//! `create … --update`, and what `create` tells programs, as they are typed. Issue 6.

use serde_json::{Value, json as object};

use crate::{
    factory::json,
    run::{Place, Said},
};

const PETS: &str = "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\nservers: [{ url: https://pets.example.com }]\npaths:\n\
    \x20 /pets/{id}: { get: { operationId: getPet, tags: [pets], summary: A pet, responses: {} } }\n\
    \x20 /stores: { get: { operationId: listStores, tags: [stores], summary: Stores, responses: {} } }\n";
const COLLECTION: &str =
    r#"{"info": {"name": "Pets"}, "item": [{"name": "Get it", "request": "https://a.example.com/a/:id"}]}"#;

/// With newer ones of it.
fn pets() -> Place {
    let newer = PETS.replace("A pet", "One pet");
    let wider = format!(
        "{newer}  /toys: {{ get: {{ operationId: listToys, tags: [pets], summary: Toys, responses: {{}} }} }}\n"
    );
    Place::new()
        .file("pets.yaml", PETS)
        .file("newer.yaml", &newer)
        .file("wider.yaml", &wider)
        .file("pets.json", COLLECTION)
}

fn did(place: &Place, args: &[&str]) -> Said {
    let said = place.run(args);
    assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
    said
}

fn tools(place: &Place, name: &str) -> Value {
    json(&did(place, &["status", name, "--output", "json"]).out)["tools"].clone()
}

#[test]
fn after_a_rollback_an_update_takes_the_next_number_that_is_free() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml"]);
    did(&place, &["create", "--openapi", "newer.yaml", "--update", "pets"]);
    did(&place, &["rollback", "pets"]);
    let said = did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert!(said.err.contains("note: there is a version 0.1.1 already: this one is 0.1.2\n"), "{said:?}");
    assert!(said.out.starts_with("pets 0.1.2 is a new version: 3 tools\n"), "{said:?}");
}

#[test]
fn a_server_that_is_there_already_is_said_to_be_updated() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml"]);
    let said = place.run(&["create", "--openapi", "newer.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.ends_with(
            "error: `pets` is there already, and version 0.1.0 of it has another text; an update brings what is new into it, and \
             keeps what people changed\nhint: `--update NAME`, with its name, brings what is new into it and keeps what people \
             changed; `--name` makes another server\n"
        ),
        "{said:?}"
    );
}

#[test]
fn what_was_chosen_is_chosen_again_at_an_update() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml", "--tag", "pets"]);
    let said = did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert!(
        said.err.contains("note: chosen as at the last import: `tags` [\"pets\"]; what is given now takes its place"),
        "{said:?}"
    );
    assert!(said.err.contains("added: tools[list_toys]") && !said.err.contains("list_stores"), "{said:?}");
    // What is given takes the place of what was; then that is remembered.
    let said = did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets", "--tag", "stores"]);
    assert!(said.err.contains("added: tools[list_stores]") && !said.err.contains("chosen as"), "{said:?}");
    did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert_eq!(tools(&place, "pets"), 1);
    did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets", "--forget-options"]);
    assert_eq!(tools(&place, "pets"), 3);
    did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert_eq!(tools(&place, "pets"), 3, "that is remembered, too");

    // The same beside a file.
    did(&place, &["create", "--openapi", "pets.yaml", "--method", "GET", "--tag", "pets", "--out", "zoo.yaml"]);
    let said = did(&place, &["create", "--openapi", "wider.yaml", "--update", "zoo.yaml"]);
    assert!(
        said.err.contains("`tags` [\"pets\"], `methods` [\"GET\"]") && !said.err.contains("list_stores"),
        "{said:?}"
    );
    let imported = std::fs::read_to_string(place.path("zoo.yaml.imported")).unwrap();
    assert!(
        imported.starts_with("# origin: {\"openapi\":{\"tags\":[\"pets\"],\"methods\":[\"GET\"]}}\nname: pets\n"),
        "{imported}"
    );
}

#[test]
fn a_file_that_was_imported_and_edited_becomes_a_server_that_is_updated() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml", "--tag", "pets", "--out", "shop.yaml"]);
    let text = std::fs::read_to_string(place.path("shop.yaml")).unwrap();
    std::fs::write(place.path("shop.yaml"), text.replace("title: Pets", "title: Our pets")).unwrap();
    did(&place, &["create", "shop.yaml"]);
    let said = did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert!(said.err.contains("changed: tools[get_pet] (description)") && !said.err.contains("title"), "{said:?}");
    let server = json(&did(&place, &["status", "pets", "--output", "json"]).out);
    assert_eq!((&server["title"], &server["tools"]), (&"Our pets".into(), &2.into()), "{server}");
    assert_eq!(server["origin"], object!({ "openapi": { "tags": ["pets"] } }));

    // Where that is lost, it is said what to do, and that works.
    let lost = pets();
    did(&lost, &["create", "--openapi", "pets.yaml", "--out", "shop.yaml"]);
    std::fs::rename(lost.path("shop.yaml.imported"), lost.path("kept")).unwrap();
    did(&lost, &["create", "shop.yaml"]);
    let said = lost.run(&["create", "--openapi", "wider.yaml", "--update", "pets"]);
    assert!(said.code == Some(1) && said.err.contains("error: `pets` was not imported: nobody knows what"), "{said:?}");
    assert!(
        said.err.contains("hint: where the file is that `--out` wrote, with `FILE.imported` beside it"),
        "{said:?}"
    );
    std::fs::rename(lost.path("kept"), lost.path("shop.yaml.imported")).unwrap();
    did(&lost, &["create", "shop.yaml"]);
    did(&lost, &["create", "--openapi", "wider.yaml", "--update", "pets"]);

    // What is wrong with the file is told as ever.
    std::fs::write(place.path("shop.yaml"), "name: pets\ntool: []\n").unwrap();
    let said = place.run(&["create", "shop.yaml"]);
    assert!(
        said.code == Some(1) && said.err.contains("spec/unknown-field") && said.err.contains("shop.yaml:2"),
        "{said:?}"
    );
}

#[test]
fn what_is_of_another_kind_takes_nothings_place() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml"]);
    did(&place, &["create", "--openapi", "pets.yaml", "--out", "zoo.yaml"]);
    for (update, called) in [("pets", "`pets`"), ("zoo.yaml", "`zoo.yaml`")] {
        let said = place.run(&["create", "--postman", "pets.json", "--update", update]);
        let expected = format!(
            "error: {called} was made of an OpenAPI document, and this is a Postman collection: nothing of it would stay; bring in a \
             newer version of an OpenAPI document, or make another server of this\n"
        );
        assert!(said.code == Some(1) && said.err.ends_with(&expected), "{said:?}");
    }
}

#[test]
fn a_document_of_something_else_takes_nothings_place() {
    let other = "openapi: 3.0.0\ninfo: { title: Books, version: '1' }\nservers: [{ url: 'https://library.example' }]\n\
                 paths: { /books: { get: { operationId: listBooks, responses: { '200': { description: Books } } } } }\n";
    let place = pets().file("books.yaml", other);
    did(&place, &["create", "--openapi", "pets.yaml"]);
    did(&place, &["create", "--openapi", "pets.yaml", "--out", "zoo.yaml"]);
    let before = std::fs::read_to_string(place.path("zoo.yaml")).unwrap();
    for (update, called) in [("pets", "`pets`"), ("zoo.yaml", "`zoo.yaml`")] {
        let said = place.run(&["create", "--openapi", "books.yaml", "--update", update]);
        let expected = format!(
            "error: this has no tool and no connection in common with what {called} was made of: nothing of it would stay; "
        );
        assert!(said.code == Some(1) && said.err.contains(&expected), "{said:?}");
    }
    assert_eq!(std::fs::read_to_string(place.path("zoo.yaml")).unwrap(), before);
}

/// One document on standard output, whatever comes of it.
#[test]
fn programs_get_one_document_of_every_outcome() {
    let place = pets().file("bad.yaml", "name: shop\ntool: []\n").file("page.html", "<!DOCTYPE html><html></html>");
    let run = |args: &[&str], code: i32| {
        let said = place.run(&[args, &["--output", "json"]].concat());
        assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
        assert_eq!(said.out.lines().count(), 1, "{args:?}: {said:?}");
        json(&said.out)
    };
    let shown = run(&["create", "--openapi", "pets.yaml", "--dry-run"], 0);
    assert!(shown["spec"].as_str().unwrap().starts_with("name: pets\n") && shown["findings"] == object!([]), "{shown}");
    let written = run(&["create", "--openapi", "pets.yaml", "--out", "zoo.yaml"], 0);
    assert_eq!(written, object!({ "findings": [], "variables": [], "file": "zoo.yaml" }));
    let created = run(&["create", "--openapi", "pets.yaml", "--tag", "pets"], 0);
    assert_eq!((&created["outcome"], &created["findings"]), (&"created".into(), &object!([])));

    let updated = run(&["create", "--openapi", "wider.yaml", "--update", "pets"], 0);
    assert_eq!(updated["findings"][0]["message"], "chosen as at the last import: `tags` [\"pets\"]", "{updated}");
    assert_eq!(updated["update"]["changes"][0], "changed: tools[get_pet] (description)", "{updated}");
    let updated = run(&["create", "--openapi", "wider.yaml", "--update", "zoo.yaml"], 0);
    assert_eq!((&updated["outcome"], &updated["version"]), (&"updated".into(), &"0.1.1".into()), "{updated}");
    let again = run(&["create", "--openapi", "wider.yaml", "--update", "zoo.yaml"], 0);
    assert_eq!((&again["outcome"], &again["file"]), (&"unchanged".into(), &"zoo.yaml".into()), "{again}");
    let shown = run(&["create", "--openapi", "pets.yaml", "--update", "zoo.yaml", "--dry-run"], 0);
    assert!(shown["spec"].is_string() && shown["update"]["breaking"][0].is_string(), "{shown}");

    // Conflicts, in a file and in a server.
    let text = std::fs::read_to_string(place.path("zoo.yaml")).unwrap();
    std::fs::write(
        place.path("zoo.yaml"),
        text.replace("One pet", "My pet").replace("version: \"0.1.1\"", "version: 0.9.0"),
    )
    .unwrap();
    for more in [&[][..], &["--dry-run"]] {
        let args = [&["create", "--openapi", "pets.yaml", "--update", "zoo.yaml"], more].concat();
        let problem = run(&args, 1);
        assert_eq!(problem["code"], "conflicts", "{problem}");
        assert_eq!(problem["update"]["conflicts"][0]["path"], "tools[get_pet].description", "{problem}");
        assert!(problem["hint"].as_str().unwrap().contains("--prefer ours"), "{problem}");
        assert_eq!(problem["spec"].is_string(), !more.is_empty());
    }
    run(&["create", "zoo.yaml"], 0);
    let problem = run(&["create", "--openapi", "pets.yaml", "--update", "pets"], 1);
    assert_eq!(
        (&problem["code"], &problem["update"]["conflicts"][0]["path"]),
        (&"conflicts".into(), &"tools[get_pet].description".into())
    );
    let problem = run(&["create", "--openapi", "pets.yaml", "--update", "pets", "--dry-run"], 1);
    assert!(problem["code"] == "conflicts" && problem["spec"].is_string(), "{problem}");

    for (args, code, exit) in [
        (&["create", "--openapi", "gone.yaml"][..], "unreadable", 1),
        (&["create", "--openapi", "bad.yaml"], "invalid-document", 1),
        (&["create", "--postman", "page.html"], "invalid-document", 1),
        (&["create", "--postman", "pets.json", "--update", "zoo.yaml"], "other-kind", 1),
        (&["create", "--openapi", "pets.yaml", "--update", "never"], "not-found", 3),
        (&["create", "--openapi", "pets.yaml", "--update", "bad.yaml"], "failed", 1),
        (&["create", "--openapi", "pets.yaml", "--out", "zoo.yaml"], "failed", 1),
        (&["create", "--postman", "pets.json", "--tag", "a"], "invalid-argument", 2),
        (&["create", "gone.yaml"], "failed", 1),
        (&["create", "bad.yaml"], "invalid-spec", 1),
        (&["create", "bad.yaml", "--infer"], "invalid-spec", 1),
        (&["create", "--template", "none"], "not-found", 3),
    ] {
        let problem = run(args, exit);
        assert!(problem["code"] == code && problem["detail"].is_string(), "{args:?}: {problem}");
    }
    assert!(run(&["create", "--openapi", "bad.yaml"], 1)["findings"][0]["message"].is_string());
    assert!(run(&["create", "bad.yaml", "--infer"], 1)["diagnostics"][0]["line"].is_u64());
}

#[test]
fn what_can_not_be_read_says_what_can() {
    let place = pets().file("page.html", "\n<!doctype HTML><html><body>Sign in</body></html>");
    for kind in ["--openapi", "--postman"] {
        let said = place.run(&["create", kind, "page.html", "--dry-run"]);
        assert!(
            said.code == Some(1) && said.err.contains("error: it is a page (HTML or XML), and no document"),
            "{said:?}"
        );
        let said = place.run(&["create", kind, "ftp://example.com/pets.yaml", "--dry-run"]);
        assert!(said.code == Some(1) && said.err.contains("give one of `http` or `https`"), "{said:?}");
    }
    for kind in ["--toolbox", "--graphql", "--mcp", "--database", "--grpc"] {
        let said = place.run(&["create", kind, "ftp://example.com/pets.yaml", "--dry-run"]);
        assert!(
            matches!(said.code, Some(1 | 2)) && ["http", "postgresql", "grpc"].iter().any(|it| said.err.contains(it)),
            "{kind}: {said:?}"
        );
    }
    let place =
        place.file("new.yaml", &PETS.replace("3.0.3", "3.2.0")).file("unknown.yaml", &PETS.replace("3.0.3", "3.9.0"));
    let said = did(&place, &["create", "--openapi", "new.yaml", "--dry-run"]);
    assert!(said.err.starts_with("note: OpenAPI 3.2 is read as 3.1: operations of `query`"), "{said:?}");
    let said = place.run(&["create", "--openapi", "unknown.yaml", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("known are Swagger 2.0, OpenAPI 3.0, 3.1 and 3.2"), "{said:?}");
}

#[test]
fn a_server_is_found_beside_a_folder_of_its_name() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml"]);
    std::fs::create_dir(place.path("pets")).unwrap();
    assert!(did(&place, &["status", "pets"]).out.starts_with("pets 0.1.0: not deployed\n"));
    std::fs::create_dir(place.path("shop")).unwrap();
    let said = place.run(&["test", "shop"]);
    assert!(said.code == Some(3) && said.err.contains("there is no server `shop`"), "{said:?}");
}

#[test]
fn what_is_wrong_with_a_spec_that_is_to_be_completed_is_listed() {
    let place = Place::new().file("bad.yaml", "name: shop\ntool: []\n");
    let said = place.run(&["create", "bad.yaml", "--infer", "--dry-run"]);
    assert!(
        said.code == Some(1) && said.err.contains("spec/unknown-field") && said.err.contains("bad.yaml:2"),
        "{said:?}"
    );
    assert!(
        said.err.ends_with("error: `bad.yaml` has errors; nothing was made of it\nhint: mend what is listed above\n"),
        "{said:?}"
    );
}

#[test]
fn a_text_that_is_there_already_is_said_to_be_of_its_own_version() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml", "--out", "shop.yaml"]);
    did(&place, &["create", "shop.yaml"]);
    did(&place, &["create", "--openapi", "wider.yaml", "--update", "pets"]);
    let said = did(&place, &["create", "shop.yaml"]);
    assert_eq!(said.out, "pets 0.1.0 was there already, with this text; the latest is 0.1.1\n", "{said:?}");
    let said = json(&did(&place, &["create", "shop.yaml", "--output", "json"]).out);
    assert_eq!((&said["version"], &said["server"]["latest"]), (&"0.1.0".into(), &"0.1.1".into()), "{said}");
}

#[test]
fn comments_stay_in_a_file_that_is_updated_or_its_text_is_kept_beside_it() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml", "--out", "shop.yaml"]);
    let text = std::fs::read_to_string(place.path("shop.yaml")).unwrap();
    let version = "name: pets\n# before\nversion: 0.5.0 # ours\n# after\n";
    std::fs::write(place.path("shop.yaml"), text.replace("name: pets\n", version)).unwrap();
    let args = ["create", "--openapi", "wider.yaml", "--update", "shop.yaml", "--output", "json"];
    let told = json(&did(&place, &args).out);
    assert_eq!((&told["commentsKept"], &told["before"]), (&true.into(), &Value::Null), "{told}");
    let text = std::fs::read_to_string(place.path("shop.yaml")).unwrap();
    assert!(text.contains("# before\nversion: \"0.5.1\" # ours\n# after\n"), "{text}");

    // What changes stands in another place than the canonical one.
    let shuffled = text.replacen("    description: One pet\n", "", 1).replacen(
        "    connection: api\n",
        "    connection: api\n    # what it is\n    description: One pet\n",
        1,
    );
    std::fs::write(place.path("shop.yaml"), &shuffled).unwrap();
    let args = ["create", "--openapi", "pets.yaml", "--update", "shop.yaml"];
    let said = did(&place, &args);
    assert!(said.err.contains("the text as it was is in `shop.yaml.before`"), "{said:?}");
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(read("shop.yaml.before"), shuffled);

    // That is not written over, and then nothing is.
    std::fs::write(place.path("shop.yaml"), &shuffled).unwrap();
    let imported = read("shop.yaml.imported");
    std::fs::write(place.path("third.yaml"), PETS.replace("A pet", "Some pet")).unwrap();
    let said = place.run(&["create", "--openapi", "third.yaml", "--update", "shop.yaml", "--prefer", "theirs"]);
    assert!(said.code == Some(1) && said.err.contains("can't write `shop.yaml.before`"), "{said:?}");
    assert_eq!(read("shop.yaml"), shuffled);
    assert_eq!((read("shop.yaml.before"), read("shop.yaml.imported")), (shuffled.clone(), imported), "{said:?}");
}

#[test]
fn a_spec_that_is_no_import_brings_nothing_into_another() {
    let place = pets();
    did(&place, &["create", "--openapi", "pets.yaml", "--out", "shop.yaml"]);
    for more in [&["--update", "pets", "--prefer", "theirs"][..], &["--update", "pets"]] {
        let said = place.run(&[&["create", "shop.yaml"], more].concat());
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.starts_with("error: `--update` is about what is imported"), "{said:?}");
    }
}
