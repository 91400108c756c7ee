//! `create FILE --watch`: what is saved takes the place of what runs, in the factory.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::{factory::json, run::Place};

fn spec(version: &str, says: &str) -> String {
    format!(
        "name: shop\nversion: {version}\ntools: [{{ name: hello, description: Greets, static: {{ text: {says} }} }}]\n"
    )
}

/// In one piece, as editors do: what looks at a file while it is written finds half of it, and says so.
fn save(place: &Place, text: &str) {
    std::fs::write(place.path("saving"), text).unwrap();
    std::fs::rename(place.path("saving"), place.path("shop.yaml")).unwrap();
}

/// Ends what it started, however the test does.
struct Watching<'a> {
    place: &'a Place,
    child: Child,
    said: mpsc::Receiver<String>,
    endpoint: String,
}

impl<'a> Watching<'a> {
    fn start(place: &'a Place) -> Self {
        let args = ["create", "shop.yaml", "--watch", "--data", "data", "--output", "json"];
        let mut child = place.command(&args).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, said) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { place, child, said, endpoint: String::new() }
    }

    fn says(&self) -> Value {
        json(&self.said.recv_timeout(Duration::from_secs(60)).expect("it says something"))
    }

    /// What somebody gets who calls it.
    fn call(&mut self) -> Value {
        if self.endpoint.is_empty() {
            let status = self.place.run(&["status", "shop", "--data", "data", "--output", "json"]);
            let endpoint = json(&status.out)["deployment"]["endpoint"].as_str().expect("an endpoint").to_owned();
            self.endpoint = endpoint;
        }
        let (address, path) = self.endpoint.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hello"}}"#;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        json(reply.split_once("\r\n\r\n").unwrap().1)["result"]["content"][0]["text"].clone()
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.place.run(&["down", "--data", "data"]);
    }
}

/// Issue §1, DESIGN decision 17.
#[test]
fn a_saved_file_runs_unregistered_and_a_bad_edit_changes_nothing() {
    let place =
        Place::new().environment("MCP_FACTORY_LISTEN", "127.0.0.1:0").file("shop.yaml", &spec("1.2.0", "hello"));
    let mut watching = Watching::start(&place);
    assert_eq!(watching.says()["outcome"], "created");
    let first = watching.says();
    assert_eq!((&first["version"], &first["registered"]), (&"1.2.0".into(), &true.into()), "{first}");
    assert_eq!(watching.call(), "hello");

    save(&place, &spec("1.2.0", "edited"));
    let edited = watching.says();
    assert!(edited["version"].as_str().is_some_and(|it| it.starts_with("1.2.0+dev.")), "{edited}");
    assert_eq!(watching.call(), "edited");
    let versions = place.run(&["versions", "shop", "--data", "data", "--output", "json"]);
    assert_eq!(json(&versions.out)["versions"].as_array().map(Vec::len), Some(1), "it is not registered");

    save(&place, "name: shop\nversion: 1.2.0\ntoools: []\n");
    assert_eq!(watching.says()["code"], "invalid-spec");
    assert_eq!(watching.call(), "edited");
    let logs = place.run(&["logs", "shop", "--data", "data"]);
    assert!(logs.out.contains("edit: an edit changes nothing: a server needs at least one of"), "{logs:?}");

    // Started again, the registered version runs.
    save(&place, &spec("1.2.0", "hello"));
    assert_eq!(watching.says()["version"], "1.2.0");
    assert_eq!(watching.call(), "hello");
}
