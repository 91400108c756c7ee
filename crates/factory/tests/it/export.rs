//! Servers that are taken elsewhere.

use std::io::{Cursor, Read as _};

use mcp_factory::{Caller, ExportFormat, Exported, Submission, registry::Role};
use mcp_factory_connect::Secret;
use serde_json::{Value, json};

use crate::{
    create::{code, create},
    kept::{Kept, on_both, user},
};

on_both! {
    a_bundle_has_the_spec_and_its_files_and_asks_for_its_secrets;
}

const SPEC: &str = "name: shop\nversion: 1.2.0\ntitle: Shop\ndescription: Sells things\nauth: { type: bearer, envVar: KEYS }\n\
connections:\n  - { name: stock, type: sqlite, path: ./stock.db, seed: ./seed.sql }\n  \
- { name: crm, type: http, url: 'https://crm.example', auth: { type: bearer, envVar: CRM_TOKEN } }\ntools:\n  \
- { name: all, description: All things, connection: stock, sql: SELECT name FROM things }\n  \
- { name: customer, description: One, connection: crm, http: { path: /one } }\n";

fn unzipped(exported: &Exported) -> Vec<(String, String)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(&exported.bytes)).expect("an archive");
    let mut files = Vec::new();
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).expect("a file");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        files.push((file.name().expect("text").into_owned(), text));
    }
    files
}

async fn a_bundle_has_the_spec_and_its_files_and_asks_for_its_secrets(kept: Kept) {
    let factory = kept.factory().await;
    let local = Caller::local();
    let folder = kept.folder.path().join("shop");
    std::fs::create_dir(&folder).expect("a folder");
    let seed = "CREATE TABLE things (name TEXT);";
    std::fs::write(folder.join("seed.sql"), seed).expect("a file");
    std::fs::write(folder.join("notes.txt"), "not of the spec").expect("a file");
    for (name, value) in [("CRM_TOKEN", "zebra-4711-zebra"), ("KEYS", "lion-4711-lion")] {
        factory.set_secret(&local, None, name, &Secret::new(value)).await.expect("kept");
    }
    create(&factory, &local, Submission::new(SPEC).in_folder(&folder)).await.expect("created");

    let bundle = || factory.export(&local, "shop", None, ExportFormat::Mcpb);
    let exported = bundle().await.expect("exported");
    assert_eq!(exported.file_name, "shop-1.2.0.mcpb");
    assert_eq!(bundle().await.expect("again"), exported, "the same bytes each time");
    let files = unzipped(&exported);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["manifest.json", "spec.json", "seed.sql"]);
    assert_eq!(files[2].1, seed);
    let spec: Value = serde_json::from_str(&files[1].1).expect("JSON");
    assert_eq!(spec["name"], "shop");
    let manifest: Value = serde_json::from_str(&files[0].1).expect("JSON");
    assert_eq!(
        manifest["server"]["mcp_config"],
        json!({
            "command": "mcp-factory", "args": ["stdio", "${__dirname}/spec.json"],
            "env": { "CRM_TOKEN": "${user_config.CRM_TOKEN}" },
        })
    );
    assert_eq!(manifest["user_config"]["CRM_TOKEN"]["sensitive"], true);
    assert_eq!(manifest["user_config"].as_object().expect("an object").len(), 1, "stdio takes no keys");
    let all = String::from_utf8_lossy(&exported.bytes).into_owned();
    assert!(!all.contains("4711"), "no secret is in it");

    let json = factory.export(&local, "shop", None, ExportFormat::ServerJson).await.expect("exported");
    let json: Value = serde_json::from_slice(&json.bytes).expect("JSON");
    assert_eq!((&json["name"], &json["title"], json.get("remotes")), (&json!("local/shop"), &json!("Shop"), None));

    let jane = user(&factory, "jane", Role::Developer).await;
    assert_eq!(code(factory.export(&jane, "shop", None, ExportFormat::Mcpb).await), "not-found");
    std::fs::remove_file(folder.join("seed.sql")).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", folder.join("seed.sql")).expect("a link");
    assert_eq!(code(bundle().await), "invalid-argument", "nothing from outside of the folder");
}
