//! Auth services: whose tokens the server takes. The Toolbox asks for them tool by tool, or for all; here a server has one way
//! for callers to say who they are, and every call needs it.

use serde_json::{Map, Value, json};
use url::Url;

use super::{document::Item, variable};
use crate::{Finding, Level};

/// The server's `auth`, and the service it stands for.
pub struct Served {
    pub name: String,
    pub auth: Value,
}

/// The first service that can be served; the others are told.
pub fn of(items: &mut [Item], found: &mut Vec<Finding>) -> Option<Served> {
    let mut served = None;
    // The one that guards everything is the one that counts.
    let guards = |item: &Item| item.fields.get("mcpEnabled").is_some_and(|enabled| *enabled == true);
    items.sort_by_key(|item| !guards(item));
    for item in items {
        if served.is_some() {
            let message =
                format!("the auth service `{}`: a server has one way for callers to say who they are", item.name);
            found.push(item.finding(Level::LeftOut, message, None));
            continue;
        }
        match one(item, found) {
            Ok(auth) => {
                if !guards(item) {
                    let message = format!("every call needs a token of `{}`, not only calls of some tools", item.name);
                    found.push(item.finding(Level::Note, message, None));
                }
                item.take("mcpEnabled");
                served = Some(Served { name: item.name.clone(), auth });
            }
            Err(why) => found.push(item.finding(Level::LeftOut, why, None)),
        }
    }
    served
}

fn one(item: &mut Item, found: &mut Vec<Finding>) -> Result<Value, String> {
    let kind = item.take_text("type").unwrap_or_default();
    let (audience_field, issuer) = match &*kind {
        "google" => ("clientId", "https://accounts.google.com".to_owned()),
        "generic" => ("audience", item.take_text("authorizationServer").unwrap_or_default()),
        other => return Err(format!("an auth service of the type `{other}` has no counterpart")),
    };
    let is_url = Url::parse(&issuer).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_url || !variable::all(&issuer).is_empty() {
        return Err(format!("the auth service `{}` does not say who issues its tokens by a URL", item.name));
    }
    let mut auth = Map::new();
    let audience = item.take_text("audience").or_else(|| item.take_text(audience_field));
    item.take(audience_field);
    match audience {
        Some(audience) if variable::all(&audience).is_empty() => {
            auth.insert("audience".to_owned(), audience.into());
        }
        _ => {
            let message = format!("whom the tokens of `{}` are for is not written in the file", item.name);
            let hint = "write `auth.audience`; without it, tokens for this server's own URL are taken".to_owned();
            found.push(item.finding(Level::Partly, message, Some(hint)));
        }
    }
    auth.insert("issuer".to_owned(), issuer.trim_end_matches('/').into());
    if kind == "google" {
        auth.insert("type".to_owned(), "jwt".into());
        auth.insert("jwksUrl".to_owned(), "https://www.googleapis.com/oauth2/v3/certs".into());
        return Ok(Value::Object(auth));
    }
    auth.insert("type".to_owned(), "oauth2".into());
    let scopes = item.take_names("scopesRequired");
    if !scopes.is_empty() {
        auth.insert("scopes".to_owned(), scopes.into());
    }
    if let Some(url) = item.take_text("introspectionEndpoint") {
        let names = ("INTROSPECTION_CLIENT_ID", "INTROSPECTION_CLIENT_SECRET");
        let asks = json!({ "url": url, "clientIdEnvVar": names.0, "clientSecretEnvVar": names.1 });
        auth.insert("introspection".to_owned(), asks);
    }
    Ok(Value::Object(auth))
}
