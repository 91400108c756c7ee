//! A handler's lists, read ahead: they are made once and sent many times.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{PaginatedRequestParams, Prompt, Resource, ResourceTemplate, ServerConfig, Tool},
    service::{Peer, RequestContext},
};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

use super::{HandlerError, request};
use crate::{Change, Changes, Listing, ParameterHeader};

/// Pages of one list.
const MOST: usize = 1_000;

pub(super) struct Lists {
    pub(super) tools: Arc<Listing<Tool>>,
    pub(super) headers: BTreeMap<String, Vec<ParameterHeader>>,
    pub(super) prompts: Arc<Listing<Prompt>>,
    pub(super) resources: Arc<Listing<Resource>>,
    pub(super) templates: Arc<Listing<ResourceTemplate>>,
}

/// The lists as they are now.
pub(super) struct Shown {
    now: Arc<ArcSwap<Lists>>,
    /// The headers of parameters are lent to callers, so they stay what they were.
    first: Arc<Lists>,
}

pub(super) fn says_changes(info: &ServerConfig) -> bool {
    let declared = &info.capabilities;
    let lists = [
        declared.tools.as_ref().and_then(|it| it.list_changed),
        declared.prompts.as_ref().and_then(|it| it.list_changed),
        declared.resources.as_ref().and_then(|it| it.list_changed),
        declared.resources.as_ref().and_then(|it| it.subscribe),
    ];
    lists.contains(&Some(true))
}

macro_rules! pages {
    ($handler:ident, $peer:ident, $declared:expr, $list:ident, $items:ident, $method:literal) => {{
        let mut all = Vec::new();
        let mut page = None;
        if $declared {
            for count in 0.. {
                if count == MOST {
                    return Err(HandlerError::TooLong { method: $method, most: MOST });
                }
                let (context, _ended): (RequestContext<RoleServer>, _) = request($peer, 0);
                let asked = PaginatedRequestParams::default().with_cursor(page.take());
                let answer = $handler.$list(Some(asked), context).await;
                let answer = answer
                    .map_err(|error: ErrorData| HandlerError::List { method: $method, message: error.to_string() })?;
                all.extend(answer.$items);
                match answer.next_cursor {
                    Some(next) => page = Some(next),
                    None => break,
                }
            }
        }
        all
    }};
}

impl Lists {
    pub(super) async fn read(
        handler: &impl ServerHandler,
        info: &ServerConfig,
        peer: &Peer<RoleServer>,
    ) -> Result<Self, HandlerError> {
        let declared = &info.capabilities;
        let resources = declared.resources.is_some();
        let tools = pages!(handler, peer, declared.tools.is_some(), list_tools, tools, "tools/list");
        let headers =
            tools.iter().map(|tool| (tool.name.to_string(), ParameterHeader::of(&tool.input_schema))).collect();
        let prompts = pages!(handler, peer, declared.prompts.is_some(), list_prompts, prompts, "prompts/list");
        let templates =
            pages!(handler, peer, resources, list_resource_templates, resource_templates, "resources/templates/list");
        Ok(Self {
            tools: listing(tools, "tools/list")?,
            headers,
            prompts: listing(prompts, "prompts/list")?,
            resources: listing(
                pages!(handler, peer, resources, list_resources, resources, "resources/list"),
                "resources/list",
            )?,
            templates: listing(templates, "resources/templates/list")?,
        })
    }
}

fn listing<T: Serialize>(items: Vec<T>, method: &'static str) -> Result<Arc<Listing<T>>, HandlerError> {
    Listing::new(items).map_err(|_| HandlerError::Unwritable { method })
}

impl Shown {
    pub(super) fn new(lists: Lists) -> Self {
        let first = Arc::new(lists);
        Self { now: Arc::new(ArcSwap::new(first.clone())), first }
    }

    pub(super) fn now(&self) -> Arc<Lists> {
        self.now.load_full()
    }

    pub(super) fn first(&self) -> &Lists {
        &self.first
    }

    /// Reads the lists again when they changed, and then says so. Ends with the server.
    pub(super) fn keep_up<H: ServerHandler>(
        &self,
        handler: Arc<H>,
        info: ServerConfig,
        peer: Peer<RoleServer>,
        mut news: broadcast::Receiver<Change>,
        changes: Changes,
    ) {
        let (now, handler): (Weak<ArcSwap<Lists>>, Weak<H>) = (Arc::downgrade(&self.now), Arc::downgrade(&handler));
        tokio::spawn(async move {
            loop {
                let heard = match news.recv().await {
                    Ok(change) => vec![change],
                    Err(RecvError::Lagged(_)) => vec![Change::Tools, Change::Prompts, Change::Resources],
                    Err(RecvError::Closed) => return,
                };
                let (Some(now), Some(handler)) = (now.upgrade(), handler.upgrade()) else { return };
                if heard.iter().any(|change| !matches!(change, Change::Resource(_))) {
                    match Lists::read(&*handler, &info, &peer).await {
                        Ok(lists) => now.store(Arc::new(lists)),
                        Err(error) => {
                            tracing::error!(server = info.server_info.name, %error, "changed lists can't be read");
                            continue;
                        }
                    }
                }
                heard.into_iter().for_each(|change| changes.notify(change));
            }
        });
    }
}
