//! A test of factories: do two users see anything of each other?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Tenant, tenant::Tokens};
use crate::{BoxFuture, CallContext, FactoryError, Principal, Server, TenantContext, resolver::Resource};

/// Makes servers for two users, lets the first one call `change` three times with `arguments`, and compares what the second
/// one gets from `look` with what it got before. For tests: it panics where something of the first shows (S2-23).
///
/// `look` must answer the same as long as nothing changes; so it must not count its own calls.
pub async fn assert_isolated<F>(factory: F, change: &str, arguments: Map<String, Value>, look: &str)
where
    F: Fn(Tenant) -> BoxFuture<'static, Result<Arc<dyn Server>, FactoryError>>,
{
    let made = async |user: &str| {
        let caller = TenantContext::new(Principal::trusted(user));
        let resource = Resource::new("isolation-test").expect("a resource");
        let tokens = Tokens { resolver: None, resource, required: false };
        let tenant = Tenant::of(caller.clone(), &tokens, "isolation-test".to_owned(), "1".to_owned()).await;
        let server = factory(tenant.expect("a tenant")).await.expect("a server");
        (server, CallContext::new(caller.principal))
    };
    let seen = async |(server, cx): &(Arc<dyn Server>, CallContext)| {
        let result = server.call_tool(cx, look, Map::new()).await;
        format!("{:?}", result.map(rmcp::model::CallToolResult::from))
    };
    let (first, second) = (made("isolation-first").await, made("isolation-second").await);
    let before = seen(&second).await;
    for _ in 0..3 {
        let changed = first.0.call_tool(&first.1, change, arguments.clone()).await;
        assert!(changed.is_ok_and(|result| !result.is_error), "`{change}` must work for the test to say anything");
    }
    for (who, server) in [("a server made before", second), ("a server made after", made("isolation-second").await)] {
        assert_eq!(seen(&server).await, before, "{who} shows another user what the first one did");
    }
}
