#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_spec::{AllFiles, Format, Reading, Source, Verdict};

fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Yaml, Format::Json] {
        let reading = read(bytes, format);
        mcp_factory_fuzz::diagnostics(bytes, &reading.diagnostics);
        assert_eq!(reading.verdict, Verdict::of(&reading.diagnostics));
        assert_eq!(reading.spec.is_some(), reading.verdict < Verdict::Error, "{:?}", reading.diagnostics);
        let Some(spec) = reading.spec else { continue };
        let canonical = spec.canonical();
        again(&canonical.to_string(), Format::Json, &canonical);
        again(&spec.canonical_yaml(), Format::Yaml, &canonical);
    }
});

fn read(bytes: &[u8], format: Format) -> Reading {
    mcp_factory_spec::read(&Source { name: "fuzz", bytes, format }, &AllFiles)
}

fn again(text: &str, format: Format, canonical: &serde_json::Value) {
    let reading = read(text.as_bytes(), format);
    let spec = reading.spec.unwrap_or_else(|| panic!("{format:?} is no server: {:?}\n{text}", reading.diagnostics));
    assert_eq!(spec.canonical(), *canonical, "{format:?} is another server\n{text}");
}
