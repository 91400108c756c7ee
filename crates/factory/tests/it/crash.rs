//! A factory that is killed at any moment: what it said was done is there, and nothing is half done.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use mcp_factory::{
    Caller, Config, Factory, FactoryKey,
    registry::{Filter, Page},
};

use crate::create::spec;

const FOLDER: &str = "FACTORY_THAT_IS_KILLED";
const PREFIX: &str = "FACTORY_THAT_IS_KILLED_PREFIX";
const ROUNDS: usize = 12;

async fn open(folder: &Path) -> Factory {
    let config = Config {
        data: folder.to_owned(),
        registry: None,
        key: FactoryKey::new(&[7; 32]).expect("long enough"),
        approvals: mcp_serve::Approvals::default(),
        launcher: None,
    };
    Factory::open(config).await.expect("it opens")
}

/// Says each thing after it is done. Does nothing unless the other test asks for it.
#[tokio::test]
async fn a_process_that_works_until_it_is_killed() {
    let (Some(folder), Ok(prefix)) = (std::env::var_os(FOLDER), std::env::var(PREFIX)) else { return };
    let (factory, local) = (open(Path::new(&folder)).await, Caller::local());
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("somebody reads");
    };
    for number in 0..10_000 {
        let name = format!("{prefix}-{number}");
        for version in ["1.0.0", "1.1.0"] {
            factory.create(&local, spec(&name, version, version), None).await.expect("created");
            say(format!("done {name} {version}"));
        }
        if number % 2 == 0 {
            factory.rollback(&local, &name, None).await.expect("back");
            say(format!("done {name} 1.0.0"));
        }
        if number % 3 == 0 {
            factory.remove(&local, &name, false).await.expect("removed");
            say(format!("done {name} none"));
        }
    }
}

#[tokio::test]
async fn what_was_said_to_be_done_is_there_after_a_kill_and_nothing_is_half_done() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "crash::a_process_that_works_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(PREFIX, format!("r{round}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut said: Vec<(String, String)> = Vec::new();
        let done = |line: String| {
            let mut words = line.strip_prefix("done ")?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?))
        };
        while said.len() <= round * 3 {
            said.extend(done(lines.next().expect("it goes on")));
        }
        child.kill().expect("killed");
        said.extend(lines.filter_map(done));
        child.wait().expect("reaped");
        check(folder.path(), &said).await;
    }
}

async fn check(folder: &Path, said: &[(String, String)]) {
    let (factory, local) = (open(folder).await, Caller::local());
    let all = factory.list(&local, &Filter::default(), &Page { after: String::new(), limit: 200 }).await.expect("read");
    let latest: BTreeMap<_, _> = all.entries.iter().map(|it| (it.name.clone(), it.latest.to_string())).collect();
    let last: BTreeMap<_, _> = said.iter().cloned().collect();
    // What was done after the last word may be there or not.
    let unsure = &said.last().expect("something was done").0;
    for (name, version) in last.iter().filter(|(name, _)| *name != unsure) {
        let known = latest.get(name).map_or("none", String::as_str);
        assert_eq!(known, version, "{name}");
    }
    for (name, version) in latest {
        let versions = factory.versions(&local, &name).await.expect("there");
        let known = versions.iter().find(|it| it.version.to_string() == version).expect("the latest is one of them");
        let spec = factory.spec(&local, &name, None).await.expect("it can be read");
        let found = factory.search(&local, &name, 200).await.expect("searched");
        let found = found.iter().find(|it| it.server == name).expect("it is found");
        assert_eq!(found.tool.description, spec.tools[0].description, "what is found is the latest");
        assert_eq!(known.tools, 1);
    }
    let log = factory.audit(&local, &Page { after: String::new(), limit: 200 }).await.expect("a log").entries;
    assert!(log.iter().any(|it| &it.subject == unsure && it.outcome == "done"), "what was done is in the log");
}
