//! Who the server says it is to the API: security schemes as the `auth` of connections, which name variables.

use serde_json::{Map, Value, json};

use super::{
    document::{At, Resolver, Version},
    parameter,
};
use crate::name;

/// One way to identify oneself.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// The scheme's name in the document.
    pub scheme: String,
    pub auth: Value,
    /// The header, query parameter or cookie that carries it, which callers don't give.
    pub carried_by: Option<String>,
}

/// What operations ask for.
#[derive(Debug, Default)]
pub struct Asked {
    pub credential: Option<Credential>,
    /// What could not be expressed.
    pub left_out: Option<String>,
}

/// The first choice that can be made. Nothing, where an operation can be called by anybody.
pub fn of<'d>(operation: At<'d>, root: At<'d>, resolver: &Resolver<'d>, prefix: &str) -> Asked {
    let Some(choices) = operation.get("security").or_else(|| root.get("security")) else { return Asked::default() };
    let mut left_out = None;
    let mut anybody = false;
    for choice in choices.items() {
        let schemes: Vec<(&str, At<'d>)> = choice.entries().collect();
        match schemes.as_slice() {
            [] => anybody = true,
            [(name, scopes)] => match credential(name, *scopes, root, resolver, prefix) {
                Ok(credential) => return Asked { credential: Some(credential), left_out: None },
                Err(why) => left_out = left_out.or(Some(why)),
            },
            several => {
                // A connection has one credential. The one that is a secret is the one that counts.
                let first =
                    several.iter().find_map(|(name, scopes)| credential(name, *scopes, root, resolver, prefix).ok());
                if let Some(first) = first {
                    let others: Vec<&str> =
                        several.iter().map(|(name, _)| *name).filter(|name| *name != first.scheme).collect();
                    let why = format!(
                        "of several credentials at once only `{}` is sent, not `{}`",
                        first.scheme,
                        others.join("`, `")
                    );
                    return Asked { credential: Some(first), left_out: Some(why) };
                }
            }
        }
    }
    Asked { credential: None, left_out: left_out.filter(|_| !anybody) }
}

fn credential<'d>(
    scheme: &str,
    scopes: At<'d>,
    root: At<'d>,
    resolver: &Resolver<'d>,
    prefix: &str,
) -> Result<Credential, String> {
    let schemes = match resolver.version() {
        Version::V2 => root.get("securityDefinitions"),
        _ => root.get("components").and_then(|components| components.get("securitySchemes")),
    };
    let found = schemes.and_then(|schemes| schemes.get(scheme)).and_then(|found| resolver.resolve(found).ok());
    let Some(found) = found else { return Err(format!("there is no security scheme `{scheme}`")) };
    let variable = |what: &str| format!("{prefix}_{what}");
    let of_scheme = name::variable(&name::snake(scheme));
    let (auth, carried_by) = match found.text("type").unwrap_or_default() {
        "basic" => (basic(&variable), None),
        "http" => match found.text("scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => (basic(&variable), None),
            "bearer" => (json!({ "type": "bearer", "envVar": variable("TOKEN") }), None),
            other => return Err(format!("the HTTP scheme `{other}` of `{scheme}` is not known")),
        },
        "apiKey" => {
            let key = found.text("name").unwrap_or_default().trim();
            let env = variable(if of_scheme.is_empty() || of_scheme.len() > 40 { "KEY" } else { &of_scheme });
            let auth = match found.text("in") {
                Some("query") if !key.is_empty() => json!({ "type": "query", "name": key, "envVar": env }),
                Some("header") if parameter::is_header(key) => json!({ "type": "header", "name": key, "envVar": env }),
                // The variable holds the whole header: `name=value`.
                Some("cookie") if !key.is_empty() => json!({ "type": "header", "name": "Cookie", "envVar": env }),
                _ => return Err(format!("`{scheme}` says neither header nor query nor cookie")),
            };
            (auth, Some(key.to_owned()))
        }
        "oauth2" => (oauth2(found, scopes, &variable), None),
        "openIdConnect" => (json!({ "type": "bearer", "envVar": variable("TOKEN") }), None),
        other => return Err(format!("the security scheme `{scheme}` is of type `{other}`, which can't be expressed")),
    };
    Ok(Credential { scheme: scheme.to_owned(), auth, carried_by })
}

fn basic(variable: &impl Fn(&str) -> String) -> Value {
    json!({ "type": "basic", "userEnvVar": variable("USER"), "passwordEnvVar": variable("PASSWORD") })
}

/// Client credentials where the API has them; else a token that somebody got by another way.
fn oauth2(found: At<'_>, asked: At<'_>, variable: &impl Fn(&str) -> String) -> Value {
    let (url, scopes) = match found.text("flow") {
        Some("application") => (found.text("tokenUrl"), found.get("scopes")),
        Some(_) => (None, None),
        None => {
            let flow = found.get("flows").and_then(|flows| flows.get("clientCredentials"));
            (flow.and_then(|flow| flow.text("tokenUrl")), flow.and_then(|flow| flow.get("scopes")))
        }
    };
    let usable = url.filter(|url| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")));
    let Some(url) = usable else { return json!({ "type": "bearer", "envVar": variable("TOKEN") }) };
    let known: Vec<&str> = scopes.into_iter().flat_map(At::entries).map(|(scope, _)| scope).collect();
    let asked: Vec<&str> = asked.items().filter_map(|scope| scope.node.as_str()).collect();
    let scopes = if asked.is_empty() { known } else { asked };
    let mut auth = Map::new();
    auth.insert("type".to_owned(), "oauth2ClientCredentials".into());
    auth.insert("tokenUrl".to_owned(), url.into());
    auth.insert("clientIdEnvVar".to_owned(), variable("CLIENT_ID").into());
    auth.insert("clientSecretEnvVar".to_owned(), variable("CLIENT_SECRET").into());
    if !scopes.is_empty() {
        auth.insert("scopes".to_owned(), json!(scopes));
    }
    Value::Object(auth)
}
