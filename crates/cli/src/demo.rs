//! What `up --demo` makes: the inventory example, deployed, tried, and with a key to call it.

use std::{fs, os::unix::fs::DirBuilderExt as _, time::Duration};

use anyhow::Context as _;
use mcp_factory::{
    Caller, Error, Factory, NewKey, Owner, Submission,
    keys::name_of,
    language::model::{self, ServerName},
    suite::{Options, Outcome},
};
use serde_json::{Value, json};
use url::Url;

use crate::{exit, program};

const NAME: &str = "inventory";
const SPEC: &str = include_str!("../../../examples/inventory/server.yaml");
const SEED: &str = include_str!("../../../examples/inventory/seed.sql");
const KEY: &str = "demo";
const PATIENCE: Duration = Duration::from_secs(30);
/// A client that was set up with the key before has time to get the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What a newcomer needs for the first call.
pub struct Demo {
    pub endpoint: String,
    key: String,
    token: String,
    version: String,
    tools: u32,
    passed: usize,
    failed: usize,
}

/// The example, under a name of its own and with keys in front.
fn spec() -> String {
    let named = SPEC.replacen("\nname: inventory-mcp\n", &format!("\nname: {NAME}\n"), 1);
    format!("{named}\n# Keys are issued by the factory: `mcp-factory keys`.\nauth: {{ type: bearer }}\n")
}

/// Harmless where it was made before: the server is there, and its key gets another secret.
pub async fn make(factory: &Factory, base: &Url) -> anyhow::Result<Demo> {
    let caller = Caller::local();
    let name = ServerName::new(NAME).expect("it is the name of a server");
    let folder = factory.folder_of(&Owner::local(), &name);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    fs::write(folder.join("seed.sql"), SEED).context("can't write the example's products")?;
    match factory.create(&caller, Submission::new(spec()), None).await {
        // Of another version of this program.
        Ok(_) | Err(Error::VersionExists { .. }) => {}
        Err(error) => return Err(error).context("can't create the example"),
    }
    let deployed = factory.deploy(&caller, NAME, None, PATIENCE).await.context("can't deploy the example")?;
    let observed = deployed.observed.with_context(|| format!("the example is not healthy after {PATIENCE:?}"))?;
    observed.outcome.map_err(|fault| {
        exit::with_hint(
            anyhow::Error::from(fault).context("the example is not healthy"),
            "remove it: `mcp-factory remove inventory`",
        )
    })?;
    let tests = Options { cases: 3, time: model::Duration::from_millis(1_000), ..Options::default() };
    let tested = factory.test(&caller, NAME, None, &tests).await.context("can't run the tests of the example")?;
    let passed = tested.rows().iter().filter(|row| row.outcome == Outcome::Passed).count();
    let server = factory.get(&caller, NAME).await?.server;
    let has_key = factory.list_keys(&caller, NAME).await?.iter().any(|key| name_of(key) == KEY);
    let issued = match has_key {
        true => factory.rotate_key(&caller, NAME, KEY, OVERLAP).await,
        false => factory.issue_key(&caller, NAME, NewKey::named(KEY)).await,
    };
    let issued = issued.context("can't issue a key for the example")?;
    let token = fs::read_to_string(factory.data().join("token")).context("can't read the operator's token")?;
    Ok(Demo {
        endpoint: format!("{}/servers/{NAME}/mcp", base.as_str().trim_end_matches('/')),
        key: issued.secret.reveal().to_owned(),
        token: token.trim().to_owned(),
        version: server.latest.to_string(),
        tools: server.tools,
        passed,
        failed: tested.failed(),
    })
}

impl Demo {
    /// One line for programs.
    pub fn json(&self, api: &str) -> Value {
        json!({ "api": api, "endpoint": self.endpoint, "key": self.key, "token": self.token })
    }

    pub fn text(&self, api: &str) -> String {
        let Self { endpoint, key, version, tools, passed, .. } = self;
        let line = program::line;
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed: `{}` says which", line(&format!("test {NAME}"))),
        };
        format!(
            "MCP Factory {} is ready. Its example is deployed: {NAME} {version}, {tools} tools on a SQLite database;\n\
             {passed} tests passed, in both protocol eras{failed}.\n\n  \
             endpoint  {endpoint}\n  key       {key}\n  api       {api}\n\n\
             Call it from another terminal:\n\n  \
             {}\n\n\
             Look around:\n\n  {}\n  {}\n  {}\n  {}\n\n\
             Ctrl-C ends it; what is deployed runs again with the next `{}`.\n",
            env!("CARGO_PKG_VERSION"),
            first_call(endpoint, key),
            line("list"),
            line(&format!("status {NAME}")),
            line(&format!("logs {NAME} --follow")),
            line(&format!("connect {NAME} --client claude-desktop")),
            line("up"),
        )
    }
}

/// A line for a shell.
pub fn first_call(endpoint: &str, key: &str) -> String {
    format!(
        "curl -s {endpoint} \\\n    -H 'Authorization: Bearer {key}' \\\n    -H 'Content-Type: application/json' \\\n    -d '{CALL}'"
    )
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_stock_level","arguments":{"sku":"ENB-101"}}}"#;

/// It holds secrets.
impl std::fmt::Debug for Demo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demo").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_its_own_name_and_keys_in_front() {
        let spec = spec();
        let source =
            mcp_factory_spec::Source { name: "demo", bytes: spec.as_bytes(), format: mcp_factory_spec::Format::Yaml };
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/inventory");
        let read = mcp_factory_spec::read(&source, &mcp_factory_engine::Folder(&folder)).spec.unwrap();
        assert_eq!((read.name.as_str(), read.auth.word()), (NAME, "bearer"));
    }
}
