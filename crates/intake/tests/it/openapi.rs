//! What an OpenAPI document says, in a spec.

mod bodies;
mod pages;
mod parameters;
mod servers;

use mcp_factory_intake::{
    Finding, Level, Proposal,
    openapi::{Files, NoFiles, Options, import},
};
use serde_json::{Value, json};

fn proposal(document: &str) -> Proposal {
    import("api.yaml", document.as_bytes(), &NoFiles, &Options::default()).unwrap_or_else(|found| panic!("{found:?}"))
}

fn tools(document: &str) -> Value {
    proposal(document).spec.canonical()["tools"].clone()
}

/// A document with one operation.
fn one(operation: &str) -> String {
    let operation = operation.replace('\n', "\n      ");
    format!(
        "openapi: 3.0.3\ninfo: {{ title: Shop, version: '1' }}\nservers: [{{ url: https://api.example.com }}]\n\
         paths:\n  /things/{{id}}:\n    get:\n      {operation}\n"
    )
}

fn one_tool(operation: &str) -> Value {
    tools(&one(operation))[0].clone()
}

const SHOP: &str = r##"
openapi: 3.1.0
info: { title: The Shop, version: 2.0.0, description: "Sells **things**. See [the docs](https://docs.example.com)." }
servers:
  - url: https://{region}.example.com/v2
    variables: { region: { default: eu, enum: [eu, us] } }
security: [{ key: [] }]
paths:
  /products:
    get:
      operationId: listProducts
      tags: [products]
      summary: List products
      parameters:
        - { name: q, in: query, description: Words of the name, schema: { type: string, maxLength: 80 } }
        - { name: "filter", in: query, style: deepObject, explode: true, schema: { type: object, properties: { color: { type: string }, size: { type: integer } } } }
        - { name: ids, in: query, explode: false, schema: { type: array, items: { type: integer } } }
        - { name: cursor, in: query, schema: { type: string } }
        - { name: limit, in: query, schema: { type: integer, maximum: 20, default: 10 } }
      responses:
        "200":
          description: Some
          content:
            application/json:
              schema:
                type: object
                properties:
                  data: { type: array, items: { $ref: "#/components/schemas/Product" } }
                  next_cursor: { type: [string, "null"] }
    post:
      operationId: createProduct
      tags: [products]
      summary: Create a product
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Product" } } } }
      responses: { "201": { description: Made } }
  /products/{sku}/image:
    parameters: [{ name: sku, in: path, required: true, schema: { type: string } }]
    put:
      summary: Set the picture
      requestBody:
        content:
          multipart/form-data:
            schema: { type: object, required: [file], properties: { file: { type: string, format: binary }, caption: { type: string } } }
      responses: { "204": { description: Set } }
  /health:
    get: { operationId: health, security: [], responses: { default: { description: Fine } } }
components:
  securitySchemes: { key: { type: apiKey, in: header, name: X-Key } }
  schemas:
    Product:
      allOf:
        - type: object
          required: [sku, id]
          properties:
            id: { type: string, readOnly: true }
            sku: { type: string, pattern: "^[A-Z]+$" }
        - type: object
          required: [price]
          properties:
            price: { type: number, exclusiveMinimum: 0, description: "In *euros*." }
            parts: { type: array, items: { $ref: "#/components/schemas/Product" } }
"##;

#[test]
fn a_document_becomes_a_spec_that_people_can_read() {
    let proposal = proposal(SHOP);
    insta::assert_snapshot!(proposal.spec.canonical_yaml());
    let told: Vec<String> = proposal.findings.iter().map(Finding::to_string).collect();
    let host = "note: the server's variable `region` is `eu`, its default: the API is at `https://eu.example.com/v2`";
    assert!(matches!(&told[..], [only] if only.starts_with(host)), "{told:?}");
}

/// The 2.0 dialect says the same in other words.
#[test]
fn swagger_is_read_as_well() {
    let document = r#"{
        "swagger": "2.0", "info": { "title": "Old", "version": "1" }, "host": "old.example.com", "basePath": "/api",
        "schemes": ["http", "https"], "securityDefinitions": { "basic": { "type": "basic" } }, "security": [{ "basic": [] }],
        "paths": {
            "/upload": { "post": { "consumes": ["multipart/form-data"], "parameters": [
                { "name": "file", "in": "formData", "type": "file", "required": true },
                { "name": "tags", "in": "formData", "type": "array", "items": { "type": "string" } } ],
                "responses": { "200": { "description": "ok", "schema": { "type": "object", "properties": { "id": { "type": "integer" } } } } } } },
            "/find": { "get": { "parameters": [
                { "name": "in", "in": "query", "type": "array", "items": { "type": "string", "enum": ["a", "b"] }, "description": "Where" },
                { "name": "each", "in": "query", "type": "array", "collectionFormat": "multi", "items": { "type": "integer" } } ],
                "responses": {} } }
        } }"#;
    insta::assert_snapshot!(proposal(document).spec.canonical_yaml());
}

#[test]
fn a_schema_that_comes_back_to_itself_is_written_once() {
    let document = one(
        "operationId: get\nparameters: [{ name: id, in: path, required: true, schema: { type: string } }]\n\
         requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Node' } } } }\nresponses: {}",
    ) + "components: { schemas: { Node: { type: object, properties: { value: { type: integer }, next: { $ref: '#/components/schemas/Node' } } } } }\n";
    let tool = &tools(&document.replace("get:", "post:"))[0];
    let schema = &tool["inputSchema"];
    assert_eq!(schema["properties"]["next"], json!({ "$ref": "#/$defs/Node" }), "{tool:#}");
    assert_eq!(schema["$defs"]["Node"]["properties"]["next"], json!({ "$ref": "#/$defs/Node" }), "{tool:#}");
}

#[test]
fn what_nothing_could_satisfy_goes() {
    let tool = one_tool(
        "operationId: get\nparameters:\n\
         - { name: id, in: path, required: true, schema: { type: string, nullable: true, minLength: 9, maxLength: 1, pattern: '(' } }\n\
         - { name: kind, in: query, schema: { type: string, enum: [1, 2, 2], nullable: true } }\n\
         - { name: n, in: query, schema: { type: integer, minimum: 5, exclusiveMinimum: true, default: 7 } }\nresponses: {}",
    );
    let parameters = &tool["parameters"];
    assert_eq!(parameters["id"], json!({ "type": "string", "required": true }));
    assert_eq!(parameters["kind"], json!({ "type": ["string", "null"], "enum": ["1", "2", null] }));
    // Told, and not sent unasked.
    assert_eq!(parameters["n"], json!({ "type": "integer", "exclusiveMinimum": 5, "description": "Default: 7." }));
}

/// What stands in the path and is not listed, what is listed and stands nowhere, names that mean something else here.
/// Issue 6 §5: found by prism.
#[test]
fn a_choice_is_told_by_the_field_that_the_document_maps() {
    let document = r##"
openapi: 3.0.3
info: { title: Pets, version: '1' }
servers: [{ url: https://api.example.com }]
paths:
  /pets:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema:
              oneOf: [{ $ref: "#/components/schemas/Cat" }, { $ref: "#/components/schemas/Dog" }, { $ref: "#/components/schemas/Bird" }]
              discriminator: { propertyName: kind, mapping: { cat: "#/components/schemas/Cat", kitten: Cat, dog: Dog } }
components:
  schemas:
    Cat: { type: object, required: [kind], properties: { kind: { type: string }, hunts: { type: boolean } } }
    Dog: { type: object, required: [kind], properties: { kind: { type: string, enum: [dog, wolf] } } }
    Bird: { type: object, required: [kind], properties: { kind: { type: string } } }
"##;
    let choices = &tools(document)[0]["parameters"]["body"]["anyOf"];
    assert_eq!(choices[0]["properties"]["kind"], json!({ "type": "string", "enum": ["cat", "kitten"] }));
    assert_eq!(choices[1]["properties"]["kind"], json!({ "type": "string", "enum": ["dog"] }));
    // What the mapping does not name has the name of its schema.
    assert_eq!(choices[2]["properties"]["kind"], json!({ "type": "string", "enum": ["Bird"] }));
    let (before, behind) = document.split_once(", mapping:").expect("a mapping");
    let unmapped = format!("{before}{}", &behind[behind.find("} }").expect("its end") + 1..]);
    let choices = &tools(&unmapped)[0]["parameters"]["body"]["anyOf"];
    assert_eq!(choices[0]["properties"]["kind"], json!({ "type": "string", "enum": ["Cat"] }));
    // Its own values are others.
    assert_eq!(choices[1]["properties"]["kind"], json!({ "type": "string", "enum": ["dog", "wolf"] }));
}

/// Issue 6 §5: found by prism.
#[test]
fn a_body_that_may_be_left_out_has_all_that_it_requires_where_it_is_sent() {
    let body = |required: &str, fields: &str| {
        let document = format!(
            "openapi: 3.0.3\ninfo: {{ title: Shop, version: '1' }}\nservers: [{{ url: https://api.example.com }}]\n\
             paths: {{ /things: {{ post: {{ requestBody: {{ {required} content: {{ application/json: {{ schema: {{ type: object, {fields} \
             properties: {{ a: {{ type: string }}, b: {{ type: string }} }} }} }} }} }} }} }} }}\n"
        );
        tools(&document)[0]["parameters"].clone()
    };
    let both = json!({ "a": { "type": "string", "required": true }, "b": { "type": "string" } });
    assert_eq!(body("required: true,", "required: [a],"), both);
    // Hardly anybody writes that a body is required.
    assert_eq!(body("", "required: [a],"), both);
    assert_eq!(body("required: false,", "")["a"], json!({ "type": "string" }));
    let whole = body("required: false,", "required: [a],");
    // A list: what it has to have. `true` would say that it has to be there.
    assert_eq!((&whole["body"]["required"], &whole["a"]), (&json!(["a"]), &Value::Null));
}

#[test]
fn parameters_have_the_names_that_placeholders_can_have() {
    let tool = one_tool(
        "operationId: get\nparameters:\n- { name: gone, in: path, required: true, schema: { type: string } }\n\
         - { name: 'a[b]', in: query, schema: { type: string } }\n- { name: a.b, in: query, schema: { type: string } }\n\
         - { name: principal, in: query, schema: { type: string } }\n- { name: X-Trace, in: header, schema: { type: string } }\n\
         - { name: Authorization, in: header, schema: { type: string } }\nresponses: {}",
    );
    let request = &tool["http"];
    assert_eq!(request["path"], "/things/{id}");
    let query = json!({ "a[b]": "{a_b}", "a.b": "{a_b_query}", "principal": "{principal_query}" });
    assert_eq!(request["query"], query);
    assert_eq!(request["headers"], json!({ "X-Trace": "{X-Trace}" }));
    let names: Vec<&String> = tool["parameters"].as_object().expect("parameters").keys().collect();
    assert_eq!(names, ["a_b", "a_b_query", "principal_query", "X-Trace", "id"]);
}

#[test]
fn credentials_are_named_and_never_taken_from_callers() {
    let schemes = [
        ("{ type: http, scheme: bearer }", json!({ "type": "bearer", "envVar": "SHOP_TOKEN" })),
        (
            "{ type: http, scheme: basic }",
            json!({ "type": "basic", "userEnvVar": "SHOP_USER", "passwordEnvVar": "SHOP_PASSWORD" }),
        ),
        ("{ type: apiKey, in: query, name: key }", json!({ "type": "query", "name": "key", "envVar": "SHOP_THE_KEY" })),
        (
            "{ type: openIdConnect, openIdConnectUrl: 'https://x.example' }",
            json!({ "type": "bearer", "envVar": "SHOP_TOKEN" }),
        ),
        (
            "{ type: oauth2, flows: { clientCredentials: { tokenUrl: 'https://x.example/token', scopes: { read: r } } } }",
            json!({ "type": "oauth2ClientCredentials", "tokenUrl": "https://x.example/token", "clientIdEnvVar": "SHOP_CLIENT_ID",
                "clientSecretEnvVar": "SHOP_CLIENT_SECRET", "scopes": ["read"] }),
        ),
    ];
    for (scheme, auth) in schemes {
        let document = one(
            "operationId: get\nparameters: [{ name: key, in: query, schema: { type: string } }]\nsecurity: [{ theKey: [] }]\nresponses: {}",
        ) + &format!("components: {{ securitySchemes: {{ theKey: {scheme} }} }}\n");
        let spec = proposal(&document).spec.canonical();
        assert_eq!(spec["connections"][0]["auth"], auth, "{scheme}");
        let is_asked = spec["tools"][0]["parameters"].get("key").is_some();
        assert_eq!(is_asked, auth["type"] != "query", "{scheme}");
    }
}

#[test]
fn what_a_path_says_behind_its_question_mark_is_sent() {
    let document = r#"{ "openapi": "3.0.0", "info": { "title": "A", "version": "1" }, "servers": [{ "url": "https://a.example" }],
        "paths": { "/?Action=Do%20it&v={v}#here": { "get": { "responses": {},
            "parameters": [{ "name": "v", "in": "query", "schema": { "type": "string" } }] } } } }"#;
    let tool = &proposal(document).spec.canonical()["tools"][0];
    assert_eq!(tool["http"]["path"], "/");
    assert_eq!(tool["http"]["query"], json!({ "v": "{v}", "Action": "Do it" }));
}

#[test]
fn what_stands_wrongly_in_many_places_is_told_once() {
    let document = "openapi: 3.0.0\ninfo: { title: A, version: '1' }\nservers: [{ url: 'https://a.example' }]\npaths:\n  \
                    /a: { get: { responses: { 200: { description: ok } } }, put: { responses: { 200: { description: ok } } } }\n";
    let found = proposal(document).findings;
    let told: Vec<String> = found.iter().map(ToString::to_string).filter(|it| it.contains("200")).collect();
    assert_eq!(told.len(), 1, "{found:?}");
    assert!(told[0].contains("(2 times) (at line 5, column 29)"), "{told:?}");
}

#[test]
fn files_of_forms_are_bytes_of_their_type() {
    let file = |field: &str, encoding: &str| {
        let tool = one_tool(&format!(
            "operationId: get\nresponses: {{}}\nrequestBody: {{ content: {{ multipart/form-data: {{ schema: {{ type: object, \
             properties: {{ f: {field} }} }}, encoding: {{ f: {encoding} }} }} }} }}"
        ));
        let parameter = &tool["parameters"]["f"];
        (parameter["contentEncoding"].clone(), parameter["contentMediaType"].clone())
    };
    let (base64, none) = (Value::from("base64"), Value::Null);
    let check = |field: &str, encoding: &str, media_type: Value| {
        assert_eq!(file(field, encoding), (base64.clone(), media_type), "{field} {encoding}");
    };
    check("{ type: string, format: binary }", "{}", none.clone());
    check("{ type: string, format: binary }", "{ contentType: image/png }", "image/png".into());
    check("{ type: string, format: binary }", "{ contentType: 'image/png, image/jpeg' }", none.clone());
    check("{ type: string, format: binary }", "{ contentType: 'image/*' }", none.clone());
    check("{ type: string, contentMediaType: image/png }", "{}", "image/png".into());
    check("{ type: string, contentMediaType: application/octet-stream }", "{}", none.clone());
    let text = file("{ type: string, contentMediaType: text/markdown }", "{}");
    assert_eq!(text.0, none);
}

#[test]
fn fields_of_forms_are_written_as_the_document_says() {
    let form = |field: &str, encoding: &str| {
        let tool = one_tool(&format!(
            "operationId: get\nresponses: {{}}\nrequestBody: {{ required: true, content: {{ application/x-www-form-urlencoded: {{ \
             schema: {{ type: object, properties: {{ f: {field} }} }}, encoding: {{ f: {encoding} }} }} }} }}"
        ));
        (tool["http"]["body"].clone(), tool["parameters"].clone())
    };
    let object = "{ type: object, properties: { a: { type: string }, b: { type: integer } } }";
    // As Stripe's documents have it.
    let (body, parameters) = form(object, "{ style: deepObject, explode: true }");
    assert_eq!(body, json!({ "f[a]": "{f_a}", "f[b]": "{f_b}" }), "{parameters}");
    assert_eq!(form(object, "{}").0, json!({ "f": "{f}" }));
    let list = "{ type: array, items: { type: string } }";
    let (body, parameters) = form(list, "{ style: form, explode: false }");
    assert_eq!((body, &parameters["f"]["type"]), (json!({ "f": "{f}" }), &json!("array")), "{parameters}");
    assert_eq!(form(list, "{}").1["f"]["type"], "array");
    // Keys that nobody knows now, and those within others.
    for field in
        ["{ type: object, additionalProperties: { type: string } }", &object.replace("type: integer", "type: array")]
    {
        let (body, parameters) = form(field, "{ style: deepObject, explode: true }");
        assert_eq!((body, &parameters["f"]["type"]), (json!({ "f": "{f}" }), &json!("object")), "{parameters}");
    }
}

#[test]
fn arrays_of_old_forms_are_written_as_their_collection_format_says() {
    let field = |format: &str| {
        let document = format!(
            "swagger: '2.0'\ninfo: {{ title: A, version: '1' }}\nhost: a.example\nschemes: [https]\npaths:\n  /a: {{ post: {{ \
             consumes: [application/x-www-form-urlencoded], responses: {{}}, parameters: [{{ name: f, in: formData, type: array, \
             items: {{ type: string }}{format} }}] }} }}\n"
        );
        let tool = proposal(&document).spec.canonical()["tools"][0].clone();
        assert_eq!(tool["parameters"]["f"], json!({ "type": "array", "items": { "type": "string" } }));
        tool["http"]["styles"]["f"].clone()
    };
    assert_eq!(field(""), "commaDelimited");
    assert_eq!(field(", collectionFormat: ssv"), "spaceDelimited");
    assert_eq!(field(", collectionFormat: tsv"), "tabDelimited");
    assert_eq!(field(", collectionFormat: pipes"), "pipeDelimited");
    assert_eq!(field(", collectionFormat: multi"), Value::Null);
}

/// A caller that is told of an error tries again; what was written must not be one for want of an answer.
#[test]
fn what_was_written_is_taken_out_of_its_answer_only_where_it_is_sure_to_be_in_it() {
    let select = |method: &str, required: &str| {
        let document = format!(
            "openapi: 3.0.0\ninfo: {{ title: A, version: '1' }}\nservers: [{{ url: 'https://a.example' }}]\npaths:\n  \
             /a: {{ {method}: {{ responses: {{ '200': {{ description: ok, content: {{ application/json: {{ schema: \
             {{ type: object, required: [{required}], properties: {{ data: {{ type: object, properties: {{ id: {{ type: string }} }} }} }} }} }} }} }} }} }} }}\n"
        );
        proposal(&document).spec.canonical()["tools"][0]["http"]["select"].clone()
    };
    assert_eq!(select("get", ""), "/data");
    assert_eq!(select("post", ""), Value::Null);
    assert_eq!(select("post", "data"), "/data");
}

#[test]
fn only_what_was_chosen_becomes_tools() {
    let names = |options: Options| {
        let done = import("api.yaml", SHOP.as_bytes(), &NoFiles, &options).expect("some");
        done.spec.tools.iter().map(|tool| tool.name.to_string()).collect::<Vec<_>>()
    };
    let strings = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        names(Options { tags: strings(&["Products"]), ..Options::default() }),
        ["list_products", "create_product"]
    );
    assert_eq!(names(Options { methods: strings(&["put"]), ..Options::default() }), ["put_products_by_sku_image"]);
    assert_eq!(
        names(Options { paths: strings(&["/products*"]), methods: strings(&["GET"]), ..Options::default() }),
        ["list_products"]
    );
    assert_eq!(names(Options { operations: strings(&["health"]), ..Options::default() }), ["health"]);
    let none = Options { tags: strings(&["nothing"]), ..Options::default() };
    let found = import("api.yaml", SHOP.as_bytes(), &NoFiles, &none).expect_err("nothing is left");
    let told = found[0].to_string();
    let said = "none of the 4 operations was chosen: none has the tag `nothing`";
    assert!(told.contains(said) && told.contains("the tags are `products`"), "{told}");
    let nearly = Options {
        operations: strings(&["list_products"]),
        methods: strings(&["GET,POST"]),
        paths: strings(&["products"]),
        ..Options::default()
    };
    insta::assert_snapshot!(import("api.yaml", SHOP.as_bytes(), &NoFiles, &nearly).expect_err("nothing fits")[0]);
    let apart = Options { operations: strings(&["health"]), methods: strings(&["put"]), ..Options::default() };
    let found = import("api.yaml", SHOP.as_bytes(), &NoFiles, &apart).expect_err("nothing is both");
    assert!(found[0].to_string().contains("they have to fit all at once"), "{found:?}");
    let one = Options { tags: strings(&["products", "product"]), ..Options::default() };
    let told = import("api.yaml", SHOP.as_bytes(), &NoFiles, &one).expect("some").findings[0].to_string();
    assert!(told.starts_with("note: none has the tag `product`") && told.contains("the tags are `products`"), "{told}");
}

/// A thousand tools are more than a model reads.
#[test]
fn many_tools_are_searched_by_tag() {
    let paths: String = (0..70)
        .map(|n| format!("  /t{n}: {{ get: {{ operationId: op{n}, tags: [\"Tag {}\"], responses: {{}} }} }}\n", n % 3))
        .collect();
    let document = format!(
        "openapi: 3.0.0\ninfo: {{ title: Many, version: '1' }}\nservers: [{{ url: https://a.example }}]\npaths:\n{paths}"
    );
    let spec = proposal(&document).spec.canonical();
    assert_eq!(spec["exposure"], json!({ "mode": "dynamic" }));
    let toolsets = spec["toolsets"].as_array().expect("toolsets");
    assert_eq!(
        toolsets.iter().map(|it| it["name"].as_str().expect("a name")).collect::<Vec<_>>(),
        ["tag_0", "tag_1", "tag_2"]
    );
}

/// Fractions are not kept: 19.99 is no multiple of 0.01, as numbers of machines go.
#[test]
fn steps_of_whole_numbers_are_kept() {
    let parameter = |step: &str| {
        one_tool(&format!(
            "operationId: get\nparameters: [{{ name: n, in: query, schema: {{ type: number, multipleOf: {step} }} }}]\nresponses: {{}}"
        ))
        .to_string()
    };
    assert!(parameter("2").contains("\"multipleOf\":2"), "{}", parameter("2"));
    assert!(!["0", "0.01", "-2", "x"].iter().any(|step| parameter(step).contains("multipleOf")));
}

/// Who gave no tags said it with paths.
#[test]
fn many_tools_without_tags_are_searched_by_the_first_step_of_their_path() {
    let paths: String =
        (0..70).map(|n| format!("  /v2/things{}/{n}: {{ get: {{ responses: {{}} }} }}\n", n % 3)).collect();
    let document = format!(
        "openapi: 3.0.0\ninfo: {{ title: Many, version: '1' }}\nservers: [{{ url: https://a.example }}]\npaths:\n{paths}"
    );
    let spec = proposal(&document).spec.canonical();
    assert_eq!(spec["exposure"], json!({ "mode": "dynamic" }));
    let toolsets = spec["toolsets"].as_array().expect("toolsets");
    let named: Vec<&str> = toolsets.iter().map(|it| it["name"].as_str().expect("a name")).collect();
    assert_eq!(named, ["things0", "things1", "things2"]);
}

struct Beside;

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "schemas/thing.yaml" => Ok(b"type: object\nproperties: { name: { $ref: 'name.yaml#/text' } }\n".to_vec()),
            "schemas/name.yaml" => Ok(b"text: { type: string, maxLength: 9 }\n".to_vec()),
            _ => Err("it is not beside it".to_owned()),
        }
    }
}

#[test]
fn files_beside_the_document_are_followed_and_others_told() {
    let of = |target: &str| {
        one(&format!(
            "operationId: get\nrequestBody: {{ content: {{ application/json: {{ schema: {{ $ref: '{target}' }} }} }} }}\nresponses: {{}}"
        ))
        .replace("get:", "post:")
    };
    let read = |target: &str| import("api.yaml", of(target).as_bytes(), &Beside, &Options::default()).expect("a spec");
    let tool = read("schemas/thing.yaml").spec.canonical()["tools"][0].clone();
    assert_eq!(tool["parameters"]["name"], json!({ "type": "string", "maxLength": 9 }));
    let lost = read("https://elsewhere.example/x.json#/A");
    assert_eq!(lost.findings[0].message, "`https://elsewhere.example/x.json` was not read: it is not beside it");
    assert_eq!(lost.findings[1].level, Level::Partly);
    assert_eq!(lost.findings[1].message, "`https://elsewhere.example/x.json#/A` leads nowhere; the value is free");
}

#[test]
fn a_text_that_looks_like_a_secret_does_not_get_into_a_spec() {
    let tool =
        one_tool("operationId: get\nsummary: Use ghp_16C7e42F292c6912E7710c838347Ae178B4a to try it\nresponses: {}");
    assert!(!tool["description"].as_str().expect("a text").contains("ghp_"), "{tool}");
}

/// A query string with a key in it is refused by the language, wherever it stands; the operation need not go for that.
#[test]
fn a_text_that_no_spec_may_hold_goes_and_its_tool_stays() {
    let text = "Call https://api.example.com/x?api_key=4f3a9c1d77e2b8a6";
    let document = one(&format!("operationId: getIt\nsummary: '{text}'\nparameters: [{{ name: id, in: path, required: true, description: '{text}', schema: {{ type: string }} }}]\nresponses: {{}}"))
        .replace("title: Shop", &format!("title: Shop, description: '{text}'"));
    let spec = proposal(&document).spec.canonical();
    assert!(!spec.to_string().contains("4f3a9c1d77e2b8a6"), "{spec:#}");
    assert_eq!(spec["tools"][0]["name"], "get_it");
}
