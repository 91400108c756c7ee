//! `up` and `down`: one factory on a data folder, which is found, ends when it is told to, and comes back.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::run::{Place, Said};

/// In a place of its own, on a free port.
fn place() -> Place {
    Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0")
}

/// A factory in the foreground. What is left of it goes with the value.
struct Factory {
    child: Child,
    ready: Value,
}

impl Factory {
    fn up(place: &Place) -> Self {
        let mut child =
            place.command(&["up", "--output", "json", "--data", "data"]).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it said `{line}`"));
        Self { child, ready }
    }

    fn signal(&self, name: &str) {
        let mut kill = std::process::Command::new("kill");
        kill.args([&format!("-{name}"), &self.child.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request with the operator's token.
pub fn ask(place: &Place, ready: &Value, method: &str, path: &str, body: &str) -> (u16, Value) {
    ask_with(&std::fs::read_to_string(place.path("data/token")).unwrap(), ready, method, path, body)
}

fn ask_with(token: &str, ready: &Value, method: &str, path: &str, body: &str) -> (u16, Value) {
    let address = api(ready);
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

fn deploy(place: &Place, ready: &Value) {
    let spec = json!({ "name": "shop", "version": "1.0.0", "tools": [
        { "name": "hello", "description": "Greets", "static": { "text": "hello" }, "examples": [{ "expect": "hello" }] }
    ] });
    assert_eq!(ask(place, ready, "POST", "/mcp/create", &spec.to_string()).0, 201);
    let (status, deployed) = ask(place, ready, "POST", "/mcp/deploy/shop", "");
    assert_eq!((status, &deployed["serving"]["version"]), (200, &json!("1.0.0")), "{deployed}");
}

fn call(place: &Place, ready: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "hello" } });
    ask(place, ready, "POST", "/servers/shop/mcp", &body.to_string()).1["result"]["content"][0]["text"].clone()
}

fn down(place: &Place) -> Said {
    place.run(&["down", "--data", "data"])
}

#[test]
fn what_is_deployed_runs_again_after_the_factory_ended_or_was_killed() {
    let place = place();
    let factory = Factory::up(&place);
    assert_eq!(factory.ready["pid"], factory.child.id());
    deploy(&place, &factory.ready);
    assert_eq!(call(&place, &factory.ready), "hello");
    // SIGHUP comes when a terminal is closed, and changes nothing.
    factory.signal("HUP");
    assert_eq!(call(&place, &factory.ready), "hello");
    factory.signal("TERM");
    assert_eq!(factory.ended(), Some(0));
    assert!(!place.path("data/factory.json").exists(), "nobody is sent to what is gone");

    let factory = Factory::up(&place);
    assert_eq!(call(&place, &factory.ready), "hello", "it is ready when its servers are");
    factory.signal("KILL");
    assert_eq!(factory.ended(), None);
    assert!(place.path("data/factory.json").exists());

    let factory = Factory::up(&place);
    assert_eq!(call(&place, &factory.ready), "hello");
    let (_, shown) = ask(&place, &factory.ready, "GET", "/mcp/servers/shop", "");
    assert_eq!((&shown["deployment"]["state"], &shown["deployment"]["failures"]), (&json!("running"), &json!(0)));
    factory.signal("INT");
    assert_eq!(factory.ended(), Some(0));
}

/// Calls that run when it is told to end are answered, and what was counted of them is kept.
#[test]
fn a_shutdown_loses_no_call_and_no_count() {
    const CALLS: usize = 3;
    let place = place();
    let factory = Factory::up(&place);
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let spec = json!({ "name": "shop", "version": "1.0.0",
        "connections": [{ "name": "api", "type": "http", "url": format!("http://{}", upstream.local_addr().unwrap()),
            "allowPrivateNetwork": true }],
        "tools": [{ "name": "hello", "description": "Asks", "http": { "path": "/" } }] });
    let created = ask(&place, &factory.ready, "POST", "/mcp/create", &spec.to_string());
    assert_eq!(created.0, 201, "{}", created.1);
    assert_eq!(ask(&place, &factory.ready, "POST", "/mcp/deploy/shop", "").0, 200);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(|| call(&place, &factory.ready))).collect();
        let asked: Vec<_> = (0..CALLS).map(|_| upstream.accept().unwrap().0).collect();
        // They run, and go on running until it has begun to end.
        factory.signal("TERM");
        while place.path("data/factory.json").exists() {}
        for mut asked in asked {
            assert!(asked.read(&mut [0; 4096]).unwrap() > 0);
            asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        }
        for call in calls {
            assert!(call.join().unwrap().as_str().unwrap().contains("hello"));
        }
    });
    assert_eq!(factory.ended(), Some(0));
    let factory = Factory::up(&place);
    let (_, usage) = ask(&place, &factory.ready, "GET", "/mcp/usage", "");
    // A row for each time that they were done within, of which a busy machine has several.
    let sum =
        |field: &str| usage["usage"].as_array().unwrap().iter().map(|row| row[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((json!(sum("calls")), sum("errors")), (json!(CALLS), 0), "{usage}");
}

fn api(ready: &Value) -> &str {
    ready["api"].as_str().unwrap().strip_prefix("http://").unwrap()
}

#[test]
fn a_second_factory_on_a_folder_says_which_one_runs() {
    let place = place();
    let factory = Factory::up(&place);
    let said = place.run(&["up", "--data", "data"]);
    let (pid, api) = (factory.ready["pid"].to_string(), factory.ready["api"].as_str().unwrap().to_owned());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(&format!("pid {pid}")) && said.err.contains(&api), "{said:?}");
    assert!(said.err.contains("hint: ") && said.err.contains("mcp-factory down"), "{said:?}");
    let said = place.run(&["up", "--detach", "--data", "data", "--output", "json"]);
    let running: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &running["pid"]), (Some(0), &factory.ready["pid"]), "there is one, which is what was asked");
    assert_eq!(running["unchanged"], "it runs already");
    // Another folder is another factory.
    let other = place.command(&["up", "--data", "other", "--detach", "--output", "json"]).output().unwrap();
    let other: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_ne!(other["pid"], factory.ready["pid"]);
    assert_eq!(place.run(&["down", "--data", "other"]).code, Some(0));
}

#[test]
fn of_many_that_start_at_once_one_wins() {
    let place = place();
    let mut children: Vec<Child> = (0..6)
        .map(|_| place.command(&["up", "--output", "json", "--data", "data"]).stderr(Stdio::null()).spawn().unwrap())
        .collect();
    let mut lines: Vec<(u32, String)> = Vec::new();
    for child in &mut children {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        lines.push((child.id(), line));
    }
    let ready: Vec<&(u32, String)> = lines.iter().filter(|(_, line)| !line.is_empty()).collect();
    assert_eq!(ready.len(), 1, "{lines:?}");
    let (pid, line) = ready[0];
    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["pid"], *pid);
    assert_eq!(down(&place).code, Some(0));
    for mut child in children {
        let won = child.id() == *pid;
        assert_eq!(child.wait().unwrap().code(), Some(if won { 0 } else { 1 }));
    }
}

#[test]
fn in_the_background_it_is_ready_when_the_command_returns_and_down_ends_it() {
    let place = place().environment("SECRET_OF_A_SHELL", "hunter2");
    let said = place.run(&["up", "--detach", "--data", "data", "--output", "json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let ready: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(ask(&place, &ready, "GET", "/readyz", "").0, 200);
    let environment = std::fs::read(format!("/proc/{}/environ", ready["pid"])).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&environment).contains("hunter2"), "a shell's secrets stay there");
    deploy(&place, &ready);
    let said = down(&place);
    assert!(said.code == Some(0) && said.out.contains("has ended"), "{said:?}");
    let again = down(&place);
    assert!(again.code == Some(0) && again.out.contains("no factory runs"), "{again:?}");
    let log = std::fs::read_to_string(place.path("data/factory.log")).unwrap();
    assert!(log.contains("the factory is ready at") && log.contains("stopped"), "{log}");
}

#[test]
fn what_keeps_it_from_starting_is_said_by_the_command_that_starts_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = place();
    for args in [&["up", "--listen", &address][..], &["up", "--detach", "--listen", &address]] {
        let said = place.run(&[args, &["--data", "data"]].concat());
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(&format!("can't listen on {address}")) && said.err.contains("hint: "), "{said:?}");
    }
    std::fs::create_dir(place.path("open")).unwrap();
    std::fs::set_permissions(place.path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = place.run(&["up", "--data", "open"]);
    assert!(said.code == Some(1) && said.err.contains("chmod 700 open"), "{said:?}");
    // What was sealed with one secret is not opened with another.
    let factory = Factory::up(&place);
    factory.signal("TERM");
    assert_eq!(factory.ended(), Some(0));
    let other = place.environment("MCP_FACTORY_SECRET", "another secret, long enough");
    let said = other.run(&["up", "--data", "data"]);
    assert!(said.code == Some(1) && said.err.contains("another secret"), "{said:?}");
    assert!(!said.err.contains("long enough"), "{said:?}");
}

/// DESIGN decision 15: what must keep running starts the factory, once.
#[test]
fn deploy_starts_the_factory_in_the_background_where_none_runs() {
    let shop = "name: shop\nversion: 1.0.0\ntools: [{ name: hello, description: Greets, static: { text: hello } }]\n";
    let place = place().file("shop.yaml", shop).environment("MCP_FACTORY_DATA", "data");
    assert_eq!(place.run(&["create", "shop.yaml"]).code, Some(0));
    assert!(!place.path("data/factory.json").exists(), "creating needs none");
    let said = place.run(&["deploy", "shop", "--output", "json"]);
    assert!(said.code == Some(0) && said.err.contains("started the factory in the background"), "{said:?}");
    let deployed: Value = serde_json::from_str(&said.out).unwrap();
    let endpoint = deployed["serving"]["endpoint"].as_str().unwrap();
    let api = endpoint.strip_suffix("/servers/shop/mcp").unwrap();
    assert_eq!(call(&place, &json!({ "api": api })), "hello");
    let again = place.run(&["deploy", "shop"]);
    assert!(again.code == Some(0) && !again.err.contains("started"), "{again:?}");
    assert_eq!(down(&place).code, Some(0));
}

/// The newcomer's first command: what it prints is all that a first call takes.
#[test]
fn the_demo_is_deployed_tried_and_called_with_what_was_printed() {
    let place = place();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let said = place.run(&["up", "--demo", "--detach", "--data", "data", "--output", "json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        let demo: Value = serde_json::from_str(&said.out).unwrap();
        let fields: Vec<&String> = demo.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["api", "endpoint", "key", "token"]);
        assert_eq!(demo["endpoint"], format!("{}/servers/inventory/mcp", demo["api"].as_str().unwrap()));
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_stock_level","arguments":{"sku":"ENB-101"}}}"#;
        assert_eq!(ask_with("", &demo, "POST", "/servers/inventory/mcp", call).0, 401);
        let key = demo["key"].as_str().unwrap();
        let (status, answer) = ask_with(key, &demo, "POST", "/servers/inventory/mcp", call);
        assert_eq!((status, &answer["result"]["structuredContent"]["stock"]), (200, &json!(120)), "{answer}");
        let (status, shown) = ask_with(demo["token"].as_str().unwrap(), &demo, "GET", "/mcp/servers/inventory", "");
        assert_eq!((status, &shown["deployment"]["state"]), (200, &json!("running")), "{shown}");
        assert_eq!(ask_with(key, &demo, "GET", "/mcp/servers", "").0, 401, "a key of a server opens nothing else");
        keys.push(key.to_owned());
        let log = std::fs::read_to_string(place.path("data/factory.log")).unwrap();
        assert!(!log.contains(key) && !log.contains(demo["token"].as_str().unwrap()), "{log}");
        assert_eq!(down(&place).code, Some(0));
    }
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn the_demo_says_in_words_what_to_type_next() {
    let place = place();
    let mut child = place.command(&["up", "--demo", "--data", "data"]).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !said.contains("Ctrl-C ends it") {
        assert!(out.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(
        said.contains("/servers/inventory/mcp") && said.contains("tests passed") && !said.contains("failed"),
        "{said}"
    );
    assert!(said.contains("\n  mcp-factory list --data data\n"), "about this factory: {said}");
    calls_the_example(&said);
    assert_eq!(down(&place).code, Some(0));
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let said = place.run(&["up", "--demo", "--detach", "--data", "data"]);
    assert!(said.out.contains("`mcp-factory down --data data` ends it\n"), "{said:?}");
    calls_the_example(&format!("{}\n", said.out));
    assert_eq!(down(&place).code, Some(0));
}

/// The line that calls it is one that a shell takes.
fn calls_the_example(said: &str) {
    let (_, rest) = said.split_once("  curl ").unwrap();
    let command = rest.split_once("\n\n").unwrap().0;
    let output = std::process::Command::new("sh").args(["-c", &format!("curl {command}")]).output().unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains("\"stock\":120"), "{answer} {said}");
}

/// DESIGN decision 15: commands and the factory are of one version.
#[test]
fn a_factory_of_another_version_is_not_talked_to() {
    let place = place();
    std::fs::create_dir(place.path("data")).unwrap();
    let mut lock = std::fs::File::create(place.path("data/factory.lock")).unwrap();
    lock.lock().unwrap();
    write!(lock, "{}", std::process::id()).unwrap();
    let other = json!({ "pid": std::process::id(), "address": "127.0.0.1:1", "version": "0.0.1", "started": "once" });
    std::fs::write(place.path("data/factory.json"), other.to_string()).unwrap();
    for args in [&["list"][..], &["deploy", "shop"], &["up", "--detach"]] {
        let said = place.run(&[args, &["--data", "data"]].concat());
        assert_eq!(said.code, Some(1), "{args:?}: {said:?}");
        assert!(said.err.contains("is version 0.0.1") && said.err.contains("mcp-factory down"), "{args:?}: {said:?}");
    }
    let findings = place.run(&["doctor", "--data", "data"]);
    assert!(findings.out.contains("another version than this one"), "{findings:?}");
}

#[test]
fn what_others_can_reach_asks_who_they_are() {
    let place = place();
    let ready = place.run(&["up", "--detach", "--listen", "0.0.0.0:0", "--data", "data", "--output", "json"]);
    let ready: Value = serde_json::from_str(&ready.out).unwrap();
    let open = json!({ "name": "shop", "tools": [{ "name": "hello", "description": "Greets", "static": { "text": "hello" } }] });
    assert_eq!(ask(&place, &ready, "POST", "/mcp/create", &open.to_string()).0, 201);
    let (status, refused) = ask(&place, &ready, "POST", "/mcp/deploy/shop", "");
    assert!(status == 422 && refused["detail"].as_str().unwrap().contains("set up authentication"), "{refused}");
    assert_eq!(down(&place).code, Some(0));
    let log = std::fs::read_to_string(place.path("data/factory.log")).unwrap();
    assert!(log.contains("not encrypted"), "{log}");
}

/// X-6: streams end when it begins to end, and nobody waits for those who follow.
#[test]
fn whoever_follows_does_not_keep_the_factory_from_ending() {
    let place = place();
    let factory = Factory::up(&place);
    deploy(&place, &factory.ready);
    let mut follower = place.command(&["logs", "shop", "--follow", "--data", "data"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("1.0.0"));
    let began = std::time::Instant::now();
    factory.signal("TERM");
    assert_eq!(factory.ended(), Some(0));
    // Running calls would have ten seconds.
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(follower.wait().unwrap().code(), Some(0), "what it followed has ended");
}
