//! What drivers tell is written down together: while one transaction is on its way to the disk, the others wait for it and
//! share the next one. A thousand servers that begin at once cost a few transactions, and one alone waits for nobody.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::{
    Owner,
    deployments::{lifecycle_of, written},
    lifecycle::{Action, Event},
    registry::{self, Deed, Registry, Transaction},
};

/// Something that happened to an instance.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) owner: Owner,
    pub(crate) server: String,
    pub(crate) generation: u64,
    pub(crate) event: Event,
    pub(crate) problem: Option<String>,
    /// What its owner was not granted, where that is why.
    pub(crate) denied: Vec<&'static str>,
    pub(crate) endpoint: Option<String>,
}

/// What is to be done about it.
type Answer = Result<Vec<Action>, registry::Error>;

#[derive(Debug, Default)]
pub(crate) struct Telling {
    waiting: Mutex<Vec<(Told, oneshot::Sender<Answer>)>>,
    writing: tokio::sync::Mutex<()>,
}

/// In one transaction.
const MOST: usize = 200;

impl Telling {
    /// Done when it is written down. `me` is this factory.
    pub(crate) async fn tell(&self, registry: &Registry, me: &Arc<str>, told: Told) -> Answer {
        let (sender, mut answered) = oneshot::channel();
        self.lock().push((told, sender));
        loop {
            let _writing = self.writing.lock().await;
            match answered.try_recv() {
                Ok(answer) => return answer,
                // Whoever was to write it down was ended meanwhile.
                Err(oneshot::error::TryRecvError::Closed) => return Err(registry::Error::Contended),
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let together = {
                let mut waiting = self.lock();
                let count = waiting.len().min(MOST);
                waiting.drain(..count).collect::<Vec<_>>()
            };
            let (told, waiting): (Vec<_>, Vec<_>) = together.into_iter().unzip();
            let me = me.clone();
            let written = registry.write(move |transaction| {
                told.iter().map(|told| write(transaction, &me, told)).collect::<Result<Vec<_>, registry::Error>>()
            });
            match written.await {
                Ok(answers) => {
                    for (waiting, answer) in waiting.into_iter().zip(answers) {
                        let _ = waiting.send(answer);
                    }
                }
                // Told once; the others begin again.
                Err(error) => {
                    let mut error = Some(error);
                    for waiting in waiting {
                        let _ = waiting.send(Err(error.take().unwrap_or(registry::Error::Contended)));
                    }
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Told, oneshot::Sender<Answer>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can't be read of one deployment is its own trouble, and keeps none of the others.
fn write(transaction: &mut Transaction<'_>, me: &str, told: &Told) -> Result<Answer, registry::Error> {
    // It was removed meanwhile.
    let Some(known) = transaction.deployment(&told.owner, &told.server)? else { return Ok(Ok(Vec::new())) };
    // Another factory drives it since.
    if known.factory.as_deref() != Some(me) {
        return Ok(Ok(Vec::new()));
    }
    let mut lifecycle = match lifecycle_of(&known) {
        Ok(lifecycle) => lifecycle,
        Err(error) => return Ok(Err(error)),
    };
    let actions = lifecycle.event(told.generation, told.event);
    let mut deployment = written(&told.server, &lifecycle, Some(&known));
    match told.event {
        Event::Healthy => (deployment.problem, deployment.endpoint) = (None, told.endpoint.clone()),
        _ if told.problem.is_some() => {
            // Once, and not with each time that it is tried again.
            for outcome in told.denied.iter().filter(|_| known.problem != told.problem) {
                let (actor, subject) = (&told.owner, told.server.as_str());
                let deed = Deed { actor, token: None, verb: "servers.deploy", subject, outcome };
                transaction.audit(&told.owner, &deed)?;
            }
            // Where the version before serves on, or comes back, it is not the one that has the problem.
            let tried = (lifecycle.version() != &known.version).then_some(&known.version);
            deployment.problem = told.problem.as_ref().map(|problem| match tried {
                Some(version) => format!("{version} does not run: {problem}"),
                None => problem.clone(),
            });
        }
        _ => {}
    }
    transaction.put_deployment(&told.owner, &deployment)?;
    Ok(Ok(actions))
}
