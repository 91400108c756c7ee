//! Deployments, served and called over HTTP.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use mcp_factory_connect::secrets::{FixedSecrets, Secret, SecretError};
use mcp_factory_spec::{AllFiles, Format, Source};
use mcp_serve::{
    http::{Host, HostConfig},
    tokens::TokenRegistry,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{logs::Asked, *};
use crate::lifecycle::{Command, Lifecycle, Reply};

/// A registry of one server, in memory.
struct Book {
    lifecycle: Mutex<Option<Lifecycle>>,
    /// What was written down: events, and the state that came of them.
    written: Mutex<Vec<String>>,
    specs: Mutex<BTreeMap<Version, Arc<Spec>>>,
    called: Mutex<BTreeMap<String, usize>>,
    ground: Ground,
    panics: AtomicBool,
}

impl Ledger for Book {
    fn release<'a>(&'a self, _: &'a str, version: &'a Version) -> BoxFuture<'a, Result<Release, Fault>> {
        Box::pin(async move {
            assert!(!self.panics.swap(false, SeqCst), "a bug");
            let spec = self.specs.lock().unwrap()[version].clone();
            Ok(Release { spec, ground: self.ground.clone(), proven: false })
        })
    }

    fn happened<'a>(&'a self, _: &'a str, News { generation, event, .. }: News<'a>) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async move {
            let mut lifecycle = self.lifecycle.lock().unwrap();
            let lifecycle = lifecycle.as_mut().unwrap();
            let mut actions = lifecycle.event(generation, event);
            for action in &mut actions {
                if let Action::Wait { time, .. } = action {
                    *time /= 100;
                }
            }
            self.written.lock().unwrap().push(format!("{event:?} {}", lifecycle.state()));
            actions
        })
    }

    fn called(&self, _: &str, tool: &str, _: Outcome, _: Duration) {
        *self.called.lock().unwrap().entry(tool.to_owned()).or_default() += 1;
    }
}

struct Factory {
    local: Local,
    book: Arc<Book>,
    address: SocketAddr,
    secrets: Arc<Store>,
    folder: tempfile::TempDir,
}

/// Secrets that may be set later.
#[derive(Debug, Default)]
struct Store(Mutex<FixedSecrets>);

impl Secrets for Store {
    fn get(&self, name: &str) -> Result<Secret, SecretError> {
        self.0.lock().unwrap().get(name)
    }
}

impl Factory {
    async fn start() -> Self {
        let host = Host::new(HostConfig::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = host.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let (folder, secrets) = (tempfile::tempdir().unwrap(), Arc::new(Store::default()));
        let ground = Ground {
            folder: folder.path().canonicalize().unwrap(),
            secrets: secrets.clone(),
            policy: Policy::operator(),
            keys: IssuedKeys { registry: TokenRegistry::default(), prefix: "jane/shop/".to_owned() },
            shared: Shared::new(),
            cursor_key: CursorKey::new(b"a key for tests"),
            state_key: StateKey::default(),
            tasks: Tasks::in_memory(),
            approvals: Approvals::default(),
        };
        let book = Arc::new(Book {
            lifecycle: Mutex::default(),
            written: Mutex::default(),
            specs: Mutex::default(),
            called: Mutex::default(),
            ground,
            panics: AtomicBool::new(false),
        });
        let url = format!("http://{address}").parse().unwrap();
        let local = Local::new(host, LocalOptions::new(url), book.clone());
        Self { local, book, address, secrets, folder }
    }

    fn create(&self, version: &str, rest: &str) -> Version {
        let text = format!("name: shop\nversion: {version}\n{rest}");
        let source = Source { name: "test.yaml", bytes: text.as_bytes(), format: Format::Yaml };
        let reading = mcp_factory_spec::read(&source, &AllFiles);
        let spec = reading.spec.unwrap_or_else(|| panic!("{:#?}\n{text}", reading.diagnostics));
        let version = spec.version.clone();
        self.book.specs.lock().unwrap().insert(version.clone(), Arc::new(spec));
        version
    }

    /// Returns the instance that it is about from now on.
    fn command(&self, command: Command) -> u64 {
        let mut lifecycle = self.book.lifecycle.lock().unwrap();
        let (actions, generation) = match (lifecycle.as_mut(), command) {
            (None, Command::Deploy(version)) => {
                let (new, actions) = Lifecycle::deploy(version);
                (actions, lifecycle.insert(new).generation())
            }
            (None, command) => panic!("{command:?} of what was never deployed"),
            (Some(lifecycle), command) => match lifecycle.command(command).expect("allowed") {
                Reply::Done(actions) => (actions, lifecycle.generation()),
                Reply::AlreadySo(_) => (Vec::new(), lifecycle.generation()),
            },
        };
        self.local.order("shop", actions);
        generation
    }

    /// Wants it to run, and tells what came of it.
    async fn deploy(&self, version: &str, rest: &str) -> Observed {
        let generation = self.command(Command::Deploy(self.create(version, rest)));
        within(self.local.settled("shop", generation)).await.expect("a deployment")
    }

    /// Waits until this is the last that was written down.
    async fn until(&self, written: &str) {
        within(async {
            while self.written().last().map(String::as_str) != Some(written) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn ask(&self, method: &str, mut params: Value) -> (u16, Value) {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "POST /servers/shop/mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             mcp-protocol-version: 2026-07-28\r\nmcp-method: {method}\r\nmcp-name: {name}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn said(&self, tool: &str) -> String {
        let (_, answer) = self.ask("tools/call", json!({ "name": tool })).await;
        answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }

    fn written(&self) -> Vec<String> {
        self.book.written.lock().unwrap().clone()
    }

    fn log(&self) -> String {
        let lines = self.local.logs("shop").unwrap().read(Asked::default());
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("ends in time")
}

const HELLO: &str =
    "tools: [{ name: hello, description: Greets, static: { text: hello }, examples: [{ expect: hello }] }]";
const SERVUS: &str =
    "tools: [{ name: hello, description: Greets, static: { text: servus }, examples: [{ expect: servus }] }]";
const WRONG: &str =
    "tools: [{ name: hello, description: Greets, static: { text: bye }, examples: [{ expect: hello }] }]";

fn version(observed: &Observed) -> Option<String> {
    observed.serving.as_ref().map(|serving| serving.version.to_string())
}

fn fault(observed: &Observed) -> String {
    observed.outcome.as_ref().expect_err("a fault").to_string()
}

#[tokio::test]
async fn what_is_wanted_runs_once_it_was_tried() {
    let factory = Factory::start().await;
    let observed = factory.deploy("1.0.0", HELLO).await;
    assert_eq!(*observed.outcome.as_ref().expect("healthy"), Report { checks: 3, examples: 1, skipped: 0 });
    let endpoint = observed.serving.expect("it serves").endpoint;
    assert_eq!(endpoint, format!("http://{}/servers/shop/mcp", factory.address));
    assert_eq!(factory.said("hello").await, "hello");
    factory.deploy("1.0.0", HELLO).await;
    assert_eq!(factory.written(), ["Healthy running"], "what is so already is not done again");
}

/// S5-35.
#[tokio::test]
async fn a_new_version_takes_over_when_it_is_healthy() {
    let factory = Factory::start().await;
    factory.deploy("1.0.0", HELLO).await;
    let observed = factory.deploy("1.1.0", SERVUS).await;
    assert_eq!(version(&observed).as_deref(), Some("1.1.0"));
    assert_eq!(factory.said("hello").await, "servus");
    factory.until("Stopped running").await;
    assert_eq!(factory.written(), ["Healthy running", "Healthy running", "Stopped running"]);
    assert_eq!(factory.said("hello").await, "servus", "what stopped was the old one");
}

/// S5-35: rollback on failure.
#[tokio::test]
async fn the_version_before_goes_on_when_the_next_is_not_healthy() {
    let factory = Factory::start().await;
    factory.deploy("1.0.0", HELLO).await;
    let observed = factory.deploy("2.0.0", WRONG).await;
    assert_eq!(version(&observed).as_deref(), Some("1.0.0"));
    let fault = fault(&observed);
    assert!(fault.contains("example 1 of `hello`") && fault.contains("bye"), "{fault}");
    assert_eq!(factory.said("hello").await, "hello");
    assert!(factory.log().contains("2.0.0 does not run: example 1 of `hello`"), "{}", factory.log());
    assert_eq!(factory.written(), ["Healthy running", "Failed running"]);
}

/// S5-34: what can't start is tried again, and comes up when it can.
#[tokio::test]
async fn what_fails_is_tried_again_until_it_runs() {
    let factory = Factory::start().await;
    let keys = format!("auth: {{ type: bearer, envVar: MCP_KEYS }}\n{HELLO}");
    let observed = factory.deploy("1.0.0", &keys).await;
    assert!(fault(&observed).contains("MCP_KEYS"), "{observed:?}");
    assert_eq!(version(&observed), None);
    *factory.secrets.0.lock().unwrap() = [("MCP_KEYS", "a-key-that-is-long-enough")].into_iter().collect();
    factory.until("Healthy running").await;
    assert_eq!(factory.ask("tools/list", json!({})).await.0, 401);
    assert!(factory.written().contains(&"Waited starting".to_owned()), "{:?}", factory.written());
}

#[tokio::test]
async fn a_server_is_stopped_started_and_removed_and_doing_so_twice_is_harmless() {
    let factory = Factory::start().await;
    factory.deploy("1.0.0", HELLO).await;
    factory.command(Command::Stop);
    factory.command(Command::Stop);
    factory.until("Stopped stopped").await;
    assert_eq!(factory.ask("tools/list", json!({})).await.0, 404);
    factory.command(Command::Start);
    let generation = factory.command(Command::Start);
    within(factory.local.settled("shop", generation)).await.expect("a deployment");
    assert_eq!(factory.said("hello").await, "hello");
    let mut follower = factory.local.logs("shop").unwrap().follow(Asked::default());
    within(factory.local.remove("shop")).await;
    within(factory.local.remove("shop")).await;
    assert_eq!(factory.ask("tools/list", json!({})).await.0, 404);
    assert!(factory.local.observed("shop").is_none());
    while within(follower.next()).await.is_some() {}
}

/// Who waits for it hears that it was stopped while it was first tried, or before.
#[tokio::test]
async fn nobody_waits_for_what_was_stopped_before_it_ran() {
    let factory = Factory::start().await;
    let wanted = factory.create("1.0.0", HELLO);
    let generation = factory.command(Command::Deploy(wanted));
    factory.command(Command::Stop);
    let observed = within(factory.local.settled("shop", generation)).await.expect("a deployment");
    within(factory.local.all_settled()).await;
    assert!(observed.outcome.is_err() || observed.serving.is_none(), "{observed:?}");
    factory.until("Stopped stopped").await;
    factory.deploy("1.0.0", HELLO).await;
    assert_eq!(factory.said("hello").await, "hello");
}

#[tokio::test]
async fn what_is_wanted_last_is_what_comes_of_it() {
    let factory = Factory::start().await;
    let wanted = factory.create("1.0.0", HELLO);
    for _ in 0..20 {
        factory.command(Command::Deploy(wanted.clone()));
        tokio::task::yield_now().await;
        factory.command(Command::Stop);
    }
    factory.until("Stopped stopped").await;
    assert_eq!(factory.ask("tools/list", json!({})).await.0, 404);
    factory.deploy("1.0.0", HELLO).await;
    assert_eq!(factory.said("hello").await, "hello");
}

#[tokio::test]
async fn a_start_that_panics_has_failed_and_is_tried_again() {
    let factory = Factory::start().await;
    factory.book.panics.store(true, SeqCst);
    let observed = factory.deploy("1.0.0", HELLO).await;
    assert!(fault(&observed).contains("panicked"), "{observed:?}");
    factory.until("Healthy running").await;
    assert_eq!(factory.said("hello").await, "hello");
}

/// DESIGN 14: proving never destroys.
#[tokio::test]
async fn what_may_write_is_not_called_to_see_whether_it_works() {
    let factory = Factory::start().await;
    std::fs::write(factory.folder.path().join("seed.sql"), "CREATE TABLE t (a INTEGER);").unwrap();
    let rest = "
connections: [{ name: db, type: sqlite, path: ./shop.db, seed: ./seed.sql }]
tools:
  - { name: add, description: Adds, connection: db, sql: INSERT INTO t VALUES (1), examples: [{ isError: true }] }
  - name: count
    description: Counts
    connection: db
    sql: SELECT count(*) AS n FROM t
    examples: [{ expect: { items: [{ n: 0 }] } }]
";
    let observed = factory.deploy("1.0.0", rest).await;
    assert_eq!(*observed.outcome.as_ref().expect("healthy"), Report { checks: 3, examples: 1, skipped: 1 });
}

#[tokio::test]
async fn the_log_has_calls_one_line_each_and_they_are_counted() {
    let factory = Factory::start().await;
    factory.deploy("1.0.0", HELLO).await;
    factory.said("hello").await;
    factory.said("nosuch").await;
    let log = factory.log();
    assert!(log.contains("1.0.0 runs: 3 checks and 1 example passed"), "{log}");
    assert!(log.contains("hello for anonymous: ok"), "{log}");
    assert!(log.contains("nosuch for anonymous: refused"), "{log}");
    let called = factory.book.called.lock().unwrap().clone();
    assert_eq!(called, BTreeMap::from([("hello".to_owned(), 1), ("nosuch".to_owned(), 1)]));
}

/// Walk 4: what was wanted when a factory ended is wanted still, by the next one.
#[tokio::test]
async fn servers_end_with_the_factory_and_nothing_is_written_down_of_it() {
    let factory = Factory::start().await;
    factory.deploy("1.0.0", HELLO).await;
    within(factory.local.shutdown()).await;
    assert_eq!(factory.ask("tools/list", json!({})).await.0, 404);
    assert_eq!(factory.written(), ["Healthy running"]);
    let actions = factory.book.lifecycle.lock().unwrap().as_mut().unwrap().recover();
    factory.local.order("shop", actions);
    factory.until("Healthy running").await;
    within(factory.local.settled("shop", 2)).await.expect("a deployment");
    assert_eq!(factory.said("hello").await, "hello");
}

/// One release under any name.
struct Same(Release);

impl Ledger for Same {
    fn release<'a>(&'a self, _: &'a str, _: &'a Version) -> BoxFuture<'a, Result<Release, Fault>> {
        Box::pin(async move { Ok(self.0.clone()) })
    }

    fn happened<'a>(&'a self, _: &'a str, _: News<'a>) -> BoxFuture<'a, Vec<Action>> {
        Box::pin(async { Vec::new() })
    }

    fn called(&self, _: &str, _: &str, _: Outcome, _: Duration) {}
}

/// Issue 5: 2,000 hosted servers in one process stay below 500 MB. How soon they run is measured with the release build.
#[tokio::test]
async fn thousands_of_servers_fit_into_one_process() {
    const SERVERS: usize = 2_000;
    let factory = Factory::start().await;
    let version = factory.create("1.0.0", SEVERAL);
    let spec = factory.book.specs.lock().unwrap()[&version].clone();
    let ledger = Same(Release { spec, ground: factory.book.ground.clone(), proven: true });
    let host = Host::new(HostConfig::default()).unwrap();
    let local = Local::new(host.clone(), LocalOptions::new("http://localhost".parse().unwrap()), Arc::new(ledger));
    let began = std::time::Instant::now();
    let before = resident();
    for number in 0..SERVERS {
        local.order(&format!("s-{number}"), vec![Action::Start { version: version.clone(), generation: 1 }]);
    }
    for number in 0..SERVERS {
        let name = format!("s-{number}");
        let observed = local.settled(&name, 1);
        let observed = tokio::time::timeout(Duration::from_secs(120), observed).await.expect("in time");
        assert!(observed.expect("a deployment").serving.is_some());
    }
    let taken = resident().saturating_sub(before);
    println!("{} MB, {} bytes each, {:?}", taken >> 20, taken / SERVERS, began.elapsed());
    assert_eq!(host.len(), SERVERS);
    assert!(taken < 500 << 20, "{} MB", taken >> 20);
}

const SEVERAL: &str = "
connections: [{ name: db, type: sqlite, path: ./shop.db }]
tools:
  - name: search
    description: Searches products by a part of their name
    parameters:
      query: { type: string, required: true, minLength: 1, maxLength: 200 }
      category: { type: string, enum: [electronics, clothing, food] }
      maxPrice: { type: number, exclusiveMinimum: 0 }
    connection: db
    sql: SELECT id, name FROM products WHERE name LIKE :query [[ AND category = :category ]] [[ AND price <= :maxPrice ]]
  - { name: get, description: One product, connection: db, sql: 'SELECT id, name FROM products WHERE id = :id', parameters: { id: { type: string, required: true } } }
  - { name: hello, description: Greets, static: { text: hello } }
";

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4_096
}
