//! [`Toolsets`] as a [`Server`]: what a caller sees, and the way of a call to its tool.

use std::{borrow::Cow, sync::Arc};

use rmcp::model::Tool;
use serde_json::{Map, Value, value::RawValue};

use super::{
    Mode, Modern, Toolsets,
    activation::Activation,
    index::{Entry, Shown, State, Target},
    meta::{self, MetaTools},
    permissions::Granted,
    set::Set,
};
use crate::{
    BoxFuture, CallContext, Capabilities, Changes, Error, Grant, Listing, ParameterHeader, Principal, Server,
    ToolResult, server::hand_on,
};

impl Toolsets {
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.toolsets.iter().position(|toolset| &*toolset.key == key)
    }

    pub(super) fn keys(&self, set: Set) -> Vec<&str> {
        set.iter().filter_map(|place| self.toolsets.get(place)).map(|toolset| &*toolset.key).collect()
    }

    /// What the caller may know of.
    pub(super) fn granted(&self, cx: &CallContext) -> Set {
        match &self.permissions {
            None => Set::first(self.toolsets.len()),
            Some(_) => Granted::of(cx.grant.as_ref(), self.generation),
        }
    }

    /// And the policy leaves.
    pub(super) fn permitted(&self, cx: &CallContext) -> Set {
        self.granted(cx).and(self.allowed)
    }

    /// What this caller is shown by its lists, and may call by name.
    pub(super) fn shown(&self, cx: &CallContext) -> Shown {
        let permitted = self.permitted(cx);
        let dynamic = self.mode == Mode::Dynamic;
        if let Some(part) = &cx.part {
            let toolsets = self.place(part).map_or_else(Set::default, Set::one).and(permitted);
            return Shown { toolsets, base: false, meta: MetaTools::None };
        }
        let (toolsets, meta) = match (&cx.session, self.modern) {
            _ if !dynamic => (self.initial.and(permitted), MetaTools::ListOnly),
            (Some(session), _) => {
                let activation = session.get_or_insert_with(|| Activation::new(self));
                (activation.on(self, permitted), MetaTools::Session)
            }
            (None, Modern::Search) => (self.initial.and(permitted), MetaTools::Search),
            (None, Modern::Handle) => (self.initial.and(permitted), MetaTools::Handle),
            (None, Modern::Url) => (self.initial.and(permitted), MetaTools::Url),
        };
        let meta = if self.meta_tools { meta } else { MetaTools::None };
        Shown { toolsets, base: self.permissions.is_none(), meta }
    }

    /// One of these toolsets must be the caller's by its scopes; without any there is nothing to need.
    pub(super) fn check_scopes(&self, cx: &CallContext, through: Set) -> Result<(), Error> {
        let mut lacking = None;
        for place in through.iter() {
            let scopes = &self.toolsets[place].scopes;
            if scopes.iter().all(|scope| cx.principal.scopes.allow(scope)) {
                return Ok(());
            }
            lacking = lacking.or(Some(scopes));
        }
        match lacking {
            None => Ok(()),
            Some(scopes) => Err(Error::InsufficientScope { scopes: scopes.clone() }),
        }
    }

    /// All that the caller is to come back with: who asks for a part of it at a time would lose the other.
    fn with_all_scopes(&self, entry: &Entry, error: Error) -> Error {
        match error {
            Error::InsufficientScope { scopes } => {
                Error::InsufficientScope { scopes: union(scopes, &self.scopes_of(entry)) }
            }
            other => other,
        }
    }

    fn scopes_of(&self, entry: &Entry) -> Vec<String> {
        let of_toolset = self.only_toolset(entry).map_or(&[][..], |place| &self.toolsets[place].scopes);
        match &entry.target {
            Target::Wrapped(inner) => union(of_toolset.to_vec(), &self.inner.required_scopes(inner)),
            Target::Own(_) => of_toolset.to_vec(),
        }
    }

    /// Calls what the name leads to, if it is among what is shown.
    pub(super) async fn call_shown(
        &self,
        cx: &CallContext,
        shown: Shown,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<ToolResult, Error> {
        let state = self.state.load_full();
        let Some(entry) = state.index.find(name).filter(|entry| shown.shows(entry)) else {
            return Err(Error::UnknownTool { name: name.chars().take(128).collect(), suggestion: None });
        };
        self.check_scopes(cx, entry.toolsets.and(shown.toolsets))
            .map_err(|error| self.with_all_scopes(entry, error))?;
        let outcome = match &entry.target {
            Target::Wrapped(inner) => self.inner.call_tool(cx, inner, arguments).await,
            Target::Own(handler) => handler(cx.clone(), arguments).await,
        };
        outcome.map_err(|error| self.with_all_scopes(entry, error))
    }

    fn inner_name(state: &State, tool: &str) -> Option<Arc<str>> {
        state.index.find(tool).and_then(|entry| match &entry.target {
            Target::Wrapped(inner) => Some(inner.clone()),
            Target::Own(_) => None,
        })
    }

    fn only_toolset(&self, entry: &Entry) -> Option<usize> {
        entry.toolsets.iter().next().filter(|_| entry.toolsets.len() == 1)
    }
}

fn union(mut scopes: Vec<String>, more: &[String]) -> Vec<String> {
    scopes.extend(more.iter().filter(|scope| !scopes.contains(scope)).cloned().collect::<Vec<_>>());
    scopes
}

impl Server for Toolsets {
    hand_on! { inner: implementation instructions tasks resources prompts complete }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, ..self.inner.capabilities() }
    }

    fn changes(&self) -> Option<&Changes> {
        Some(&self.changes)
    }

    fn admit<'a>(&'a self, principal: &'a Arc<Principal>) -> Option<BoxFuture<'a, Result<Grant, Error>>> {
        let permissions = self.permissions.as_ref()?;
        Some(Box::pin(self.grant(permissions, principal)))
    }

    fn has_parts(&self) -> bool {
        self.mode == Mode::Dynamic && self.modern == Modern::Url
    }

    fn has_part(&self, cx: &CallContext, name: &str) -> bool {
        self.place(name).is_some_and(|place| self.permitted(cx).contains(place))
    }

    fn tools(&self, cx: &CallContext) -> Arc<Listing<Tool>> {
        self.state.load().listing(self.shown(cx))
    }

    fn parameter_headers(&self, tool: &str) -> &[ParameterHeader] {
        Self::inner_name(&self.state.load(), tool).map_or(&[], |inner| self.inner.parameter_headers(&inner))
    }

    fn required_scopes(&self, tool: &str) -> Cow<'_, [String]> {
        let state = self.state.load();
        state.index.find(tool).map(|entry| self.scopes_of(entry)).unwrap_or_default().into()
    }

    fn called_tool<'a>(&self, tool: &'a str, arguments: Option<&RawValue>) -> Cow<'a, str> {
        #[derive(serde::Deserialize)]
        struct Named {
            tool: String,
        }
        let by_name = tool == meta::CALL && self.meta_tools && self.mode == Mode::Dynamic;
        let named = arguments.filter(|_| by_name).and_then(|text| serde_json::from_str::<Named>(text.get()).ok());
        named.map_or(Cow::Borrowed(tool), |named| Cow::Owned(named.tool))
    }

    fn call_tool<'a>(
        &'a self,
        cx: &'a CallContext,
        name: &'a str,
        arguments: Map<String, Value>,
    ) -> BoxFuture<'a, Result<ToolResult, Error>> {
        Box::pin(async move {
            if let Some(part) = &cx.part
                && let Some(place) = self.place(part)
            {
                self.load_all(Set::one(place).and(self.permitted(cx))).await;
            }
            let shown = self.shown(cx);
            if shown.meta.has(name) {
                return Box::pin(self.call_meta(cx, shown, name, arguments)).await;
            }
            self.call_shown(cx, shown, name, arguments).await
        })
    }
}
