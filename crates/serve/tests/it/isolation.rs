//! Whatever happens in whatever order, no answer holds anything of another caller (issue 4, §5; I2).

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use mcp_serve::{
    Authentication, Authenticator, BearerTokens, BoxFuture, InstanceMode, InstanceOptions, Instances, Limits, Live,
    Principal,
    http::{Config, Endpoint},
    per_bearer::{Event, EventStream, Options, PerBearerServer, create_per_bearer_mcp_server},
    tokens::{Token, TokenRegistry},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    many::World,
    support::{Logged, Reply, Running, within},
};

/// How all secrets begin.
const SECRET: &str = "a-secret-that-nobody-may-see";

/// Users that a step may be about.
const USERS: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// A call that stands alone, of either era.
    Call {
        user: usize,
        modern: bool,
    },
    /// Such a call, which goes on during the steps that follow.
    Begin {
        user: usize,
        modern: bool,
    },
    /// What goes on is answered.
    End,
    /// Opens a session, unless there is one.
    Open {
        user: usize,
    },
    /// Uses the session of `owner` with the credential of `user`.
    InSession {
        owner: usize,
        user: usize,
    },
    List {
        user: usize,
    },
    Rotate {
        user: usize,
    },
    Update {
        user: usize,
    },
    UpdateAll,
    Remove {
        user: usize,
    },
    Add {
        user: usize,
    },
    /// All users call at once.
    Together,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..USERS;
    let step = prop_oneof![
        6 => (user(), any::<bool>()).prop_map(|(user, modern)| Step::Call { user, modern }),
        4 => (user(), any::<bool>()).prop_map(|(user, modern)| Step::Begin { user, modern }),
        2 => Just(Step::End),
        2 => user().prop_map(|user| Step::Open { user }),
        5 => (user(), user()).prop_map(|(owner, user)| Step::InSession { owner, user }),
        2 => user().prop_map(|user| Step::List { user }),
        1 => user().prop_map(|user| Step::Rotate { user }),
        1 => user().prop_map(|user| Step::Update { user }),
        1 => Just(Step::UpdateAll),
        1 => user().prop_map(|user| Step::Remove { user }),
        2 => user().prop_map(|user| Step::Add { user }),
        2 => Just(Step::Together),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Knows its callers by their principals alone, as one of signed tokens does.
#[derive(Debug)]
struct OfPrincipals(BearerTokens);

impl Authenticator for OfPrincipals {
    fn authenticate<'a>(&'a self, head: &'a http::request::Parts) -> Authentication<'a> {
        self.0.authenticate(head)
    }
}

/// By what the callers are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Principals,
    Entries,
    /// The per-bearer server, with its sockets and events.
    PerBearer,
}

enum Front {
    Endpoint { endpoint: Endpoint, instances: Instances },
    PerBearer { server: PerBearerServer, client: Running, events: EventStream },
}

struct House {
    front: Front,
    world: Arc<World>,
    registry: TokenRegistry,
    /// The number of the secret that is good.
    secrets: [Option<usize>; USERS],
    next_secret: usize,
    /// With whose number they were opened; a token that was removed and added again is another entry in all but name.
    sessions: HashMap<usize, String>,
    running: Vec<Call>,
    seen: Vec<(String, String)>,
}

/// One that goes on.
struct Call {
    user: usize,
    answer: JoinHandle<Option<Answer>>,
    /// Its token was removed meanwhile.
    is_orphan: bool,
}

struct Answer {
    status: u16,
    headers: String,
    session: Option<String>,
    text: String,
}

impl Answer {
    fn of(status: http::StatusCode, headers: &http::HeaderMap, text: String) -> Self {
        let session = headers.get("mcp-session-id").map(|id| id.to_str().expect("text").to_owned());
        Self { status: status.as_u16(), headers: format!("{headers:?}"), session, text }
    }
}

fn name(user: usize) -> String {
    // Names that begin alike, so that a sloppy comparison would show.
    format!("user{}", "x".repeat(user))
}

impl House {
    async fn new(options: InstanceOptions, kind: Kind) -> Self {
        let world = Arc::new(World::default());
        let registry = TokenRegistry::default();
        let config = Config { limits: Limits::none(), ..Config::default() };
        let front = if kind == Kind::PerBearer {
            let options = Options {
                servers: options,
                http: config,
                logging: true,
                event_arguments: true,
                grace: Duration::ZERO,
                ..Options::default()
            };
            let building = create_per_bearer_mcp_server(options).with_registry(registry.clone());
            let server = building.with_factory(world.factory()).build().expect("a server");
            let events = server.events();
            let info = server.start().await.expect("a free port");
            let client = Running::reaching(format!("127.0.0.1:{}", info.port).parse().expect("an address"));
            Front::PerBearer { server, client, events }
        } else {
            let instances = world.instances(options);
            let bearer = BearerTokens::new(registry.clone());
            let authenticator: Arc<dyn Authenticator> =
                if kind == Kind::Entries { Arc::new(bearer) } else { Arc::new(OfPrincipals(bearer)) };
            let live = Live::of_many(Arc::new(instances.clone()), authenticator, config);
            Front::Endpoint { endpoint: Endpoint::new(live).expect("an endpoint"), instances }
        };
        Self {
            front,
            world,
            registry,
            secrets: [None; USERS],
            next_secret: 0,
            sessions: HashMap::new(),
            running: Vec::new(),
            seen: Vec::new(),
        }
    }

    fn secret(number: usize) -> String {
        format!("{SECRET}-{number:08}")
    }

    fn request(&self, user: usize, session: Option<&str>, modern: bool, method: &str, tool: &str) -> Request<String> {
        let mut params = json!({});
        if !tool.is_empty() {
            params["name"] = tool.into();
        }
        if method == "initialize" {
            params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"}});
        }
        if modern {
            params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}});
        }
        let secret = Self::secret(self.secrets[user].unwrap_or(usize::MAX));
        let mut request = Request::post("/mcp")
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", if modern { "2026-07-28" } else { "2025-11-25" })
            .header("authorization", format!("Bearer {secret}"));
        if modern {
            request = request.header("mcp-method", method);
            if !tool.is_empty() {
                request = request.header("mcp-name", tool);
            }
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        request.body(body).expect("a request")
    }

    /// `None` when the connection was cut.
    fn send(&self, request: Request<String>) -> BoxFuture<'static, Option<Answer>> {
        match &self.front {
            Front::Endpoint { endpoint, .. } => {
                let endpoint = endpoint.clone();
                Box::pin(async move {
                    let request = request.map(|body| Full::new(Bytes::from(body)));
                    let (head, body) = endpoint.handle(request, None).await.into_parts();
                    let body = body.collect().await.expect("a body").to_bytes();
                    Some(Answer::of(head.status, &head.headers, String::from_utf8(body.to_vec()).expect("text")))
                })
            }
            Front::PerBearer { client, .. } => {
                let asked = client.spawn(request);
                Box::pin(async move {
                    let Reply { status, headers, text } = asked.await.expect("no panic")?;
                    Some(Answer::of(status, &headers, text))
                })
            }
        }
    }

    async fn ask(&self, user: usize, session: Option<&str>, modern: bool, method: &str, tool: &str) -> Answer {
        within(self.send(self.request(user, session, modern, method, tool))).await.expect("an answer")
    }

    /// The answer holds what is `user`'s and nothing else.
    fn check(&mut self, user: usize, answer: Answer, good: bool) {
        if good {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(answer.text.contains(&name(user)), "{}", answer.text);
        }
        self.seen.push((name(user), answer.text));
        self.seen.push((name(user), answer.headers));
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Call { user, modern } => {
                let answer = self.ask(user, None, modern, "tools/call", "whose").await;
                self.check(user, answer, self.secrets[user].is_some());
            }
            Step::Begin { user, modern } => {
                let before = self.world.begun.load(Ordering::SeqCst);
                let answer = tokio::spawn(self.send(self.request(user, None, modern, "tools/call", "wait")));
                let begun = async {
                    while self.world.begun.load(Ordering::SeqCst) == before && !answer.is_finished() {
                        tokio::task::yield_now().await;
                    }
                };
                within(begun).await;
                self.running.push(Call { user, answer, is_orphan: self.secrets[user].is_none() });
            }
            Step::End => {
                self.world.release.notify_waiters();
                for Call { user, answer, is_orphan } in std::mem::take(&mut self.running) {
                    match within(answer).await.expect("no panic") {
                        Some(answer) => self.check(user, answer, !is_orphan),
                        None => assert!(is_orphan, "a call of {} was cut", name(user)),
                    }
                }
            }
            Step::List { user } => {
                let answer = self.ask(user, None, true, "tools/list", "").await;
                self.check(user, answer, self.secrets[user].is_some());
            }
            Step::Open { user } => {
                let answer = self.ask(user, None, false, "initialize", "").await;
                if let Some(id) = &answer.session {
                    self.sessions.insert(user, id.clone());
                }
                self.check(user, answer, self.secrets[user].is_some());
            }
            Step::InSession { owner, user } => {
                let Some(session) = self.sessions.get(&owner).cloned() else { return };
                let answer = self.ask(user, Some(&session), false, "tools/call", "whose").await;
                let expected = match self.secrets[user] {
                    None => 401,
                    Some(_) if owner != user => 404,
                    Some(_) => 200,
                };
                assert_eq!(answer.status, expected, "session of {owner}, credential of {user}");
                self.check(user, answer, expected == 200);
            }
            Step::Rotate { user } => {
                if self.secrets[user].is_some() {
                    let number = self.number();
                    let secret = Self::secret(number);
                    self.registry.rotate(&name(user), secret.as_str(), Duration::ZERO).expect("rotated");
                    self.secrets[user] = Some(number);
                }
            }
            Step::Add { user } => {
                if self.secrets[user].is_none() {
                    let number = self.number();
                    let token = Token::new(Self::secret(number)).with_id(name(user)).with_principal(name(user));
                    self.registry.add(token).expect("added");
                    self.secrets[user] = Some(number);
                }
            }
            Step::Remove { user } => {
                self.registry.remove(&name(user));
                self.secrets[user] = None;
                // Sessions end with the token that opened them, even when one of the same name comes back.
                self.sessions.remove(&user);
                for call in self.running.iter_mut().filter(|call| call.user == user) {
                    call.is_orphan = true;
                }
            }
            Step::Update { user } => self.update(user),
            Step::UpdateAll => match &self.front {
                Front::Endpoint { instances, .. } => instances.invalidate_all(),
                Front::PerBearer { .. } => (0..USERS).for_each(|user| self.update(user)),
            },
            Step::Together => {
                let users: Vec<_> = (0..USERS).filter(|user| self.secrets[*user].is_some()).collect();
                let asked = users.iter().map(|user| self.ask(*user, None, user % 2 == 0, "tools/call", "whose"));
                let answers = futures_util::future::join_all(asked).await;
                for (user, answer) in users.into_iter().zip(answers) {
                    self.check(user, answer, true);
                }
            }
        }
    }

    fn update(&self, user: usize) {
        match &self.front {
            Front::Endpoint { instances, .. } => instances.invalidate(&Principal::trusted(name(user))),
            Front::PerBearer { server, .. } => {
                let updated = server.update_token(&name(user), self.world.factory());
                assert_eq!(updated.is_some(), self.secrets[user].is_some());
            }
        }
    }

    fn number(&mut self) -> usize {
        self.next_secret += 1;
        self.next_secret
    }

    /// All that was answered, and told as events, each with whose it is.
    async fn end(mut self) -> Vec<(String, String)> {
        self.step(&Step::End).await;
        let Self { front, mut seen, .. } = self;
        if let Front::PerBearer { server, mut events, .. } = front {
            within(server.stop()).await.expect("it runs");
            loop {
                let event = within(events.recv()).await.expect("an event");
                if *event == Event::Stopped {
                    break;
                }
                let told = serde_json::to_value(&*event).expect("JSON");
                let of = match &told["payload"] {
                    Value::String(token) => token.clone(),
                    payload => payload["token"].as_str().unwrap_or_default().to_owned(),
                };
                seen.push((of, format!("{event:?} {told}")));
            }
            assert_eq!(events.dropped(), 0, "all of them were seen");
        }
        seen
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 90, ..ProptestConfig::default() })]

    /// W1-4: a kept server gave one caller's answers to another when they called at once. T7: no answer, event or line of the
    /// log has anybody's secret.
    #[test]
    fn no_answer_ever_holds_what_is_another_callers(
        steps in steps(),
        kept in 0..3_usize,
        kind in prop_oneof![Just(Kind::Principals), Just(Kind::Entries), Just(Kind::PerBearer)],
    ) {
        let options = match kept {
            0 => InstanceOptions { mode: InstanceMode::PerRequest, ..InstanceOptions::default() },
            1 => InstanceOptions { max_instances: 1, ..InstanceOptions::default() },
            _ => InstanceOptions::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
        let _logging = tracing::subscriber::set_default(subscriber.finish());
        runtime.block_on(async {
            let mut house = House::new(options, kind).await;
            for user in 0..USERS - 1 {
                house.step(&Step::Add { user }).await;
            }
            for step in &steps {
                house.step(step).await;
            }
            for (user, text) in &house.end().await {
                let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
                for word in words.filter(|word| word.starts_with("user") && word != user) {
                    // In the names of tools; a digit ends the owner's name.
                    let owner = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
                    assert_eq!(owner, user, "{text}");
                }
                assert!(!text.contains(SECRET), "{text}");
            }
        });
        prop_assert!(!logged.text().contains(SECRET), "{}", logged.text());
    }
}

/// S2-21, T1: a stateful tool, a thousand callers, in turns.
#[tokio::test]
async fn a_thousand_callers_count_alone() {
    let world = Arc::new(World::default());
    let instances = world.instances(InstanceOptions { max_instances: 2_000, ..InstanceOptions::default() });
    let live = live_of_any(&instances);
    let endpoint = Endpoint::new(live).expect("an endpoint");
    for round in 1..=3 {
        let asked = (0..1_000).map(|user| count(&endpoint, user));
        for counted in futures_util::future::join_all(asked).await {
            assert_eq!(counted, round.to_string());
        }
    }
    assert_eq!(world.builds(), 1_000);
}

/// Believes what it is told: here it is about how many there are.
#[derive(Debug)]
struct Anybody;

impl Authenticator for Anybody {
    fn authenticate<'a>(&'a self, head: &'a http::request::Parts) -> Authentication<'a> {
        let name = head.headers["x-user"].to_str().expect("a name");
        Authentication::Ready(Ok(Principal::trusted(name)))
    }
}

pub fn live_of_any(instances: &Instances) -> Live {
    let limits = mcp_serve::Limits::none();
    Live::of_many(Arc::new(instances.clone()), Arc::new(Anybody), Config { limits, ..Config::default() })
}

pub async fn count(endpoint: &Endpoint, user: usize) -> String {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count"}}"#;
    let request = Request::post("/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("x-user", format!("user-{user}"))
        .body(Full::<bytes::Bytes>::from(body))
        .expect("a request");
    let response = endpoint.handle(request, None).await;
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("a text: {answer}")).to_owned()
}
