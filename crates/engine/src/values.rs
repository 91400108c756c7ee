//! What placeholders stand for in one call: the arguments, the caller, the call.

use std::borrow::Cow;

use mcp_serve::CallContext;
use serde_json::{Map, Value};

/// The values of one call.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    pub arguments: &'a Map<String, Value>,
    pub cx: &'a CallContext,
}

impl<'a> Values<'a> {
    /// `None` for what was left out, which a null is too.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, Value>> {
        // A schema that is open lets callers name arguments as they like: also `principal.id`.
        let is_ours = name.starts_with("principal.") || name == "call.id";
        if let Some(value) = self.arguments.get(name).filter(|_| !is_ours) {
            return (!value.is_null()).then_some(Cow::Borrowed(value));
        }
        let principal = &self.cx.principal;
        let owned = match name.split_once('.')? {
            ("principal", "id") => principal.id.clone(),
            ("principal", "tenant") => principal.tenant.clone()?,
            ("call", "id") => self.cx.call_id.to_string(),
            ("principal", rest) => {
                let claim = claim(&principal.claims, rest.strip_prefix("claims.")?)?;
                return (!claim.is_null()).then_some(Cow::Borrowed(claim));
            }
            _ => return None,
        };
        Some(Cow::Owned(Value::String(owned)))
    }
}

/// `org.name`: a claim of that very name, else the path through the objects.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    let (first, rest) = name.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_serve::Principal;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_caller_comes_from_the_principal_and_never_from_an_argument() {
        let mut principal = Principal::clone(&Principal::trusted("alice"));
        principal.claims = json!({ "org": { "name": "acme" }, "https://x/y": 1 }).as_object().cloned().unwrap();
        let cx = CallContext::new(Arc::new(principal));
        let arguments = json!({ "id": "bob", "principal": { "id": "mallory" }, "principal.id": "mallory",
            "principal.claims.org.name": "evil", "principal.tenant": "evil", "call.id": "1", "none": null })
        .as_object()
        .cloned()
        .unwrap();
        let values = Values { arguments: &arguments, cx: &cx };
        let get = |name: &str| values.get(name).map(Cow::into_owned);
        assert_eq!(get("id"), Some(json!("bob")));
        assert_eq!(get("principal.id"), Some(json!("alice")));
        assert_eq!(get("principal.tenant"), None);
        assert_eq!(get("principal.claims.org.name"), Some(json!("acme")));
        assert_eq!(get("principal.claims.https://x/y"), Some(json!(1)));
        assert_eq!(get("none"), None);
        assert_eq!(get("call.id").unwrap().as_str().unwrap().len(), 32);
    }
}
