//! The example `full`, started as the program that it is.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "a secret of the example, of more than 32 bytes";

fn token(user: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "iss": "https://issuer.example.com", "aud": "bench", "sub": user, "exp": now + 600 });
    let encode = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256", "typ": "JWT" })), encode(&claims));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn post(address: &str, token: &str, body: &Value) -> String {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn full_answers_who_has_a_jwt_audits_it_and_ends_when_it_is_terminated() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, audit) = (folder.path().join("server.yaml"), folder.path().join("audit.jsonl"));
    let text = "name: full\ntools:\n  - { name: hello, description: Says hello, static: { text: hello } }\n";
    std::fs::write(&spec, text).unwrap();
    // Built with the tests, beside them; Cargo tells nobody where.
    let this: PathBuf = std::env::current_exe().unwrap();
    let example = this.parent().unwrap().parent().unwrap().join("examples/full");
    let mut command = Command::new(example);
    command.arg(&spec).args(["--listen", "127.0.0.1:0"]).arg(&audit).env("FULL_SECRET", SECRET);
    let mut full = command.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(full.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap();

    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "hello" } });
    let answer = post(address, &token("alice"), &call);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    assert!(post(address, "not.a.token", &call).starts_with("HTTP/1.1 401"));

    assert!(Command::new("kill").args(["-TERM", &full.id().to_string()]).status().unwrap().success());
    assert!(full.wait().unwrap().success());
    let audit = std::fs::read_to_string(audit).unwrap();
    assert!(audit.lines().count() == 1 && audit.contains("alice") && audit.contains("hello"), "{audit}");
}
