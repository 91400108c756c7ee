#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_fuzz::proposal;
use mcp_factory_intake::toolbox::{Options, import};

// A file of MCP Toolbox, as anybody may hand it in.
fuzz_target!(|bytes: &[u8]| {
    proposal(import(&[("tools.yaml", bytes)], &Options::default()));
});
