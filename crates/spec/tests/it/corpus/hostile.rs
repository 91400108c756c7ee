//! Documents made to break readers: each ends in an error, soon, whatever it holds.

use std::time::{Duration, Instant};

use mcp_factory_spec::{Format, Source, Verdict, read, render};

use super::{check_span, documents::folder};

const MIB: usize = 1 << 20;

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("name: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let before = level - 1;
        text += &format!("a{level}: &a{level} [{}*a{before}]\n", format!("*a{before}, ").repeat(8));
    }
    refuse("bomb.yaml", text.as_bytes());
}

#[test]
fn many_aliases_of_something_small_are_refused() {
    let text = format!("name: many\ntags: [&a x{}]\n", ", *a".repeat(20_000));
    refuse("many.yaml", text.as_bytes());
}

#[test]
fn an_alias_of_itself_is_refused() {
    refuse("self.yaml", b"name: self\ntools: &tools [*tools]\n");
}

#[test]
fn depth_is_refused_before_it_costs_a_stack() {
    for (name, open, close) in [
        ("flow.yaml", "[", "]"),
        ("mapping.yaml", "{a: ", "}"),
        ("sequence.yaml", "- ", ""),
        ("array.json", "[", "]"),
        ("object.json", "{\"a\":", "}"),
        ("open.yaml", "[", ""),
        ("open.json", "{\"a\":[", ""),
        ("keys.yaml", "? ", ""),
    ] {
        refuse(name, (open.repeat(100_000) + "1" + &close.repeat(100_000)).as_bytes());
    }
}

#[test]
fn indentation_without_end_is_refused() {
    let text: String = (0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    refuse("indented.yaml", text.as_bytes());
}

#[test]
fn seventeen_mebibytes_are_refused() {
    let padding = "# nothing at all to be seen here, please move along to the next line of this file\n";
    refuse("large.yaml", (padding.repeat(17 * MIB / padding.len() + 1) + "name: large\n").as_bytes());
    refuse("large.json", (String::from("{\"name\": \"large\"") + &" ".repeat(17 * MIB) + "}").as_bytes());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for bytes in [
        &b"name: \xff\xfe"[..],
        b"name: caf\xe9\ntools: []\n",
        b"\xc0\xaf",
        b"name: x\0y\n",
        b"\0",
        b"n\0a\0m\0e\0",
        b"name: \xed\xa0\x80",
    ] {
        refuse("bytes.yaml", bytes);
        refuse("bytes.json", bytes);
    }
    refuse("nul.json", b"{\"name\": \"x\0y\"}");
}

#[test]
fn nothing_is_refused() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n...\n",
        "~",
        "null",
        "\u{feff}",
        "true",
        "3",
        "\"name\"",
        "[]",
        "{}",
    ] {
        refuse("nothing.yaml", text.as_bytes());
        refuse("nothing.json", text.as_bytes());
    }
}

#[test]
fn what_goes_on_for_long_is_refused_in_good_time() {
    for (name, text) in [
        ("keys.yaml", (0..100_000).map(|n| format!("key{n}: {n}\n")).collect::<String>()),
        ("same.yaml", "key: 1\n".repeat(100_000)),
        ("same.json", format!("{{{}\"key\": 1}}", "\"key\": 1,".repeat(100_000))),
        ("quotes.yaml", format!("name: \"{}", "\\".repeat(MIB))),
        ("colons.yaml", ": ".repeat(MIB / 2)),
        ("anchors.yaml", "&a ".repeat(MIB / 3)),
        ("percent.yaml", "%YAML 1.2\n".repeat(MIB / 10)),
        ("markers.yaml", "---\n".repeat(MIB / 4)),
    ] {
        refuse(name, text.as_bytes());
    }
}

#[test]
fn statements_made_to_overflow_a_stack_are_survived() {
    let many = 20_000;
    for sql in [
        format!("SELECT {}1{}", "(".repeat(many), ")".repeat(many)),
        format!("SELECT {}1", "(".repeat(many)),
        format!("SELECT {}true", "NOT ".repeat(many)),
        format!("SELECT {}1", "- ".repeat(many)),
        format!("SELECT 1{}", " + 1".repeat(many)),
        format!("SELECT id FROM t WHERE a = 1{}", " OR a = :x".repeat(many)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(many)),
        format!("SELECT {}1{}", "CASE WHEN ".repeat(many), " THEN 1 END".repeat(many)),
        format!("SELECT id FROM {}t{}", "(SELECT id FROM ".repeat(many), ") x".repeat(many)),
        format!("SELECT id FROM t{}", " JOIN t ON true".repeat(many)),
        format!("SELECT id FROM t WHERE a IN ({}1)", "1, ".repeat(many)),
        format!("SELECT a{} FROM t", "[1]".repeat(many)),
        format!("SELECT a{} FROM t", "::text".repeat(many)),
        format!("{}SELECT 1", "WITH x AS (".repeat(many)),
        format!("SELECT 1{}", " [[ AND a = :x ]]".repeat(many)),
        format!("SELECT 1{}", " [[ ".repeat(many)),
        format!("SELECT 1{}", ";".repeat(many)),
        format!("SELECT '{}", "''".repeat(many)),
        format!("SELECT 1 {}", "/* ".repeat(many)),
        format!("SELECT {}:x", ":".repeat(many)),
    ] {
        for database in ["postgresql", "mysql"] {
            let text = serde_json::json!({
                "name": "deep",
                "connections": [{
                    "name": "db", "type": database, "envVar": "DATABASE_URL",
                    "scope": { "column": "owner", "by": "principal.id", "tables": ["t"] },
                }],
                "tools": [{
                    "name": "deep", "description": "Deep", "sql": sql, "paginate": {},
                    "parameters": { "x": { "type": "string" } },
                }],
            });
            survive("deep.json", text.to_string().as_bytes());
        }
    }
}

#[test]
fn schemas_made_to_run_away_are_survived() {
    let multiplying: serde_json::Map<_, _> = (0..60)
        .map(|level| {
            let next = format!("#/$defs/d{}", level + 1);
            (format!("d{level}"), serde_json::json!({ "anyOf": [{ "$ref": next.clone() }, { "$ref": next }] }))
        })
        .collect();
    for schema in [
        serde_json::json!({ "type": "string", "pattern": "^(a+)+$", "examples": ["a".repeat(40) + "!"] }),
        serde_json::json!({ "type": "string", "pattern": "a{1000000}{1000000}" }),
        serde_json::json!({ "type": "string", "pattern": "(".repeat(50_000) }),
        serde_json::json!({ "type": "string", "pattern": "(?=a)".repeat(50_000) }),
        serde_json::json!({ "$ref": "#", "default": 1 }),
        serde_json::json!({ "$ref": "https://schemas.example.com/x.json", "default": 1 }),
        serde_json::json!({ "$ref": "file:///etc/passwd", "default": 1 }),
        serde_json::json!({ "$defs": multiplying, "$ref": "#/$defs/d0", "default": 1 }),
        serde_json::json!({ "type": "array", "uniqueItems": true, "default": (0..20_000).collect::<Vec<_>>() }),
        serde_json::json!({ "enum": (0..100_000).collect::<Vec<_>>(), "default": -1 }),
        serde_json::json!({ "type": "number", "multipleOf": 1e-300, "default": 1e300 }),
    ] {
        let text = serde_json::json!({
            "name": "schemas",
            "tools": [{
                "name": "run", "description": "Run", "command": { "argv": ["run", "{x}"] },
                "inputSchema": { "type": "object", "properties": { "x": schema } },
            }],
        });
        survive("schemas.json", text.to_string().as_bytes());
    }
}

#[test]
fn very_many_of_something_are_survived() {
    let many = 3_000;
    let tool = r#"{ "name": "t", "description": "x", "static": { "text": "x" } }"#;
    let tools: Vec<_> = (0..many).map(|n| tool.replace("\"t\"", &format!("\"t{n}\""))).collect();
    let tools = tools.join(",");
    let globs = format!("\"{}\"", "*a".repeat(3_000));
    for rest in [
        String::new(),
        format!(
            r#", "toolsets": [{{ "name": "s", "description": "x", "tools": [{}] }}]"#,
            [globs.as_str(); 3].join(",")
        ),
        format!(
            r#", "toolsets": [{{ "name": "s", "description": "x", "tools": [{}] }}]"#,
            vec!["\"t1*9*9\""; 1_000].join(",")
        ),
        format!(r#", "triggers": [{}]"#, vec![r#"{ "type": "startup", "tool": "t2999" }"#; many].join(",")),
        format!(r#", "triggers": [{{ "type": "cron", "tool": "t1", "schedule": "{}1 * * * *" }}]"#, "1,".repeat(many)),
        format!(r#", "resources": [{{ "name": "x", "uriTemplate": "x://{}", "text": "x" }}]"#, "{a}".repeat(many)),
        format!(r#", "resources": [{{ "name": "x", "uri": "x://x", "file": "{}" }}]"#, "../a/".repeat(many)),
        format!(r#", "tools": [{}]"#, vec![tool; many].join(",")),
    ] {
        survive("many.json", format!(r#"{{ "name": "many", "tools": [{tools}]{rest} }}"#).as_bytes());
    }
}

/// Reads `bytes`, which may be a server or not.
fn survive(name: &str, bytes: &[u8]) {
    let started = Instant::now();
    let reading = read(&Source { name, bytes, format: Format::of_file(name) }, &folder());
    let took = started.elapsed();
    let excerpt = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
    assert!(took < allowed(bytes), "{took:?} for {} bytes: {excerpt}", bytes.len());
    let shown = render::human(name, bytes, &reading.diagnostics, render::Style::default());
    assert!(shown.len() <= MIB, "answered with {} bytes: {excerpt}", shown.len());
}

/// Without optimisations and beside other tests; what the optimised reader takes is measured elsewhere.
fn allowed(bytes: &[u8]) -> Duration {
    Duration::from_secs(10) * u32::try_from(bytes.len() / MIB + 1).expect("small")
}

/// Reads `bytes`, on a stack as small as a thread's, and wants an error about them.
fn refuse(name: &str, bytes: &[u8]) {
    let started = Instant::now();
    let reading = read(&Source { name, bytes, format: Format::of_file(name) }, &folder());
    let took = started.elapsed();
    assert_eq!(reading.verdict, Verdict::Error, "{name} is accepted");
    assert!(took < allowed(bytes), "{name} took {took:?}");
    assert!(reading.diagnostics.len() <= 1_000, "{name} gets {} diagnostics", reading.diagnostics.len());
    if std::str::from_utf8(bytes).is_ok() {
        for diagnostic in &reading.diagnostics {
            check_span(bytes, diagnostic).unwrap_or_else(|why| panic!("{name}: `{}`: {why}", diagnostic.code));
        }
    }
    let shown = render::human(name, bytes, &reading.diagnostics, render::Style::default());
    assert!(shown.len() <= MIB, "{name} is answered with {} bytes", shown.len());
}
