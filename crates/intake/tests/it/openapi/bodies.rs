//! Bodies: which of those that are offered, of which type, with which fields.

use super::*;

/// The tool of an operation with this `requestBody`, and what was told.
fn post(body: &str) -> (Value, Vec<String>) {
    let document = format!(
        "openapi: 3.1.0\ninfo: {{ title: Shop, version: '1' }}\nservers: [{{ url: https://api.example.com }}]\n\
         paths: {{ /things: {{ post: {{ responses: {{}}, requestBody: {body} }} }} }}\n"
    );
    let done = proposal(&document);
    let told = done.findings.iter().filter_map(|it| it.to_string().split(" (at").next().map(str::to_owned)).collect();
    (done.spec.canonical()["tools"][0].clone(), told)
}

#[test]
fn a_body_of_a_type_that_is_not_said_is_of_the_one_that_a_caller_says() {
    let of = |types: &[&str]| {
        let types: Vec<String> =
            types.iter().map(|it| format!("'{it}': {{ schema: {{ type: string, format: binary }} }}")).collect();
        post(&format!("{{ required: true, content: {{ {} }} }}", types.join(", "))).0
    };
    let check = |types: &[&str], kind: &str, said: Value| {
        let tool = of(types);
        assert_eq!(tool["http"]["bodyType"], kind, "{types:?}");
        assert_eq!(tool["http"]["headers"], json!({ "Content-Type": "{content_type}" }), "{types:?}");
        let mut parameter = tool["parameters"]["content_type"].clone();
        parameter.as_object_mut().expect("a parameter").shift_remove("description");
        assert_eq!(parameter, said, "{types:?}");
    };
    let any = "[^\\s/*]+";
    check(&["image/*"], "binary", json!({ "type": "string", "pattern": format!("^(image/{any})$"), "required": true }));
    let either = format!("^(image/{any}|application/a\\.b\\+c)$");
    check(
        &["image/*", "application/a.b+c"],
        "binary",
        json!({ "type": "string", "pattern": either, "required": true }),
    );
    check(
        &["image/png", "image/jpeg"],
        "binary",
        json!({ "type": "string", "enum": ["image/png", "image/jpeg"], "required": true }),
    );
    // Bytes of no type in particular are of these.
    check(&["*/*"], "binary", json!({ "type": "string", "pattern": format!("^({any}/{any})$") }));
    check(&["application/*"], "binary", json!({ "type": "string", "pattern": format!("^(application/{any})$") }));
    check(&["text/*"], "text", json!({ "type": "string", "pattern": format!("^(text/{any})$") }));
    let one = of(&["image/png"]);
    assert_eq!(
        (&one["http"]["headers"], &one["parameters"]["body"]["contentMediaType"]),
        (&Value::Null, &json!("image/png"))
    );
    let (json, _) = post("{ content: { '*/*': { schema: { type: object, properties: { a: { type: string } } } } } }");
    assert_eq!((&json["http"]["body"], &json["http"]["headers"]), (&json!({ "a": "{a}" }), &Value::Null));
}

#[test]
fn a_file_of_a_form_that_may_be_of_several_types_is_of_the_one_that_a_caller_says() {
    let (tool, told) = post(
        "{ content: { multipart/form-data: { schema: { type: object, properties: { photo: { type: string, format: binary } } }, \
         encoding: { photo: { contentType: 'image/png, image/jpeg' } } } } }",
    );
    assert_eq!(tool["http"]["body"]["photo"], json!({ "content": "{photo}", "contentType": "{photo_content_type}" }));
    assert_eq!(tool["parameters"]["photo_content_type"]["enum"], json!(["image/png", "image/jpeg"]));
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn of_several_bodies_one_is_taken_and_those_that_say_more_are_told() {
    let json = "application/json: { schema: { type: object, properties: { url: { type: string } } } }";
    let form =
        "multipart/form-data: { schema: { type: object, properties: { file: { type: string, format: binary } } } }";
    let (tool, told) = post(&format!("{{ content: {{ {form}, {json} }} }}"));
    assert_eq!(tool["http"]["body"], json!({ "url": "{url}" }));
    assert_eq!(told, ["left out: its body as `multipart/form-data`: it is sent as `application/json`"]);
    // A file can't stand in JSON.
    let both = form.replace("multipart/form-data", "application/json");
    let (tool, told) = post(&format!("{{ content: {{ {both}, {form} }} }}"));
    assert_eq!((&tool["http"]["bodyType"], told), (&json!("multipart"), vec![]));
    // The same in other words is no loss.
    let (tool, told) = post(&format!("{{ content: {{ {json}, {} }} }}", json.replace("/json", "/xml")));
    assert_eq!((&tool["http"]["bodyType"], told), (&Value::Null, vec![]));
}

/// As with parameters, it is told and not sent: a change of one field would set all others back.
#[test]
fn what_a_field_is_where_it_is_left_out_is_told() {
    let (tool, _) = post(
        "{ content: { application/json: { schema: { type: object, properties: { size: { type: integer, default: 20, description: How many }, \
         order: { type: object, properties: { by: { type: string, default: name }, tags: { type: array, default: [a] } } }, \
         said: { type: boolean, default: true, description: 'Default is true' }, none: { type: string, default: '' } } } } } }",
    );
    let parameters = &tool["parameters"];
    assert_eq!(parameters["size"], json!({ "type": "integer", "description": "How many. Default: 20." }));
    assert_eq!(parameters["order"]["properties"]["by"]["description"], "Default: name.");
    assert_eq!(parameters["order"]["properties"]["tags"]["description"], "Default: [\"a\"].");
    assert_eq!(
        (&parameters["said"]["description"], &parameters["none"]),
        (&json!("Default is true"), &json!({ "type": "string" }))
    );
}

#[test]
fn keys_that_are_known_by_what_they_look_like_are_taken() {
    let (tool, _) = post(
        "{ required: true, content: { application/json: { schema: { type: object, properties: { name: { type: string } }, \
         patternProperties: { '^x-': { type: string } }, additionalProperties: false } } } }",
    );
    let body = &tool["parameters"]["body"];
    assert_eq!(body["patternProperties"], json!({ "^x-": { "type": "string" } }), "{body:#}");
    assert_eq!(tool["http"]["body"], "{body}");
    let (tool, _) = post(
        "{ required: true, content: { application/json: { schema: { properties: { labels: { patternProperties: { '^(?<!a)b': {} } } } } } } }",
    );
    assert_eq!(tool["parameters"]["labels"]["type"], "object", "{tool:#}");
}

#[test]
fn an_answer_that_comes_back_to_itself_is_described() {
    let document = one(
        "operationId: get\nresponses: { '200': { description: ok, content: { application/json: { schema: \
                        { $ref: '#/components/schemas/Node' } } } } }",
    ) + "components: { schemas: { Node: { type: object, properties: { name: { type: string }, children: { type: array, items: \
           { $ref: '#/components/schemas/Node' } } } } } }\n";
    let returns = &tools(&document)[0]["returns"];
    assert_eq!(returns["properties"]["name"], json!({ "type": "string" }), "{returns:#}");
    assert_eq!(returns["properties"]["children"]["items"], json!({ "$ref": "#/$defs/Node" }));
    assert_eq!(returns["$defs"]["Node"]["properties"]["children"]["items"], json!({ "$ref": "#/$defs/Node" }));
}

#[test]
fn plain_json_goes_before_json_with_a_meaning_of_its_own() {
    let (tool, told) = post(
        "{ content: { application/json-patch+json: { schema: { type: array, items: { type: object } } }, \
         'application/json; charset=utf-8': { schema: { type: object, properties: { name: { type: string } } } } } }",
    );
    assert_eq!(tool["http"]["body"], json!({ "name": "{name}" }), "{tool}");
    assert!(told.iter().any(|it| it.contains("its body as `application/json-patch+json`")), "{told:?}");
}

/// A document whose operation sends one of these schemas.
fn sending(schemas: &str, version: &str) -> Value {
    let schema = if version == "2.0" { "#/definitions/Pet" } else { "#/components/schemas/Pet" };
    let (head, body, schemas) = match version {
        "2.0" => (
            "swagger: '2.0'\nhost: api.example.com",
            format!("parameters: [{{ name: b, in: body, required: true, schema: {{ $ref: '{schema}' }} }}]"),
            format!("definitions:\n{}", schemas.replace("components/schemas", "definitions")),
        ),
        version => (
            &*format!("openapi: {version}\nservers: [{{ url: https://api.example.com }}]"),
            format!(
                "requestBody: {{ required: true, content: {{ application/json: {{ schema: {{ $ref: '{schema}' }} }} }} }}"
            ),
            format!("components:\n schemas:\n{schemas}"),
        ),
    };
    let document = format!(
        "{head}\ninfo: {{ title: Shop, version: '1' }}\npaths: {{ /pets: {{ post: {{ responses: {{}}, {body} }} }} }}\n{schemas}"
    );
    let made = proposal(&document);
    let spec = made.spec;
    let mut tool = spec.canonical()["tools"][0].clone();
    tool["inputSchema"] = Value::Object(spec.tools[0].input_schema());
    tool["told"] = made.findings.iter().map(|it| it.message.clone()).collect();
    tool
}

/// Whether a body is taken as an argument.
fn takes(tool: &Value, body: Value) -> bool {
    let validator = mcp_factory_spec::json_schema::compile(&tool["inputSchema"]).expect("a schema");
    validator.is_valid(&json!({ "body": body }))
}

const PETS: &str = "  Pet: { type: object, required: [kind], discriminator: DISCRIMINATOR, properties: { kind: { type: string }, name: { type: string } } }
  Cat: { allOf: [{ $ref: '#/components/schemas/Pet' }, { type: object, required: [hunts], properties: { hunts: { type: boolean }, friend: { $ref: '#/components/schemas/Pet' } } }] }
  Dog: { allOf: [{ $ref: '#/components/schemas/Pet' }], properties: { bark: { type: string } } }
  Puppy: { allOf: [{ $ref: '#/components/schemas/Dog' }, { properties: { age: { type: integer } } }] }
";

#[test]
fn a_discriminator_without_choices_stands_for_all_that_have_its_schema_in_theirs() {
    for (version, discriminator) in [
        ("2.0", "kind"),
        ("3.0.3", "{ propertyName: kind }"),
        ("3.1.0", "{ propertyName: kind, mapping: { Dog: Dog, Cat: '#/components/schemas/Cat' } }"),
    ] {
        let tool = sending(&PETS.replace("DISCRIMINATOR", discriminator), version);
        assert!(takes(&tool, json!({ "kind": "Cat", "hunts": true, "name": "Tom" })), "{version}: {tool:#}");
        assert!(takes(&tool, json!({ "kind": "Dog", "bark": "loud", "name": "Rex" })), "{version}: {tool:#}");
        assert!(takes(&tool, json!({ "kind": "Puppy", "bark": "loud", "age": 1 })), "{version}: {tool:#}");
        assert!(takes(&tool, json!({ "kind": "Pet", "name": "Tom" })), "{version}: {tool:#}");
        let friend = json!({ "kind": "Dog", "bark": "loud", "name": "Rex" });
        assert!(takes(&tool, json!({ "kind": "Cat", "hunts": true, "friend": friend })), "{version}: {tool:#}");
        assert!(!takes(&tool, json!({ "kind": "Cat", "name": "Tom" })), "{version}: {tool:#}");
    }
}

#[test]
fn the_words_of_kinds_are_those_of_the_document() {
    let mapping = "{ propertyName: kind, mapping: { tom: '#/components/schemas/Cat' } }";
    let tool = sending(&PETS.replace("DISCRIMINATOR", mapping), "3.0.3");
    assert!(takes(&tool, json!({ "kind": "tom", "hunts": true })), "{tool:#}");
    assert!(!takes(&tool, json!({ "kind": "Cat", "hunts": true })), "{tool:#}");
    // The field itself has no word for the base.
    let listed = PETS.replace("DISCRIMINATOR", "{ propertyName: kind }").replacen(
        "{ type: string }",
        "{ type: string, enum: [Cat, Dog] }",
        1,
    );
    let tool = sending(&listed, "3.0.3");
    assert!(takes(&tool, json!({ "kind": "Dog", "bark": "loud" })), "{tool:#}");
    assert!(!takes(&tool, json!({ "kind": "Pet" })), "{tool:#}");
}

#[test]
fn a_kind_that_is_meant_itself_is_no_other() {
    let swapped =
        PETS.replace("DISCRIMINATOR", "{ propertyName: kind }").replace("Pet", "Animal").replace("Cat", "Pet");
    let tool = sending(&swapped, "3.0.3");
    assert_eq!(
        tool["http"]["body"],
        json!({ "kind": "{kind}", "name": "{name}", "hunts": "{hunts}", "friend": "{friend}" }),
        "{tool:#}"
    );
}

#[test]
fn of_more_kinds_than_there_is_room_for_the_fields_are_free() {
    let mut schemas = PETS.replace("DISCRIMINATOR", "{ propertyName: kind }");
    for at in 0..200 {
        schemas += &format!(
            "  Kind{at}: {{ allOf: [{{ $ref: '#/components/schemas/Pet' }}], properties: {{ f{at}: {{ type: string }} }} }}\n"
        );
    }
    let tool = sending(&schemas, "3.0.3");
    assert!(takes(&tool, json!({ "kind": "Kind7", "f7": "x" })), "{tool:#}");
    assert!(!takes(&tool, json!({ "name": "x" })), "{tool:#}");
    assert_eq!(tool["told"], json!(["the kinds of `Pet`, which are too many or too deep: it may have any fields"]));
}

#[test]
fn kinds_that_are_parts_of_each_other_come_to_an_end() {
    let tool = sending(
        "  Pet: { type: object, discriminator: { propertyName: kind }, allOf: [{ $ref: '#/components/schemas/Cat' }], properties: { kind: { type: string } } }
  Cat: { discriminator: { propertyName: kind }, allOf: [{ $ref: '#/components/schemas/Pet' }], properties: { hunts: { type: boolean } } }
",
        "3.0.3",
    );
    assert!(takes(&tool, json!({ "kind": "Cat", "hunts": true })), "{tool:#}");
}

/// Each as a generator writes it: 3.0, 3.1, pydantic, one that refers to an object, one that refers to what refers back to it.
#[test]
fn a_null_that_is_sent_on_purpose_is_sent_however_the_document_says_that_it_may_be() {
    let of = |field: &str| {
        let schemas = "Owner: { type: object, properties: { name: { type: string } } }, \
                       Part: { type: object, properties: { parts: { type: array, items: { $ref: '#/components/schemas/Part' } } } }";
        let schema = format!("{{ type: object, properties: {{ id: {{ type: integer }}, note: {field} }} }}");
        let document = format!(
            "openapi: 3.1.0\ninfo: {{ title: Shop, version: '1' }}\nservers: [{{ url: https://api.example.com }}]\n\
             components: {{ schemas: {{ {schemas} }} }}\npaths: {{ /things: {{ patch: {{ responses: {{}}, requestBody: \
             {{ required: true, content: {{ application/json: {{ schema: {schema} }} }} }} }} }} }}\n"
        );
        tools(&document)[0].clone()
    };
    let text = json!({ "type": ["string", "null"], "maxLength": 9 });
    for (field, note) in [
        ("{ type: string, maxLength: 9, nullable: true }", Some(text.clone())),
        ("{ type: [string, 'null'], maxLength: 9 }", Some(text.clone())),
        ("{ anyOf: [{ type: string, maxLength: 9 }, { type: 'null' }] }", Some(text)),
        (
            "{ oneOf: [{ type: 'null' }, { type: string, enum: [a] }] }",
            Some(json!({ "type": ["string", "null"], "enum": ["a", null] })),
        ),
        (
            "{ oneOf: [{ $ref: '#/components/schemas/Owner' }, { type: 'null' }] }",
            Some(json!({ "type": ["object", "null"], "properties": { "name": { "type": "string" } } })),
        ),
        ("{ anyOf: [{ $ref: '#/components/schemas/Part' }, { type: 'null' }] }", None),
        ("{ anyOf: [{ type: integer }, { type: string }, { type: 'null' }] }", None),
    ] {
        let tool = of(field);
        assert_eq!(tool["http"]["body"], "{body}", "{field}");
        let said = &tool["parameters"]["body"]["properties"]["note"];
        assert!(note.is_none_or(|note| *said == note), "{field}: {said}");
    }
    assert_eq!(of("{ type: string }")["http"]["body"], json!({ "id": "{id}", "note": "{note}" }));
}
