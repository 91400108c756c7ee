#![no_main]

use libfuzzer_sys::fuzz_target;

// The body of a request, as any client may send it.
fuzz_target!(|body: &[u8]| {
    let _ = mcp_serve::wire::parse_request(body);
});
