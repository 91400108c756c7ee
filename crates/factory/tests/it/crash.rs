//! A factory that is killed at any moment: what it said was done is there, nothing is half done or doubled, and the next one
//! brings back what was meant to run.
//!
//! `MCP_FACTORY_SEED` repeats a run, as far as moments can be repeated; `MCP_FACTORY_ROUNDS` makes it longer.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use mcp_factory::{
    Caller, Error, Factory, Submission,
    registry::{Filter, Page},
};
use mcp_factory_testing::Postgres;

use crate::replicas::{Replica, says};

const FOLDER: &str = "FACTORY_THAT_IS_KILLED";
const REGISTRY: &str = "FACTORY_THAT_IS_KILLED_REGISTRY";
const ROUND: &str = "FACTORY_THAT_IS_KILLED_ROUND";
const SEED: &str = "MCP_FACTORY_SEED";
const SERVERS: [&str; 5] = ["a", "b", "c", "d", "e"];
const WAIT: Duration = Duration::from_secs(60);
/// At once, each with a registry of its own.
const LANES: u64 = 4;

/// Good enough to choose by.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// Says each thing after it is done. Does nothing unless another test asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_works_until_it_is_killed() {
    let (Some(folder), Ok(round), Ok(seed)) = (std::env::var_os(FOLDER), std::env::var(ROUND), std::env::var(SEED))
    else {
        return;
    };
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("somebody reads");
    };
    let replica = Replica::start_at(Path::new(&folder), std::env::var(REGISTRY).ok()).await;
    converges(&replica).await;
    say("converged".to_owned());
    let (local, mut dice) = (Caller::local(), Dice(seed.parse().expect("a number")));
    for number in 0.. {
        let name = SERVERS[dice.roll(5) as usize];
        let factory = &replica.factory;
        let wait = if dice.roll(2) == 0 { Duration::ZERO } else { WAIT };
        let (verb, done) = match dice.roll(12) {
            0..=3 => ("create", factory.create(&local, says_its_version(name, &round, number), None).await.map(drop)),
            4..=6 => ("deploy", factory.deploy(&local, name, None, wait).await.map(drop)),
            7 => ("stop", factory.stop(&local, name).await.map(drop)),
            8 => ("start", factory.start(&local, name, wait).await.map(drop)),
            9 => ("restart", factory.restart(&local, name, wait).await.map(drop)),
            10 => ("rollback", factory.rollback(&local, name, None).await.map(drop)),
            _ => ("remove", factory.remove(&local, name, false).await),
        };
        match done {
            Ok(()) => say(format!("done {verb} {name}")),
            Err(Error::NotFound { .. } | Error::NeverDeployed { .. } | Error::Busy(_)) => {}
            Err(error) => say(format!("odd {verb} {name}: {error:?}")),
        }
    }
}

fn says_its_version(name: &str, round: &str, number: u64) -> Submission {
    let version = format!("1.{round}.{number}");
    Submission::new(format!(
        "name: {name}\nversion: {version}\ntags: [{name}-tag]\ntools:\n  - name: say_{name}\n    description: Says {version}\n    \
         static: {{ text: {version} }}\n"
    ))
}

/// Whatever is meant to run answers in the end, as the version that is meant to.
async fn converges(replica: &Replica) {
    let all = async {
        loop {
            let mut wrong = Vec::new();
            for name in SERVERS {
                wrong.extend(differs(replica, name).await);
            }
            if wrong.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(WAIT, all).await.is_err() {
        for name in SERVERS {
            assert_eq!(differs(replica, name).await, None);
        }
    }
}

async fn differs(replica: &Replica, name: &str) -> Option<String> {
    let known = replica.factory.get(&Caller::local(), name).await.ok().and_then(|details| details.deployment);
    let said = says(replica.address, name).await;
    let is_so = match &known {
        Some(it) if it.desired == "running" => it.state == "running" && said == Some(it.version.to_string()),
        Some(it) => it.state == "stopped" && said.is_none(),
        None => said.is_none(),
    };
    (!is_so).then(|| format!("`{name}` says {said:?}, and there is written down {known:?}"))
}

fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let seed = given.unwrap_or(now.as_micros() as u64);
    eprintln!("{SEED}={seed}");
    seed
}

fn rounds(usual: u64) -> u64 {
    std::env::var("MCP_FACTORY_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// One life, ended at a random moment: while it begins, or while it works. Returns what it said was done.
#[expect(clippy::disallowed_methods, reason = "it is to be ended at any moment, and not in a state")]
fn live_and_die(folder: &Path, registry: Option<&str>, round: u64, dice: &mut Dice) -> Vec<(String, String)> {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args(["--exact", "crash::a_process_that_works_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .env(SEED, dice.roll(u64::MAX).to_string())
        .stdout(Stdio::piped());
    if let Some(url) = registry {
        command.env(REGISTRY, url);
    }
    let mut child = command.spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut lines = lines.map_while(Result::ok).filter(|line| !line.is_empty());
    let (early, moment) = (round > 0 && dice.roll(5) == 0, Duration::from_micros(dice.roll(60_000)));
    if early {
        // Its listener is there at about this time, and what ran comes back.
        std::thread::sleep(moment * 3);
    } else {
        let converged = lines.any(|line| line == "converged");
        assert!(converged, "it ended before what was meant to run did: {:?}", child.wait());
        std::thread::sleep(moment);
    }
    child.kill().expect("killed");
    let mut said = Vec::new();
    for line in lines {
        assert!(!line.starts_with("odd "), "{line}");
        let mut words = line.strip_prefix("done ").into_iter().flat_map(|line| line.split(' ')).map(str::to_owned);
        said.extend(words.next().zip(words.next()));
    }
    child.wait().expect("reaped");
    said
}

/// What the log tells: how many versions each server has, and whether it is meant to run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    versions: usize,
    desired: Option<&'static str>,
}

/// Whether what is kept is what the log tells, and that is what was said. Returns how much the log tells.
async fn check(factory: &Factory, before: usize, said: &[(String, String)]) -> usize {
    let local = Caller::local();
    let mut log = Vec::new();
    let mut page = Page { after: String::new(), limit: 200 };
    loop {
        let some = factory.audit(&local, &page).await.expect("a log");
        log.extend(some.entries.into_iter().filter(|it| it.verb.starts_with("servers.") && it.outcome == "done"));
        let Some(next) = some.next else { break };
        page.after = next;
    }
    log.reverse();
    let ids: BTreeSet<_> = log.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), log.len());
    let new: Vec<_> =
        log[before..].iter().map(|it| (it.verb["servers.".len()..].to_owned(), it.subject.clone())).collect();
    // What was begun last may have been done, and not said.
    assert!(new == said || new.split_last().is_some_and(|(_, new)| new == said), "said {said:#?}, but done {new:#?}");

    let mut told: BTreeMap<&str, Told> = BTreeMap::new();
    for entry in &log {
        let server = told.entry(&entry.subject).or_default();
        match &*entry.verb {
            "servers.create" => server.versions += 1,
            "servers.deploy" | "servers.start" | "servers.restart" => server.desired = Some("running"),
            "servers.stop" => server.desired = Some("stopped"),
            "servers.remove" => *server = Told::default(),
            _ => {}
        }
    }
    told.retain(|_, server| *server != Told::default());
    let servers = factory.list(&local, &Filter::default(), &Page::default()).await.expect("read").entries;
    assert!(servers.iter().map(|it| &*it.name).eq(told.keys().copied()), "{servers:#?} {told:#?}");
    for server in servers {
        let name = &server.name;
        let details = factory.get(&local, name).await.expect("there");
        let versions = factory.versions(&local, name).await.expect("there");
        let numbers: BTreeSet<_> = versions.iter().map(|it| &it.version).collect();
        assert_eq!((versions.len(), numbers.len()), (told[&**name].versions, versions.len()), "{name}");
        assert!(numbers.contains(&server.latest) && details.version.tools == 1);
        let spec = factory.spec(&local, name, None).await.expect("it can be read");
        assert_eq!(spec.tools[0].description, format!("Says {}", server.latest));
        let found = factory.search(&local, &format!("say_{name}"), 200).await.expect("searched");
        let found: Vec<_> = found.iter().filter(|it| it.server == *name).collect();
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].tool.description, spec.tools[0].description, "what is found is the latest");
        assert_eq!(server.tags, [format!("{name}-tag")]);
        let deployment = details.deployment.as_ref();
        assert_eq!(deployment.map(|it| &*it.desired), told[&**name].desired, "{name}");
        if let Some(it) = deployment {
            assert!(numbers.contains(&it.version) && it.generation <= it.launched, "{it:?}");
        }
    }
    log.len()
}

/// S5: nothing is lost when the process is killed.
#[test]
fn a_killed_factory_loses_nothing_and_the_next_one_goes_on() {
    let (seed, rounds) = (seed(), rounds(200) / LANES);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || {
                let folder = tempfile::tempdir().expect("a folder");
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                let (mut dice, mut known) = (Dice(seed ^ (lane << 32)), 0);
                for round in 0..rounds {
                    let said = live_and_die(folder.path(), None, round, &mut dice);
                    known = runtime.block_on(async {
                        let factory = crate::replicas::open(folder.path(), None).await;
                        check(&factory, known, &said).await
                    });
                    is_sound(&folder.path().join("data").join("registry.db"));
                }
                runtime.block_on(async { converges(&Replica::start_at(folder.path(), None).await).await });
            });
        }
    });
}

fn is_sound(file: &Path) {
    let connection = rusqlite::Connection::open(file).expect("it opens");
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(sound, "ok");
    let mut broken = connection.prepare("PRAGMA foreign_key_check").expect("checked");
    assert!(!broken.exists([]).expect("checked"), "a row hangs on one that is gone");
}

/// Beside one that is not killed, and sees to all that runs.
#[test]
fn a_killed_factory_s_neighbour_goes_on_with_all_of_it() {
    let (seed, rounds) = (seed(), rounds(40) / 4);
    let (postgres, folder) = (Postgres::start(), tempfile::tempdir().expect("a folder"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut dice, mut known) = (Dice(seed), 0);
    let neighbour = runtime.block_on(Replica::start(Some(postgres.url())));
    for round in 0..rounds {
        let said = live_and_die(folder.path(), Some(&postgres.url()), round, &mut dice);
        known = runtime.block_on(check(&neighbour.factory, known, &said));
        // What it drove is taken over; or it comes back before that, in the next round.
        if dice.roll(2) == 0 {
            runtime.block_on(converges(&neighbour));
        }
    }
    runtime.block_on(converges(&neighbour));
}
