#![no_main]

use http::{HeaderName, HeaderValue, Request, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use mcp_serve::{ApiKeys, Authentication, Authenticator, BearerTokens, KeyList, TraceParent};

const KEY: &str = "key-of-alice-that-nobody-guesses";

// What stands in the headers that are read before anybody is known: a line is a value of `Authorization`, of the header of keys
// and of `traceparent`, each once more for each line. Only whoever has the key is let in, and with it once.
fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(parent) = text.parse::<TraceParent>()
    {
        assert_eq!(parent.to_string().parse(), Ok(parent), "{text:?}");
    }
    let keys = || KeyList::parse(&format!("{{\"{KEY}\": \"alice\"}}")).expect("keys");
    let judges: [Box<dyn Authenticator>; 2] =
        [Box::new(ApiKeys::new(ApiKeys::DEFAULT_HEADER, keys())), Box::new(BearerTokens::new(keys()))];
    let (mut head, ()) = Request::new(()).into_parts();
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        head.headers.append(AUTHORIZATION, value.clone());
        head.headers.append(HeaderName::from_static("x-api-key"), value);
    }
    for judge in judges {
        let Authentication::Ready(outcome) = judge.authenticate(&head) else { panic!("keys are at hand") };
        if let Ok(principal) = outcome {
            assert_eq!(principal.id, "alice");
            assert!(input.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "nobody had the key");
            assert!(!input.contains(&b'\n'), "one of several is taken at its word");
        }
    }
});
