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

/// A path among its arguments means what it meant when the server was made, though the factory is elsewhere.
#[test]
fn a_program_of_this_folder_is_found_by_the_factory() {
    let program =
        format!("#!/bin/sh\nexec {} stdio --log-level error server.yaml\n", env!("CARGO_BIN_EXE_mcp-factory"));
    let place = place().file("front.sh", &program);
    for args in [
        &["create", "--mcp", "/bin/sh front.sh", "--name", "front", "--tool", "get_product"][..],
        &["test", "front", "get_product", "{\"sku\":\"ENB-101\"}"],
    ] {
        let said = place.run(args);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(args[0] == "create" || said.out.contains("Laptop 13"), "{said:?}");
    }
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

/// With how it ended, and the end of what it complained of.
#[test]
fn a_program_that_dies_at_once_is_told_with_its_last_words() {
    let place = place().file(
        "dies.sh",
        "#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo \"line $i\" >&2; done\n\
        echo \"no such module: sk-abcdefghijklmnopqrstuvwx\" >&2\nexit 3\n",
    );
    let said = place.run(&["create", "--mcp", "/bin/sh dies.sh", "--dry-run"]);
    let told = "error: can't read `/bin/sh dies.sh`: the MCP server `upstream` ended before it answered (exit status: 3); the end of \
        what it wrote to standard error:\n    line 4\n    line 5\n";
    assert!(said.code == Some(1) && said.err.contains(told), "{said:?}");
    assert!(said.err.contains("    line 12\n    no such module: ***\n"), "{said:?}");
    let said = place.run(&["create", "--mcp", "/bin/true", "--dry-run"]);
    assert!(said.err.contains("(exit status: 0), and wrote nothing to standard error"), "{said:?}");
}

/// Something else than a GraphQL endpoint, or one that keeps its schema to itself.
#[test]
fn an_endpoint_without_a_schema_is_told_with_what_it_answers() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            let (status, kind, body) = match head[..read].starts_with(b"POST /graphql ") {
                true => {
                    ("400 Bad Request", "application/json", r#"{"errors":[{"message":"introspection is disabled"}]}"#)
                }
                false => ("404 Not Found", "text/html", "<html>no such page</html>"),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
    for (path, told) in [
        (
            "",
            "it answers 404 Not Found with `text/html`, and no JSON; look whether this is the URL of the GraphQL endpoint",
        ),
        (
            "graphql",
            "it answers 400 Bad Request and does not tell its schema: `introspection is disabled`; where introspection",
        ),
    ] {
        let said = Place::new().run(&["create", "--graphql", &format!("{at}/{path}"), "--dry-run"]);
        assert!(said.code == Some(1) && said.err.contains(told) && said.err.contains("`--token-env-var`"), "{said:?}");
    }
}
