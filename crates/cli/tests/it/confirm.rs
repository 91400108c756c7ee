//! Calls that a person approves on the page of a server.

use std::io::{Read as _, Write as _};

use crate::run::{Place, Serving};

const SPEC: &str = "
name: shop
connections: [{ name: db, type: sqlite, path: shop.db, seed: seed.sql }]
tools:
  - name: remove
    description: Removes a product
    parameters: { id: { type: integer, required: true } }
    sql: DELETE FROM products WHERE id = :id
    confirm: Remove {id}?
    examples: [{ arguments: { id: 1 }, expect: { rowsAffected: 1 } }]
";

fn shop() -> Place {
    let seed = "CREATE TABLE products (id INTEGER); INSERT INTO products VALUES (1), (2)";
    Place::new().file("shop.yaml", SPEC).file("seed.sql", seed)
}

/// A request to the page, as a browser sends it.
fn browse(server: &Serving, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn link(reply: &str) -> String {
    let start = reply.find("http").unwrap_or_else(|| panic!("a link: {reply}"));
    reply[start..].split(['\\', ' ', '"']).next().unwrap().to_owned()
}

fn path(link: &str) -> &str {
    &link[link.find("/approve/").unwrap()..]
}

/// Approves on the page, which is known by this name.
fn approve(server: &Serving, path: &str, host: &str, origin: &str) -> String {
    let page = browse(server, "GET", path, &format!("Host: {host}\r\n"), "");
    assert!(page.contains("Remove ") && page.contains("<b>shop</b>"), "{page}");
    let form = page.split_once("name=\"form\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let headers = format!("Host: {host}\r\nOrigin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    browse(server, "POST", path, &headers, &format!("form={form}&decision=approve"))
}

#[test]
fn a_call_runs_once_after_a_person_opened_its_link_and_approved() {
    let place = shop();
    let server = place.serve(&["shop.yaml"]);
    let call = |id: u32| server.call(&[], "remove", &format!("{{\"id\":{id}}}")).1;
    let asked = call(1);
    assert!(asked.contains("\"isError\":true") && asked.contains("nothing was done yet"), "{asked}");
    let link = link(&asked);
    assert!(link.starts_with(&format!("http://{}/approve/", server.address)), "{link}");
    let origin = format!("http://{}", server.address);
    let refused = approve(&server, path(&link), &server.address, "https://evil.example");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(call(1).contains(&link), "still waiting");
    let approved = approve(&server, path(&link), &server.address, &origin);
    assert!(approved.contains("is approved"), "{approved}");
    assert!(call(2).contains("nothing was done yet"), "that was not approved");
    assert!(call(1).contains("\"rowsAffected\":1"));
    assert!(call(1).contains("nothing was done yet"), "once");
    let log = server.terminate().1;
    assert!(log.contains("a person decided on a call") && !log.contains(path(&link)), "{log}");
}

#[test]
fn links_begin_with_the_public_url_and_its_page_is_served() {
    let place = shop();
    let server = place.serve(&["shop.yaml", "--public-url", "https://mcp.example.com/factory"]);
    let link = link(&server.call(&[], "remove", "{\"id\":1}").1);
    assert!(link.starts_with("https://mcp.example.com/factory/approve/"), "{link}");
    let approved = approve(&server, path(&link), "mcp.example.com", "https://mcp.example.com");
    assert!(approved.contains("is approved"), "{approved}");
    assert!(server.call(&[], "remove", "{\"id\":1}").1.contains("\"rowsAffected\":1"));
    let said = place.run(&["serve", "shop.yaml", "--public-url", "mcp.example.com"]);
    assert!(said.code == Some(2) && said.err.contains("--public-url"), "{said:?}");
}

#[test]
fn an_approval_outlives_a_saved_spec_but_not_a_change_of_its_tool() {
    let mut place = shop();
    let server = place.serve(&["shop.yaml"]);
    let origin = format!("http://{}", server.address);
    let call = |id: u32| server.call(&[], "remove", &format!("{{\"id\":{id}}}")).1;
    for id in [1, 2] {
        approve(&server, path(&link(&call(id))), &server.address, &origin);
    }
    place = place.file("shop.yaml", &SPEC.replace("name: shop", "name: shop\ndescription: A shop"));
    server.until_logged("\"reloaded\"");
    assert!(call(1).contains("\"rowsAffected\":1"));
    let changed = SPEC.replace("WHERE id = :id", "WHERE id >= :id");
    let _place = place.file("shop.yaml", &changed);
    server.until_logged("\"reloaded\"");
    assert!(call(2).contains("nothing was done yet"), "what was approved is not what would be done");
}

#[test]
fn tests_call_no_tool_that_asks_a_person() {
    let place = shop();
    for writes in [&[][..], &["--writes"]] {
        let one = place.run(&[&["test", "shop.yaml", "remove", "{\"id\":1}"], writes].concat());
        assert!(one.code != Some(0) && one.err.contains("nothing was called"), "{one:?}");
        let all = place.run(&[&["test", "shop.yaml"], writes].concat());
        assert!(all.code == Some(0) && all.out.contains("asks a person first"), "{all:?}");
    }
}
