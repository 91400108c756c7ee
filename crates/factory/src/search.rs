//! Tools by what they do, over all servers of an owner: the ranker that `search_tools` of a server uses.

use std::{fmt, sync::Arc};

use mcp_serve::{model::Tool, toolsets::Documents};
use quick_cache::sync::Cache;

use crate::{
    Caller, Error, Factory, Owner,
    registry::{Capability, Indexed},
};

/// One tool that suits.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub server: String,
    pub tool: Capability,
}

/// Tools of one owner that are looked at.
const MOST_TOOLS: u32 = 20_000;
/// Owners whose tools stay read.
const MOST_OWNERS: usize = 32;
const MOST_FOUND: usize = 100;

/// What was read for the last searches. Good as long as nothing of the owner's catalogue changed.
pub(crate) struct Searches(Cache<Owner, Arc<Searched>>);

struct Searched {
    revision: u64,
    tools: Vec<Indexed>,
    documents: Documents,
}

impl Factory {
    /// The best first.
    pub async fn search(&self, caller: &Caller, query: &str, most: usize) -> Result<Vec<Found>, Error> {
        let searched = self.searched(caller).await?;
        let query: String = query.chars().take(1_000).collect();
        let found = tokio::task::spawn_blocking(move || {
            let best = searched.documents.best(&query, most.min(MOST_FOUND), |_| true);
            let found = best.into_iter().map(|place| &searched.tools[place]);
            found.map(|it| Found { server: it.server.clone(), tool: it.capability.clone() }).collect()
        });
        Ok(found.await?)
    }

    /// With how many servers have each.
    pub async fn tags(&self, caller: &Caller) -> Result<Vec<(String, u32)>, Error> {
        self.look(caller, |transaction, owner| Ok(transaction.tags(owner)?)).await
    }

    async fn searched(&self, caller: &Caller) -> Result<Arc<Searched>, Error> {
        let known = self.searches().0.get(caller.owner());
        let known_revision = known.as_ref().map(|known| known.revision);
        let (revision, tools) = self
            .look(caller, move |transaction, owner| {
                let revision = transaction.user(owner)?.ok_or_else(|| crate::grants::no_user(owner))?.revision;
                let tools = if known_revision == Some(revision) {
                    None
                } else {
                    Some(transaction.capabilities(owner, MOST_TOOLS)?)
                };
                Ok((revision, tools))
            })
            .await?;
        let tools = match (known, tools) {
            (Some(known), None) => return Ok(known),
            (_, tools) => tools.unwrap_or_default(),
        };
        let searched = tokio::task::spawn_blocking(move || {
            let shown: Vec<Tool> = tools.iter().map(as_tool).collect();
            Arc::new(Searched { revision, documents: Documents::of(shown.iter()), tools })
        });
        let searched = searched.await?;
        self.searches().0.insert(caller.owner().clone(), searched.clone());
        Ok(searched)
    }
}

/// With the name of the server among its words.
fn as_tool(indexed: &Indexed) -> Tool {
    let Indexed { server, capability } = indexed;
    let schema = serde_json::from_str(&capability.schema).unwrap_or_default();
    let mut tool = Tool::new(capability.name.clone(), capability.description.clone(), Arc::new(schema));
    tool.title = Some(format!("{} {server}", capability.title.as_deref().unwrap_or_default()));
    tool
}

impl Default for Searches {
    fn default() -> Self {
        Self(Cache::new(MOST_OWNERS))
    }
}

impl fmt::Debug for Searches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Searches({} owners)", self.0.len())
    }
}
