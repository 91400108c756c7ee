//! `connect` and `stdio NAME`: a client that was told how to start a server starts it, and is answered.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::{Value, json};

use crate::{factory::json, run::Place, up::ask};

const SHOP: &str =
    "name: shop\nversion: 1.0.0\ntools: [{ name: hello, description: Greets, static: { text: hello } }]\n";

fn place() -> Place {
    let place = Place::new().file("shop.yaml", SHOP).environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    assert_eq!(place.run(&["create", "shop.yaml", "--data", "data"]).code, Some(0));
    place
}

const OPENING: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
);
const CALL: &str = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"hello\"}}\n";

/// What is printed is what a client would start, in a folder and with an environment of its own.
#[test]
fn what_connect_prints_starts_the_server() {
    let place = place();
    let said = place.run(&["connect", "shop", "--client", "claude-desktop", "--data", "data", "--output", "json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let entry = &json(&said.out)["config"]["mcpServers"]["shop"];
    let command = entry["command"].as_str().unwrap();
    assert!(command.starts_with('/'), "{entry}");
    let args: Vec<&str> = entry["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut client = std::process::Command::new(command)
        .args(args)
        .current_dir("/")
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all((OPENING.to_owned() + CALL).as_bytes()).unwrap();
    let said = client.wait_with_output().unwrap();
    let replies: Vec<Value> = String::from_utf8(said.stdout).unwrap().lines().map(json).collect();
    assert_eq!(replies.len(), 2, "{replies:?}");
    assert_eq!(replies[1]["result"]["content"][0]["text"], "hello");
    assert_eq!(said.status.code(), Some(0));
    // S5-52: it counts like any other call.
    let ready = json(&place.run(&["up", "--detach", "--data", "data", "--output", "json"]).out);
    let (_, usage) = ask(&place, &ready, "GET", "/mcp/usage", "");
    assert_eq!((&usage["usage"][0]["tool"], &usage["usage"][0]["calls"]), (&json!("hello"), &json!(1)), "{usage}");
    assert_eq!(place.run(&["down", "--data", "data"]).code, Some(0));
}

#[test]
fn another_version_takes_the_place_of_the_one_that_is_served_on_stdio() {
    let place = place();
    let mut client = place.command(&["stdio", "shop", "--data", "data"]).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    let mut replies = BufReader::new(client.stdout.take().unwrap()).lines().map(|line| json(&line.unwrap()));
    input.write_all((OPENING.to_owned() + CALL).as_bytes()).unwrap();
    replies.next().unwrap();
    assert_eq!(replies.next().unwrap()["result"]["content"][0]["text"], "hello");
    let next =
        SHOP.replace("1.0.0", "1.1.0").replace("text: hello", "text: welcome").replace("name: hello", "name: greet");
    let next = place.file("next.yaml", &next);
    assert_eq!(next.run(&["create", "next.yaml", "--data", "data"]).code, Some(0));
    // It is told, without asking.
    let told = replies.find(|message| message["method"] == "notifications/tools/list_changed");
    assert!(told.is_some());
    input.write_all(CALL.replace("hello", "greet").as_bytes()).unwrap();
    assert_eq!(replies.next().unwrap()["result"]["content"][0]["text"], "welcome");
    drop(input);
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn what_connect_writes_leaves_everything_else_as_it_is() {
    let place = place().file("before.json", r#"{"theme": "dark", "mcpServers": {"other": {"command": "x"}}}"#);
    std::fs::create_dir_all(place.path(".cursor")).unwrap();
    std::fs::rename(place.path("before.json"), place.path(".cursor/mcp.json")).unwrap();
    let write = |client: &str| place.run(&["connect", "shop", "--client", client, "--write", "--data", "data"]);
    for (client, file, list) in [
        ("cursor", ".cursor/mcp.json", "mcpServers"),
        ("claude-desktop", ".config/Claude/claude_desktop_config.json", "mcpServers"),
        ("claude-code", ".mcp.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "servers"),
    ] {
        let said = write(client);
        assert!(said.code == Some(0) && said.out.contains(file), "{client}: {said:?}");
        let config = json(&std::fs::read_to_string(place.path(file)).unwrap());
        assert_eq!(config[list]["shop"]["args"][0], "stdio", "{config}");
        if client == "cursor" {
            assert_eq!((&config["theme"], &config[list]["other"]["command"]), (&json!("dark"), &json!("x")));
        }
        let again = write(client);
        assert!(again.code == Some(0) && again.out.contains("already"), "{client}: {again:?}");
    }
    // What can't be read is not written over.
    let comments = "{\n  // mine\n  \"servers\": {}\n}\n";
    std::fs::write(place.path(".vscode/mcp.json"), comments).unwrap();
    let said = write("vscode");
    assert!(said.code == Some(1) && said.err.contains("left alone"), "{said:?}");
    assert_eq!(std::fs::read_to_string(place.path(".vscode/mcp.json")).unwrap(), comments);
}

#[test]
fn a_client_of_a_url_is_told_where_the_key_is_and_not_the_key() {
    let keyed = SHOP.replace("tools:", "auth: { type: bearer }\ntools:");
    let place = Place::new().file("shop.yaml", &keyed).environment("MCP_FACTORY_LISTEN", "127.0.0.1:0");
    assert_eq!(place.run(&["create", "shop.yaml", "--data", "data"]).code, Some(0));
    let said = place.run(&["connect", "shop", "--client", "cursor", "--http", "--data", "data"]);
    assert!(said.code == Some(1) && said.err.contains("mcp-factory deploy shop"), "{said:?}");
    assert_eq!(place.run(&["deploy", "shop", "--data", "data"]).code, Some(0));
    for (client, key) in [
        ("cursor", "Bearer ${env:MCP_FACTORY_KEY}"),
        ("claude-code", "Bearer ${MCP_FACTORY_KEY}"),
        ("vscode", "Bearer ${input:MCP_FACTORY_KEY}"),
    ] {
        let said = place.run(&["connect", "shop", "--client", client, "--http", "--data", "data", "--output", "json"]);
        let config = &json(&said.out)["config"];
        let entry = if client == "vscode" { &config["servers"]["shop"] } else { &config["mcpServers"]["shop"] };
        assert!(entry["url"].as_str().unwrap().ends_with("/servers/shop/mcp"), "{said:?}");
        assert_eq!(entry["headers"]["Authorization"], key);
    }
    // The header is what the spec says.
    let other = SHOP.replace("shop", "desk").replace("tools:", "auth: { type: api_key, header: X-Desk-Key }\ntools:");
    let place = place.file("desk.yaml", &other);
    for args in [["create", "desk.yaml"], ["deploy", "desk"]] {
        assert_eq!(place.run(&[&args[..], &["--data", "data"]].concat()).code, Some(0));
    }
    let said = place.run(&["connect", "desk", "--client", "cursor", "--http", "--data", "data", "--output", "json"]);
    let headers = &json(&said.out)["config"]["mcpServers"]["desk"]["headers"];
    assert_eq!(*headers, json!({ "X-Desk-Key": "${env:MCP_FACTORY_KEY}" }), "{said:?}");
    assert_eq!(place.run(&["down", "--data", "data"]).code, Some(0));
    for (args, code) in [
        (&["connect", "shop", "--client", "claude-desktop", "--http"][..], Some(2)),
        (&["connect", "never", "--client", "cursor"], Some(3)),
        (&["stdio", "never"], Some(3)),
        (&["connect", "shop", "--client", "emacs"], Some(2)),
    ] {
        let said = place.run(&[args, &["--data", "data"]].concat());
        assert_eq!(said.code, code, "{said:?}");
    }
}
