//! Whose names principals have. Two issuers may name two people alike, and an issuer one that a list of keys names; these
//! must not become one caller.

use super::jwt::name;

/// Where an authenticator has the names of its principals from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Empty: whoever wrote the list of keys that has them.
    pub issuer: String,
    /// `None`: they are listed.
    pub principal_claim: Option<String>,
    /// What all of its principals belong to.
    pub tenant: Option<String>,
    /// What the issuer says that they belong to, within `tenant` where there is one.
    pub tenant_claim: Option<String>,
}

enum Tenants<'a> {
    None,
    Of(&'a str),
    /// In it and in those below.
    Within(&'a str),
    Any,
}

impl Namespace {
    fn tenants(&self) -> Tenants<'_> {
        match (&self.tenant, &self.tenant_claim) {
            (Some(tenant), None) => Tenants::Of(tenant),
            (Some(tenant), Some(_)) => Tenants::Within(tenant),
            (None, Some(_)) => Tenants::Any,
            (None, None) => Tenants::None,
        }
    }

    /// Whether both may have a principal of the same name and tenant that is not the same one.
    pub(super) fn meets(&self, other: &Self) -> bool {
        // Who writes a list means whom they name, by whatever claim.
        let claims = self.principal_claim.as_ref().zip(other.principal_claim.as_ref());
        if self.issuer == other.issuer && claims.is_none_or(|(one, other)| one == other) {
            return false;
        }
        // Lists are one operator's.
        if self.principal_claim.is_none() && other.principal_claim.is_none() {
            return false;
        }
        match (self.tenants(), other.tenants()) {
            (Tenants::None, Tenants::None) => true,
            (Tenants::None, _) | (_, Tenants::None) => false,
            (Tenants::Of(one) | Tenants::Within(one), Tenants::Of(other) | Tenants::Within(other)) if one == other => {
                true
            }
            (Tenants::Within(one), Tenants::Of(other)) | (Tenants::Of(other), Tenants::Within(one)) => {
                other.strip_prefix(one).is_some_and(|below| below.starts_with('/'))
            }
            (Tenants::Of(_) | Tenants::Within(_), Tenants::Of(_) | Tenants::Within(_)) => false,
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
                principal_claim: Some("sub".to_owned()),
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
