#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use mcp_factory_spec::{UriTemplate, template::Text};
use serde_json::Value;

// The first line is the template, the rest is what every placeholder stands for.
fuzz_target!(|text: &str| {
    let (template, value) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(uri) = UriTemplate::parse(template) {
        let _ = uri.matches(value);
    }
    let Ok(template) = Text::parse(template) else { return };
    let value = Value::String(value.to_owned());
    let fill = |_: &str| Some(Cow::Borrowed(&value));
    if let Ok(Some(header)) = template.header(fill)
        && template.plain(|_| None).chars().all(|literal| !literal.is_control())
    {
        assert!(!header.contains(['\r', '\n', '\0']));
    }
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    if let Ok(path) = template.path(fill) {
        assert_eq!(slashes(&path), slashes(&template.plain(|_| None)), "a value stays within its segment");
    }
});
