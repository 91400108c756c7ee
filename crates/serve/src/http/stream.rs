//! Answers that take their time: a call that says something before its answer, and `subscriptions/listen`. Both end with the connection,
//! because what runs is owned by the body that is sent.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER},
    request::Parts,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{
    Body,
    endpoint::{Accepts, Shared},
    presence::Present,
    shares::Share,
    stateless::sent,
    tasks::{self, Watched},
};
use crate::{
    Change,
    context::Admitted,
    follow::Following,
    live::Serving,
    news::News,
    standing::Standing,
    wire::{Refusal, Request, SUBSCRIPTION_ID, code, news, notification, sse_event},
};

/// A response of server-sent events.
pub(super) fn events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn event(json: &[u8]) -> Bytes {
    sse_event(json).into()
}

const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

fn ticks(every: Duration) -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

type Outcome = Result<Vec<u8>, Refusal>;

struct Call<F> {
    running: Option<Pin<Box<F>>>,
    answer: Option<Bytes>,
    said: mpsc::Receiver<News>,
    token: Option<Box<RawValue>>,
    id: Box<RawValue>,
    ticks: Interval,
}

/// One JSON answer if the call ends without a word, else a stream of what it says and the answer.
pub(super) async fn with_news<F>(
    call: F,
    mut said: mpsc::Receiver<News>,
    token: Option<Box<RawValue>>,
    id: Box<RawValue>,
    keep_alive: Duration,
    accepts: Accepts,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut running = Box::pin(call);
    let first = tokio::select! {
        biased;
        Some(first) = said.recv() => first,
        outcome = &mut running => match said.try_recv() {
            Err(_) => return outcome.map(|reply| sent(reply, accepts)),
            Ok(first) => {
                let mut call: Call<F> = Call { running: None, answer: None, said, token, id, ticks: ticks(keep_alive) };
                call.end(outcome);
                return Ok(call.stream(&first));
            }
        },
    };
    Ok(Call { running: Some(running), answer: None, said, token, id, ticks: ticks(keep_alive) }.stream(&first))
}

impl<F: Future<Output = Outcome> + Send + 'static> Call<F> {
    fn stream(self, first: &News) -> Response<Body> {
        let first = self.news(first);
        events(Body::stream(unfold((Some(first), self), |(first, mut call)| async {
            match first {
                Some(first) => Some((first, (None, call))),
                None => call.next().await.map(|bytes| (bytes, (None, call))),
            }
        })))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(running) = &mut self.running {
            let outcome = tokio::select! {
                biased;
                Some(said) = self.said.recv() => return Some(self.news(&said)),
                outcome = running => outcome,
                _ = self.ticks.tick() => return Some(KEEP_ALIVE),
            };
            self.running = None;
            self.end(outcome);
        }
        // What was said before the end comes before the answer.
        match self.said.try_recv() {
            Ok(said) => Some(self.news(&said)),
            Err(_) => self.answer.take(),
        }
    }

    fn news(&self, said: &News) -> Bytes {
        event(&news(self.token.as_deref(), said))
    }

    /// Whatever still runs somewhere has nothing to say any more.
    fn end(&mut self, outcome: Outcome) {
        self.said.close();
        self.answer = Some(event(&outcome.unwrap_or_else(|refusal| refusal.to_json(Some(&self.id)))));
    }
}

/// What a client wants to hear of, and after the cut what it will hear of.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: Vec<String>,
    /// Of the Tasks extension.
    task_ids: Vec<String>,
}

impl Filter {
    /// URIs of one listener, and tasks.
    const MOST: usize = 1_000;
    /// Bytes of all of them: they are kept for as long as the stream lasts.
    const MOST_BYTES: usize = 64 * 1024;

    fn is_too_large(&self) -> bool {
        let bytes = self.resource_subscriptions.iter().chain(&self.task_ids).map(String::len).sum::<usize>();
        self.resource_subscriptions.len() > Self::MOST || self.task_ids.len() > Self::MOST || bytes > Self::MOST_BYTES
    }

    fn honoured(self, serving: &Serving) -> Self {
        if serving.server.changes().is_none() {
            return Self { task_ids: self.task_ids, ..Self::default() };
        }
        let declared = serving.server.capabilities();
        Self {
            tools_list_changed: self.tools_list_changed && declared.tools,
            prompts_list_changed: self.prompts_list_changed && declared.prompts,
            resources_list_changed: self.resources_list_changed && declared.resources,
            resource_subscriptions: if declared.resources { self.resource_subscriptions } else { Vec::new() },
            task_ids: self.task_ids,
        }
    }

    fn to_json(&self) -> Value {
        let mut filter = json!({});
        for (name, asked) in [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ] {
            if asked {
                filter[name] = true.into();
            }
        }
        if !self.resource_subscriptions.is_empty() {
            filter["resourceSubscriptions"] = json!(self.resource_subscriptions);
        }
        if !self.task_ids.is_empty() {
            filter["taskIds"] = json!(self.task_ids);
        }
        filter
    }

    /// Method and parameters of the notification, if it was asked for.
    fn notification(&self, change: &Change) -> Option<(&'static str, Value)> {
        match change {
            Change::Tools if self.tools_list_changed => Some(("notifications/tools/list_changed", json!({}))),
            Change::Prompts if self.prompts_list_changed => Some(("notifications/prompts/list_changed", json!({}))),
            Change::Resources if self.resources_list_changed => {
                Some(("notifications/resources/list_changed", json!({})))
            }
            Change::Resource(uri) if self.resource_subscriptions.iter().any(|wanted| **wanted == **uri) => {
                Some(("notifications/resources/updated", json!({ "uri": &**uri })))
            }
            _ => None,
        }
    }
}

struct Listening {
    shared: Arc<Shared>,
    changes: Following,
    standing: Standing,
    tasks: Option<Watched>,
    filter: Filter,
    id: Box<RawValue>,
    ticks: Interval,
    /// The last event.
    end: Bytes,
    state: State,
    _present: Option<Present>,
    _share: Option<Share<(Option<String>, String)>>,
}

enum State {
    Opening,
    Open,
    Ended,
}

pub(super) async fn listen(
    shared: &Arc<Shared>,
    serving: &Serving,
    accepts: Accepts,
    head: &Parts,
    request: &Request<'_>,
    caller: Admitted,
) -> Result<Response<Body>, Refusal> {
    if !accepts.events {
        let message = "`subscriptions/listen` answers as text/event-stream, which `Accept` does not name";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, message));
    }
    let invalid = |message: String| Refusal::new(StatusCode::OK, code::INVALID_PARAMS, message);
    let asked: Filter = match request.params.notifications {
        None => return Err(invalid("`notifications` is missing".to_owned())),
        Some(asked) => serde_json::from_str(asked.get())
            .map_err(|error| invalid(format!("`notifications` can't be read: {error}")))?,
    };
    if asked.is_too_large() {
        let (most, kilobytes) = (Filter::MOST, Filter::MOST_BYTES / 1024);
        let message =
            format!("at most {most} resources and as many tasks can be listened to, named in {kilobytes} KiB");
        return Err(invalid(message));
    }
    let who = (caller.principal.tenant.clone(), caller.principal.id.clone());
    let share = if serving.front().public { None } else { Some(shared.listening.take(who).ok_or_else(too_many)?) };
    let standing = Standing::of(&shared.live, serving, head, &caller.principal);
    let present = shared.presence.as_ref().map(|presence| Present::listening(presence, &caller.principal));
    let mut filter = asked.honoured(serving);
    let tasks = match std::mem::take(&mut filter.task_ids) {
        none if none.is_empty() => None,
        asked => Watched::of(shared, serving, request, caller, asked).await?,
    };
    filter.task_ids = tasks.as_ref().map_or_else(Vec::new, Watched::ids);
    let listening = Listening {
        shared: shared.clone(),
        // From before the acknowledgement on, so that nothing is lost in between.
        changes: Following::of(&shared.live, serving),
        standing,
        tasks,
        filter,
        id: request.id.to_owned(),
        ticks: ticks(shared.config().keep_alive),
        end: event(&serving.replies.listen_end(request.id)),
        state: State::Opening,
        _present: present,
        _share: share,
    };
    Ok(events(Body::stream(unfold(listening, |mut listening| async {
        listening.next().await.map(|bytes| (bytes, listening))
    }))))
}

fn too_many() -> Refusal {
    let message = "you listen on as many streams as this server allows; end some, or try again later";
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, message);
    refusal.with_header(RETRY_AFTER, HeaderValue::from_static("30"))
}

impl Listening {
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Opening => {
                self.state = State::Open;
                let params = json!({ "notifications": self.filter.to_json() });
                return Some(self.event("notifications/subscriptions/acknowledged", params));
            }
            State::Open => {}
            State::Ended => return None,
        }
        loop {
            let change = tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => None,
                () = self.standing.over() => None,
                change = self.changes.next() => change,
                task = tasks::next(&mut self.tasks) => return Some(self.event("notifications/tasks", task)),
                _ = self.ticks.tick() => return Some(KEEP_ALIVE),
            };
            let Some(change) = change else {
                self.state = State::Ended;
                return Some(std::mem::take(&mut self.end));
            };
            if let Some((method, params)) = self.filter.notification(&change) {
                return Some(self.event(method, params));
            }
        }
    }

    fn event(&self, method: &str, mut params: Value) -> Bytes {
        params["_meta"] = json!({ SUBSCRIPTION_ID: self.id });
        event(&notification(method, &params))
    }
}
