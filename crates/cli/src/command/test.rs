//! `mcp-factory test FILE`: the spec's examples, and calls made from its schemas, through the protocol in both eras; or one
//! call of one tool. `mcp-factory test NAME`: the same of a server, in the factory (`registered.rs`).
//!
//! Databases that the spec seeds are made anew in a temporary folder, so tests neither need nor change the real ones.

mod registered;

use std::process::ExitCode;

use mcp_factory::suite::{self, Ground, Options, Subject};
use serde_json::{Map, Value};

use crate::{args, exit, load, output, progress};

pub fn run(args: &args::Test) -> anyhow::Result<ExitCode> {
    let arguments = parse_arguments(args.arguments.as_deref())?;
    if let Some(name) = args.spec.name_of_a_server()? {
        return registered::run(&name, args, arguments);
    }
    super::runtime()?.block_on(async {
        match &args.tool {
            Some(tool) => call_one(args, tool, arguments).await,
            None => run_all(args).await,
        }
    })
}

/// Calls the tool once, in the current era, and prints what came back.
async fn call_one(args: &args::Test, tool: &str, arguments: Map<String, Value>) -> anyhow::Result<ExitCode> {
    let call = suite::call(tool, arguments, args.writes, |ground| std::future::ready(subject(args, ground)));
    let answer = progress::tell(&format!("calling `{tool}`"), call).await;
    told(args, &answer.map_err(explained)?.to_json())
}

async fn run_all(args: &args::Test) -> anyhow::Result<ExitCode> {
    let options = Options { writes: args.writes, seed: args.seed, cases: args.cases, time: args.time };
    let run = suite::run(&options, |ground| std::future::ready(subject(args, ground)));
    let report = progress::tell(&format!("testing `{}`", args.spec.spec.file.display()), run).await?;
    output::print(args.output, &report.to_json(), |_| report.table())?;
    Ok(if report.failed() > 0 { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

/// The answer of a tool, as a factory's test answers it too.
fn told(args: &args::Test, answer: &Value) -> anyhow::Result<ExitCode> {
    output::print(args.output, answer, |answer| match answer.get("structuredContent") {
        Some(value) => format!("{value:#}\n"),
        None => {
            let blocks: Vec<String> = answer["content"].as_array().into_iter().flatten().map(shown).collect();
            format!("{}\n", blocks.join("\n"))
        }
    })?;
    Ok(if answer["isError"] == true { ExitCode::from(exit::FAILURE) } else { ExitCode::SUCCESS })
}

/// Text as it is; of everything else what it is.
fn shown(block: &Value) -> String {
    let field = |of: &Value, name: &str| of[name].as_str().map(str::to_owned);
    // Base64, four characters for three bytes.
    let bytes = |data: &str| data.trim_end_matches('=').len() * 3 / 4;
    let resource = &block["resource"];
    let (what, of, data) = match block["type"].as_str() {
        Some("text") => return field(block, "text").unwrap_or_default(),
        Some("resource_link") => return format!("a link to `{}`", field(block, "uri").unwrap_or_default()),
        Some("resource") => {
            let what = format!("a file, `{}`", field(resource, "uri").unwrap_or_default());
            (what, resource, field(resource, "blob").map(|data| bytes(&data)))
        }
        Some("image") => ("an image".to_owned(), block, field(block, "data").map(|data| bytes(&data))),
        Some("audio") => ("a sound".to_owned(), block, field(block, "data").map(|data| bytes(&data))),
        _ => ("something else".to_owned(), block, None),
    };
    let length = data.or_else(|| field(of, "text").map(|text| text.len()));
    let parts = [Some(what), field(of, "mimeType"), length.map(|length| format!("{length} bytes"))];
    format!("{} (`--output json` shows it)", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn subject(args: &args::Test, ground: Ground) -> anyhow::Result<Subject> {
    let (seeds, folder) = match ground {
        Ground::Real => (load::Seeds::Real, None),
        Ground::Fresh => {
            let folder = tempfile::Builder::new().prefix("mcp-factory-test-").tempdir()?;
            (load::Seeds::Fresh(folder.path().to_owned()), Some(folder))
        }
    };
    let (spec, engine) = load::engine(&args.spec.spec, args.allow_stubs, seeds)?;
    Ok(Subject { spec, engine, folder })
}

fn explained(error: anyhow::Error) -> anyhow::Error {
    let hint = match error.downcast_ref::<suite::Error>() {
        Some(suite::Error::NoTool { .. }) => return exit::usage(error.to_string(), "name one of those"),
        Some(suite::Error::Asks { .. }) => "call it through a client, of `serve` or `stdio`",
        Some(suite::Error::Writes { .. }) => "pass `--writes` to call it on the real connection",
        Some(suite::Error::Call(_)) => "see the tool's `parameters` in the spec",
        _ => return error,
    };
    exit::with_hint(error, hint)
}

fn parse_arguments(text: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let hint = "pass a JSON object, for example '{\"query\": \"laptop\"}'";
    match text.map(serde_json::from_str) {
        None => Ok(Map::new()),
        Some(Ok(Value::Object(arguments))) => Ok(arguments),
        Some(Ok(_)) => Err(exit::usage("the arguments are not a JSON object", hint)),
        Some(Err(error)) => Err(exit::usage(format!("the arguments are not JSON: {error}"), hint)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_text_is_told() {
        let check = |block: Value, expected: &str| assert_eq!(shown(&block), expected);
        check(json!({ "type": "text", "text": "a\nb" }), "a\nb");
        check(
            json!({ "type": "image", "mimeType": "image/png", "data": "iVBORw==" }),
            "an image, image/png, 4 bytes (`--output json` shows it)",
        );
        check(
            json!({ "type": "resource", "resource": { "uri": "file:///a.txt", "mimeType": "text/plain", "text": "abc" } }),
            "a file, `file:///a.txt`, text/plain, 3 bytes (`--output json` shows it)",
        );
        check(json!({ "type": "resource_link", "uri": "doc://a", "name": "a" }), "a link to `doc://a`");
    }
}
