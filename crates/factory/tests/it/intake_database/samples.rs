//! Schemas that others wrote: `MCP_FACTORY_SAMPLE_SCHEMAS` is a folder of files `NAME.postgres.sql`, `NAME.mysql.sql` and
//! `NAME.sqlite.sql` (`./test rust` makes one).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use mcp_factory::intake::Database;
use mcp_factory_connect::sql::Backend;
use mcp_factory_spec::Spec;
use mcp_factory_testing::{Mariadb, Postgres};
use serde_json::{Value, json};

use super::{Ground, ask, proof::prove};

fn samples(kind: &str) -> Vec<(String, PathBuf)> {
    let Some(folder) = std::env::var_os("MCP_FACTORY_SAMPLE_SCHEMAS") else {
        eprintln!("no samples: MCP_FACTORY_SAMPLE_SCHEMAS is not set");
        return Vec::new();
    };
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .expect("the folder of samples")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.strip_suffix(&format!(".{kind}.sql"))?.to_owned(), path)))
        .collect();
    found.sort();
    found
}

fn run(command: &mut Command, file: &Path) {
    let output = command.stdin(fs::File::open(file).expect("a sample")).output().expect("the client is installed");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
}

async fn sample(name: &str, ground: &Ground) {
    let began = std::time::Instant::now();
    let proposed = ground.propose(Database { writes: true, ..Database::default() }).await.expect("a spec");
    let took = began.elapsed();
    let spec = &proposed.proposal.spec;
    if let Some(folder) = std::env::var_os("MCP_FACTORY_SAMPLE_SPECS") {
        let file = Path::new(&folder).join(format!("{name}.{:?}.yaml", ground.backend));
        fs::write(file, spec.canonical_yaml()).expect("a folder for specs");
    }
    for finding in &proposed.proposal.findings {
        eprintln!("{name}: {finding}");
    }
    let made = make_rows(ground, spec).await;
    let proved = prove(ground, spec).await;
    eprintln!("{name} ({:?}): {} tools in {took:?}; {made}; {proved:?}", ground.backend, spec.tools.len());
}

/// With the proposed tools themselves, with whatever their schemas take. Rows that others refer to come in an earlier round.
async fn make_rows(ground: &Ground, spec: &Spec) -> String {
    const ROUNDS: usize = 4;
    let engine = ground.engine(spec);
    let canonical = spec.canonical();
    let makes = |tool: &&Value| tool["name"].as_str().is_some_and(|name| name.starts_with("create_"));
    let tools: Vec<&Value> = canonical["tools"].as_array().expect("tools").iter().filter(makes).collect();
    let mut refused: BTreeMap<&str, String> = BTreeMap::new();
    let (mut ran, mut rows) = (BTreeSet::new(), 0);
    for _ in 0..ROUNDS {
        for tool in &tools {
            let name = tool["name"].as_str().expect("a name");
            for number in 1..=3 {
                let parameters = tool["parameters"].as_object().into_iter().flatten();
                let given =
                    parameters.map(|(parameter, schema)| (parameter.clone(), some_value(schema, parameter, number)));
                match ask(&engine, name, Value::Object(given.collect())).await {
                    Ok(_) => {
                        ran.insert(name);
                        rows += 1;
                    }
                    Err(why) => drop(refused.insert(name, why)),
                }
            }
        }
    }
    refused.retain(|name, _| !ran.contains(name));
    // What the database refuses (a trigger, a partition that is not there) is told by its own message, and never by its grammar.
    for (name, why) in &refused {
        let of_ours = [
            "syntax error",
            "in your SQL syntax",
            "42601",
            "42703",
            "42804",
            "42883",
            "no such column",
            "Unknown column",
        ];
        assert!(!of_ours.iter().any(|word| why.contains(word)), "{name}: {why}");
        eprintln!("{name}: {why}");
    }
    format!("{} of {} create tools made {rows} rows", ran.len(), tools.len())
}

fn some_value(schema: &Value, parameter: &str, number: usize) -> Value {
    if let Some(values) = schema["enum"].as_array() {
        return values[number % values.len()].clone();
    }
    let about = schema["description"].as_str().unwrap_or_default();
    match schema["type"].as_str() {
        Some("integer") => json!(schema["minimum"].as_i64().unwrap_or(0) + number as i64),
        Some("number") => json!(number),
        Some("boolean") => json!(number.is_multiple_of(2)),
        Some("array") => json!([]),
        None | Some("object") => json!({}),
        _ if schema["contentEncoding"] == "base64" => json!("AAE="),
        _ if schema["format"] == "date" => json!(format!("2026-01-0{number}")),
        _ if about.contains("2026-11-21") => json!(format!("2026-01-0{number} 01:02:03")),
        _ => {
            let most = usize::try_from(schema["maxLength"].as_u64().unwrap_or(60)).unwrap_or(60);
            let text: String = format!("{number}{parameter}");
            json!(text.chars().take(most).collect::<String>())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_postgresql_answer_what_plain_sql_does() {
    let samples = samples("postgres");
    if samples.is_empty() {
        return;
    }
    let postgres = Postgres::start();
    let operator = Ground::new(Backend::Postgres, &postgres.url());
    for (name, file) in samples {
        operator.execute(&format!("CREATE DATABASE \"{name}\"")).await;
        let url = postgres.url().replace("/postgres", &format!("/{name}"));
        // What a sample gives to roles that are not there does not matter.
        run(Command::new("psql").args(["-q", "-d", &url]), &file);
        sample(&name, &Ground::new(Backend::Postgres, &url)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_mysql_answer_what_plain_sql_does() {
    let samples = samples("mysql");
    if samples.is_empty() {
        return;
    }
    let mariadb = Mariadb::start();
    let operator = Ground::new(Backend::Mysql, &mariadb.url());
    for (name, file) in samples {
        operator.execute(&format!("CREATE DATABASE `{name}` CHARACTER SET utf8mb4")).await;
        let port = mariadb.port().to_string();
        let arguments = ["-h", "127.0.0.1", "-P", &port, "-u", "factory", "-popen sesame", "--skip-ssl", &name];
        run(Command::new("mariadb").args(arguments), &file);
        let url = mariadb.url().replace(&format!(":{port}/factory"), &format!(":{port}/{name}"));
        sample(&name, &Ground::new(Backend::Mysql, &url)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_sqlite_answer_what_plain_sql_does() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, file) in samples("sqlite") {
        let path = folder.path().join(format!("{name}.db"));
        let connection = rusqlite::Connection::open(&path).expect("a database");
        connection.execute_batch(&fs::read_to_string(&file).expect("a sample")).expect("its statements");
        drop(connection);
        sample(&name, &Ground::new(Backend::Sqlite, &path.display().to_string())).await;
    }
}
