//! What tools and toolsets are called, and what happens when two would be called the same.

use std::sync::Arc;

use mcp_serve::{
    NoAuthentication,
    http::Config,
    toolsets::{Catalog, CatalogError, ExposurePolicy, Initial, Modern, Options, Toolset, Toolsets},
};
use serde_json::json;

use super::{Era, dynamic, list, meta, own};
use crate::{
    sessions::open,
    support::{Running, TestServer},
};

fn made(catalog: Catalog, options: Options) -> Result<Toolsets, CatalogError> {
    Toolsets::new(TestServer::new(), catalog, options)
}

fn as_they_are() -> Options {
    let policy = ExposurePolicy { namespace: false, ..ExposurePolicy::default() };
    Options { policy, ..dynamic(Modern::Search) }
}

/// S3-42.
#[test]
fn the_toolset_of_the_meta_tools_is_theirs_and_so_are_their_names() {
    let reserved = made(Catalog::new().toolset(Toolset::new("_meta", "Mine")), Options::default());
    assert!(matches!(reserved, Err(CatalogError::ReservedKey)));
    let taken = Toolset::new("mine", "Mine").own(own("list_toolsets", "Not the one"));
    let taken = made(Catalog::new().toolset(taken), as_they_are());
    assert!(matches!(taken, Err(CatalogError::Conflict { tool }) if tool == "list_toolsets"));
}

/// S3-52.
#[tokio::test]
async fn a_tool_that_has_the_key_of_its_toolset_in_front_keeps_its_name() {
    let orders = Toolset::new("orders", "Orders").own(own("orders.find", "Finds")).own(own("ordersum", "Sums up"));
    let toolsets = Arc::new(
        made(Catalog::new().toolset(orders), Options { initial: Initial::All, ..Options::default() })
            .expect("a catalog"),
    );
    let running = Running::around(TestServer::new(), toolsets, Config::default(), NoAuthentication::default()).await;
    let listed = list(&running, Era::Modern).await;
    assert!(listed.contains(&"orders.find".to_owned()), "{listed:?}");
    assert!(listed.contains(&"orders.ordersum".to_owned()), "{listed:?}");
}

/// S3-44, S3-54.
#[tokio::test]
async fn of_a_toolset_with_a_name_that_is_taken_nothing_is_added() {
    let two = |key: &str| Toolset::new(key, "Finds").own(own("find", "Finds"));
    let at_the_start = made(Catalog::new().toolset(two("one")).toolset(two("other")), as_they_are());
    assert!(matches!(at_the_start, Err(CatalogError::Conflict { tool }) if tool == "find"));

    let later = Toolset::new("later", "Comes later").module("later");
    let catalog = Catalog::new()
        .toolset(two("one"))
        .toolset(later)
        .module("later", async || Ok(vec![own("fine", "Fine"), own("find", "Taken")]));
    let toolsets = Arc::new(made(catalog, as_they_are()).expect("a catalog"));
    let running = Running::around(TestServer::new(), toolsets, Config::default(), NoAuthentication::default()).await;
    let (id, _) = open(&running, &[]).await;
    let era = Era::Session(&id);
    let before = list(&running, era).await;
    let message = "Toolset 'later' was not enabled: there is already a tool called 'find'.";
    for _ in 0..2 {
        let refused = meta(&running, era, "enable_toolset", json!({ "name": "later" })).await;
        assert_eq!(refused, json!({ "success": false, "message": message, "code": "E_TOOL_NAME_CONFLICT" }));
        assert_eq!(list(&running, era).await, before);
    }
}
