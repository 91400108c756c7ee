//! Asking over several requests that stand alone. What was asked and answered so far goes to the client and comes back as
//! `requestState`: signed, bound to the caller, the server, what is called and its arguments, good for some minutes and once.
//!
//! A state that was changed or made for something else is refused. One that is too old or was used is as good as none: the
//! person is asked again. Whoever shares a key accepts each other's states; that one is used once is known to each alone.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use rmcp::model::{
    InputRequests, InputRequiredResult, InputResponses, RequestStateCodec, RequestStateError, SealOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Ask, Ended, Reply};
use crate::{CallId, Error, Principal};

/// From the question to the answer.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Bytes of a state, as the client carries it.
const LONGEST: usize = 64 * 1024;
/// States that are remembered as used, until they are too old anyway.
const MOST_USED: usize = 50_000;
/// Of these, the ones of one caller: who asks and answers all the time keeps nobody else from it.
const MOST_USED_BY_ONE: usize = MOST_USED / 2;

/// What states are signed with. All processes that serve the same must have the same one. Its clones remember together what
/// was ended before its time.
#[derive(Clone)]
pub struct StateKey {
    key: [u8; 32],
    ended: Arc<Ended>,
}

impl StateKey {
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self::of(mac.chain_update(b"mcp-serve request state 1").finalize().into_bytes().into())
    }

    fn of(key: [u8; 32]) -> Self {
        Self { key, ended: Arc::default() }
    }

    pub(crate) fn ended(&self) -> Arc<Ended> {
        self.ended.clone()
    }

    /// Signs something else than states, with a key of its own.
    pub(crate) fn codec(&self, purpose: &str) -> RequestStateCodec {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        let key: [u8; 32] = mac.chain_update(purpose).finalize().into_bytes().into();
        RequestStateCodec::try_new(key).expect("the key is as long as it must be")
    }

    /// Whether a text is a state that was made with this key, for that, and not too long ago.
    #[must_use]
    pub fn made(&self, sealed: &str, subject: &Subject<'_>) -> bool {
        Rounds::new(self).read(&subject.digest(), sealed).is_ok()
    }
}

/// For one process.
impl Default for StateKey {
    fn default() -> Self {
        Self::of(crate::random())
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

/// What a state is good for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub server: &'a str,
    /// `tools/call`
    pub method: &'a str,
    /// The tool, prompt or resource.
    pub name: &'a str,
    pub principal: &'a Principal,
    /// A JSON object; in which order it is written does not matter.
    pub arguments: &'a str,
}

impl Subject<'_> {
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let tenant = self.principal.tenant.as_deref();
        for text in [self.server, self.method, self.name, &self.principal.id, tenant.unwrap_or_default()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update([u8::from(tenant.is_some())]);
        match serde_json::from_str(self.arguments) {
            Ok(Value::Object(arguments)) if arguments.is_empty() => {}
            Ok(arguments) => hash_json(&arguments, &mut hash),
            // As it came. It was read before, so this does not happen.
            Err(_) => hash.update(self.arguments),
        }
        hash.finalize().into()
    }
}

/// The same for the same values, in whatever order their keys are written.
fn hash_json(value: &Value, hash: &mut Sha256) {
    let mut text = |kind: u8, text: &str| {
        hash.update([kind]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match value {
        Value::Null => text(b'n', ""),
        Value::Bool(value) => text(b'b', if *value { "1" } else { "0" }),
        Value::Number(number) => text(b'd', &number.to_string()),
        Value::String(value) => text(b's', value),
        Value::Array(items) => {
            text(b'a', &items.len().to_string());
            items.iter().for_each(|item| hash_json(item, hash));
        }
        Value::Object(fields) => {
            text(b'o', &fields.len().to_string());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            for (name, value) in fields {
                hash.update((name.len() as u64).to_be_bytes());
                hash.update(name);
                hash_json(value, hash);
            }
        }
    }
}

/// What the client carries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Unlike any other's.
    id: String,
    /// The id of the call, the same in all its rounds.
    call: String,
    /// When it was made, in milliseconds since 1970.
    made: u64,
    /// What was asked, by its hash.
    asked: BTreeMap<String, String>,
    /// What was answered in the rounds before.
    answered: BTreeMap<String, Answered>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answered {
    question: String,
    answer: Value,
}

/// Makes and reads the states of one server.
pub(crate) struct Rounds {
    codec: RequestStateCodec,
    /// States of before are those of another process, which may have seen them used.
    began: u64,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    ids: HashSet<String>,
    oldest_first: VecDeque<(u64, String, Caller)>,
    of: HashMap<Caller, usize>,
}

/// Tenant and id.
type Caller = Arc<(Option<String>, String)>;

impl Used {
    fn forget(&mut self, before: u64) {
        while self.oldest_first.front().is_some_and(|(used, ..)| *used < before) {
            let Some((_, id, caller)) = self.oldest_first.pop_front() else { return };
            self.ids.remove(&id);
            if let Some(count) = self.of.get_mut(&caller) {
                *count -= 1;
                if *count == 0 {
                    self.of.remove(&caller);
                }
            }
        }
    }

    fn is_full_for(&self, caller: &Caller) -> bool {
        self.ids.len() >= MOST_USED || self.of.get(caller).is_some_and(|count| *count >= MOST_USED_BY_ONE)
    }

    /// By when they are used, which is close enough to when they were made.
    fn add(&mut self, id: String, caller: Caller) {
        self.ids.insert(id.clone());
        *self.of.entry(caller.clone()).or_default() += 1;
        self.oldest_first.push_back((now(), id, caller));
    }
}

/// Why a state is no use.
#[derive(Debug, PartialEq, Eq)]
enum Useless {
    /// It was changed, or made for something else.
    Foreign,
    /// It was ours once.
    Spent,
    Full,
}

impl Rounds {
    pub(crate) fn new(key: &StateKey) -> Self {
        let codec = RequestStateCodec::try_new(key.key).expect("the key is as long as it must be");
        Self { codec, began: now(), used: Mutex::default() }
    }

    fn seal(&self, subject: &[u8; 32], state: &State, life: Duration) -> String {
        let options = SealOptions::new().associated_data(subject).ttl(life);
        self.codec.seal_json_with(state, &options).expect("states are JSON")
    }

    fn read(&self, subject: &[u8; 32], sealed: &str) -> Result<State, Useless> {
        if sealed.len() > LONGEST {
            return Err(Useless::Foreign);
        }
        self.codec.open_json_with(sealed, subject).map_err(|error| match error {
            RequestStateError::Expired => Useless::Spent,
            _ => Useless::Foreign,
        })
    }

    /// Reads a state, which is used by that.
    fn open(&self, subject: &[u8; 32], caller: &Principal, sealed: &str) -> Result<State, Useless> {
        let state = self.read(subject, sealed)?;
        if state.made < self.began {
            return Err(Useless::Spent);
        }
        let mut used = self.used();
        used.forget(now().saturating_sub(millis(LIFE) + 1000));
        if used.ids.contains(&state.id) {
            return Err(Useless::Spent);
        }
        let caller = Caller::new((caller.tenant.clone(), caller.id.clone()));
        if used.is_full_for(&caller) {
            return Err(Useless::Full);
        }
        used.add(state.id.clone(), caller);
        drop(used);
        Ok(state)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request, with what it brings from the rounds before.
pub(crate) struct Round {
    rounds: Arc<Rounds>,
    subject: OwnedSubject,
    call: CallId,
    talk: Mutex<Talk>,
}

/// A [`Subject`] that is kept. Most calls never ask, so nothing is worked out before one does.
pub(crate) struct OwnedSubject {
    pub(crate) server: String,
    pub(crate) method: &'static str,
    pub(crate) name: String,
    pub(crate) principal: Arc<Principal>,
    pub(crate) arguments: Box<str>,
}

impl OwnedSubject {
    fn digest(&self) -> [u8; 32] {
        let Self { server, method, name, principal, arguments } = self;
        Subject { server, method, name, principal, arguments }.digest()
    }
}

#[derive(Default)]
struct Talk {
    known: BTreeMap<String, Answered>,
    /// What came without a state that says to what.
    unbound: InputResponses,
    /// How often this request asked by each name.
    asked: HashMap<String, usize>,
    /// The answers that this request got to use.
    used: BTreeMap<String, Answered>,
}

impl Round {
    /// `call` is the id of this request, unless it belongs to a call that began with another.
    pub(crate) fn new(
        rounds: Arc<Rounds>,
        subject: OwnedSubject,
        call: CallId,
        state: Option<&str>,
        responses: &InputResponses,
    ) -> Result<Self, Error> {
        let mut round = Self { rounds, subject, call, talk: Mutex::default() };
        let unbound = || Mutex::new(Talk { unbound: responses.clone(), ..Talk::default() });
        let Some(sealed) = state else {
            round.talk = unbound();
            return Ok(round);
        };
        match round.rounds.open(&round.subject.digest(), &round.subject.principal, sealed) {
            Ok(state) => {
                let mut known = state.answered;
                // Answers to what was not asked are nobody's.
                for (key, question) in state.asked {
                    if let Some(answer) = responses.get(&key) {
                        known.insert(key, Answered { question, answer: answer.clone() });
                    }
                }
                round.call = CallId::parse(&state.call).unwrap_or(call);
                round.talk = Mutex::new(Talk { known, ..Talk::default() });
                Ok(round)
            }
            Err(Useless::Spent) => {
                round.talk = unbound();
                Ok(round)
            }
            Err(Useless::Full) => Err(Error::Busy),
            Err(Useless::Foreign) => {
                let message = "`requestState` was changed, or is of another call; call again without it".to_owned();
                Err(Error::InvalidParams { message })
            }
        }
    }

    pub(crate) fn call(&self) -> CallId {
        self.call
    }

    pub(super) fn ask(&self, asks: &[(&str, Ask)]) -> Result<Vec<Reply>, Error> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let talk = &mut *talk;
        let mut replies = Vec::with_capacity(asks.len());
        let mut requests = InputRequests::new();
        let mut asked = BTreeMap::new();
        for (name, ask) in asks {
            let times = talk.asked.entry((*name).to_owned()).or_default();
            *times += 1;
            let key = if *times == 1 { (*name).to_owned() } else { format!("{name}-{times}") };
            let question = hash(ask);
            let known = talk.known.get(&key).filter(|known| known.question == question).cloned();
            let unbound = || talk.unbound.get(&key).filter(|_| ask.is_unbound());
            let known = known.or_else(|| {
                let answer = unbound()?.clone();
                Some(Answered { question: question.clone(), answer })
            });
            if let Some(known) = known
                && let Some(reply) = ask.read(&known.answer)
            {
                talk.used.insert(key, known);
                replies.push(reply);
                continue;
            }
            requests.insert(key.clone(), ask.in_round());
            asked.insert(key, question);
        }
        if requests.is_empty() {
            return Ok(replies);
        }
        let state = State {
            id: URL_SAFE_NO_PAD.encode(crate::random::<16>()),
            call: self.call.to_string(),
            made: now(),
            asked,
            answered: talk.used.clone(),
        };
        let sealed = self.rounds.seal(&self.subject.digest(), &state, LIFE);
        if sealed.len() > LONGEST {
            let message = format!("the answers so far are longer than {LONGEST} bytes");
            return Err(Error::InvalidParams { message });
        }
        Err(Error::InputRequired(Box::new(InputRequiredResult::new(Some(requests), Some(sealed)))))
    }
}

fn hash(ask: &Ask) -> String {
    let text = serde_json::to_vec(&ask.subject()).expect("questions are JSON");
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}

fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
