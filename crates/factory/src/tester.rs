//! Who calls in tests: whoever an example names, else `local`. A tenant is called as its caller is, so that what is bound to one
//! can be tried.

use std::sync::Arc;

use mcp_factory_spec::model::ExamplePrincipal;
use mcp_serve::{Principal, Scopes};

pub fn tester(named: Option<&ExamplePrincipal>) -> Arc<Principal> {
    let mut principal = match named {
        None => Principal::clone(&Principal::local()),
        Some(caller) => Principal::clone(&Principal::trusted(&caller.id)),
    };
    if let Some(scopes) = named.and_then(|it| it.scopes.as_ref()) {
        principal.scopes = Scopes::Only(scopes.iter().cloned().collect());
    }
    principal.tenant = Some(principal.id.clone());
    Arc::new(principal)
}
