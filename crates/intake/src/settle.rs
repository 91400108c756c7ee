//! A proposal is read by the language's own reader before anybody sees it. What that refuses is left out and told, so that the
//! rest is a spec: one bad operation of a thousand does not cost the others.

use mcp_factory_spec::{Diagnostic, NoFiles, Severity, Source, Spec, Verdict, read, syntax::limits};
use serde_json::Value;

use crate::{Finding, Level};

/// A spec, and what was found on the way to it.
#[derive(Debug)]
pub struct Proposal {
    pub spec: Spec,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    /// The spec in its canonical form, as YAML, where it was written to see whether it can be read again.
    pub text: Option<String>,
}

/// How often something is left out before it is given up.
const ATTEMPTS: usize = 4;

/// `places` says of each tool where in the document it came from.
pub(crate) fn settle(spec: Value, places: &[String], found: Vec<Finding>) -> Result<Proposal, Vec<Finding>> {
    let text = written(&spec);
    // It says the same in a fraction of the memory.
    drop(spec);
    settle_text(text, places, found)
}

/// The same of a spec as JSON.
pub(crate) fn settle_text(
    mut bytes: Vec<u8>,
    places: &[String],
    mut found: Vec<Finding>,
) -> Result<Proposal, Vec<Finding>> {
    let mut places = places.to_vec();
    let mut refused: Vec<Diagnostic> = Vec::new();
    for _ in 0..ATTEMPTS {
        let tools = places.len();
        let too_large = if bytes.len() > limits::BYTES {
            Some(format!("of {} MB, and one has at most 16MiB", bytes.len() / 1_000_000))
        } else {
            let reading = read(&Source::new("proposal.json", &bytes), &NoFiles);
            refused = reading.diagnostics.into_iter().filter(|it| it.code.severity() == Severity::Error).collect();
            match reading.spec.map(|done| (printed(&done, &bytes), done)) {
                Some((Ok(text), spec)) => {
                    return Ok(Proposal { spec, verdict: reading.verdict, findings: found, text });
                }
                Some((Err(why), _)) => Some(why),
                None => None,
            }
        };
        if let Some(why) = too_large {
            let mut finding = |level, message, hint: Option<&str>| {
                let hint = hint.map(str::to_owned);
                found.push(Finding { level, place: String::new(), position: None, message, hint });
            };
            if !forget_answers(&mut bytes) {
                let message = format!("the {tools} tools would make a spec {why}");
                finding(Level::Error, message, Some("choose some of the operations"));
                return Err(found);
            }
            finding(Level::Partly, format!("what the {tools} tools answer: the spec would be too large"), None);
            continue;
        }
        // What is nested too deep to be read back was refused as a whole.
        let Ok(mut spec) = serde_json::from_slice::<Value>(&bytes) else { break };
        if !leave_out(&mut spec, &mut places, &refused, &mut found) {
            break;
        }
        bytes = written(&spec);
    }
    found.extend(refused.into_iter().take(20).map(|diagnostic| Finding {
        level: Level::Error,
        place: String::new(),
        position: None,
        message: format!("`{}` would not be valid: {}", diagnostic.path, diagnostic.message),
        hint: diagnostic.help,
    }));
    Err(found)
}

/// The text of a spec as it is printed and kept, where it is so large that it could be one that can't be read again; the error says
/// why it can't. It is written otherwise than what was read.
fn printed(spec: &Spec, read: &[u8]) -> Result<Option<String>, String> {
    // A value takes two bytes at least.
    if read.len() <= 2 * limits::nodes(0) {
        return Ok(None);
    }
    fn values(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
            Value::Object(fields) => 1 + fields.values().map(|field| 1 + values(field)).sum::<usize>(),
            _ => 1,
        }
    }
    let text = spec.canonical_yaml();
    let written = text.len();
    if written > limits::BYTES {
        return Err(format!("of {} MB, and one has at most 16MiB", written / 1_000_000));
    }
    // Each value but the first stands behind one of these. To count them exactly takes the whole of it once more.
    let about = 1 + read.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    let most = limits::nodes(written);
    if about > most {
        let values = values(&spec.canonical());
        if values > most {
            return Err(format!("of {values} values in {written} bytes, and one has at most {most} in that"));
        }
    }
    Ok(Some(text))
}

/// Says whether there were any.
fn forget_answers(bytes: &mut Vec<u8>) -> bool {
    let Ok(mut spec) = serde_json::from_slice::<Value>(bytes) else { return false };
    let tools = spec.get_mut("tools").and_then(Value::as_array_mut);
    let tools = tools.into_iter().flatten().filter_map(Value::as_object_mut);
    let gone = tools.filter_map(|tool| tool.shift_remove("returns")).count();
    *bytes = written(&spec);
    gone > 0
}

fn written(spec: &Value) -> Vec<u8> {
    serde_json::to_vec(spec).expect("keys are texts")
}

/// Takes the parts of tools that were refused: first what a tool can do without, then the tool. Says whether anything went.
fn leave_out(spec: &mut Value, places: &mut Vec<String>, refused: &[Diagnostic], found: &mut Vec<Finding>) -> bool {
    let mut gone: Vec<(usize, String)> = Vec::new();
    let mut changed = false;
    for diagnostic in refused {
        let path = diagnostic.path.to_string();
        if matches!(path.as_str(), "description" | "title") {
            changed |= spec.as_object_mut().is_some_and(|spec| spec.shift_remove(&path).is_some());
        }
        let Some((index, rest)) = path.strip_prefix("tools[").and_then(|rest| rest.split_once(']')) else { continue };
        let Ok(index) = index.parse::<usize>() else { continue };
        let optional = ["returns", "paginate"].into_iter().find(|field| rest.starts_with(&format!(".{field}")));
        if let Some(field) = optional
            && let Some(tool) = spec["tools"].get_mut(index).and_then(Value::as_object_mut)
            && tool.shift_remove(field).is_some()
        {
            changed = true;
            continue;
        }
        if rest.ends_with(".description")
            && let Some(tool) = spec["tools"].get_mut(index)
        {
            changed |= forget_descriptions(tool);
            continue;
        }
        if optional.is_none() && !gone.iter().any(|(known, _)| *known == index) {
            gone.push((index, format!("{}: {}", diagnostic.code, diagnostic.message)));
        }
    }
    gone.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    for (index, why) in gone {
        let Some(tools) = spec["tools"].as_array_mut().filter(|tools| index < tools.len()) else { continue };
        let tool = tools.remove(index);
        let place = if index < places.len() { places.remove(index) } else { String::new() };
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        forget(spec, &name);
        found.push(Finding { level: Level::LeftOut, place, position: None, message: why, hint: None });
        changed = true;
    }
    changed && spec["tools"].as_array().is_some_and(|tools| !tools.is_empty())
}

/// A text that can't stand in a spec: the tool is still told by its name.
fn forget_descriptions(tool: &mut Value) -> bool {
    let about = tool["name"].as_str().unwrap_or_default().replace('_', " ");
    let mut changed = tool["description"] != about.as_str();
    tool["description"] = about.into();
    fn strip(schema: &mut Value) -> bool {
        match schema {
            Value::Object(fields) => {
                let is_text = fields.get("description").is_some_and(Value::is_string);
                let gone = is_text && fields.shift_remove("description").is_some();
                fields.values_mut().fold(gone, |gone, value| strip(value) | gone)
            }
            Value::Array(values) => values.iter_mut().fold(false, |gone, value| strip(value) | gone),
            _ => false,
        }
    }
    for part in ["inputSchema", "parameters", "returns"] {
        if let Some(schema) = tool.get_mut(part) {
            changed |= strip(schema);
        }
    }
    changed
}

/// A toolset can't name what is not there.
fn forget(spec: &mut Value, tool: &str) {
    let Some(Value::Array(toolsets)) = spec.get_mut("toolsets") else { return };
    for toolset in toolsets.iter_mut() {
        if let Some(tools) = toolset["tools"].as_array_mut() {
            tools.retain(|name| name != tool);
        }
    }
    toolsets.retain(|toolset| toolset["tools"].as_array().is_some_and(|tools| !tools.is_empty()));
}
