//! Where the proof takes place: a factory as any other, tenants, a server of each one's own, and servers that they share.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use mcp_factory::{
    Caller, Config, Factory, FactoryKey, Owner, Secret, Submission,
    deploy::LocalOptions,
    language::{Spec, Verdict},
    registry::{Limits, Role},
};
use mcp_factory_control::{Control, Readiness};
use mcp_serve::{
    Approvals,
    http::{Host, HostConfig},
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    postgres::{self, Postgres},
    rows::Rows,
};
use crate::{exit, key, load, program};

/// Who may do everything with what is theirs, and nothing else.
pub struct Tenant {
    pub name: String,
    /// For the REST API.
    pub token: String,
    /// For hosted servers.
    pub key: String,
    /// What stands in this one's rows and nowhere else.
    pub canary: String,
}

/// A hosted server. Every tenant asks every one of them.
pub struct Shared {
    pub name: String,
    /// Of one tenant alone, by their place.
    pub only: Option<usize>,
    pub rows: Vec<Rows>,
}

pub struct Ground {
    pub address: SocketAddr,
    pub tenants: Vec<Tenant>,
    pub servers: Vec<Shared>,
    factory: Factory,
    stop: oneshot::Sender<()>,
    postgres: Option<Arc<Postgres>>,
}

const KEYS: &str = "PROOF_KEYS";
const NOTES: [(&str, &str); 2] = [("notes.yaml", include_str!("notes.yaml")), ("notes.sql", include_str!("notes.sql"))];
/// Of the folder of a spec: it is copied, so that nothing is changed where it lies.
const MOST_BYTES: u64 = 64 << 20;

impl Ground {
    /// Without files, servers that come with the program.
    pub async fn prepare(
        folder: &Path,
        tenants: usize,
        files: &[PathBuf],
        postgres: Option<Arc<Postgres>>,
    ) -> anyhow::Result<Self> {
        let config = Config {
            data: folder.join("data"),
            registry: None,
            key: FactoryKey::new(&key::random()?)?,
            approvals: Approvals::default(),
            launcher: None,
        };
        let factory = Factory::open(config).await?;
        let routes = Control::new(factory.clone(), Readiness::default()).routes();
        let host = Host::new(HostConfig { routes, ..HostConfig::default() })?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = host.clone();
        tokio::spawn(async move { serving.serve(listener, async { drop(stopped.await) }).await });
        // Nobody is left who would be missed.
        let options = LocalOptions { grace: Duration::ZERO, ..LocalOptions::new(format!("http://{address}").parse()?) };
        factory.host(host, options).await?;

        let mut ground = Self { address, tenants: Vec::new(), servers: Vec::new(), factory, stop, postgres };
        for number in 1..=tenants {
            ground.add_tenant(format!("tenant-{number}")).await?;
        }
        let keys = ground.tenants.iter().map(|it| (it.key.clone(), json!({ "principal": it.name, "tenant": it.name })));
        let keys = Secret::new(Value::Object(keys.collect()).to_string());
        ground.factory.set_secret(&Caller::local(), None, KEYS, &keys).await?;
        let own = folder.join("own");
        if files.is_empty() {
            fs::create_dir(&own)?;
            for (name, text) in NOTES {
                fs::write(own.join(name), text)?;
            }
            ground.share(&own.join("notes.yaml"), &folder.join("0")).await?;
        }
        if let Some(postgres) = ground.postgres.clone() {
            ground.factory.set_secret(&Caller::local(), None, postgres::URL, postgres.url()).await?;
            let own = folder.join("own-postgres");
            fs::create_dir(&own)?;
            fs::write(own.join("notes.yaml"), postgres.spec())?;
            ground.share(&own.join("notes.yaml"), &folder.join("postgres")).await?;
            if let Some(server) = ground.servers.last_mut() {
                server.rows.push(Rows::Postgres(postgres));
            }
        }
        for (number, file) in files.iter().enumerate() {
            ground.share(file, &folder.join(number.to_string())).await?;
        }
        Ok(ground)
    }

    /// With a server that only this one has the key of.
    async fn add_tenant(&mut self, name: String) -> anyhow::Result<()> {
        let (key, canary) = (word()?, word()?);
        let owner: Owner = name.parse()?;
        let local = Caller::local();
        let limits = Limits { requests_per_minute: u32::MAX.try_into()?, ..Limits::default() };
        self.factory.add_user(&local, &owner, Role::Developer, limits).await?;
        let caller = local.acting_for(owner)?;
        let token = self.factory.issue_token(&caller, "proof", Role::Developer, None).await?;
        let token = token.secret.reveal().to_owned();
        let keys = Secret::new(json!({ &key: name }).to_string());
        self.factory.set_secret(&caller, None, KEYS, &keys).await?;
        let spec = json!({
            "name": format!("own-{name}"), "version": "1.0.0", "description": format!("All about {canary}"),
            "auth": { "type": "bearer", "envVar": KEYS },
            "tools": [{ "name": "tell", "description": "Tells", "static": { "text": canary } }],
        });
        self.factory.create(&caller, Submission::new(spec.to_string()), None).await?;
        self.deploy(&caller, &format!("own-{name}")).await?;
        self.servers.push(Shared { name: format!("own-{name}"), only: Some(self.tenants.len()), rows: Vec::new() });
        self.tenants.push(Tenant { name, token, key, canary });
        Ok(())
    }

    /// Has it served, for everybody with a key, in a copy of its folder where nothing has happened yet.
    async fn share(&mut self, file: &Path, copy: &Path) -> anyhow::Result<()> {
        let document = load::document(file)?;
        let (Some(spec), true) = (document.reading.spec, document.reading.verdict < Verdict::Blocker) else {
            let validate = program::line(&format!("validate {}", program::quoted(&file.to_string_lossy())));
            let hint = format!("mend what `{validate}` lists");
            return Err(exit::hinted(format!("`{}` can't be deployed as it is", file.display()), hint));
        };
        let mut canonical = spec.canonical();
        if let Some(fields) = canonical.as_object_mut() {
            fields.insert("auth".to_owned(), json!({ "type": "bearer", "envVar": KEYS }));
            // Every tool is there to be called, as often as it takes.
            for left_out in ["exposure", "triggers", "limits", "environments", "access", "permissions"] {
                fields.remove(left_out);
            }
        }
        let made_anew = databases(&spec, &document.folder);
        let mut left = MOST_BYTES;
        copy_folder(&document.folder, copy, &made_anew, &mut left)?;
        let local = Caller::local();
        let submission = Submission::new(canonical.to_string()).in_folder(copy);
        self.factory.create(&local, submission, None).await?;
        self.deploy(&local, spec.name.as_str()).await?;
        self.servers.push(Shared { name: spec.name.to_string(), only: None, rows: Rows::of(&canonical, copy) });
        Ok(())
    }

    async fn deploy(&self, caller: &Caller, name: &str) -> anyhow::Result<()> {
        let deployed = self.factory.deploy(caller, name, None, Duration::from_secs(60)).await?;
        match deployed.observed.map(|observed| observed.outcome) {
            Some(Ok(_)) => Ok(()),
            Some(Err(fault)) => bail!("`{name}` does not run: {fault}"),
            None => bail!("`{name}` did not start in time"),
        }
    }

    /// Who is answered with the canary of somebody else.
    pub fn crossed(&self, asker: usize, answer: &str) -> Option<&Tenant> {
        let others = self.tenants.iter().enumerate().filter(|(place, _)| *place != asker);
        others.map(|(_, tenant)| tenant).find(|tenant| answer.contains(&tenant.canary))
    }

    pub async fn end(self) {
        self.factory.unhost().await;
        drop(self.stop);
    }
}

pub fn word() -> anyhow::Result<String> {
    Ok(key::random()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn databases(spec: &Spec, folder: &Path) -> Vec<PathBuf> {
    let canonical = spec.canonical();
    let connections = canonical.get("connections").and_then(Value::as_array).into_iter().flatten();
    let paths = connections.filter_map(|it| it.get("path")?.as_str());
    paths.flat_map(|path| ["", "-wal", "-shm"].map(|end| folder.join(format!("{path}{end}")))).collect()
}

fn copy_folder(from: &Path, to: &Path, without: &[PathBuf], left: &mut u64) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("can't read `{}`", from.display()))? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if without.iter().any(|it| it.components().eq(path.components())) {
            continue;
        }
        let copy = to.join(entry.file_name());
        if kind.is_dir() {
            copy_folder(&path, &copy, without, left)?;
        } else if kind.is_file() {
            let size = entry.metadata()?.len();
            *left = left.checked_sub(size).ok_or_else(|| {
                let hint = "put the spec and the files that it names in a folder of their own";
                exit::hinted(format!("the folder of the spec has more than {MOST_BYTES} bytes"), hint)
            })?;
            fs::copy(&path, &copy).with_context(|| format!("can't copy `{}`", path.display()))?;
        }
    }
    Ok(())
}
