//! Programs as tools.

use std::{path::Path, sync::Arc};

use mcp_factory_engine::Engine;
use mcp_serve::{CallContext, Principal, Server as _};
use serde_json::{Map, json};

use crate::harness::{call, plan, plan_of_a_stranger};

const SPEC: &str = r#"
name: programs
tools:
  - name: show
    description: Shows what it was called with
    parameters:
      text: { type: string, required: true }
      words: { type: array, items: { type: string } }
      number: { type: integer }
      option: { type: string, enum: [-a, -b] }
    command: { argv: [printf, "%s|", "{text}", "--words={text}", "{words}", "{number}", "{option}", fixed, "--", "{text}"] }
  - name: behind
    description: Shows a text that may look like an option
    parameters: { text: { type: string, required: true } }
    command: { argv: [printf, "%s|", --, "{text}"] }
  - name: read
    description: Counts the bytes of its input
    parameters: { data: { type: string, contentEncoding: base64, required: true } }
    returns: { type: integer }
    command: { argv: [wc, -c], stdin: "{data}" }
  - name: environment
    description: Lists its environment
    parameters: { note: { type: string } }
    returns: { type: array, items: { type: string } }
    command: { argv: [env], env: { WHO: "{principal.id}", NOTE: "{note}", FIXED: "{{}}" } }
  - name: place
    description: Where it runs
    command: { argv: [./where.sh], cwd: below }
  - name: fails
    description: Fails
    command: { argv: [sh, -c, "echo out; echo broken >&2; exit 3"] }
  - name: slow
    description: Takes long
    command: { argv: [sleep, "60"], timeout: 100ms }
  - name: fields
    description: Prints JSON
    returns: { type: object, properties: { id: { type: integer } } }
    command: { argv: [echo, '{{"id": 1, "secret": 2}}'] }
  - name: much
    description: Prints more than it may
    limits: { maxBytes: 1KiB }
    command: { argv: [seq, "100000"] }
"#;

fn start(folder: &Path) -> Engine {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(folder.join("below")).unwrap();
    std::fs::write(folder.join("where.sh"), "#!/bin/sh\npwd\n").unwrap();
    std::fs::set_permissions(folder.join("where.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    plan(SPEC, folder, &[]).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[tokio::test]
async fn every_element_stays_one_argument_whatever_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    for nasty in ["a b", "$(id)", "`id`", "; rm -rf /", "*", "a\nb", "'\"", "%s%s%n", "{text}", "é\u{1F600}", ""] {
        let shown = call(&engine, "show", json!({ "text": nasty })).await.unwrap();
        assert_eq!(shown["value"], format!("{nasty}|--words={nasty}|fixed|--|{nasty}|"), "{nasty:?}");
    }
    let shown =
        call(&engine, "show", json!({ "text": "x", "words": ["a b", "c"], "number": -5, "option": "-a" })).await;
    assert_eq!(shown.unwrap()["value"], "x|--words=x|a b|c|-5|-a|fixed|--|x|");
    let nul = call(&engine, "show", json!({ "text": "a\0b" })).await.unwrap_err();
    assert!(nul.contains("NUL"), "{nul}");
}

#[tokio::test]
async fn a_value_of_the_caller_never_becomes_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    for arguments in [json!({ "text": "--help" }), json!({ "text": "-" }), json!({ "text": "x", "words": ["a", "-v"] })]
    {
        let refused = call(&engine, "show", arguments.clone()).await.unwrap_err();
        assert!(refused.contains("may not begin with `-`"), "{arguments}: {refused}");
    }
    let shown = call(&engine, "behind", json!({ "text": "--help" })).await.unwrap();
    assert_eq!(shown["value"], "--|--help|", "behind `--` nothing is an option");
}

#[tokio::test]
async fn input_environment_and_folder_are_what_the_spec_says() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    assert_eq!(call(&engine, "read", json!({ "data": "AAH/" })).await.unwrap(), json!({ "value": 3 }));
    assert!(call(&engine, "read", json!({ "data": "?" })).await.unwrap_err().contains("base64"));
    let set = call(&engine, "environment", json!({ "note": "n" })).await.unwrap();
    assert_eq!(set, json!({ "items": ["FIXED={}", "NOTE=n", "WHO=alice"] }));
    let set = call(&engine, "environment", json!({})).await.unwrap();
    assert_eq!(set, json!({ "items": ["FIXED={}", "WHO=alice"] }), "what was left out is not set");
    let place = call(&engine, "place", json!({})).await.unwrap();
    assert_eq!(place["value"], folder.path().canonicalize().unwrap().join("below").display().to_string());
}

#[tokio::test]
async fn what_comes_back_is_shaped_cut_or_explained() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    assert_eq!(call(&engine, "fields", json!({})).await.unwrap(), json!({ "id": 1 }));
    let much = call(&engine, "much", json!({})).await.unwrap();
    assert_eq!((much["value"].as_str().unwrap().len(), &much["truncated"]["reason"]), (1024, &json!("bytes")));
    let failed = call(&engine, "fails", json!({})).await.unwrap_err();
    assert_eq!(failed, "the program `sh` failed with exit code 3: broken");
    let slow = call(&engine, "slow", json!({})).await.unwrap_err();
    assert_eq!(slow, "the program `sleep` took longer than its limit of 100ms and was stopped");
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_program_in_a_step_too() {
    let text = r#"
name: programs
tools:
  - { name: wait, description: Waits, command: { argv: [sh, -c, "echo $$ > new; mv new id; exec sleep 60"] } }
  - { name: one, description: Waits in a step, steps: [{ call: wait }] }
  - { name: two, description: Waits in a step of a step, steps: [{ call: one }] }
"#;
    for tool in ["wait", "one", "two"] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(plan(text, folder.path(), &[]).unwrap());
        let running = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move { engine.call_tool(&CallContext::new(Principal::local()), tool, Map::new()).await.is_ok() }
        });
        let id = folder.path().join("id");
        until(|| id.exists()).await;
        let process = format!("/proc/{}", std::fs::read_to_string(id).unwrap().trim());
        assert!(Path::new(&process).exists());
        running.abort();
        // How soon is measured with the release binary (`./test times`); long before its minute is over, in any case.
        until(|| !Path::new(&process).exists()).await;
    }
}

#[test]
fn programs_are_for_owners_to_whom_they_were_granted_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        |command: &str| format!("name: a\ntools:\n  - {{ name: run, description: Runs, command: {{ {command} }} }}\n");
    let code = |problems: Result<Engine, Vec<mcp_factory_engine::Problem>>| {
        let problems = problems.expect_err("it can't run");
        (problems[0].code, problems[0].message.clone())
    };
    assert_eq!(code(plan_of_a_stranger(&text("argv: [ls]"), folder.path())).0, "policy/command");
    let (absent, message) = code(plan(&text("argv: [no-such-program]"), folder.path(), &[]));
    assert_eq!((absent, message.contains("no-such-program")), ("plan/unusable", true));
    std::os::unix::fs::symlink("/", folder.path().join("out")).unwrap();
    let (_, message) = code(plan(&text("argv: [ls], cwd: out"), folder.path(), &[]));
    assert!(message.contains("leads out"), "{message}");
}

#[tokio::test]
async fn a_secret_reaches_the_program_and_no_error() {
    let text = r#"
name: forge
tools:
  - { name: use, description: Uses it, command: { argv: [sh, -c, 'echo "${{#TOKEN}} $OTHER"'], env: { TOKEN: { envVar: FORGE_TOKEN }, OTHER: x } } }
  - { name: leak, description: Complains, command: { argv: [sh, -c, 'echo "bad token $TOKEN" >&2; exit 1'], env: { TOKEN: { envVar: FORGE_TOKEN } } } }
  - { name: unset, description: Wants another, command: { argv: [env], env: { TOKEN: { envVar: NO_SUCH_TOKEN } } } }
"#;
    let folder = tempfile::tempdir().unwrap();
    let engine = plan(text, folder.path(), &[("FORGE_TOKEN", "s3cr3t-t0ken")]).unwrap();
    assert_eq!(call(&engine, "use", json!({})).await.unwrap(), json!({ "value": "12 x" }));
    let leak = call(&engine, "leak", json!({})).await.unwrap_err();
    assert_eq!(leak, "the program `sh` failed with exit code 1: bad token [secret]");
    assert!(!format!("{engine:?}").contains("s3cr3t"));
    let unset = call(&engine, "unset", json!({})).await.unwrap_err();
    assert!(unset.contains("NO_SUCH_TOKEN"), "{unset}");
}

async fn until(mut state: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !state() {
        assert!(began.elapsed() < std::time::Duration::from_secs(40), "it never came to that");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn without_an_annotation_a_program_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let engine = start(folder.path());
    assert!(!engine.is_read_only("show") && !engine.is_seeded("show"));
}
