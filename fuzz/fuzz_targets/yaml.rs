#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_spec::Format;

fuzz_target!(|bytes: &[u8]| {
    mcp_factory_fuzz::syntax(bytes, Format::Yaml);
});
