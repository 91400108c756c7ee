//! A version of a server, to be taken elsewhere: as a `server.json`, or as a bundle that a desktop client installs. The same
//! version always becomes the same bytes, and no secret is in them: what they need is named, and asked for there.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _, Write as _},
    path::Path,
    str::FromStr,
};

use mcp_factory_spec::{Spec, model::ServerName};
use semver::Version;
use serde_json::{Map, Value, json};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    Caller, Error, Factory, Owner,
    catalogue::published,
    registry::{self, DependencyKind, VersionInfo, Which},
    spec::{dependencies_of, read_again},
    versions::no_version,
};

/// What a server becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// For a registry of MCP servers.
    ServerJson,
    /// An MCP bundle: a ZIP archive for desktop clients, which start the server with this program.
    Mcpb,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub file_name: String,
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Of a bundle: files that a spec names are not copied without end.
const MOST_BYTES: u64 = 64 << 20;
const SPEC: &str = "spec.json";
const MANIFEST: &str = "manifest.json";
/// The schema that the oldest clients know which know bundles by that name.
const MANIFEST_VERSION: &str = "0.2";

impl Factory {
    /// Without a number, the latest version.
    pub async fn export(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&Version>,
        format: ExportFormat,
    ) -> Result<Exported, Error> {
        let (wanted, version, namespace) = (name.to_owned(), version.cloned(), self.namespace());
        let (text, info, server_json) = self
            .look(caller, move |transaction, owner| {
                let server = transaction.server(owner, &wanted)?.ok_or_else(|| Error::no_server(&wanted))?;
                let version = version.clone().unwrap_or(server.latest);
                let none = || no_version(&wanted, &version);
                let text = transaction.spec(owner, &wanted, &version)?.ok_or_else(none)?;
                let info = transaction.version(owner, &wanted, &version)?.ok_or_else(none)?;
                let listed = transaction.catalogue_of(owner, &wanted, &Which::Only(version.clone()))?;
                let listed = listed.into_iter().next().ok_or_else(none)?;
                Ok((text, info, published(transaction, owner, &namespace, listed)?.server))
            })
            .await?;
        if format == ExportFormat::ServerJson {
            let bytes = serde_json::to_vec_pretty(&server_json).expect("a value is JSON");
            let file_name = "server.json".to_owned();
            return Ok(Exported { file_name, media_type: "application/json", bytes });
        }
        let owner = caller.owner().clone();
        let (policy, secrets) = (self.policy_of(&owner).await?, self.secrets_of(&owner).await?);
        let (factory, name) = (self.clone(), name.to_owned());
        let bundled = tokio::task::spawn_blocking(move || {
            let spec = read_again(&text).ok_or(registry::Error::Content)?;
            let own = ServerName::new(&name).ok_or_else(|| Error::no_server(&name))?;
            let folder = info.folder.clone().unwrap_or_else(|| factory.folder_of(&owner, &own));
            // What an operator shares goes nowhere else.
            let (secrets, shared) = (std::sync::Arc::new(secrets), mcp_factory_engine::Shared::new());
            let plan = factory.plan(&spec, &folder, policy, secrets, &shared).map_err(|problems| {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                Error::argument("the server", format!("can't be bundled as long as it can't run here: {first}"))
            })?;
            let named = plan.files().keys().cloned().collect();
            let files = files(&spec, &folder, named)?;
            bundle(&owner, &spec, &info, &text, &files)
        });
        bundled.await?
    }
}

/// What a spec needs beside it, by the paths it has there. Nothing from elsewhere than the spec's own folder.
fn files(spec: &Spec, folder: &Path, mut named: Vec<std::path::PathBuf>) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::Folder { path, source }
    };
    let canonical = spec.canonical();
    let seeds = canonical.get("connections").and_then(Value::as_array).into_iter().flatten();
    for seed in seeds.filter_map(|connection| connection.get("seed")?.as_str()) {
        named.push(folder.join(seed));
    }
    if named.is_empty() {
        return Ok(BTreeMap::new());
    }
    let folder = fs::canonicalize(folder).map_err(failed(folder))?;
    let (mut files, mut left) = (BTreeMap::new(), MOST_BYTES);
    for path in named {
        let path = fs::canonicalize(&path).map_err(failed(&path))?;
        let own = path.strip_prefix(&folder).ok().and_then(Path::to_str);
        let own = own.ok_or_else(|| Error::argument("the server", "names a file outside of its folder"))?;
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(failed(&path))?;
        file.take(left + 1).read_to_end(&mut bytes).map_err(failed(&path))?;
        let too_large = || Error::argument("the server", format!("names files of more than {MOST_BYTES} bytes"));
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_large)?;
        files.insert(own.to_owned(), bytes);
    }
    Ok(files)
}

fn bundle(
    owner: &Owner,
    spec: &Spec,
    info: &VersionInfo,
    text: &str,
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<Exported, Error> {
    let manifest = serde_json::to_vec_pretty(&manifest(owner, spec, info)?).expect("a value is JSON");
    // Nothing of when and where it was made.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let own = [(MANIFEST, manifest.as_slice()), (SPEC, text.as_bytes())];
    let beside = files.iter().filter(|(name, _)| !matches!(&***name, MANIFEST | SPEC));
    for (name, bytes) in own.into_iter().chain(beside.map(|(name, bytes)| (name.as_str(), bytes.as_slice()))) {
        let written = zip.start_file(name, options).map_err(std::io::Error::from).and_then(|()| zip.write_all(bytes));
        written.map_err(|source| Error::Folder { path: name.to_owned(), source })?;
    }
    let bytes = zip.finish().expect("memory takes what is written to it").into_inner();
    let file_name = format!("{}-{}.mcpb", spec.name, spec.version);
    Ok(Exported { file_name, media_type: "application/zip", bytes })
}

fn manifest(owner: &Owner, spec: &Spec, info: &VersionInfo) -> Result<Value, Error> {
    let mut canonical = spec.canonical();
    if let Some(fields) = canonical.as_object_mut() {
        // Those are about HTTP, and about another place.
        for section in ["auth", "triggers", "environments"] {
            fields.remove(section);
        }
    }
    let (mut environment, mut settings) = (Map::new(), Map::new());
    for dependency in dependencies_of(&canonical, None) {
        let name = dependency.name;
        match dependency.kind {
            DependencyKind::Server => {}
            DependencyKind::Connection => {
                let why = format!("uses the shared connection `{name}`, which there is in this factory only");
                return Err(Error::argument("the server", why));
            }
            DependencyKind::Secret => {
                environment.insert(name.clone(), format!("${{user_config.{name}}}").into());
                let description = format!("The value of {name}, which the server reads and nobody else");
                let setting = json!({
                    "type": "string", "title": name, "description": description, "sensitive": true, "required": true,
                });
                settings.insert(name, setting);
            }
        }
    }
    let tools: Vec<Value> =
        spec.tools.iter().map(|tool| json!({ "name": tool.name.as_str(), "description": tool.description })).collect();
    let description = info.description.clone().unwrap_or_else(|| format!("The MCP server {}", spec.name));
    let mut manifest = json!({
        "manifest_version": MANIFEST_VERSION,
        "name": spec.name.as_str(),
        "version": spec.version.to_string(),
        "description": description,
        "author": { "name": owner.as_str() },
        "server": {
            "type": "binary",
            "entry_point": SPEC,
            "mcp_config": {
                "command": "mcp-factory",
                "args": ["stdio", format!("${{__dirname}}/{SPEC}")],
                "env": environment,
            },
        },
        "tools": tools,
    });
    if let Some(title) = &info.title {
        manifest["display_name"] = title.as_str().into();
    }
    if !spec.tags.is_empty() {
        manifest["keywords"] = json!(spec.tags);
    }
    if !spec.prompts.is_empty() {
        manifest["prompts_generated"] = true.into();
    }
    if !settings.is_empty() {
        manifest["user_config"] = settings.into();
    }
    Ok(manifest)
}

impl ExportFormat {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerJson => "server.json",
            Self::Mcpb => "mcpb",
        }
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::ServerJson, Self::Mcpb]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Error::argument("a format", "is `server.json` or `mcpb`"))
    }
}
