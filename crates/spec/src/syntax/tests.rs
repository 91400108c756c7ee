use super::*;

fn value(text: &str) -> serde_json::Value {
    let (root, found) = read(text.as_bytes(), Format::Yaml);
    assert_eq!(found, [], "{text}");
    root.expect("a tree").to_json()
}

#[test]
fn first() {
    assert_eq!(value("a: 1\nb: [x, {path}]\nc: &x { y: on }\nd: *x\n")["d"]["y"], "on");
}
