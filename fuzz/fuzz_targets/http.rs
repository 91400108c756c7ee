#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_fuzz::http::Front;
use mcp_serve::{NoAuthentication, http::Config};

thread_local! {
    static FRONT: Front = Front::new(NoAuthentication::default(), Config::default());
}

// A whole request, as any client may send it, of either era, with and without sessions.
fuzz_target!(|input: &[u8]| {
    FRONT.with(|front| front.ask(input));
});
