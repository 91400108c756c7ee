//! Whose names principals have. Two issuers may name two people alike; these must not become one caller.

use super::jwt::name;

/// Where an authenticator has the names of its principals from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub issuer: String,
    pub principal_claim: String,
    /// What all of its principals belong to.
    pub tenant: Option<String>,
    /// What the issuer says that they belong to, within `tenant` where there is one.
    pub tenant_claim: Option<String>,
}

enum Tenants<'a> {
    None,
    Of(&'a str),
    Any,
}

impl Namespace {
    fn tenants(&self) -> Tenants<'_> {
        match (&self.tenant, &self.tenant_claim) {
            (Some(tenant), _) => Tenants::Of(tenant),
            (None, Some(_)) => Tenants::Any,
            (None, None) => Tenants::None,
        }
    }

    /// Whether both may have a principal of the same name and tenant that is not the same one.
    pub(super) fn meets(&self, other: &Self) -> bool {
        if (&self.issuer, &self.principal_claim) == (&other.issuer, &other.principal_claim) {
            return false;
        }
        match (self.tenants(), other.tenants()) {
            (Tenants::None, Tenants::None) => true,
            (Tenants::None, _) | (_, Tenants::None) => false,
            (Tenants::Of(one), Tenants::Of(other)) => one == other,
            // An issuer writes what it likes into its claims.
            (Tenants::Any, _) | (_, Tenants::Any) => true,
        }
    }
}

/// Whether a fixed tenant can be told from what an issuer says behind it.
pub(super) fn is_tenant(text: &str) -> bool {
    name(Some(&text.into())).is_some() && text.len() <= MOST_TENANT && !text.contains('/')
}

const MOST_TENANT: usize = 100;

/// The tenant of a principal: the fixed one, what the issuer says, or the one within the other.
pub(super) fn tenant(
    fixed: Option<&str>,
    claim: Option<&str>,
    claims: &serde_json::Map<String, serde_json::Value>,
) -> Option<Option<String>> {
    // Without the claim it would be a caller of no tenant, which is another caller.
    let said = match claim {
        None => None,
        Some(claim) => Some(name(claims.get(claim))?),
    };
    Some(match (fixed, said) {
        (Some(fixed), Some(said)) => Some(format!("{fixed}/{said}")),
        (one, other) => one.or(other).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn namespace() -> impl Strategy<Value = Namespace> {
        let some = |values: &'static [&'static str]| {
            proptest::option::of(proptest::sample::select(values)).prop_map(|it| it.map(str::to_owned))
        };
        (proptest::sample::select(&["https://a", "https://b"][..]), some(&["x", "y"]), some(&["org"])).prop_map(
            |(issuer, tenant, tenant_claim)| Namespace {
                issuer: issuer.to_owned(),
                principal_claim: "sub".to_owned(),
                tenant,
                tenant_claim,
            },
        )
    }

    proptest! {
        /// Whatever two issuers say: where they don't meet, no principal of one has the tenant of one of the other.
        #[test]
        fn what_does_not_meet_never_has_the_same_tenant(
            one in namespace(), other in namespace(), said in "[xy]{0,1}(/[xy])?", said_by_other in "[xy]{0,1}(/[xy])?",
        ) {
            prop_assume!(one.issuer != other.issuer && !one.meets(&other));
            let of = |it: &Namespace, said: &str| {
                let claims: Map<_, _> = json!({ "org": said }).as_object().expect("an object").clone();
                tenant(it.tenant.as_deref(), it.tenant_claim.as_deref(), &claims)
            };
            let (one, other) = (of(&one, &said), of(&other, &said_by_other));
            prop_assert!(one.is_none() || other.is_none() || one != other, "{:?} {:?}", one, other);
        }

        #[test]
        fn meeting_is_mutual(one in namespace(), other in namespace()) {
            prop_assert_eq!(one.meets(&other), other.meets(&one));
            prop_assert!(!one.meets(&one));
        }
    }
}
