//! What a factory needs, one function for each.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use mcp_factory::Factory;
use rustix::process::{Resource, getrlimit, getuid};
use tokio::net::TcpListener;

use super::Finding;
use crate::{
    api,
    args::factory::Reach,
    exit, key, program,
    running::{Presence, VERSION},
};

const MEGABYTE: u64 = 1 << 20;
/// The registry, logs and databases grow; SQLite needs room to write at all.
const LEAST_FREE: u64 = 100 * MEGABYTE;
const LITTLE_FREE: u64 = 1024 * MEGABYTE;
/// A factory takes this many connections, and as many of its servers may be open to databases and others.
const DESCRIPTORS: u64 = 8_192;
const LEAST_DESCRIPTORS: u64 = 256;
const CLOCKS: Duration = Duration::from_secs(60);
/// 2025: no certificate or token of today is good on a machine that lives before it.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);
const PATIENCE: Duration = Duration::from_secs(5);

pub async fn all(reach: &Reach, data: &Path, listen: SocketAddr) -> Vec<Finding> {
    let mut findings = vec![folder(data)];
    findings.extend(secret(data, reach));
    findings.extend(token(data));
    let presence = Presence::on(data);
    let (registry, factory) = registry(reach, data, &presence).await;
    findings.push(registry);
    findings.push(clock(factory.as_ref()));
    findings.push(running(&presence).await);
    if !matches!(presence, Ok(Presence::Ready(_) | Presence::Between { .. })) {
        findings.push(port(listen).await);
    }
    findings.push(space(data));
    findings.push(descriptors());
    findings
}

/// The mode of a file that others must not read; `None` where there is none.
fn mode(path: &Path) -> io::Result<Option<(u32, bool)>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some((found.mode() & 0o777, found.uid() == getuid().as_raw()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn folder(data: &Path) -> Finding {
    const CHECK: &str = "data folder";
    let shown = data.display();
    match mode(data) {
        Ok(None) => Finding::ok(CHECK, format!("`{shown}` is made when it is needed first")),
        Ok(Some((_, false))) => Finding::error(
            CHECK,
            format!("`{shown}` belongs to another user"),
            format!("run this as that user, pass another `--data`, or `chown -R $(id -un) {shown}`"),
        ),
        Ok(Some((mode, true))) if mode & 0o077 != 0 => Finding::error(
            CHECK,
            format!("others may look into `{shown}` (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        ),
        Ok(Some((mode, true))) if mode & 0o700 != 0o700 => Finding::error(
            CHECK,
            format!("`{shown}` can't be written to (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        ),
        Ok(Some(_)) => Finding::ok(CHECK, format!("`{shown}` is yours only")),
        Err(error) => Finding::error(CHECK, format!("`{shown}` can't be used: {error}"), "pass another `--data`"),
    }
}

fn secret(data: &Path, reach: &Reach) -> Option<Finding> {
    const CHECK: &str = "key";
    let file = data.join(key::FILE);
    if let Some(given) = std::env::var_os(key::VARIABLE) {
        return Some(match given.len() >= key::SHORTEST {
            true => Finding::ok(CHECK, format!("`{}` holds the secret", key::VARIABLE)),
            false => Finding::error(
                CHECK,
                format!("`{}` is shorter than {} characters", key::VARIABLE, key::SHORTEST),
                format!("`{}=$(head -c 32 /dev/urandom | base64)`", key::VARIABLE),
            ),
        });
    }
    let is_used = data.join("registry.db").exists() || reach.registry.is_some();
    match private(CHECK, &file, "the secret") {
        None if is_used => Some(Finding::error(
            CHECK,
            format!("`{}` is gone, and with it what opens the secrets in the registry", file.display()),
            format!("put it back from a copy, or set `{}`", key::VARIABLE),
        )),
        None => Some(Finding::ok(CHECK, "a secret is made when it is needed first")),
        found => found,
    }
}

fn token(data: &Path) -> Option<Finding> {
    private("operator's token", &data.join("token"), "the operator's token")
}

fn private(check: &'static str, file: &Path, what: &str) -> Option<Finding> {
    let shown = file.display();
    Some(match mode(file) {
        Ok(None) => return None,
        Ok(Some((mode, _))) if mode & 0o077 != 0 => Finding::error(
            check,
            format!("others may read {what} in `{shown}` (mode {mode:o})"),
            format!("chmod 600 {shown}, and make another one if others use this machine"),
        ),
        Ok(Some((_, false))) => {
            Finding::error(check, format!("`{shown}` belongs to another user"), "run this as that user")
        }
        Ok(Some(_)) => Finding::ok(check, format!("`{shown}` can be read by you only")),
        Err(error) => Finding::error(check, format!("`{shown}` can't be read: {error}"), "look at its rights"),
    })
}

/// Opened as a factory opens it, where there is one.
async fn registry(reach: &Reach, data: &Path, presence: &io::Result<Presence>) -> (Finding, Option<Factory>) {
    const CHECK: &str = "registry";
    let place = match &reach.registry {
        Some(_) => "the PostgreSQL of `--registry`".to_owned(),
        None if data.join("registry.db").exists() => format!("`{}`", data.join("registry.db").display()),
        None => {
            let found = match (presence, api::registry_is_here(data)) {
                (Ok(Presence::Ready(_)), Err(_)) => Finding::ok(CHECK, "the factory that runs keeps it elsewhere"),
                (_, Err(error)) => {
                    let hint = exit::hint(&error).cloned().unwrap_or_else(|| "".into());
                    Finding::error(CHECK, error.to_string(), hint)
                }
                (_, Ok(())) => Finding::ok(CHECK, "a file in the data folder is made when it is needed first"),
            };
            return (found, None);
        }
    };
    if std::env::var_os(key::VARIABLE).is_none() && !data.join(key::FILE).exists() {
        let hint = "bring the key back first; a new one would open nothing";
        return (Finding::warning(CHECK, format!("{place} was not looked into: the key is missing"), hint), None);
    }
    if matches!(presence, Ok(Presence::Ready(running)) if running.version != VERSION) {
        let hint = "start the factory again with this program";
        let detail = format!("{place} was not looked into: another version of the program has it open");
        return (Finding::warning(CHECK, detail, hint), None);
    }
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE * 3, api::open_factory(reach)).await {
        Ok(Ok(factory)) => {
            let took = began.elapsed().as_millis();
            (Finding::ok(CHECK, format!("{place} opens in {took} ms, and its schema is known")), Some(factory))
        }
        Ok(Err(error)) => {
            let hint = exit::hint(&error).cloned();
            let hint = hint.unwrap_or_else(|| "the log of the factory or the database may say more".into());
            (Finding::error(CHECK, format!("{place}: {error:#}"), hint), None)
        }
        Err(_) => {
            let hint = "look whether the database runs, and whether another program locks it";
            (Finding::error(CHECK, format!("{place} does not open within {:?}", PATIENCE * 3), hint), None)
        }
    }
}

fn clock(factory: Option<&Factory>) -> Finding {
    const CHECK: &str = "clock";
    const HINT: &str = "set the machine's clock, and have it kept right (`timedatectl set-ntp true`)";
    let now = SystemTime::now();
    if now.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < EARLIEST) {
        return Finding::error(CHECK, "this machine lives in the past: certificates and tokens are not good yet", HINT);
    }
    let ahead = factory.and_then(|factory| factory.registry().now().to_system_time().duration_since(now).ok());
    match ahead {
        Some(ahead) if ahead > CLOCKS => {
            Finding::warning(CHECK, format!("it is {} s behind what was written last", ahead.as_secs()), HINT)
        }
        _ => Finding::ok(CHECK, "it goes on from what was written last"),
    }
}

async fn running(presence: &io::Result<Presence>) -> Finding {
    const CHECK: &str = "factory";
    let running = match presence {
        Err(error) => {
            return Finding::error(CHECK, format!("its lock can't be looked at: {error}"), "look at its rights");
        }
        Ok(Presence::Nobody) => {
            return Finding::ok(CHECK, format!("none runs; `{}` starts one", program::line("up")));
        }
        Ok(Presence::Between { pid }) => {
            let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            return Finding::warning(CHECK, format!("one starts or ends{pid}"), "ask again in a moment");
        }
        Ok(Presence::Ready(running)) => running,
    };
    let who = format!("pid {}, at {}, version {}", running.pid, running.address, running.version);
    if running.version != VERSION {
        let hint = "`mcp-factory down`, then `mcp-factory up --detach`";
        return Finding::warning(CHECK, format!("another version than this one ({VERSION}) runs: {who}"), hint);
    }
    let asked = tokio::time::timeout(PATIENCE, status_of(running.address, "/readyz")).await;
    match asked {
        Ok(Ok(200)) => Finding::ok(CHECK, format!("one runs and is ready: {who}")),
        Ok(Ok(status)) => Finding::warning(CHECK, format!("one runs and is not ready ({status}): {who}"), "ask again"),
        Ok(Err(error)) => Finding::error(
            CHECK,
            format!("one runs and does not answer: {error}: {who}"),
            format!("its log says why; `kill {}` ends it", running.pid),
        ),
        Err(_) => Finding::error(
            CHECK,
            format!("one runs and does not answer within {PATIENCE:?}: {who}"),
            format!("its log says why; `kill {}` ends it", running.pid),
        ),
    }
}

async fn port(listen: SocketAddr) -> Finding {
    const CHECK: &str = "port";
    match TcpListener::bind(listen).await {
        Ok(_) => Finding::ok(CHECK, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Finding::warning(
            CHECK,
            format!("{listen} is taken by another program"),
            "stop that, or pass another `--listen` to `mcp-factory up` (or set `MCP_FACTORY_LISTEN`)",
        ),
        Err(error) => Finding::error(
            CHECK,
            format!("can't listen on {listen}: {error}"),
            "pass an address of this machine as `--listen`, and a port above 1023",
        ),
    }
}

fn space(data: &Path) -> Finding {
    const CHECK: &str = "disk";
    let Some(folder) = data.ancestors().find(|folder| folder.exists()) else {
        return Finding::error(CHECK, format!("there is no `{}`", data.display()), "pass another `--data`");
    };
    let space = match rustix::fs::statvfs(folder) {
        Ok(space) => space,
        Err(error) => {
            let detail = format!("the room in `{}` can't be asked for: {error}", folder.display());
            return Finding::warning(CHECK, detail, "look with `df`");
        }
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let shown = format!("{} MB are free in `{}`", free / MEGABYTE, folder.display());
    let hint = "make room, or pass a `--data` on another disk";
    match free {
        free if free < LEAST_FREE => Finding::error(CHECK, shown, hint),
        free if free < LITTLE_FREE => Finding::warning(CHECK, shown, hint),
        _ if space.f_files > 0 && space.f_favail < 1_000 => {
            Finding::warning(CHECK, format!("only {} more files fit in `{}`", space.f_favail, folder.display()), hint)
        }
        _ => Finding::ok(CHECK, shown),
    }
}

fn descriptors() -> Finding {
    const CHECK: &str = "file descriptors";
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current else { return Finding::ok(CHECK, "there is no limit") };
    let hint = match limit.maximum {
        Some(hard) if hard < DESCRIPTORS => "raise the hard limit (`LimitNOFILE=65536` of a systemd unit)".to_owned(),
        hard => format!("`ulimit -n {}` before `{}`", hard.unwrap_or(65_536).min(65_536), program::line("up")),
    };
    match soft {
        soft if soft < LEAST_DESCRIPTORS => Finding::error(CHECK, format!("at most {soft} at once"), hint),
        soft if soft < DESCRIPTORS => {
            Finding::warning(CHECK, format!("at most {soft} at once: many connections would not fit"), hint)
        }
        soft => Finding::ok(CHECK, format!("at most {soft} at once")),
    }
}

/// The status of an answer to a request that needs no client: there is no body, token or redirect in it.
async fn status_of(address: SocketAddr, path: &str) -> io::Result<u16> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(1024).read_to_end(&mut answer).await?;
    let status = answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    status.ok_or_else(|| io::Error::other("it answered no HTTP"))
}
