use proptest::prelude::*;
use serde_json::{Map, json};

use super::{merge::merge, *};
use crate::openapi::{NoFiles, Options, import};

fn update(base: &Spec, ours: &Spec, theirs: &Spec, prefer: Option<Prefer>) -> Result<Update, Apart> {
    super::update(base, ours, theirs, prefer, |_| false)
}

/// Issue 6: a document of something else does not take the place of what people have.
#[test]
fn what_has_nothing_in_common_with_it_is_not_brought_in() {
    let of = |name: &str, url: &str, path: &str| {
        let text = format!(
            "name: zoo\nversion: 0.1.0\nconnections: [{{ name: api, type: http, url: {url} }}]\n\
             tools: [{{ name: {name}, description: It gets something, connection: api, http: {{ path: {path} }} }}]\n"
        );
        read(&Source::new("spec.yaml", text.as_bytes()), &AllFiles).spec.expect("a spec")
    };
    let old = of("list_pets", "https://zoo.example", "/pets");
    let check = |new: Spec, expected: bool| {
        let apart = matches!(update(&old, &old, &new, None), Err(Apart::Strangers));
        assert_eq!(apart, expected, "{:?}", new.canonical());
    };
    check(of("list_books", "https://library.example", "/books"), true);
    check(of("list_animals", "https://zoo.example", "/animals"), false);
    check(of("list_pets", "https://new.example", "/v2/pets"), false);
    check(of("get_pets", "https://new.example", "/pets"), false);
}

/// Trees as specs are: fields, named elements, sets of words, texts.
fn tree() -> impl Strategy<Value = Value> {
    let word = prop_oneof!["a", "b", "c", "d"].prop_map(|it| it.to_string());
    let leaf = prop_oneof![
        (0..4_i64).prop_map(Value::from),
        word.clone().prop_map(Value::from),
        proptest::collection::btree_set(word.clone(), 1..4).prop_map(|set| set.into_iter().collect::<Value>()),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        let fields = proptest::collection::btree_map(word.clone(), inner.clone(), 0..4);
        let object = |fields: std::collections::BTreeMap<String, Value>| Map::from_iter(fields);
        prop_oneof![
            fields.clone().prop_map(move |it| Value::Object(object(it))),
            proptest::collection::btree_map(word.clone(), fields, 1..4).prop_map(move |elements| {
                let named = |(name, fields)| {
                    let mut fields = object(fields);
                    fields.insert("name".to_owned(), Value::String(name));
                    Value::Object(fields)
                };
                elements.into_iter().map(named).collect()
            }),
        ]
    })
}

fn whole() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-d]", tree(), 0..4).prop_map(|it| Value::Object(Map::from_iter(it)))
}

/// Every value that is no object and no list of named elements, by its path; what is gone is not in it.
fn leaves(value: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(value, &format!("{path}.{key}"), into)),
        Value::Array(elements) if elements.iter().all(Value::is_object) => elements.iter().for_each(|element| {
            let name = element["name"].as_str().unwrap_or_default();
            leaves(element, &format!("{path}[{name}]"), into);
        }),
        leaf => into.push((path.to_owned(), leaf.clone())),
    }
}

fn all(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    leaves(value, "", &mut all);
    all
}

fn conflicted(conflicts: &[Conflict], path: &str) -> bool {
    let path = path.trim_start_matches('.');
    conflicts.iter().any(|it| path.starts_with(&it.path) || it.path.starts_with(path))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_new_changes_nothing(base in whole(), ours in whole()) {
        let (merged, conflicts) = merge(&base, &ours, &base, None);
        prop_assert_eq!(merged.to_string(), ours.to_string());
        prop_assert!(conflicts.is_empty());
    }

    #[test]
    fn without_edits_it_is_the_new_import(base in whole(), theirs in whole()) {
        let (merged, conflicts) = merge(&base, &base, &theirs, None);
        prop_assert_eq!(merged, theirs);
        prop_assert!(conflicts.is_empty());
    }

    #[test]
    fn no_edit_is_lost(base in whole(), ours in whole(), theirs in whole(), prefer in prop_oneof![Just(None), Just(Some(Prefer::Ours))]) {
        let (merged, conflicts) = merge(&base, &ours, &theirs, prefer);
        let (before, mine, after) = (all(&base), all(&ours), all(&merged));
        for (path, value) in mine.iter().filter(|it| !before.contains(it)) {
            let kept = after.iter().any(|(at, now)| at == path && match (value, now) {
                // Of a set each word is an edit of its own.
                (Value::Array(value), Value::Array(now)) => {
                    let old = before.iter().find(|(at, _)| at == path).and_then(|(_, old)| old.as_array());
                    value.iter().all(|it| now.contains(it) || old.is_some_and(|old| old.contains(it)))
                }
                (value, now) => value == now,
            });
            prop_assert!(kept, "{} = {} of ours is not in {}", path, value, merged);
        }
        // What was taken away does not come back.
        for (path, _) in before.iter().filter(|(path, _)| !ours_has(&ours, path)) {
            prop_assert!(!after.iter().any(|(at, _)| at == path) || conflicted(&conflicts, path), "{} came back: {}", path, merged);
        }
    }

    #[test]
    fn whose_counts_is_asked_only_where_both_changed_it(base in whole(), ours in whole(), theirs in whole()) {
        let (_, conflicts) = merge(&base, &ours, &theirs, None);
        for conflict in &conflicts {
            prop_assert!(conflict.ours != conflict.base && conflict.theirs != conflict.base && conflict.ours != conflict.theirs);
        }
        let (settled, again) = merge(&base, &ours, &theirs, Some(Prefer::Theirs));
        prop_assert_eq!(again.len(), conflicts.len());
        prop_assert!(conflicts.is_empty() || settled != ours || conflicts.iter().all(|it| it.theirs.is_none() || it.ours.is_some()));
    }
}

/// Whether there is anything at a path, or above it something that is no container.
fn ours_has(ours: &Value, path: &str) -> bool {
    all(ours).iter().any(|(at, _)| at == path || path.starts_with(at.as_str()) || at.starts_with(path))
}

const PETS: &str = "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\nservers: [{ url: https://pets.example.com }]\npaths:\n\
    \x20 /pets:\n    get: { operationId: listPets, summary: All pets, tags: [pets], parameters: [{ name: kind, in: query, schema: { type: string, enum: [cat, dog] } }], responses: {} }\n\
    \x20 /pets/{id}:\n    get: { operationId: getPet, summary: A pet, responses: { 200: { description: It, content: { application/json: { schema: { type: object, properties: { id: { type: string }, age: { type: integer } } } } } } } }\n\
    \x20   delete: { operationId: deletePet, summary: No pet, responses: {} }\n";

fn spec(document: &str) -> Spec {
    import("pets.yaml", document.as_bytes(), &NoFiles, &Options::default()).unwrap().spec
}

fn spec_of(text: &str) -> Spec {
    let reading = mcp_factory_spec::read(
        &mcp_factory_spec::Source::new("ours.yaml", text.as_bytes()),
        &mcp_factory_spec::AllFiles,
    );
    reading.spec.unwrap_or_else(|| panic!("{:?}\n{text}", reading.diagnostics))
}

#[test]
fn people_keep_their_words_and_comments_and_get_what_is_new() {
    let base = spec(PETS);
    let text = format!("# Ours.\n{}", base.canonical_yaml())
        .replace("description: All pets", "description: Every pet of the shop # better")
        .replace("version: 0.1.0", "version: 1.0.0");
    let ours = spec_of(&text);
    let theirs = spec(
        &format!("{PETS}  /stores:\n    get: {{ operationId: listStores, responses: {{}} }}\n")
            .replace("No pet", "Removes a pet"),
    );
    let update = update(&base, &ours, &theirs, None).unwrap();
    assert_eq!((update.conflicts.len(), update.breaking.len()), (0, 0), "{update:?}");
    let changes: Vec<String> = update.changes.iter().map(ToString::to_string).collect();
    assert!(changes.contains(&"changed: tools[delete_pet] (description)".to_owned()), "{changes:?}");
    assert!(changes.contains(&"added: tools[list_stores]".to_owned()), "{changes:?}");
    let (written, carried) = update.written(&ours, &text);
    assert!(carried && written.starts_with("# Ours.\n"), "{written}");
    assert!(written.contains("description: Every pet of the shop # better\n"), "{written}");
    assert_eq!(spec_of(&written), update.spec);
    assert!(update.spec.version > ours.version);

    let again = super::update(&theirs, &update.spec, &theirs, None, |_| false).unwrap();
    assert!(again.is_unchanged() && again.spec == update.spec);
    assert_eq!(again.written(&update.spec, &written), (written, true));
}

#[test]
fn what_both_changed_is_asked() {
    let base = spec(PETS);
    let ours = spec_of(&base.canonical_yaml().replace("description: All pets", "description: Every pet"));
    let theirs = spec(&PETS.replace("All pets", "The pets"));
    let open = update(&base, &ours, &theirs, None).unwrap();
    assert_eq!(open.conflicts[0].path, "tools[list_pets].description");
    assert!(!open.is_settled());
    for (prefer, expected) in [(Prefer::Ours, "Every pet"), (Prefer::Theirs, "The pets")] {
        let settled = update(&base, &ours, &theirs, Some(prefer)).unwrap();
        assert!(settled.is_settled());
        assert_eq!(settled.spec.tools[0].description, expected);
    }
    // A tool that people took away stays away, and one that is gone there and was edited here is asked about.
    let fewer = spec_of(&without(&base, "delete_pet").to_string());
    let theirs = spec(&PETS.replace("No pet", "Removes a pet"));
    let kept = update(&base, &fewer, &theirs, None).unwrap();
    assert!(kept.is_unchanged() && kept.conflicts.is_empty());
    let theirs = spec_of(&without(&base, "list_pets").to_string());
    assert_eq!(update(&base, &ours, &theirs, None).unwrap().conflicts[0].path, "tools[list_pets]");
}

fn without(spec: &Spec, tool: &str) -> Value {
    let mut value = spec.canonical();
    value["tools"].as_array_mut().unwrap().retain(|it| it["name"] != tool);
    value
}

#[test]
fn what_breaks_callers_is_named() {
    let base = spec(PETS);
    let newer = PETS
        .replace("enum: [cat, dog]", "enum: [cat]")
        .replace("age: { type: integer }", "age: { type: string }")
        .replace("id: { type: string }, ", "")
        .replace("{ name: kind, in: query,", "{ name: shop, in: query, required: true, schema: { type: string } }, { name: kind, in: query, required: true,")
        .replace("\x20   delete: { operationId: deletePet, summary: No pet, responses: {} }\n", "");
    let update = update(&base, &base, &spec(&newer), None).unwrap();
    let breaking: Vec<String> = update.breaking.iter().map(ToString::to_string).collect();
    for expected in [
        "tool `list_pets`: the parameter `kind` became required",
        "tool `list_pets`: the parameter `kind` does not take `dog` any more",
        "tool `list_pets`: the parameter `shop` is new and required",
        "tool `get_pet`: `id` of the result is gone",
        "tool `get_pet`: the type of `age` of the result changed from integer to string",
        "tool `delete_pet`: it is gone",
    ] {
        assert!(breaking.iter().any(|it| *it == format!("breaking: {expected}")), "{expected}: {breaking:#?}");
    }
    assert_eq!(update.spec.version.to_string(), "0.2.0");
    assert_eq!(json!(update.spec.tools.len()), 2);
}

/// A value that takes nothing is no merge of two that take something.
#[test]
fn lists_that_leave_nothing_together_are_asked() {
    let of = |values: &[&str]| json!({ "enum": values });
    let (base, ours, theirs) = (of(&["x", "y"]), of(&["y"]), of(&["x"]));
    let (_, conflicts) = merge(&base, &ours, &theirs, None);
    assert_eq!(conflicts.len(), 1);
    assert_eq!(merge(&base, &ours, &theirs, Some(Prefer::Ours)).0, ours);
    assert_eq!(merge(&base, &ours, &theirs, Some(Prefer::Theirs)).0, theirs);
    assert_eq!(merge(&base, &ours, &of(&["x", "y", "z"]), None).0, of(&["y", "z"]));
}

/// By what it calls: a tool that people renamed, on a connection that they renamed, is kept up to date under their names. Issue 6, B3.
#[test]
fn what_people_renamed_is_known_by_what_it_calls() {
    let base = spec(PETS);
    let renamed = base
        .canonical_yaml()
        .replace("name: list_pets", "name: find_pets")
        .replace("{ name: api,", "{ name: shop,")
        .replace("connection: api\n", "connection: shop\n");
    let ours = spec_of(&renamed);
    // Others call it otherwise by now, too, and there is more.
    let newer = PETS.replace("No pet", "Removes a pet").replace("listPets", "allPets").replace("All pets", "Each pet");
    let theirs = spec(&format!("{newer}  /stores:\n    get: {{ operationId: listStores, responses: {{}} }}\n"));
    let update = update(&base, &ours, &theirs, None).unwrap();
    assert!(update.conflicts.is_empty() && update.breaking.is_empty(), "{update:?}");
    let changes: Vec<String> = update.changes.iter().map(ToString::to_string).collect();
    for expected in [
        "changed: tools[find_pets] (description)",
        "changed: tools[delete_pet] (description)",
        "added: tools[list_stores]",
    ] {
        assert!(changes.contains(&expected.to_owned()), "{expected}: {changes:?}");
    }
    let tools: Vec<&str> = update.spec.tools.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(tools, ["find_pets", "get_pet", "delete_pet", "list_stores"]);
    assert!(update.spec.tools.iter().all(|it| it.connection.as_ref().unwrap().as_str() == "shop"));

    // Whoever calls something else with it has another tool; that what was imported stays out is told.
    let other = spec_of(&renamed.replace("path: /pets\n", "path: /animals\n"));
    let apart = super::update(&base, &other, &theirs, None, |_| false).unwrap();
    assert_eq!(apart.findings[0].message, STAYS_OUT, "by its old name, whatever it is called there now");
    let theirs = spec(&PETS.replace("All pets", "Each pet"));
    let apart = super::update(&base, &other, &theirs, None, |_| false).unwrap();
    assert_eq!(apart.findings[0].message, STAYS_OUT);
}

const STAYS_OUT: &str =
    "not brought in, though changed: `list_pets`; people took out what was imported, or made another call of it";

/// Each kind of call, and its connection where two are alike.
#[test]
fn a_renamed_tool_of_each_kind_keeps_its_name() {
    let of = |name: &str, call: (&str, Value), about: &str| {
        json!({ "connections": [{ "name": "c", "type": "http", "url": "https://a.example" }],
            "tools": [{ "name": name, "connection": "c", "description": about, call.0: call.1 }],
            "toolsets": [{ "name": "all", "tools": [name] }] })
    };
    let calls = [
        ("http", json!({ "method": "POST", "path": "/a" }), json!({ "method": "POST", "path": "/a", "body": "{b}" })),
        ("sql", json!("SELECT a  FROM t"), json!("SELECT a\nFROM t")),
        (
            "graphql",
            json!({ "query": "query { a { b } }", "select": "/a" }),
            json!({ "query": "query { a { b c } }", "select": "/a" }),
        ),
        ("grpc", json!({ "method": "a.B/C" }), json!({ "method": "a.B/C", "message": "{m}" })),
        ("mcp", json!({ "tool": "x" }), json!({ "tool": "x" })),
    ];
    for (kind, old, new) in calls {
        let (mut base, ours) = (of("a", (kind, old.clone()), "old"), of("mine", (kind, old), "old"));
        let mut theirs = of("a", (kind, new), "new");
        identity::keep_last_names(&base, &ours, &mut theirs);
        identity::follow_people(&mut base, &ours, &mut theirs);
        let (merged, conflicts) = merge(&base, &ours, &theirs, None);
        assert!(conflicts.is_empty(), "{kind}: {conflicts:?}");
        assert_eq!((&merged["tools"][0]["name"], &merged["tools"][0]["description"]), (&json!("mine"), &json!("new")));
        assert_eq!((merged["tools"].as_array().unwrap().len(), &merged["toolsets"][0]["tools"]), (1, &json!(["mine"])));
    }
}

#[test]
fn numbers_that_are_taken_are_passed_over_and_it_is_told() {
    let base = spec(PETS);
    let theirs = spec(&PETS.replace("All pets", "The pets"));
    let taken = ["0.1.1", "0.1.2"];
    let is_taken = |version: &Version| taken.contains(&&*version.to_string());
    let update = super::update(&base, &base, &theirs, None, is_taken).unwrap();
    assert_eq!(update.spec.version.to_string(), "0.1.3");
    assert_eq!(update.findings[0].message, "there is a version 0.1.1 already: this one is 0.1.3");
}

/// What a name calls stays: with people's edits, and out if people took it out. Another thing of that name gets a number.
#[test]
fn what_the_new_import_calls_otherwise_keeps_its_name() {
    let base = spec(PETS);
    let ours = spec_of(&without(&base, "delete_pet").to_string().replace("All pets", "Every pet"));
    let theirs =
        spec(&PETS.replace("listPets", "allPets").replace("deletePet", "removePet").replace("A pet", "One pet"));
    let update = update(&base, &ours, &theirs, None).unwrap();
    let changes: Vec<String> = update.changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["changed: tools[get_pet] (description)", "added: version"]);
    assert_eq!(
        update.findings[0].message,
        "names stay with what they call: `all_pets` of the new import is `list_pets` here"
    );

    let of = |tools: &[(&str, &str)]| {
        let tool = |(name, table): &(&str, &str)| {
            format!(
                "  - {{ name: {name}, description: Delete a row of {table}, connection: db, parameters: {{ id: {{ type: integer, required: true }} }}, \
                 sql: 'DELETE FROM {table} WHERE id = :id' }}\n"
            )
        };
        let tools: String = tools.iter().map(tool).collect();
        spec_of(&format!(
            "name: shop\nversion: 1.0.0\nconnections: [{{ name: db, type: postgresql, envVar: DB }}]\ntools:\n{tools}"
        ))
    };
    let base = of(&[("delete_customer", "customers")]);
    let theirs = of(&[("delete_customer", "customer"), ("delete_customers", "customers")]);
    let update = super::update(&base, &base, &theirs, None, |_| false).unwrap();
    let merged = update.spec.canonical();
    let sql: Vec<_> = tools(&merged).map(|(name, tool)| (name, tool["sql"].as_str().unwrap())).collect();
    assert_eq!(
        sql,
        [
            ("delete_customer_2", "DELETE FROM customer WHERE id = :id"),
            ("delete_customer", "DELETE FROM customers WHERE id = :id")
        ]
    );
    assert!(update.breaking.is_empty(), "{:?}", update.breaking);

    // And the next time, though what was imported last is written in its own names.
    let ours = update.spec;
    let mut newer = theirs.canonical();
    for tool in newer["tools"].as_array_mut().unwrap() {
        tool["description"] = format!("Delete one of {}", tool["sql"].as_str().unwrap()).into();
    }
    let again = super::update(&theirs, &ours, &spec_of(&newer.to_string()), None, |_| false).unwrap();
    let merged = again.spec.canonical();
    for (name, tool) in tools(&merged) {
        let expected = format!("Delete one of {}", tool["sql"].as_str().unwrap());
        assert_eq!(tool["description"], expected, "{name} is kept up to date");
    }
    assert_eq!((again.conflicts.len(), again.changes.len()), (0, 3), "{:?}", again.changes);

    // The table that it was is gone, and another has its name.
    let update = super::update(&base, &base, &of(&[("delete_customer", "customer")]), None, |_| false).unwrap();
    let breaking: Vec<String> = update.breaking.iter().map(ToString::to_string).collect();
    assert_eq!(breaking, ["breaking: tool `delete_customer`: its table was customers, and is customer"]);
    assert_eq!(update.spec.version.to_string(), "2.0.0");
}

/// The column that says whose a row is has another name now: what is new would answer everybody's.
#[test]
fn rows_do_not_become_everybodys_unasked() {
    let of = |scope: &str, select: &str| {
        spec_of(&format!(
            "name: shop\nversion: 1.0.0\nconnections: [{{ name: db, type: postgresql, envVar: DB{scope} }}]\ntools:\n\
             \x20 - {{ name: search_notes, description: Notes, connection: db, sql: 'SELECT id FROM public.notes{select}' }}\n\
             \x20 - {{ name: search_tags, description: Tags, connection: db, sql: 'SELECT id FROM tags WHERE tenant = :principal.id' }}\n"
        ))
    };
    let scope = |tables: &str| format!(", scope: {{ column: tenant, by: principal.id, tables: [{tables}] }}");
    let base = of(&scope("notes, tags"), " WHERE tenant = :principal.id");
    let theirs = of(&scope("tags"), "");
    let open = update(&base, &base, &theirs, None).unwrap();
    assert!(!open.is_settled() && open.is_unchanged(), "{open:?}");
    assert_eq!((open.conflicts.len(), &*open.conflicts[0].path), (1, "connections[db].scope"));
    assert!(update(&base, &base, &theirs, Some(Prefer::Ours)).unwrap().is_unchanged());
    let taken = update(&base, &base, &theirs, Some(Prefer::Theirs)).unwrap();
    let (taken, theirs_now) = (taken.spec.canonical(), theirs.canonical());
    assert_eq!((&taken["connections"], &taken["tools"]), (&theirs_now["connections"], &theirs_now["tools"]));
    // A table that is gone has nobody's rows.
    let fewer = spec_of(&without(&theirs, "search_notes").to_string());
    assert!(update(&base, &base, &fewer, None).unwrap().is_settled());
}

/// Some tools of few names and few calls, each name once.
fn some_tools() -> impl Strategy<Value = Value> {
    let name = prop_oneof!["a", "b", "c", "a_2", "delete_a", "delete_b"].prop_map(|it| it.to_string());
    let sql = prop_oneof!["SELECT x FROM a", "SELECT y FROM a", "SELECT x FROM b", "DELETE FROM a", "DELETE FROM b"];
    proptest::collection::btree_map(name, sql.prop_map(|it| it.to_string()), 0..5).prop_map(|tools| {
        let tools: Vec<Value> =
            tools.into_iter().map(|(name, sql)| json!({ "name": name, "connection": "db", "sql": sql })).collect();
        json!({ "tools": tools })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is called what by whom, nothing is lost, and no two are called the same.
    #[test]
    fn names_that_are_kept_are_names_of_one(base in some_tools(), ours in some_tools(), theirs in some_tools()) {
        let (mut old, mut new) = (base.clone(), theirs.clone());
        identity::keep_last_names(&old, &ours, &mut new);
        identity::follow_people(&mut old, &ours, &mut new);
        for (before, after) in [(&base, &old), (&theirs, &new)] {
            let names: HashSet<&str> = tools(after).map(|(name, _)| name).collect();
            prop_assert_eq!(names.len(), tools(before).count(), "{} became {}", before, after);
            let calls = |spec: &Value| tools(spec).map(|(_, tool)| tool["sql"].clone()).collect::<Vec<_>>();
            prop_assert_eq!(calls(before), calls(after));
        }
    }

    #[test]
    fn what_nobody_renamed_keeps_its_names(base in some_tools()) {
        let (mut old, mut new) = (base.clone(), base.clone());
        let kept = identity::keep_last_names(&old, &base, &mut new);
        identity::follow_people(&mut old, &base, &mut new);
        prop_assert!(kept.is_empty() && old == base && new == base, "{:?}", kept);
    }
}

/// A database with tools, each of a name and a statement.
fn database(connection: &str, tools: &[(&str, &str)]) -> Spec {
    let tool = |(name, sql): &(&str, &str)| {
        json!({ "name": name, "description": "It does something with rows", "connection": "db", "sql": sql,
            "parameters": { "id": { "type": "integer", "required": true } } })
    };
    let tools: Vec<Value> = tools
        .iter()
        .filter(|(_, sql)| !sql.contains(":id"))
        .map(|it| {
            let mut tool = tool(it);
            tool.as_object_mut().unwrap().shift_remove("parameters");
            tool
        })
        .chain(tools.iter().filter(|(_, sql)| sql.contains(":id")).map(tool))
        .collect();
    let mut spec = json!({ "name": "shop", "tools": tools });
    spec["connections"] = serde_json::from_str::<Value>(&format!("[{connection}]")).unwrap();
    spec_of(&spec.to_string())
}

const SCOPED: &str = r#"{ "name": "db", "type": "sqlite", "path": "./a.db", "scope": { "column": "tenant", "by": "principal.id", "tables": ["notes", "tags"] } }"#;
const TAGS_ALONE: &str = r#"{ "name": "db", "type": "sqlite", "path": "./a.db", "scope": { "column": "tenant", "by": "principal.id", "tables": ["tags"] } }"#;
const UNSCOPED: &str = r#"{ "name": "db", "type": "sqlite", "path": "./a.db" }"#;
const TAGS: (&str, &str) = ("search_tags", "SELECT id FROM tags WHERE tenant = :principal.id");

/// Wherever a statement names the table: behind a column that is called `from`, in a subquery, on a connection that declares nothing.
#[test]
fn rows_do_not_become_everybodys_by_ways_that_are_hard_to_see() {
    let cases = [
        (
            SCOPED,
            TAGS_ALONE,
            ("search_notes", "SELECT id, \"sent from whom\" FROM notes WHERE tenant = :principal.id"),
            ("search_notes", "SELECT id, \"sent from whom\" FROM notes"),
            "connections[db].scope",
        ),
        (
            SCOPED,
            TAGS_ALONE,
            (
                "list_tags_of_note",
                "SELECT id FROM words WHERE id IN (SELECT word FROM notes WHERE tenant = :principal.id)",
            ),
            ("list_tags_of_note", "SELECT id FROM words WHERE id IN (SELECT word FROM notes)"),
            "connections[db].scope",
        ),
        (
            SCOPED,
            TAGS_ALONE,
            ("get_note", "SELECT id FROM notes WHERE tenant = :principal.id AND id = :id"),
            ("get_note", "SELECT id FROM note WHERE id = :id"),
            "connections[db].scope",
        ),
        (
            UNSCOPED,
            UNSCOPED,
            ("search_notes", "SELECT id FROM notes WHERE tenant = :principal.id"),
            ("search_notes", "SELECT id FROM notes"),
            "tools[search_notes].sql",
        ),
    ];
    for (before, after, old, new, path) in cases {
        let (base, theirs) = (database(before, &[old, TAGS]), database(after, &[new, TAGS]));
        let open = update(&base, &base, &theirs, None).unwrap();
        assert!(open.conflicts.iter().any(|it| it.path == path) && !open.is_settled(), "{new:?}: {open:?}");
        let kept = update(&base, &base, &theirs, Some(Prefer::Ours)).unwrap();
        assert!(kept.is_unchanged(), "{new:?}: {:?}", kept.changes);
        let taken = update(&base, &base, &theirs, Some(Prefer::Theirs)).unwrap();
        assert_eq!(tools(&taken.spec.canonical()).collect::<Vec<_>>(), tools(&theirs.canonical()).collect::<Vec<_>>());
    }
}

/// Tools that people wrote are checked against it.
#[test]
fn a_table_stays_somebodys_while_a_tool_names_it() {
    let base = database(SCOPED, &[("search_notes", "SELECT id FROM notes WHERE tenant = :principal.id"), TAGS]);
    let mine = ("recent", "SELECT id FROM notes WHERE tenant = :principal.id ORDER BY id");
    let ours = database(SCOPED, &[("search_notes", "SELECT id FROM notes WHERE tenant = :principal.id"), TAGS, mine]);
    let theirs = database(TAGS_ALONE, &[TAGS]);
    let update = update(&base, &ours, &theirs, None).unwrap();
    assert!(update.is_settled(), "{update:?}");
    assert_eq!(update.spec.canonical()["connections"], ours.canonical()["connections"]);
}

#[test]
fn tools_that_only_resemble_each_other_keep_their_own_names() {
    let names = |base: &Spec, theirs: &Spec| -> Vec<String> {
        let update = super::update(base, base, theirs, None, |_| false).unwrap();
        let mut names: Vec<String> = tools(&update.spec.canonical()).map(|(name, _)| name.to_owned()).collect();
        names.sort();
        names
    };
    let base = database(
        UNSCOPED,
        &[("get_user_email", "SELECT email FROM users WHERE id = :id"), ("count_users", "SELECT count(*) FROM users")],
    );
    let theirs = database(
        UNSCOPED,
        &[("get_user_phone", "SELECT phone FROM users WHERE id = :id"), ("count_users", "SELECT count(*) FROM users")],
    );
    assert_eq!(names(&base, &theirs), ["count_users", "get_user_phone"], "hand-written statements of one table");

    let posts = |names: &[(&str, &str)]| {
        let tools: Vec<Value> = names
            .iter()
            .map(|(name, method)| {
                json!({ "name": name, "description": "It does something", "connection": "api",
                "http": { "method": "POST", "path": "/rpc", "body": { "method": method } } })
            })
            .collect();
        spec_of(&json!({ "name": "rpc", "connections": [{ "name": "api", "type": "http", "url": "https://a.example" }], "tools": tools }).to_string())
    };
    let (base, theirs) = (posts(&[("create_user", "create")]), posts(&[("delete_user", "delete")]));
    assert_eq!(names(&base, &theirs), ["delete_user"], "one path, and another body");
    assert_eq!(names(&base, &posts(&[("make_user", "create")])), ["create_user"]);
}

#[test]
fn a_statement_that_is_spelled_otherwise_is_of_the_same_table() {
    let of = |sql: &str| database(UNSCOPED, &[("search_notes", sql)]);
    let base = of("SELECT id FROM notes");
    for (sql, breaks) in [
        ("SELECT id, \"from\" FROM main.Notes -- from others\n WHERE id > 1", false),
        ("WITH a AS (SELECT id FROM notes) SELECT id FROM a", false),
        ("SELECT id FROM others", true),
    ] {
        let update = super::update(&base, &base, &of(sql), None, |_| false).unwrap();
        assert_eq!(!update.breaking.is_empty(), breaks, "{sql}: {:?}", update.breaking);
    }
}
