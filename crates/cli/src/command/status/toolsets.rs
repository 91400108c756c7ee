//! Which tools are in which toolset, what is on from the start, and who may see it.

use std::fmt::Write as _;

use mcp_factory_spec::{
    Spec,
    model::{Access, Initial, Mode, Toolset},
};
use serde_json::{Value, json};

/// `None` where a spec has none.
pub fn status(spec: &Spec) -> Option<Value> {
    if spec.toolsets.is_empty() {
        return None;
    }
    let exposure = &spec.exposure;
    let toolsets: Vec<Value> = spec.toolsets.iter().map(|toolset| one(spec, toolset)).collect();
    let mut status = json!({ "mode": exposure.mode.as_str(), "toolsets": toolsets });
    if exposure.mode == Mode::Dynamic {
        status["modern"] = json!(exposure.modern.as_str());
        status["maxActive"] = json!(exposure.max_active);
    }
    Some(status)
}

fn one(spec: &Spec, toolset: &Toolset) -> Value {
    let exposure = &spec.exposure;
    let name = &toolset.name;
    let tools: Vec<String> = spec.tools.iter().map(|tool| tool.name.to_string()).collect();
    let tools: Vec<&String> =
        tools.iter().filter(|tool| toolset.tools.iter().any(|pattern| pattern.matches(tool))).collect();
    let allowed = exposure.allow.as_ref().is_none_or(|allow| allow.contains(name));
    let on = match &exposure.initial {
        Initial::All => true,
        // Where nobody turns anything on, nothing said is everything.
        Initial::Toolsets(keys) if keys.is_empty() => exposure.mode == Mode::Static,
        Initial::Toolsets(keys) => keys.contains(name),
    };
    json!({
        "name": name.to_string(),
        "tools": tools,
        "scopes": toolset.scopes,
        "exposed": if !allowed { "never" } else if on { "from the start" } else if exposure.mode == Mode::Dynamic { "on demand" } else { "never" },
        "who": who(spec, toolset),
    })
}

/// In words: rules are of the spec, the rest is known when somebody calls.
fn who(spec: &Spec, toolset: &Toolset) -> Vec<String> {
    let by_default = |default: &[_], named: String| {
        if default.contains(&toolset.name) { vec!["everyone".to_owned()] } else { vec![named] }
    };
    match &spec.access {
        Access::Everything => vec!["everyone".to_owned()],
        Access::Claims(claims) => {
            by_default(&claims.default, format!("callers who have it in the claim {}", claims.claim))
        }
        Access::Header(header) => {
            by_default(&header.default, format!("callers whom the proxy gives it in the header {}", header.header))
        }
        Access::Rules(rules) => {
            let rules = rules.iter().filter(|rule| rule.toolsets.contains(&toolset.name));
            rules
                .map(|rule| match (&rule.group, &rule.principal) {
                    (None, None) => "everyone".to_owned(),
                    (Some(group), None) => format!("group {group}"),
                    (None, Some(principal)) => format!("principal {principal}"),
                    (Some(group), Some(principal)) => format!("principal {principal} in group {group}"),
                })
                .collect()
        }
    }
}

pub fn show(status: &Value, text: &mut String) {
    let words = |of: &Value| {
        let words = of.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(", ")
    };
    let mut line = |what: String| writeln!(text, "{what}").expect("writing to a string can't fail");
    let modern = status["modern"].as_str().map(|modern| format!(", {modern}")).unwrap_or_default();
    let most = status["maxActive"].as_u64().map(|most| format!(", at most {most} at once")).unwrap_or_default();
    line(format!("\ntoolsets: {}{modern}{most}", status["mode"].as_str().unwrap_or_default()));
    for toolset in status["toolsets"].as_array().into_iter().flatten() {
        let (name, exposed) = (toolset["name"].as_str(), toolset["exposed"].as_str());
        line(format!("  {}: {}", name.unwrap_or_default(), words(&toolset["tools"])));
        let who = Some(words(&toolset["who"])).filter(|who| !who.is_empty()).unwrap_or_else(|| "nobody".to_owned());
        let scopes = Some(words(&toolset["scopes"])).filter(|scopes| !scopes.is_empty());
        let scopes = scopes.map(|scopes| format!(", with the scopes {scopes}")).unwrap_or_default();
        line(format!("    {}, for {who}{scopes}", exposed.unwrap_or_default()));
    }
}
