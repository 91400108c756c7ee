#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_factory_engine::CursorKey;
use serde_json::Map;

// A cursor, as any client may send it.
fuzz_target!(|cursor: &str| {
    let key = CursorKey::new(b"nobody knows");
    assert!(key.open(cursor, "list", "alice", &Map::new()).is_err(), "a sealed cursor that nobody made");
    assert!(key.decode(cursor, "list", "alice", &Map::new()).is_err(), "a cursor that nobody made");
});
