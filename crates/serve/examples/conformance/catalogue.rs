//! The lists, as the suite expects them.

use serde_json::{Value, json};

/// Of a tool without arguments.
fn nothing() -> Value {
    json!({ "type": "object", "additionalProperties": false })
}

fn texts(names: &[&str]) -> Value {
    let properties: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

pub fn tools() -> Value {
    let plain = [
        ("test_simple_text", "Answers a text"),
        ("test_image_content", "Answers a picture"),
        ("test_audio_content", "Answers a sound"),
        ("test_embedded_resource", "Answers a resource"),
        ("test_multiple_content_types", "Answers a text, a picture and a resource"),
        ("test_error_handling", "Always fails"),
        ("test_tool_with_progress", "Tells of its progress"),
        ("test_tool_with_logging", "Logs what it does"),
        ("test_logging_tool", "Logs, for who asks for it"),
        ("test_trigger_tool_change", "Says that the list of tools changed"),
        ("test_trigger_prompt_change", "Says that the list of prompts changed"),
        ("test_missing_capability", "Needs the client's model"),
        ("test_streaming_elicitation", "Asks for a yes"),
        ("test_elicitation_sep1034_defaults", "Asks with a form that has defaults"),
        ("test_elicitation_sep1330_enums", "Asks with a form of choices"),
        ("test_input_required_result_elicitation", "Asks for a name"),
        ("test_input_required_result_sampling", "Asks the client's model"),
        ("test_input_required_result_list_roots", "Asks for the client's folders"),
        ("test_input_required_result_request_state", "Asks, and checks the state that comes back"),
        ("test_input_required_result_tampered_state", "Asks, and refuses a state that was changed"),
        ("test_input_required_result_multiple_inputs", "Asks for three things at once"),
        ("test_input_required_result_multi_round", "Asks twice"),
        ("test_input_required_result_capabilities", "Asks what this client can be asked"),
    ];
    let mut tools: Vec<Value> = plain
        .iter()
        .map(|(name, description)| json!({ "name": name, "description": description, "inputSchema": nothing() }))
        .collect();
    tools.push(json!({
        "name": "test_sampling", "description": "Has the client's model write", "inputSchema": texts(&["prompt"]),
    }));
    tools.push(json!({
        "name": "test_elicitation", "description": "Asks who is there", "inputSchema": texts(&["message"]),
    }));
    tools.push(json!({
        "name": "test_custom_header",
        "description": "Its argument is repeated in a header",
        "inputSchema": {
            "type": "object",
            "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
            "required": ["region"],
        },
    }));
    tools.push(json!({
        "name": "json_schema_2020_12_tool",
        "description": "Has a schema that uses much of JSON Schema 2020-12",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": { "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            } },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" },
            },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false,
        },
    }));
    Value::Array(tools)
}

pub fn prompts() -> Value {
    let required = |name: &str| json!({ "name": name, "required": true });
    json!([
        { "name": "test_simple_prompt", "description": "Without arguments" },
        {
            "name": "test_prompt_with_arguments",
            "description": "With two arguments",
            "arguments": [required("arg1"), required("arg2")],
        },
        {
            "name": "test_prompt_with_embedded_resource",
            "description": "Carries a resource",
            "arguments": [required("resourceUri")],
        },
        { "name": "test_prompt_with_image", "description": "Carries a picture" },
        { "name": "test_input_required_result_prompt", "description": "Asks first" },
    ])
}

pub fn resources() -> Value {
    json!([
        { "uri": "test://static-text", "name": "A text", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "A picture", "mimeType": "image/png" },
        { "uri": "test://watched-resource", "name": "May change", "mimeType": "text/plain" },
    ])
}

pub fn templates() -> Value {
    json!([{ "uriTemplate": "test://template/{id}/data", "name": "Data by id", "mimeType": "application/json" }])
}
