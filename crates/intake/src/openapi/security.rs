//! Who the server says it is to the API: security schemes as the `auth` of connections, which name variables.

use serde_json::{Map, Value, json};

use super::{
    document::{At, Resolver, Version},
    parameter,
};
use crate::name;

/// One way to identify oneself, which may take several schemes at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// The schemes' names in the document.
    pub scheme: String,
    /// One `auth`, or a list of those that stand in one request.
    pub auth: Value,
    /// The headers, query parameters or cookies that carry it, which callers don't give.
    pub carried_by: Vec<String>,
}

/// Choices, schemes and scopes of one operation.
const MOST: usize = 100;

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
    let mut asked = Asked::default();
    let mut anybody = false;
    for choice in choices.items().take(MOST) {
        let mut all = Vec::new();
        let mut why = None;
        for (name, scopes) in choice.entries().take(MOST) {
            match credential(name, scopes, root, resolver, prefix) {
                Ok(credential) => all.push(credential),
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        let first = all.first().cloned();
        let made = match why {
            Some(why) => Err(why),
            None if all.is_empty() => {
                anybody = true;
                continue;
            }
            None => at_once(all),
        };
        match made {
            Ok(credential) => return Asked { credential: Some(credential), left_out: None },
            // Better one of them than none, where no other choice can be made.
            Err(why) if asked.credential.is_none() => {
                let left_out = match &first {
                    Some(first) => format!("of several credentials at once only `{}` is sent: {why}", first.scheme),
                    None => why,
                };
                asked = Asked { credential: first, left_out: asked.left_out.or(Some(left_out)) };
            }
            Err(_) => {}
        }
    }
    match anybody {
        true => Asked::default(),
        false => asked,
    }
}

/// Several in one request: each has a place of its own, or they can't be sent together.
fn at_once(mut all: Vec<Credential>) -> Result<Credential, String> {
    if all.len() == 1 {
        return Ok(all.remove(0));
    }
    let place = |auth: &Value| match auth["type"].as_str() {
        Some(kind @ ("query" | "cookie")) => format!("{kind} {}", auth["name"].as_str().unwrap_or_default()),
        Some("header") => format!("header {}", auth["name"].as_str().unwrap_or_default().to_ascii_lowercase()),
        _ => "header authorization".to_owned(),
    };
    for (index, one) in all.iter().enumerate() {
        if let Some(other) = all[..index].iter().find(|other| place(&other.auth) == place(&one.auth)) {
            let place = place(&one.auth);
            return Err(format!("`{}` and `{}` both stand in the {place}", other.scheme, one.scheme));
        }
    }
    let auths = share_no_variable(all.iter().map(|one| one.auth.clone()).collect());
    let schemes: Vec<&str> = all.iter().map(|one| one.scheme.as_str()).collect();
    Ok(Credential {
        scheme: schemes.join("_and_"),
        auth: auths.into(),
        carried_by: all.iter().flat_map(|one| one.carried_by.clone()).collect(),
    })
}

/// Schemes whose names say the same in capitals are two secrets all the same.
fn share_no_variable(mut auths: Vec<Value>) -> Vec<Value> {
    let mut taken: Vec<String> = Vec::new();
    for auth in auths.iter_mut().filter_map(Value::as_object_mut) {
        for (_, variable) in auth.iter_mut().filter(|(key, _)| key.ends_with("nvVar")) {
            let Some(wanted) = variable.as_str().map(str::to_owned) else { continue };
            let free = std::iter::once(wanted.clone()).chain((2..).map(|number| format!("{wanted}_{number}")));
            let mut free = free;
            let free = free.find(|name| !taken.contains(name)).expect("numbers don't end");
            taken.push(free.clone());
            *variable = free.into();
        }
    }
    auths
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
        "basic" => (basic(&variable), Vec::new()),
        "http" => match found.text("scheme").unwrap_or_default().to_ascii_lowercase().as_str() {
            "basic" => (basic(&variable), Vec::new()),
            "bearer" => (json!({ "type": "bearer", "envVar": variable("TOKEN") }), Vec::new()),
            other => return Err(format!("the HTTP scheme `{other}` of `{scheme}` is not known")),
        },
        "apiKey" => {
            let key = found.text("name").unwrap_or_default().trim();
            let env = variable(if of_scheme.is_empty() || of_scheme.len() > 40 { "KEY" } else { &of_scheme });
            let auth = match found.text("in") {
                Some("query") if !key.is_empty() => json!({ "type": "query", "name": key, "envVar": env }),
                Some("header") if parameter::is_header(key) => json!({ "type": "header", "name": key, "envVar": env }),
                Some("cookie") if parameter::is_header(key) => json!({ "type": "cookie", "name": key, "envVar": env }),
                _ => return Err(format!("`{scheme}` says neither header nor query nor cookie")),
            };
            (auth, vec![key.to_owned()])
        }
        "oauth2" => (oauth2(found, scopes, &variable), Vec::new()),
        "openIdConnect" => (json!({ "type": "bearer", "envVar": variable("TOKEN") }), Vec::new()),
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
    let known: Vec<&str> = scopes.into_iter().flat_map(At::entries).map(|(scope, _)| scope).take(MOST).collect();
    let asked: Vec<&str> = asked.items().filter_map(|scope| scope.node.as_str()).take(MOST).collect();
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
