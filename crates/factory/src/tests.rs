//! Tests of what is kept: a server's suite, run on its owner's ground, and the history of what came of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mcp_factory_connect::Grant;
use mcp_factory_engine::{Plan, Surroundings, Tasks};
use semver::Version;
use serde_json::{Map, Value};

use crate::{
    Caller, Error, Factory, Owner,
    deploy::Release,
    registry::{Page, Paged, Role, TestRun, Transaction},
    suite::{self, Answer, Ground, Options, Origin, Outcome, Report, Row, Subject},
    turns::Turns,
};

/// Suites at once in this process: they take all of a machine that they get.
static TURNS: Turns = Turns::new(2);
/// What a caller may ask for.
const MOST_CASES: usize = 1_000;
const LONGEST: Duration = Duration::from_secs(60);
/// Of all tests together, so that others get their turn.
const WHOLE: Duration = Duration::from_secs(10 * 60);

impl Factory {
    /// Runs the tests of a version, the latest if none is named, and keeps what came of them (S5-53). What may write runs on
    /// databases that the spec seeds anew, unless the options say otherwise.
    pub async fn test(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&Version>,
        options: &Options,
    ) -> Result<Report, Error> {
        if options.cases > MOST_CASES || options.time.get() > LONGEST {
            let why = format!("takes at most {MOST_CASES} cases, and {LONGEST:?} of time");
            return Err(Error::argument("a test", why));
        }
        let version = self.tested(caller, name, version).await?;
        let _turn = TURNS.enter(caller.owner()).await;
        let release = self.release(caller.owner(), name, &version).await?;
        let run = suite::run(options, |ground| subject(release.clone(), ground));
        let late = |_| Error::argument("a test", format!("may take {WHOLE:?}, and this one did not end"));
        let report = tokio::time::timeout(WHOLE, run).await.map_err(late)??;
        let runs: Vec<TestRun> = report.rows().iter().filter_map(|row| run_of(name, &version, row)).collect();
        self.keep_runs(caller, name, runs).await?;
        Ok(report)
    }

    /// One call of one tool, as a test. It is kept too.
    pub async fn test_tool(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&Version>,
        tool: &str,
        arguments: Map<String, Value>,
        writes: bool,
    ) -> Result<Answer, Error> {
        let version = self.tested(caller, name, version).await?;
        let _turn = TURNS.enter(caller.owner()).await;
        let release = self.release(caller.owner(), name, &version).await?;
        let (input, began) = (Value::Object(arguments.clone()).to_string(), Instant::now());
        let call = suite::call(tool, arguments, writes, |ground| subject(release.clone(), ground));
        let late = |_| Error::argument("a call", format!("may take {WHOLE:?}, and this one did not end"));
        let answer = tokio::time::timeout(WHOLE, call).await.map_err(late)??;
        let run = TestRun {
            id: String::new(),
            at: Default::default(),
            server: name.to_owned(),
            version,
            test: "by hand".to_owned(),
            tool: tool.to_owned(),
            passed: !answer.is_error,
            input,
            output: answer.value().to_string(),
            micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        self.keep_runs(caller, name, vec![run]).await?;
        Ok(answer)
    }

    /// What came of tests, the newest first.
    pub async fn test_runs(&self, caller: &Caller, name: &str, page: &Page) -> Result<Paged<TestRun>, Error> {
        let (name, page) = (name.to_owned(), page.clone());
        self.look(caller, move |transaction, owner| {
            transaction.server(owner, &name)?.ok_or_else(|| Error::no_server(&name))?;
            Ok(transaction.test_runs(owner, &name, &page)?)
        })
        .await
    }

    /// Who may, and which version it is about.
    async fn tested(&self, caller: &Caller, name: &str, version: Option<&Version>) -> Result<Version, Error> {
        let (server, wanted) = (name.to_owned(), version.cloned());
        let look = move |transaction: &mut Transaction<'_>, owner: &Owner| {
            let known = transaction.server(owner, &server)?.ok_or_else(|| Error::no_server(&server))?;
            let version = wanted.clone().unwrap_or(known.latest);
            match transaction.version(owner, &server, &version)? {
                Some(_) => Ok(version),
                None => Err(Error::NotFound { what: "version", name: format!("{server} {version}") }),
            }
        };
        let found = match caller.needs(Role::Developer) {
            Ok(()) => self.look(caller, look).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(version) => Ok(version),
            Err(error) if error.is_refusal() => Err(self.refused(caller, "servers.test", name, error).await),
            Err(error) => Err(error),
        }
    }

    async fn keep_runs(&self, caller: &Caller, name: &str, runs: Vec<TestRun>) -> Result<(), Error> {
        self.change(caller, Role::Developer, "servers.test", name, move |transaction: &mut Transaction<'_>, owner| {
            for run in &runs {
                transaction.add_test_run(owner, run)?;
            }
            Ok(())
        })
        .await
    }
}

/// An engine on the owner's ground, as a deployment has it.
async fn subject(release: Release, ground: Ground) -> Result<Subject, Error> {
    let planned = tokio::task::spawn_blocking(move || {
        let Release { spec, ground: on, .. } = release;
        let folder = match ground {
            Ground::Real => None,
            Ground::Fresh => {
                let failed = |source| Error::Folder { path: std::env::temp_dir().display().to_string(), source };
                Some(tempfile::Builder::new().prefix("mcp-factory-test-").tempdir().map_err(failed)?)
            }
        };
        let fresh = folder.as_ref().map(|folder| folder.path().to_owned());
        let policy = match &fresh {
            Some(fresh) => on.policy.with(Grant::Path(fresh.clone())),
            None => on.policy,
        };
        let surroundings = Surroundings {
            folder: on.folder,
            secrets: on.secrets,
            policy,
            cursor_key: on.cursor_key,
            tasks: if fresh.is_some() { Tasks::in_memory() } else { on.tasks },
            fresh_seeds: fresh,
            changes: None,
            approvals: on.approvals,
        };
        let plan = Plan::with_shared(&spec, &surroundings, &on.shared)
            .map_err(|problems| Error::Unplanned(Arc::new(problems)))?;
        Ok(Subject { spec, engine: plan.build(), folder })
    });
    planned.await?
}

/// What was left out is no run. Calls that nobody wrote are kept where they failed: there are many, and the seed makes them again.
fn run_of(server: &str, version: &Version, row: &Row) -> Option<TestRun> {
    let passed = match &row.outcome {
        Outcome::Passed if row.origin == Origin::Generated => return None,
        Outcome::Taken(_) | Outcome::Skipped(_) => return None,
        Outcome::Passed => true,
        Outcome::Failed(_) => false,
    };
    Some(TestRun {
        // Both are given when it is written down.
        id: String::new(),
        at: Default::default(),
        server: server.to_owned(),
        version: version.clone(),
        test: row.name.clone(),
        tool: row.tool.clone(),
        passed,
        input: row.input.clone(),
        output: match &row.outcome {
            Outcome::Failed(why) => why.clone(),
            _ => row.output.clone(),
        },
        micros: u64::try_from(row.time.as_micros()).unwrap_or(u64::MAX),
    })
}
