//! What hosting takes: from a spec to the first answer, from a new version to its first answer, and a process that hosts
//! thousands of servers: how soon it is there, its memory, and what a neighbour of so many waits.
//!
//! `cargo run --release -p mcp-factory --example hosting -- FOLDER_OF_A_SPEC [SERVERS]` prints JSON; `bench/factory` reads it.
//! The spec is `server.yaml` in that folder, with a tool that is called as in `call.json`.

#![expect(clippy::print_stdout, reason = "what it measured is what it says")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use mcp_factory::{Caller, Config, Factory, FactoryKey, Owner, Submission, deploy::LocalOptions, registry::Limits};
use mcp_serve::{
    Approvals,
    http::{Host, HostConfig},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const WAIT: Duration = Duration::from_secs(60);
/// How often each is tried.
const ROUNDS: usize = 40;
const CALLS: usize = 5_000;

struct Bench {
    factory: Factory,
    host: Host,
    address: SocketAddr,
    folder: PathBuf,
    spec: String,
    call: String,
    /// To open it, and to have ordered all that was meant to run.
    opened: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words {
        [folder] => measure(Path::new(folder), 2_000).await,
        [folder, servers] => measure(Path::new(folder), servers.parse()?).await,
        // In processes of their own, so that one finds nothing of another's in memory.
        ["fill", folder, data, servers] => fill(Path::new(folder), Path::new(data), servers.parse()?, false).await,
        ["fill-unlike", folder, data, servers] => {
            fill(Path::new(folder), Path::new(data), servers.parse()?, true).await
        }
        ["hosts", folder, data] => hosts(Path::new(folder), Path::new(data)).await,
        _ => Err("usage: hosting FOLDER_OF_A_SPEC [SERVERS]".into()),
    }
}

async fn measure(folder: &Path, servers: usize) -> Result<(), Failure> {
    let (small, large, unlike) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let (mut created, mut reloaded) = (Vec::new(), Vec::new());
    let bench = Bench::open(folder, small.path()).await?;
    let mut client = Client::connect(bench.address).await?;
    for round in 0..ROUNDS {
        let name = format!("server-{round}");
        let begun = Instant::now();
        bench.create(&name, "1.0.0", false).await?;
        bench.deploy(&name).await?;
        client.call(&name, &bench.call).await?;
        created.push(begun.elapsed());
        let begun = Instant::now();
        bench.create(&name, "1.1.0", false).await?;
        bench.deploy(&name).await?;
        client.call(&name, &bench.call).await?;
        reloaded.push(begun.elapsed());
    }
    bench.factory.unhost().await;
    drop((client, bench));

    let run = |words: &[&str], data: &Path| {
        let mut command = Command::new(std::env::current_exe()?);
        let [mode, rest @ ..] = words else { return Err("no mode".into()) };
        let output = command.arg(mode).arg(folder).arg(data).args(rest).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok::<Value, Failure>(serde_json::from_slice(&output.stdout)?)
    };
    let alone = tempfile::tempdir()?;
    run(&["fill", "1"], alone.path())?;
    let filled = run(&["fill", &servers.to_string()], large.path())?;
    run(&["fill-unlike", &servers.to_string()], unlike.path())?;
    let (one, all) = (run(&["hosts"], alone.path())?, run(&["hosts"], large.path())?);
    let all_unlike = run(&["hosts"], unlike.path())?;
    let report = json!({
        "create_to_first_call_ms": spread(created),
        "new_version_to_first_call_ms": spread(reloaded),
        "servers": servers,
        "fill": filled,
        "hosting_one": one,
        "hosting_all": all,
        "hosting_unlike": all_unlike,
    });
    println!("{report}");
    Ok(())
}

/// Servers with the same tools, or `unlike` ones, of which no two have a description or a query in common.
async fn fill(folder: &Path, data: &Path, servers: usize, unlike: bool) -> Result<(), Failure> {
    let bench = Bench::open(folder, data).await?;
    let begun = Instant::now();
    let local = Caller::local();
    let limits = Limits { max_servers: u32::try_from(servers)? + 10, ..Limits::default() };
    bench.factory.change_user(&local, &Owner::local(), mcp_factory::registry::Role::Admin, limits).await?;
    for number in 0..servers {
        bench.create(&format!("server-{number}"), "1.0.0", unlike).await?;
    }
    let created = begun.elapsed();
    for number in 0..servers {
        bench.factory.deploy(&local, &format!("server-{number}"), None, Duration::ZERO).await?;
    }
    bench.all_mounted(servers).await?;
    println!("{}", json!({ "created_ms": ms(created), "deployed_ms": ms(begun.elapsed() - created) }));
    bench.factory.unhost().await;
    Ok(())
}

/// As after a restart.
async fn hosts(folder: &Path, data: &Path) -> Result<(), Failure> {
    let begun = Instant::now();
    let bench = Bench::open(folder, data).await?;
    let servers = bench.begun().await?;
    bench.all_mounted(servers).await?;
    let there = begun.elapsed();
    let mut client = Client::connect(bench.address).await?;
    client.call("server-0", &bench.call).await?;
    let first = begun.elapsed();
    let resident = memory()?;
    // Warm, and then counted.
    for _ in 0..CALLS / 5 {
        client.call("server-0", &bench.call).await?;
    }
    let mut waited = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begun = Instant::now();
        client.call("server-0", &bench.call).await?;
        waited.push(begun.elapsed());
    }
    let report = json!({
        "servers": servers,
        "ordered_ms": ms(bench.opened),
        "all_serve_ms": ms(there),
        "first_call_ms": ms(first),
        "resident_mb": resident,
        "call_ms": spread(waited),
    });
    println!("{report}");
    bench.factory.unhost().await;
    Ok(())
}

impl Bench {
    async fn open(folder: &Path, data: &Path) -> Result<Self, Failure> {
        let begun = Instant::now();
        let config = Config {
            data: data.to_owned(),
            registry: None,
            key: FactoryKey::new(b"a secret that is nobody's")?,
            approvals: Approvals::default(),
            launcher: None,
        };
        let factory = Factory::open(config).await?;
        let host = Host::new(HostConfig::default())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serves = host.clone();
        tokio::spawn(async move { serves.serve(listener, std::future::pending()).await });
        factory.host(host.clone(), LocalOptions::new(format!("http://{address}").parse()?)).await?;
        let opened = begun.elapsed();
        let folder = std::fs::canonicalize(folder)?;
        let spec = std::fs::read_to_string(folder.join("server.yaml"))?;
        let call = std::fs::read_to_string(folder.join("call.json"))?;
        Ok(Self { factory, host, address, folder, spec, call, opened })
    }

    async fn create(&self, name: &str, version: &str, unlike: bool) -> Result<(), Failure> {
        let own = |line: String| {
            if !unlike {
                return line;
            }
            let line = line.replace("description: ", &format!("description: {name} "));
            let line = line.replace(&format!("description: {name} \""), &format!("description: \"{name} "));
            let line = line.replace("SELECT ", &format!("SELECT /* {name} */ "));
            line.replace("UPDATE ", &format!("UPDATE /* {name} */ "))
        };
        let line = |line: &str| match line.split_once(": ") {
            Some(("name", _)) => format!("name: {name}\n"),
            Some(("version", _)) => format!("version: {version}\n"),
            _ => format!("{line}\n"),
        };
        let text: String = self.spec.lines().map(line).map(own).collect();
        let submission = Submission { folder: Some(self.folder.clone()), ..Submission::new(text) };
        self.factory.create(&Caller::local(), submission, None).await?;
        Ok(())
    }

    async fn deploy(&self, name: &str) -> Result<(), Failure> {
        let done = self.factory.deploy(&Caller::local(), name, None, WAIT).await?;
        done.observed.ok_or("not in time")?.outcome?;
        Ok(())
    }

    /// How many are meant to run.
    async fn begun(&self) -> Result<usize, Failure> {
        let (mut page, mut count) = (mcp_factory::registry::Page { after: String::new(), limit: 200 }, 0);
        loop {
            let some = self.factory.list(&Caller::local(), &mcp_factory::registry::Filter::default(), &page).await?;
            count += some.entries.iter().filter(|it| it.deployed.is_some()).count();
            let Some(next) = some.next else { return Ok(count) };
            page.after = next;
        }
    }

    async fn all_mounted(&self, servers: usize) -> Result<(), Failure> {
        let mounted = async {
            while self.host.len() < servers {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        Ok(tokio::time::timeout(WAIT * 5, mounted).await?)
    }
}

/// One connection, kept.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// A right answer, or an error.
    async fn call(&mut self, server: &str, body: &str) -> Result<(), Failure> {
        let request = format!(
            "POST /servers/{server}/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                return Err("it hung up".into());
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        if answer["result"]["isError"] == false || answer["result"]["content"].is_array() {
            return Ok(());
        }
        Err(answer.to_string().into())
    }
}

/// With what the allocator keeps for the next time.
fn memory() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn spread(mut times: Vec<Duration>) -> BTreeMap<&'static str, f64> {
    times.sort_unstable();
    let at = |share: f64| ms(times[((times.len() - 1) as f64 * share) as usize]);
    [("p50", at(0.5)), ("p99", at(0.99)), ("most", at(1.0))].into()
}
