//! Turning toolsets on and off, in a session or on a handle.

use serde::Serialize;
use serde_json::json;

use super::{
    Toolsets,
    activation::{Activation, Refused},
    index::Conflict,
    policy::{Code, text},
    set::Set,
};
use crate::{CallContext, Error};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub success: bool,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// With success: who should have been told that the list changed was not ([`Code::NotifyFailed`]).
    pub code: Option<Code>,
    /// Modules of the toolset that did not load; its other tools are on. Turning it on again tries them again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_modules: Vec<String>,
    /// The list is another one now.
    #[serde(skip)]
    pub changed: bool,
}

impl Outcome {
    fn done(message: String, changed: bool) -> Self {
        Self { success: true, message, code: None, failed_modules: Vec::new(), changed }
    }

    pub(super) fn failed(code: Code, message: String) -> Self {
        Self { success: false, message, code: Some(code), failed_modules: Vec::new(), changed: false }
    }

    /// It happened all the same.
    fn untold(&mut self) {
        self.code = Some(Code::NotifyFailed);
    }
}

impl Toolsets {
    /// Turns toolsets on in the session of this call, one after the other. The session is told once, if its list changed.
    pub async fn enable(&self, cx: &CallContext, keys: &[&str]) -> Result<Vec<Outcome>, Error> {
        let Some(session) = &cx.session else {
            let message = "there is no session to turn toolsets on in".to_owned();
            return Ok(vec![Outcome::failed(Code::Validation, message)]);
        };
        let activation = session.get_or_insert_with(|| Activation::new(self));
        let mut telling = Telling { toolsets: self, session, changed: false };
        let mut outcomes = Vec::with_capacity(keys.len());
        for key in keys {
            let outcome = self.enable_in(cx, &activation, key).await?;
            telling.changed |= outcome.changed;
            outcomes.push(outcome);
        }
        if !telling.tell() {
            outcomes.iter_mut().filter(|outcome| outcome.changed).for_each(Outcome::untold);
        }
        Ok(outcomes)
    }

    /// Turns one off in the session of this call: it is neither listed nor can it be called from then on.
    #[must_use]
    pub fn disable(&self, cx: &CallContext, key: &str) -> Outcome {
        let Some(session) = &cx.session else {
            let message = "there is no session to turn toolsets off in".to_owned();
            return Outcome::failed(Code::Validation, message);
        };
        let activation = session.get_or_insert_with(|| Activation::new(self));
        let permitted = self.permitted(cx);
        if self.place(key).is_some_and(|place| activation.turn_off(self, permitted, place)) {
            let mut done = Outcome::done(text::disabled(key), true);
            if !self.notify(&**session) {
                done.untold();
            }
            return done;
        }
        let active = activation.on(self, permitted);
        Outcome::failed(Code::Validation, text::not_active(key, &self.keys(active)))
    }

    async fn enable_in(&self, cx: &CallContext, activation: &Activation, key: &str) -> Result<Outcome, Error> {
        let place = match self.judge(cx, key)? {
            Ok(place) => place,
            Err(refused) => return Ok(refused),
        };
        let permitted = self.permitted(cx);
        let reserved = match activation.reserve(self, permitted, place) {
            Ok(reserved) => reserved,
            Err(Refused::Already) => return Ok(Outcome::done(text::already(key), false)),
            Err(Refused::Full { on }) => return Ok(self.too_many(key, on)),
        };
        let (tools, failed) = match self.bring(place).await {
            Ok(brought) => brought,
            Err(refused) => return Ok(refused),
        };
        if !reserved.turn_on() {
            let message = "the server was replaced meanwhile; try again".to_owned();
            return Ok(Outcome::failed(Code::Internal, message));
        }
        self.miss(place, &failed);
        Ok(Outcome { failed_modules: failed, ..Outcome::done(text::enabled(key, tools), true) })
    }

    /// The toolset's place, or why it may not be turned on. A missing scope is the caller's to get.
    pub(super) fn judge(&self, cx: &CallContext, key: &str) -> Result<Result<usize, Outcome>, Error> {
        let granted = self.granted(cx);
        let refused = |message| Ok(Err(Outcome::failed(Code::Validation, message)));
        let Some(place) = self.place(key).filter(|place| granted.contains(*place)) else {
            return refused(text::not_found(key, &self.keys(self.permitted(cx))));
        };
        if let Some(refusal) = self.policy.refusal(key) {
            return refused(refusal);
        }
        self.check_scopes(cx, Set::one(place))?;
        Ok(Ok(place))
    }

    /// How many tools it has once its modules are there, and which of those failed. With none at all it is a failure.
    pub(super) async fn bring(&self, place: usize) -> Result<(usize, Vec<String>), Outcome> {
        let key = &self.toolsets[place].key;
        let failed = self.load(place).await.map_err(|Conflict(tool)| {
            let message = format!("Toolset '{key}' was not enabled: there is already a tool called '{tool}'.");
            Outcome::failed(Code::ToolNameConflict, message)
        })?;
        let tools = self.state.load().index.of(place).count();
        if tools == 0 && !failed.is_empty() {
            let message = format!("Toolset '{key}' was not enabled: none of its modules loaded.");
            return Err(Outcome { failed_modules: failed, ..Outcome::failed(Code::Internal, message) });
        }
        Ok((tools, failed))
    }

    pub(super) fn too_many(&self, attempted: &str, on: Set) -> Outcome {
        if let Some(told) = &self.policy.on_limit {
            // Somebody else's code: its panic is not ours.
            let keys = self.keys(on);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| told(&[attempted], &keys))).is_err() {
                tracing::error!("`on_limit` panicked");
            }
        }
        Outcome::failed(Code::PolicyMaxActive, text::too_many(self.policy.max_active.unwrap_or_default()))
    }

    /// The same on a handle: the toolsets of `carried` and one more.
    pub(super) async fn enable_on(&self, cx: &CallContext, on: Set, key: &str) -> Result<(Outcome, Set), Error> {
        let place = match self.judge(cx, key)? {
            Ok(place) => place,
            Err(refused) => return Ok((refused, on)),
        };
        let after = on.or(Set::one(place));
        if on.contains(place) {
            return Ok((Outcome::done(text::already(key), false), on));
        }
        if self.policy.max_active.is_some_and(|most| after.len() > most) {
            return Ok((self.too_many(key, on), on));
        }
        Ok(match self.bring(place).await {
            Ok((tools, failed)) => {
                self.miss(place, &failed);
                (Outcome { failed_modules: failed, ..Outcome::done(text::enabled(key, tools), true) }, after)
            }
            Err(refused) => (refused, on),
        })
    }

    pub(super) fn disable_on(&self, on: Set, key: &str) -> (Outcome, Set) {
        match self.place(key).filter(|place| on.contains(*place)) {
            Some(place) => (Outcome::done(text::disabled(key), true), on.without(Set::one(place))),
            None => (Outcome::failed(Code::Validation, text::not_active(key, &self.keys(on))), on),
        }
    }
}

/// Tells the session when it is dropped, however the batch ended.
struct Telling<'a> {
    toolsets: &'a Toolsets,
    session: &'a crate::SessionState,
    changed: bool,
}

impl Telling<'_> {
    fn tell(&mut self) -> bool {
        !std::mem::take(&mut self.changed) || self.toolsets.notify(self.session)
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

pub(super) fn json_of(
    outcome: &Outcome,
    more: impl IntoIterator<Item = (&'static str, serde_json::Value)>,
) -> serde_json::Value {
    let mut json = json!(outcome);
    for (key, value) in more {
        json[key] = value;
    }
    json
}
