#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_spec::{Format, syntax};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let ours = mcp_factory_fuzz::syntax(bytes, Format::Json);
    let (_, found) = syntax::read(bytes, Format::Json);
    // What we take, others take, and to the same value; they take keys twice and more depth.
    if let (Some(ours), []) = (ours, &found[..]) {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let theirs: Value = serde_json::from_slice(bytes).expect("JSON");
        assert!(same(&ours.to_json(), &theirs), "{} {theirs}", ours.to_json());
    }
});

/// The same but for the last bit of a double, which the other parser does not always round right.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (ours.as_f64().unwrap_or_default(), theirs.as_f64().unwrap_or_default());
            ours == theirs || ((ours - theirs) / ours).abs() < 1e-14
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((key, ours), (other, theirs))| key == other && same(ours, theirs))
        }
        (ours, theirs) => ours == theirs,
    }
}
