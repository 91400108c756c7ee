//! What waits for an approval: bounded, for each caller and in all, and gone when its time is over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{ApprovalError, ApprovalRequest};
use crate::{Principal, input::Subject};

/// For a person to decide, and then for the caller to come back.
pub(super) const LIFE: Duration = Duration::from_secs(15 * 60);
const MOST: usize = 1_000;
const MOST_OF_ONE: usize = 20;
/// Bytes of the arguments, as the page shows them.
const MOST_SHOWN: usize = 16 * 1024;
/// Wrong keys on one page.
const MOST_FAILURES: u8 = 10;

/// A call by its hash.
pub(super) type Call = [u8; 32];

#[derive(Default)]
pub(super) struct Pending {
    calls: HashMap<Call, Entry>,
    /// By the hash of the token in the link: looking a hash up tells nothing about a token.
    links: HashMap<[u8; 32], Call>,
}

pub(super) struct Entry {
    token: String,
    /// In the form of the page and nowhere else.
    pub(super) form: String,
    pub(super) server: String,
    pub(super) tool: String,
    pub(super) message: String,
    pub(super) arguments: String,
    pub(super) caller: Caller,
    pub(super) by: Option<String>,
    pub(super) decision: Option<Decision>,
    ends: Instant,
    failures: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) id: String,
    pub(super) tenant: Option<String>,
}

impl Caller {
    pub(super) fn of(principal: &Principal) -> Self {
        Self { id: principal.id.clone(), tenant: principal.tenant.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approved,
    Declined,
}

pub(super) enum Standing {
    Waiting { token: String, left: Duration },
    Approved(Call),
    Declined,
}

impl Entry {
    pub(super) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Whether the form came from this page.
    pub(super) fn is_form(&self, form: &str) -> bool {
        self.form.as_bytes().ct_eq(form.as_bytes()).into()
    }
}

impl Pending {
    pub(super) fn ask(&mut self, request: &ApprovalRequest<'_>) -> Result<Standing, ApprovalError> {
        self.forget_old();
        let arguments = Value::Object(request.arguments.clone());
        let call = hash(request, &arguments);
        match self.calls.get(&call) {
            Some(entry) => Ok(match entry.decision {
                None => Standing::Waiting { token: entry.token.clone(), left: entry.left() },
                Some(Decision::Approved) => Standing::Approved(call),
                Some(Decision::Declined) => {
                    self.forget(&call);
                    Standing::Declined
                }
            }),
            None => self.add(call, request, &arguments),
        }
    }

    fn add(&mut self, call: Call, request: &ApprovalRequest<'_>, arguments: &Value) -> Result<Standing, ApprovalError> {
        let caller = Caller::of(request.caller);
        let arguments = serde_json::to_string_pretty(arguments).expect("arguments are JSON");
        if arguments.len() > MOST_SHOWN || request.message.len() > MOST_SHOWN {
            return Err(ApprovalError::TooLarge { most: MOST_SHOWN });
        }
        let of_caller = self.calls.values().filter(|entry| entry.caller == caller).count();
        for (waiting, most, whose) in [(of_caller, MOST_OF_ONE, "of yours"), (self.calls.len(), MOST, "of all callers")]
        {
            if waiting >= most {
                return Err(ApprovalError::TooMany { waiting, whose });
            }
        }
        let token = URL_SAFE_NO_PAD.encode(crate::random::<32>());
        let entry = Entry {
            token: token.clone(),
            form: URL_SAFE_NO_PAD.encode(crate::random::<32>()),
            server: request.server.to_owned(),
            tool: request.tool.to_owned(),
            message: request.message.to_owned(),
            arguments,
            caller,
            by: request.by.map(str::to_owned),
            decision: None,
            ends: Instant::now() + LIFE,
            failures: 0,
        };
        self.links.insert(Sha256::digest(&token).into(), call);
        self.calls.insert(call, entry);
        Ok(Standing::Waiting { token, left: LIFE })
    }

    /// What a link is about.
    pub(super) fn of_link(&mut self, token: &str) -> Option<&mut Entry> {
        self.forget_old();
        let link: [u8; 32] = Sha256::digest(token).into();
        self.calls.get_mut(self.links.get(&link)?)
    }

    /// A decision stands: the first one. The caller has as long again to come back.
    pub(super) fn decide(&mut self, token: &str, decision: Decision) -> bool {
        let Some(entry) = self.of_link(token).filter(|entry| entry.decision.is_none()) else { return false };
        entry.decision = Some(decision);
        entry.ends = Instant::now() + LIFE;
        true
    }

    /// Somebody gave a wrong key. Who tries many ends the link.
    pub(super) fn fail(&mut self, token: &str) {
        let Some(entry) = self.of_link(token) else { return };
        entry.failures += 1;
        if entry.failures >= MOST_FAILURES {
            entry.ends = Instant::now();
            self.forget_old();
        }
    }

    fn redeem(&mut self, call: &Call) -> bool {
        self.forget_old();
        let approved = self.calls.get(call).is_some_and(|entry| entry.decision == Some(Decision::Approved));
        if approved {
            self.forget(call);
        }
        approved
    }

    fn forget(&mut self, call: &Call) {
        if let Some(entry) = self.calls.remove(call) {
            let link: [u8; 32] = Sha256::digest(&entry.token).into();
            self.links.remove(&link);
        }
    }

    fn forget_old(&mut self) {
        let now = Instant::now();
        let old: Vec<Call> = self.calls.iter().filter(|(_, entry)| entry.ends <= now).map(|(call, _)| *call).collect();
        for call in old {
            self.forget(&call);
        }
    }

    #[cfg(test)]
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        self.calls.values_mut().for_each(|entry| entry.ends = now);
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.calls.len(), self.links.len())
    }
}

fn hash(request: &ApprovalRequest<'_>, arguments: &Value) -> Call {
    let ApprovalRequest { server, tool, caller, by, of, .. } = request;
    let subject =
        Subject { server, method: "approval", name: tool, principal: caller, arguments: &arguments.to_string() };
    let mut hash = Sha256::new();
    hash.update(subject.digest());
    for text in [by.unwrap_or_default(), of] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.update([u8::from(by.is_some())]);
    hash.finalize().into()
}

/// The right to do once what was approved.
pub struct Ticket {
    pub(super) pending: Arc<Mutex<Pending>>,
    pub(super) call: Call,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl Ticket {
    /// Uses it up. `false` if that was done, or its time was over, since.
    #[must_use]
    pub fn redeem(self) -> bool {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).redeem(&self.call)
    }
}
