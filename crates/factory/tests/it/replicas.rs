//! Several factories on one PostgreSQL: what one is told, all do; what one drove, another goes on with.

use std::{net::SocketAddr, path::Path, time::Duration};

use mcp_factory::{
    Caller, Config, Error, Factory, FactoryKey,
    deploy::LocalOptions,
    registry::{Filter, Page},
};
use mcp_factory_connect::Secret;
use mcp_factory_testing::Postgres;
use mcp_serve::http::{Host, HostConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::create::spec;

const WAIT: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_millis(800);

/// A factory that hosts, on a port of its own.
pub struct Replica {
    pub factory: Factory,
    pub address: SocketAddr,
    serving: JoinHandle<()>,
    data: Option<TempDir>,
}

impl Replica {
    pub async fn start(registry: Option<String>) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), registry).await
    }

    async fn start_in(data: TempDir, registry: Option<String>) -> Self {
        let started = Self::start_at(data.path(), registry).await;
        Self { data: Some(data), ..started }
    }

    pub async fn start_at(data: &Path, registry: Option<String>) -> Self {
        let factory = open(data, registry).await;
        let host = Host::new(HostConfig::default()).expect("a host");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serves = host.clone();
        let serving = tokio::spawn(async move { drop(serves.serve(listener, std::future::pending()).await) });
        factory.host(host, options(address)).await.expect("it hosts");
        Self { factory, address, serving, data: None }
    }

    /// What the tool of this server says here. `None` where there is none.
    pub async fn says(&self, server: &str) -> Option<String> {
        says(self.address, server).await
    }

    /// Waits until it says this.
    async fn until(&self, server: &str, text: Option<&str>) {
        let waited = tokio::time::timeout(WAIT, async {
            while self.says(server).await.as_deref() != text {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        if waited.await.is_err() {
            panic!("`{server}` says {:?}, not {text:?}: {:?}", self.says(server).await, self.state(server).await);
        }
    }

    async fn state(&self, server: &str) -> Option<(String, String, Option<String>)> {
        let details = self.factory.get(&Caller::local(), server).await.ok()?;
        details.deployment.map(|it| (it.state, it.version.to_string(), it.factory))
    }

    async fn until_state(&self, server: &str, state: &str) {
        let reached = async {
            while self.state(server).await.is_none_or(|(is, ..)| is != state) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = tokio::time::timeout(WAIT, reached).await;
        assert!(reached.is_ok(), "`{server}` is not {state}: {:?}", self.state(server).await);
    }

    async fn create(&self, server: &str, version: &str, says: &str) {
        self.factory.create(&Caller::local(), spec(server, version, says), None).await.expect("created");
    }

    async fn deploy(&self, server: &str) {
        let done = self.factory.deploy(&Caller::local(), server, None, WAIT).await.expect("deployed");
        done.observed.expect("in time").outcome.expect("healthy");
    }

    /// Waits until this is what factories run of the server, as this one is told.
    async fn until_runs(&self, server: &str, expected: &[(&Replica, &str)]) {
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(it, version)| (it.factory.id().expect("it hosts").to_owned(), (*version).to_owned()))
            .collect();
        expected.sort();
        let same = async {
            loop {
                let found = self.factory.replicas(&Caller::local(), server).await.expect("told");
                let found: Vec<_> = found.into_iter().map(|it| (it.factory, it.version.to_string())).collect();
                if found == expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(WAIT, same).await.unwrap_or_else(|_| panic!("not {expected:?} in time"));
    }

    /// As if its process were killed. Returns its folder.
    fn kill(self) -> TempDir {
        self.serving.abort();
        self.data.expect("it has one of its own")
    }
}

fn options(address: SocketAddr) -> LocalOptions {
    let url = format!("http://{address}").parse().expect("a URL");
    LocalOptions { lease: LEASE, ..LocalOptions::new(url) }
}

pub async fn open(data: &Path, registry: Option<String>) -> Factory {
    let config = Config {
        data: data.join("data"),
        registry: registry.map(Secret::new),
        key: FactoryKey::new(&[7; 32]).expect("long enough"),
        approvals: mcp_serve::Approvals::default(),
        launcher: None,
    };
    Factory::open(config).await.expect("it opens")
}

pub async fn says(address: SocketAddr, server: &str) -> Option<String> {
    let tool = format!("say_{}", server.replace('-', "_"));
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } }).to_string();
    let request = format!(
        "POST /servers/{server}/mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let body: Value = serde_json::from_str(body).ok()?;
    Some(body["result"]["content"][0]["text"].as_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_factory_is_told_all_do() {
    let postgres = Postgres::start();
    let (a, b) = (Replica::start(Some(postgres.url())).await, Replica::start(Some(postgres.url())).await);
    let local = Caller::local();

    a.create("shop", "1.0.0", "one").await;
    a.deploy("shop").await;
    assert_eq!(a.says("shop").await.as_deref(), Some("one"));
    b.until("shop", Some("one")).await;

    // A new version, by the other one.
    b.create("shop", "1.1.0", "two").await;
    b.deploy("shop").await;
    assert_eq!(b.says("shop").await.as_deref(), Some("two"));
    a.until("shop", Some("two")).await;
    let again = a.factory.deploy(&local, "shop", None, WAIT).await.expect("again");
    assert!(again.already.is_some() && again.observed.expect("it runs here too").outcome.is_ok());

    a.factory.restart(&local, "shop", WAIT).await.expect("restarted");
    a.until("shop", Some("two")).await;
    b.until("shop", Some("two")).await;

    b.factory.stop(&local, "shop").await.expect("stopped");
    a.until("shop", None).await;
    b.until("shop", None).await;
    a.until_state("shop", "stopped").await;
    a.factory.start(&local, "shop", WAIT).await.expect("started");
    b.until("shop", Some("two")).await;

    // One that comes later.
    let c = Replica::start(Some(postgres.url())).await;
    c.until("shop", Some("two")).await;

    a.factory.remove(&local, "shop", false).await.expect("removed");
    b.until("shop", None).await;
    c.until("shop", None).await;
    // The name is free again, for another server.
    c.create("shop", "1.0.0", "three").await;
    c.deploy("shop").await;
    a.until("shop", Some("three")).await;
    b.until("shop", Some("three")).await;
    let servers = a.factory.list(&local, &Filter::default(), &Page::default()).await.expect("listed").entries;
    assert_eq!(servers.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_factory_goes_on_with_what_one_drove_that_is_gone() {
    let postgres = Postgres::start();
    let (a, b) = (Replica::start(Some(postgres.url())).await, Replica::start(Some(postgres.url())).await);
    a.create("shop", "1.0.0", "one").await;
    a.deploy("shop").await;
    b.until("shop", Some("one")).await;
    // One that stays half done: its driver is told nothing any more.
    a.create("late", "1.0.0", "here").await;
    let first = a.state("shop").await.expect("there").2;
    a.deploy("late").await;
    a.factory.stop(&Caller::local(), "late").await.expect("stopped");
    let _ = a.factory.start(&Caller::local(), "late", Duration::ZERO).await.expect("begun");
    let folder = a.kill();

    // It never stops serving, and is somebody's to drive in the end.
    let other = async {
        loop {
            assert_eq!(b.says("shop").await.as_deref(), Some("one"));
            if b.state("shop").await.expect("there").2 != first {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT, other).await.expect("it is taken over");
    b.until("late", Some("here")).await;
    b.until_state("late", "running").await;
    b.create("shop", "1.1.0", "two").await;
    b.deploy("shop").await;

    // It comes back, as the same one, and does as the others do.
    let a = Replica::start_in(folder, Some(postgres.url())).await;
    a.until("shop", Some("two")).await;
    a.until("late", Some("here")).await;
    b.factory.unhost().await;
    // Whoever ends as they should needs not be waited for.
    a.factory.stop(&Caller::local(), "shop").await.expect("stopped");
    a.until("shop", None).await;
}

/// Sent back and forth: whatever was said last is what all do.
/// Whoever asks one factory hears what each of them runs, and nothing of one that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn each_factory_says_what_it_runs() {
    let postgres = Postgres::start();
    let (a, b) = (Replica::start(Some(postgres.url())).await, Replica::start(Some(postgres.url())).await);
    a.create("shop", "1.0.0", "one").await;
    a.deploy("shop").await;
    a.until_runs("shop", &[(&a, "1.0.0"), (&b, "1.0.0")]).await;
    b.create("shop", "1.1.0", "two").await;
    b.deploy("shop").await;
    a.until_runs("shop", &[(&a, "1.1.0"), (&b, "1.1.0")]).await;
    let (id, _folder) = (b.factory.id().expect("it hosts").to_owned(), b.kill());
    // Its factory goes with the last clone; a lease later nobody knows of it.
    a.until_runs("shop", &[(&a, "1.1.0")]).await;
    assert_ne!(a.factory.id(), Some(&*id));
    a.factory.stop(&Caller::local(), "shop").await.expect("stopped");
    a.until_runs("shop", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_to_many_factories_at_once_end_in_one_state() {
    let postgres = Postgres::start();
    let replicas = [
        Replica::start(Some(postgres.url())).await,
        Replica::start(Some(postgres.url())).await,
        Replica::start(Some(postgres.url())).await,
    ];
    replicas[0].create("shop", "1.0.0", "one").await;
    replicas[0].create("shop", "1.1.0", "two").await;
    let versions = ["1.0.0".parse().expect("a version"), "1.1.0".parse().expect("a version")];
    replicas[0].deploy("shop").await;
    for round in 0..20 {
        let told = replicas.iter().enumerate().map(|(number, replica)| {
            let version = &versions[(round + number) % 2];
            async move {
                let local = Caller::local();
                let told = match (round + number) % 4 {
                    0 => replica.factory.stop(&local, "shop").await,
                    1 => replica.factory.restart(&local, "shop", Duration::ZERO).await,
                    2 => replica.factory.start(&local, "shop", Duration::ZERO).await,
                    _ => replica.factory.deploy(&local, "shop", Some(version), Duration::ZERO).await,
                };
                assert!(matches!(told, Ok(_) | Err(Error::Busy(_))), "{told:?}");
            }
        });
        futures_util::future::join_all(told).await;
    }
    let [a, b, c] = &replicas;
    let done = async {
        // Busy until what was told last is done.
        while let Err(error) = a.factory.deploy(&Caller::local(), "shop", Some(&versions[0]), Duration::ZERO).await {
            assert!(matches!(error, Error::Busy(_)), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WAIT, done).await.expect("it is done");
    for replica in [a, b, c] {
        replica.until("shop", Some("one")).await;
        replica.until_state("shop", "running").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factory_with_the_same_folder_is_refused() {
    let first = Replica::start(None).await;
    let second = open(first.data.as_ref().expect("one of its own").path(), None).await;
    let host = || Host::new(HostConfig::default()).expect("a host");
    let refused = second.host(host(), options(first.address)).await.expect_err("refused");
    assert_eq!(refused.code(), "hosted");
    assert!(refused.to_string().contains("another factory runs with the data folder"), "{refused}");
    assert!(second.list(&Caller::local(), &Filter::default(), &Page::default()).await.is_ok(), "it may be looked into");
    first.factory.unhost().await;
    second.host(host(), options(first.address)).await.expect("nobody hosts any more");
}
