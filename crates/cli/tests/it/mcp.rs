//! Another MCP server behind ours: `create --mcp`, and its tools under our names, limits and authentication.

use crate::run::Place;

fn place() -> Place {
    Place::new().example("server.yaml").example("seed.sql")
}

#[test]
fn a_server_over_http_stands_behind_ours() {
    let place = place();
    let behind = place.serve(&["server.yaml"]);
    let url = format!("http://{}/mcp", behind.address);
    let said = place.run(&["create", "--mcp", &url, "--name", "front", "--tool", "*_product*", "--out", "front.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let text = std::fs::read_to_string(place.path("front.yaml")).unwrap();
    assert!(text.contains("mcp: { tool: get_product }") && text.contains("tools: [\"*_product*\"]"), "{text}");
    assert_eq!(place.run(&["validate", "front.yaml", "--strict"]).code, Some(0));

    let front = place.serve(&["front.yaml"]);
    let (head, body) = front.call(&[], "get_product", "{\"sku\":\"ENB-101\"}");
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("Laptop 13"), "{head} {body}");
    let (_, body) = front.call(&[], "get_product", "{\"sku\":1}");
    assert!(body.contains("\"isError\":true"), "{body}");
    behind.terminate();
    let (_, body) = front.call(&[], "get_product", "{\"sku\":\"ENB-102\"}");
    assert!(body.contains("\"isError\":true"), "what is down is told: {body}");
    assert_eq!(front.terminate().0, Some(0));
}

#[test]
fn a_program_stands_behind_ours_and_ends_with_it() {
    let place = place();
    let command = format!("{} stdio --log-level error server.yaml", env!("CARGO_BIN_EXE_mcp-factory"));
    let said = place.run(&["create", "--mcp", &command, "--name", "front", "--dry-run"]);
    assert!(said.code == Some(0) && said.out.contains("mcp: { tool: get_product }"), "{said:?}");
    let place = place.file("front.yaml", &said.out);
    let front = place.serve(&["front.yaml"]);
    for sku in ["ENB-101", "ENB-101"] {
        let (_, body) = front.call(&[], "get_product", &format!("{{\"sku\":\"{sku}\"}}"));
        assert!(body.contains("Laptop 13"), "{body}");
    }
    let (code, log) = front.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn what_is_no_server_is_told() {
    let place = place();
    for (source, why) in [("http://127.0.0.1:9/mcp", "can't read"), ("no-such-program-anywhere", "there is no program")]
    {
        let said = place.run(&["create", "--mcp", source, "--dry-run"]);
        assert!(said.code == Some(1) && said.err.contains(why), "{source}: {said:?}");
    }
    let said = place.run(&["create", "--mcp", "/bin/true", "--dry-run"]);
    assert!(said.code == Some(1) && said.err.contains("the MCP server `upstream`"), "{said:?}");
}
