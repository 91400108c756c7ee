//! What a token whose signature is good says, and who that makes of its bearer. Nothing is guessed: a claim of a wrong type
//! is no claim, and no claim stands in for another.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{JwtConfig, Rejection};
use crate::{Principal, Scopes, TokenId, auth::namespace::tenant};

/// Characters of a principal's or tenant's name (S2-48).
pub(in crate::auth) const MOST_NAME: usize = 255;

/// Whose the token is, and how long.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) principal: Principal,
    pub(super) issued: Option<u64>,
    pub(super) expires: u64,
}

/// `now` in seconds since 1970.
pub(super) fn judge(
    config: &JwtConfig,
    claims: Map<String, Value>,
    token: TokenId,
    now: u64,
) -> Result<Accepted, Rejection> {
    let invalid = Err(Rejection::Invalid);
    if claims.get("iss").and_then(Value::as_str) != Some(&config.issuer) {
        return invalid;
    }
    if !is_for(&claims, &config.audience) {
        return invalid;
    }
    let leeway = config.leeway.as_secs();
    let Some(expires) = seconds(claims.get("exp"))?.and_then(|expires| expires.checked_add(leeway)) else {
        return invalid;
    };
    if seconds(claims.get("nbf"))?.is_some_and(|from| from > now.saturating_add(leeway)) {
        return invalid;
    }
    let issued = seconds(claims.get("iat"))?;
    if expires <= now {
        return Err(Rejection::Expired);
    }
    let id = name(claims.get(&config.principal_claim)).ok_or(Rejection::NoPrincipal)?.to_owned();
    let tenant = tenant(config.tenant.as_deref(), config.tenant_claim.as_deref(), &claims).ok_or(Rejection::Invalid)?;
    let groups = match &config.groups_claim {
        None => Vec::new(),
        Some(claim) => list(claims.get(claim), false).ok_or(Rejection::Invalid)?,
    };
    let scope = claims.get(&config.scopes_claim);
    // Some issuers name it so.
    let scope = if config.scopes_claim == "scope" { scope.or_else(|| claims.get("scp")) } else { scope };
    let scopes: BTreeSet<String> = list(scope, true).ok_or(Rejection::Invalid)?.into_iter().collect();
    let principal = Principal { id, tenant, groups, scopes: Scopes::Only(scopes), claims, token: Some(token) };
    Ok(Accepted { principal, issued, expires })
}

/// Whether `aud`, one or several, names it.
pub(in crate::auth) fn is_for(claims: &Map<String, Value>, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    }
}

/// A moment. There is none where it is not said; one that is no number makes the token worthless.
pub(in crate::auth) fn seconds(claim: Option<&Value>) -> Result<Option<u64>, Rejection> {
    match claim {
        None => Ok(None),
        Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => Ok(Some(seconds)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
            (None, Some(seconds)) if (0.0..1e15).contains(&seconds) => Ok(Some(seconds as u64)),
            _ => Err(Rejection::Invalid),
        },
        Some(_) => Err(Rejection::Invalid),
    }
}

/// A name as it is, or none: two that look alike once mended would be one caller.
pub(in crate::auth) fn name(claim: Option<&Value>) -> Option<&str> {
    claim?.as_str().filter(|name| {
        !name.trim().is_empty() && name.chars().count() <= MOST_NAME && !name.chars().any(char::is_control)
    })
}

/// A list, or a text that is one name, or, where `split`, several with blanks between them.
pub(in crate::auth) fn list(claim: Option<&Value>, split: bool) -> Option<Vec<String>> {
    match claim {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) if split => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Some(Value::String(text)) => Some(vec![text.clone()]),
        Some(Value::Array(list)) => list.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Some(_) => None,
    }
}
