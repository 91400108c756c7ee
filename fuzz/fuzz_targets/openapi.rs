#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_fuzz::proposal;
use mcp_factory_intake::openapi::{NoFiles, Options, import};

// An OpenAPI document, as anybody may hand it in: there is a spec that validates, or it is said why there is none.
fuzz_target!(|bytes: &[u8]| {
    for name in ["fuzz.yaml", "fuzz.json"] {
        proposal(import(name, bytes, &NoFiles, &Options::default()));
    }
});
