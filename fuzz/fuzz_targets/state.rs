#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_serve::{Principal, StateKey, Subject};

// The first line is what a client sends as `requestState`, the rest are the arguments of its call.
fuzz_target!(|text: &str| {
    let (sealed, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    let principal = Principal::trusted("alice");
    let subject = Subject { server: "fuzz", method: "tools/call", name: "remove", principal: &principal, arguments };
    assert!(!StateKey::new(b"nobody knows").made(sealed, &subject), "a state that nobody made");
});
