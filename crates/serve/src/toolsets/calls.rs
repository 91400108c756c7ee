//! What the meta-tools do.

use serde::Deserialize;
use serde_json::{Map, Value, json, value::to_raw_value};

use super::{
    Toolsets,
    enabling::{Outcome, json_of},
    handle::Carried,
    index::{Entry, Shown, State},
    meta::{self, MetaTools},
    policy::Code,
    set::Set,
};
use crate::{CallContext, Error, ToolResult, model::Tool};

type Arguments = Map<String, Value>;

/// What a meta-tool did, or why it did nothing. Either way an answer.
type Done = Result<ToolResult, ToolResult>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    activation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    activation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    #[serde(default)]
    arguments: Arguments,
    toolset: Option<String>,
    activation: Option<String>,
}

/// Results that one search may give, and gives unasked.
const MOST_FOUND: usize = 50;
const FOUND: usize = 10;

/// What a caller may act on, beyond what its list shows.
struct Reach {
    shown: Shown,
    /// On, in the session or by the handle.
    on: Set,
    permitted: Set,
    carried: Option<Carried>,
}

fn read<T: for<'de> Deserialize<'de>>(arguments: Arguments) -> Result<T, ToolResult> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| answer(&json!(Outcome::failed(Code::Validation, format!("Invalid arguments: {error}"))), true))
}

fn answer(value: &Value, is_error: bool) -> ToolResult {
    let json = to_raw_value(value).expect("a value is JSON");
    ToolResult { is_error, ..ToolResult::json(json) }
}

fn outcome(outcome: &Outcome, more: Option<(&'static str, Value)>) -> ToolResult {
    answer(&json_of(outcome, more), !outcome.success)
}

impl Toolsets {
    pub(super) async fn call_meta(
        &self,
        cx: &CallContext,
        shown: Shown,
        name: &str,
        arguments: Arguments,
    ) -> Result<ToolResult, Error> {
        let done = match name {
            meta::ENABLE => self.enable_toolset(cx, shown, arguments).await?,
            meta::DISABLE => self.disable_toolset(cx, shown, arguments),
            meta::LIST_TOOLSETS => self.list_toolsets(cx, shown, arguments),
            meta::DESCRIBE => self.describe_toolset(cx, shown, arguments).await,
            meta::LIST_TOOLS => self.list_tools(cx, shown, arguments).await,
            meta::SEARCH => self.search_tools(cx, shown, arguments).await,
            _ => return self.call_by_name(cx, shown, arguments).await,
        };
        Ok(done.unwrap_or_else(|refused| refused))
    }

    async fn enable_toolset(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Result<Done, Error> {
        let named: Named = match read(arguments) {
            Ok(named) => named,
            Err(refused) => return Ok(Err(refused)),
        };
        if shown.meta == MetaTools::Session {
            let done = self.enable(cx, &[&named.name]).await?;
            return Ok(done
                .first()
                .map_or_else(|| Err(ToolResult::error("nothing was asked for")), |it| Ok(outcome(it, None))));
        }
        let reach = match self.reach(cx, shown, named.activation.as_deref()) {
            Ok(reach) => reach,
            Err(refused) => return Ok(Err(refused)),
        };
        let (done, on) = self.enable_on(cx, reach.on, &named.name).await?;
        let activation = done.success.then(|| ("activation", json!(self.seal(cx, on))));
        let mut result = json_of(&done, activation);
        if done.success {
            result["expiresInSeconds"] = json!(self.handles.ttl().as_secs());
        }
        Ok(Ok(answer(&result, !done.success)))
    }

    fn disable_toolset(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Done {
        let named: Named = read(arguments)?;
        if shown.meta == MetaTools::Session {
            return Ok(outcome(&self.disable(cx, &named.name), None));
        }
        let reach = self.reach(cx, shown, named.activation.as_deref())?;
        if self.place(&named.name).is_some_and(|place| shown.toolsets.contains(place)) {
            let message = format!("Toolset '{}' is on for everybody from the start.", named.name);
            return Ok(outcome(&Outcome::failed(Code::Validation, message), None));
        }
        let (done, on) = self.disable_on(reach.on, &named.name);
        let Some(carried) = reach.carried.filter(|_| done.success) else { return Ok(outcome(&done, None)) };
        // Else what was turned off could still be called with the handle of before.
        self.handles.end(&self.inner.implementation().name, &cx.principal, &carried);
        Ok(outcome(&done, Some(("activation", json!(self.seal(cx, on))))))
    }

    fn list_toolsets(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Done {
        let of: Of = read(arguments)?;
        let reach = self.reach(cx, shown, of.activation.as_deref())?;
        let state = self.state.load_full();
        let toolsets: Vec<Value> = reach
            .permitted
            .iter()
            .map(|place| {
                let names: Vec<&str> = state.index.of(place).map(|entry| &*entry.tool.name).collect();
                self.toolset_json(&reach, place, json!(names))
            })
            .collect();
        Ok(answer(&json!({ "toolsets": toolsets }), false))
    }

    async fn describe_toolset(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Done {
        let named: Named = read(arguments)?;
        let reach = self.reach(cx, shown, named.activation.as_deref())?;
        let Some(place) = self.place(&named.name).filter(|place| reach.permitted.contains(*place)) else {
            let name: String = named.name.chars().take(128).collect();
            return Err(answer(&json!({ "error": format!("Unknown toolset '{name}'") }), true));
        };
        self.load_all(Set::one(place)).await;
        let state = self.state.load_full();
        let tools: Vec<&Tool> = state.index.of(place).map(|entry| &*entry.tool).collect();
        Ok(answer(&self.toolset_json(&reach, place, json!(tools)), false))
    }

    async fn list_tools(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Done {
        let of: Of = read(arguments)?;
        let reach = self.reach(cx, shown, of.activation.as_deref())?;
        let callable = self.callable(&reach).await;
        let state = self.state.load_full();
        let tools: Vec<&str> = callable_entries(&state, callable).map(|(_, entry)| &*entry.tool.name).collect();
        let by_toolset: Map<String, Value> = callable
            .toolsets
            .iter()
            .map(|place| {
                let names: Vec<&str> = state.index.of(place).map(|entry| &*entry.tool.name).collect();
                (self.toolsets[place].key.to_string(), json!(names))
            })
            .collect();
        Ok(answer(&json!({ "tools": tools, "toolsetToTools": by_toolset }), false))
    }

    async fn search_tools(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Done {
        let search: Search = read(arguments)?;
        let reach = self.reach(cx, shown, None)?;
        self.load_all(reach.permitted).await;
        let everything = Shown { toolsets: reach.permitted, ..reach.shown };
        let on = self.callable(&reach).await;
        let state = self.state.load_full();
        let limit = search.limit.unwrap_or(FOUND).clamp(1, MOST_FOUND);
        let entries = state.index.entries();
        let query: String = search.query.chars().take(1000).collect();
        let found = state.documents().best(&query, limit, |place| everything.shows(&entries[place]));
        let tools: Vec<Value> = found
            .into_iter()
            .map(|place| {
                let entry = &entries[place];
                let mut json = json!(&*entry.tool);
                json["toolsets"] = json!(self.keys(entry.toolsets.and(reach.permitted)));
                json["active"] = json!(on.shows(entry));
                json
            })
            .collect();
        Ok(answer(&json!({ "tools": tools }), false))
    }

    async fn call_by_name(&self, cx: &CallContext, shown: Shown, arguments: Arguments) -> Result<ToolResult, Error> {
        let call: Call = match read(arguments) {
            Ok(call) => call,
            Err(refused) => return Ok(refused),
        };
        let reach = match self.reach(cx, shown, call.activation.as_deref()) {
            Ok(reach) => reach,
            Err(refused) => return Ok(refused),
        };
        let callable = self.callable(&reach).await;
        let state = self.state.load_full();
        let entry = state.index.find(&call.tool);
        let named = call.toolset.as_deref().map(|key| self.place(key).map_or_else(Set::default, Set::one));
        let is_in = |entry: &Entry| named.is_none_or(|named| entry.toolsets.meets(named));
        if entry.is_some_and(|entry| callable.shows(entry) && is_in(entry)) {
            return self.call_shown(cx, callable, &call.tool, call.arguments).await;
        }
        let tool: String = call.tool.chars().take(128).collect();
        let off = entry.map(|entry| entry.toolsets.and(reach.permitted).without(callable.toolsets));
        Ok(ToolResult::error(match off.filter(|off| !off.is_empty()) {
            Some(off) => format!(
                "`{tool}` is in the toolset `{}`, which is not on; turn it on first",
                self.keys(off).join("`, `")
            ),
            None => format!("there is no tool `{tool}`; find one with `search_tools`"),
        }))
    }

    /// What the caller's activation is.
    fn reach(&self, cx: &CallContext, shown: Shown, activation: Option<&str>) -> Result<Reach, ToolResult> {
        let permitted = self.permitted(cx);
        let (mut on, mut carried) = (shown.toolsets, None);
        if let Some(handle) = activation {
            if shown.meta != MetaTools::Handle {
                let message = "`activation` is not used here".to_owned();
                return Err(outcome(&Outcome::failed(Code::Validation, message), None));
            }
            let server = &self.inner.implementation().name;
            let Some(opened) = self.handles.open(server, &cx.principal, handle) else {
                let message = "this activation is not yours or no longer good; get another one with `enable_toolset`";
                return Err(outcome(&Outcome::failed(Code::Validation, message.to_owned()), None));
            };
            let places = opened.on.iter().filter_map(|key| self.place(key));
            on = places.fold(Set::default(), |on, place| on.or(Set::one(place))).and(permitted);
            carried = Some(opened);
        }
        Ok(Reach { shown, on, permitted, carried })
    }

    /// What may be called by `call_tool`, loaded.
    async fn callable(&self, reach: &Reach) -> Shown {
        let toolsets = match reach.shown.meta {
            MetaTools::Search => reach.permitted,
            // What is listed can be called, whatever the handle says.
            _ => reach.on.or(reach.shown.toolsets),
        };
        self.load_all(toolsets).await;
        Shown { toolsets, ..reach.shown }
    }

    fn seal(&self, cx: &CallContext, on: Set) -> String {
        let keys = self.keys(on).into_iter().map(str::to_owned).collect();
        self.handles.seal(&self.inner.implementation().name, &cx.principal, keys)
    }

    fn toolset_json(&self, reach: &Reach, place: usize, tools: Value) -> Value {
        let toolset = &self.toolsets[place];
        let mut json = json!({
            "key": &*toolset.key,
            "active": reach.on.or(reach.shown.toolsets).contains(place),
            "definition": {
                "name": toolset.name,
                "description": toolset.description,
                "modules": toolset.module_keys,
                "decisionCriteria": toolset.decision_criteria,
            },
            "tools": tools,
        });
        if reach.shown.meta == MetaTools::Url {
            // Behind the URL of this server.
            json["path"] = json!(format!("/{}", toolset.key));
        }
        json
    }
}

fn callable_entries(state: &State, callable: Shown) -> impl Iterator<Item = (usize, &Entry)> {
    state.index.entries().iter().enumerate().filter(move |(_, entry)| callable.shows(entry))
}
