//! The tools that ask their client. Each runs from its beginning for every round: it asks before it does anything.
#![expect(deprecated, reason = "2026-07-28 deprecates asking for a model or folders and keeps both for a year")]

use mcp_serve::{
    Answer, Ask, CallContext, Elicitation, Error, PromptText, Reply, ToolResult,
    model::{CreateMessageRequestParams, PromptMessage, Role, SamplingMessage},
};
use serde_json::{Map, Value, json};

pub async fn call(cx: &CallContext, name: &str, arguments: &Map<String, Value>) -> Result<ToolResult, Error> {
    let argument = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match name {
        "test_sampling" => {
            let reply = cx.ask_one("sampling", model(argument("prompt"), 100)).await?;
            format!("LLM response: {}", wrote(&reply))
        }
        "test_elicitation" => {
            let question = form(
                argument("message"),
                json!({
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                }),
                &["username", "email"],
            );
            format!("User response: {}", told(&cx.elicit("user", &question).await?))
        }
        "test_elicitation_sep1034_defaults" => {
            let answer = cx.elicit("defaults", &form("Please check this", defaults(), &[])).await?;
            format!("Elicitation completed: {}", told(&answer))
        }
        "test_elicitation_sep1330_enums" => {
            let answer = cx.elicit("choices", &form("Please choose", choices(), &[])).await?;
            format!("Elicitation completed: {}", told(&answer))
        }
        "test_missing_capability" => {
            let reply = cx.ask_one("sampling", model("Say anything", 10)).await?;
            wrote(&reply)
        }
        "test_streaming_elicitation" => told(&cx.elicit("confirm", &yes()).await?),
        "test_input_required_result_elicitation" => {
            // Harms nobody, so a client may answer it before it is asked.
            let answer = cx.elicit("user_name", &whose("What is your name?", "name").unbound()).await?;
            format!("Hello, {}!", filled(&answer, "name"))
        }
        "test_input_required_result_sampling" => {
            wrote(&cx.ask_one("capital_question", model("What is the capital of France?", 100)).await?)
        }
        "test_input_required_result_list_roots" => folders(&cx.ask_one("client_roots", Ask::Roots).await?),
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            format!("state-ok: {}", told(&cx.elicit("confirm", &yes()).await?))
        }
        "test_input_required_result_multiple_inputs" => {
            let asks = [
                ("user_name", Ask::Person(whose("What is your name?", "name"))),
                ("greeting", model("Generate a greeting", 50)),
                ("client_roots", Ask::Roots),
            ];
            cx.ask(&asks).await?.iter().map(wrote).collect::<Vec<_>>().join("; ")
        }
        "test_input_required_result_multi_round" => {
            let name = cx.elicit("step1", &whose("Step 1: What is your name?", "name")).await?;
            let color = cx.elicit("step2", &whose("Step 2: What is your favorite color?", "color")).await?;
            format!("{} likes {}", filled(&name, "name"), filled(&color, "color"))
        }
        "test_input_required_result_capabilities" => {
            let mut asks = vec![
                ("user_name", Ask::Person(whose("What is your name?", "name"))),
                ("greeting", model("Generate a greeting", 50)),
                ("client_roots", Ask::Roots),
            ];
            asks.retain(|(_, ask)| cx.can_ask(ask));
            cx.ask(&asks).await?.iter().map(wrote).collect::<Vec<_>>().join("; ")
        }
        _ => return Err(Error::UnknownTool { name: name.to_owned(), suggestion: None }),
    };
    Ok(ToolResult::text(said))
}

pub async fn prompt(cx: &CallContext, name: &str) -> Result<PromptText, Error> {
    if name != "test_input_required_result_prompt" {
        return Err(Error::UnknownPrompt { name: name.to_owned() });
    }
    let answer = cx.elicit("user_context", &whose("What context should the prompt use?", "context")).await?;
    let text = format!("Use this context: {}", filled(&answer, "context"));
    Ok(PromptText { description: None, messages: vec![PromptMessage::new_text(Role::User, text)] })
}

fn form(message: &str, properties: Value, required: &[&str]) -> Elicitation {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    Elicitation::form(message, serde_json::from_value(schema).expect("a form's schema"))
}

/// One text to fill in.
fn whose(message: &str, field: &str) -> Elicitation {
    form(message, json!({ field: { "type": "string" } }), &[field])
}

fn yes() -> Elicitation {
    form("Please confirm", json!({ "ok": { "type": "boolean" } }), &["ok"])
}

fn model(prompt: &str, tokens: u32) -> Ask {
    Ask::Model(Box::new(CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], tokens)))
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    })
}

fn choices() -> Value {
    let titled = |values: [(&str, &str); 3]| values.map(|(value, title)| json!({ "const": value, "title": title }));
    let options = [("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option")];
    let several = [("value1", "First Choice"), ("value2", "Second Choice"), ("value3", "Third Choice")];
    json!({
        "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
        "titledSingle": { "type": "string", "oneOf": titled(options) },
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": ["option1", "option2", "option3"] } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled(several) } },
    })
}

fn told(answer: &Answer) -> String {
    match answer {
        Answer::Accepted(content) => format!("action=accept, content={}", json!(content)),
        Answer::Declined => "action=decline".to_owned(),
        Answer::Cancelled => "action=cancel".to_owned(),
    }
}

fn filled(answer: &Answer, field: &str) -> String {
    match answer {
        Answer::Accepted(content) => content.get(field).and_then(Value::as_str).unwrap_or("nobody").to_owned(),
        _ => "nobody".to_owned(),
    }
}

fn folders(reply: &Reply) -> String {
    match reply {
        Reply::Roots(roots) => roots.iter().map(|root| root.uri.as_str()).collect::<Vec<_>>().join(", "),
        _ => "no folders".to_owned(),
    }
}

fn wrote(reply: &Reply) -> String {
    match reply {
        Reply::Person(answer) => told(answer),
        Reply::Model(message) => {
            let text = message.message.content.first().and_then(|block| block.as_text());
            text.map_or_else(|| "not a text".to_owned(), |text| text.text.clone())
        }
        Reply::Roots(_) => folders(reply),
        Reply::Nothing => "nothing".to_owned(),
    }
}
