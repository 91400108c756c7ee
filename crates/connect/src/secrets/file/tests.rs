use std::{os::unix::fs::PermissionsExt as _, path::Path};

use super::*;
use crate::FixedSecrets;

const TEXT: &str = r#"{
  "principals": { "alice": { "TOKEN": "hunter2-a" }, "a__TOKEN": { "X": "1" }, "../x é\u0000": { "TOKEN": "odd" } },
  "tenants": { "alice": { "TOKEN": "hunter2-t" } }
}"#;

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn place(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    write(&path, text, 0o600);
    (folder, path)
}

fn open(path: &Path) -> Result<SecretsFile, SecretsFileError> {
    let owner = [("TOKEN", "owners"), ("OTHER", "owners")].into_iter().collect::<FixedSecrets>();
    SecretsFile::open(path, Arc::new(owner))
}

fn get(secrets: &SecretsFile, subject: Subject, name: &str) -> Result<String, String> {
    let secret = secrets.of(&subject).unwrap().get(name);
    secret.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
}

fn principal(id: &str) -> Subject {
    Subject::Principal(id.to_owned())
}

#[test]
fn ids_are_told_apart_whatever_is_in_them() {
    let (_folder, path) = place(TEXT);
    let secrets = open(&path).unwrap();
    assert_eq!(secrets.get("TOKEN").unwrap().expose(), "owners");
    assert_eq!(get(&secrets, principal("alice"), "TOKEN").as_deref(), Ok("hunter2-a"));
    assert_eq!(get(&secrets, Subject::Tenant("alice".into()), "TOKEN").as_deref(), Ok("hunter2-t"));
    assert_eq!(get(&secrets, principal("../x é\0"), "TOKEN").as_deref(), Ok("odd"));
    for (subject, name) in [
        (principal("Alice"), "TOKEN"),
        (principal("alice "), "TOKEN"),
        (principal(""), "TOKEN"),
        (principal("alice"), "OTHER"),
        (principal("a"), "TOKEN"),
        (Subject::Tenant("bob".into()), "TOKEN"),
    ] {
        let error = get(&secrets, subject.clone(), name).unwrap_err();
        assert!(error.contains(name) && error.contains(&subject.to_string()), "{error}");
    }
    assert!(!format!("{secrets:?}").contains("hunter2"));
}

#[test]
fn a_change_is_seen_at_once_and_a_mistake_closes_every_store() {
    let (_folder, path) = place(TEXT);
    let secrets = open(&path).unwrap();
    let token = || get(&secrets, principal("alice"), "TOKEN");
    assert_eq!(token().as_deref(), Ok("hunter2-a"));
    write(&path, &TEXT.replace("hunter2-a", "hunter2-b"), 0o600);
    assert_eq!(token().as_deref(), Ok("hunter2-b"));
    write(&path, "{ \"principals\": { \"alice\": { \"TOKEN\": 7 } } }", 0o600);
    assert!(token().unwrap_err().contains("line 1"), "a number is no secret");
    write(&path, TEXT, 0o640);
    assert!(token().unwrap_err().contains("chmod 600"));
    fs::remove_file(&path).unwrap();
    assert!(token().unwrap_err().contains("can't read"));
}

#[test]
fn what_is_ambiguous_or_unknown_is_refused_without_quoting_it() {
    for text in [
        "",
        "[]",
        r#"{ "principals": { "alice": { "TOKEN": "hunter2" }, "alice": { "TOKEN": "hunter2" } } }"#,
        r#"{ "principals": { "alice": { "TOKEN": "hunter2", "TOKEN": "hunter2" } } }"#,
        r#"{ "principals": { "alice": "hunter2" } }"#,
        r#"{ "principals": { "": { "TOKEN": "hunter2" } } }"#,
        r#"{ "principals": { "alice": { "TOKEN": "" } } }"#,
        r#"{ "principals": {}, "principals": {} }"#,
        r#"{ "users": { "hunter2": {} } }"#,
        r#"{ "principals": {} } hunter2"#,
    ] {
        let (_folder, path) = place(text);
        let error = open(&path).unwrap_err();
        assert!(matches!(error, SecretsFileError::Content { .. }), "{text}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn a_settled_file_is_not_parsed_again() {
    let (_folder, path) = place(TEXT);
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    let secrets = open(&path).unwrap();
    let first = secrets.file.stores().unwrap();
    assert!(Arc::ptr_eq(&first, &secrets.file.stores().unwrap()));
    write(&path, TEXT, 0o600);
    assert!(!Arc::ptr_eq(&first, &secrets.file.stores().unwrap()));
}
