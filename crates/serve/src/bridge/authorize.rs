//! The page on which a person hands their key over to us, once, so that a program gets tokens instead of the key.

use std::{fmt::Write as _, time::Duration};

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderValue, StatusCode, Uri,
    header::{CACHE_CONTROL, LOCATION},
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{Bridge, Grant, client::Client, seal::Purpose, seconds, sha256, token::Code};
use crate::{
    http::read_body,
    page::{Shown, html, html_leading_to, is_own_page, note},
};

/// For a person to find their key and type it.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
const LONGEST_STATE: usize = 4 * 1024;
/// Of all scopes together. With the state and the redirect they have to fit into a sealed text.
const LONGEST_SCOPE: usize = 2 * 1024;
const LONGEST_FORM: usize = 64 * 1024;
const LONGEST_KEY: usize = 4 * 1024;
/// What a wrong key costs who typed it.
const PAUSE: Duration = Duration::from_millis(500);

/// What a program asks for, checked. Goes through the form, sealed, so that nothing is kept until a person agrees.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    name: Option<String>,
    /// Of the client's id.
    client: [u8; 32],
    redirect: String,
    state: Option<String>,
    challenge: String,
    scopes: Option<Vec<String>>,
    until: u64,
}

/// What the client is told by a redirect: an error code of RFC 6749, 4.1.2.1, and words for its developer.
struct Refused(&'static str, &'static str);

/// Shows, and changes nothing.
pub(super) async fn show(State(bridge): State<Bridge>, uri: Uri) -> Response {
    let query = Query::of(uri.query().unwrap_or_default().as_bytes());
    let query = match query {
        Ok(query) => query,
        Err(name) => return wrong(&format!("`{name}` is given twice.")),
    };
    let Some(id) = query.client_id.clone() else { return wrong("The program that sent you did not say who it is.") };
    let client = match bridge.client(&id).await {
        Ok(client) => client,
        Err(error) => return wrong(&error.to_string()),
    };
    let redirect = match &query.redirect_uri {
        Some(redirect) if client.allows(redirect) => redirect.clone(),
        _ => return wrong("The program that sent you asks for an answer at a place that it did not register."),
    };
    match asked(&bridge, &client, query, &id, redirect.clone()) {
        Ok(asked) => ask(&bridge, StatusCode::OK, &asked, None),
        Err((Refused(code, why), state)) => {
            offer(&bridge, &redirect, &[("error", code), ("error_description", why)], state.as_deref())
        }
    }
}

fn asked(
    bridge: &Bridge,
    client: &Client,
    query: Query,
    id: &str,
    redirect: String,
) -> Result<Asked, (Refused, Option<String>)> {
    let Query { state, response_type, code_challenge, code_challenge_method, scope, resource, .. } = query;
    let refused = |code, why, state| Err((Refused(code, why), state));
    if state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
        return refused("invalid_request", "state is too long", None);
    }
    if response_type.as_deref() != Some("code") {
        return refused("unsupported_response_type", "response_type must be code", state);
    }
    if code_challenge_method.as_deref() != Some("S256") {
        return refused("invalid_request", "PKCE is needed: code_challenge_method must be S256", state);
    }
    let Some(challenge) = code_challenge.filter(|challenge| is_challenge(challenge)) else {
        return refused("invalid_request", "PKCE is needed: code_challenge must be a hash of 43 characters", state);
    };
    if resource.is_some_and(|resource| !bridge.is_resource(&resource)) {
        return refused("invalid_target", "this is not the authorization server of that resource", state);
    }
    if scope.as_ref().is_some_and(|scope| scope.len() > LONGEST_SCOPE) {
        return refused("invalid_scope", "too many scopes", state);
    }
    let scopes = scope.map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>());
    if scopes.as_ref().is_some_and(|scopes| scopes.len() > 100 || scopes.iter().any(|scope| scope.len() > 256)) {
        return refused("invalid_scope", "too many scopes", state);
    }
    Ok(Asked {
        name: client.name.clone(),
        client: sha256(id),
        redirect,
        state,
        challenge,
        scopes: scopes.filter(|scopes| !scopes.is_empty()),
        until: seconds() + PATIENCE.as_secs(),
    })
}

fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

pub(super) async fn decide(State(bridge): State<Bridge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !is_own_page(&head.headers, Some(&bridge.own.issuer)) {
        return note(StatusCode::FORBIDDEN, "Refused", "This did not come from the page itself. Begin anew.");
    }
    let Ok(body) = read_body(body, LONGEST_FORM, Duration::from_secs(30)).await else {
        return note(StatusCode::BAD_REQUEST, "Refused", "The form could not be read.");
    };
    let (mut request, mut key, mut allows) = (String::new(), String::new(), None);
    for (name, value) in form_urlencoded::parse(&body) {
        match &*name {
            "request" => request = value.into_owned(),
            "key" => value.trim().clone_into(&mut key),
            "decision" => allows = Some(value == "allow"),
            _ => {}
        }
    }
    let asked: Option<Asked> = bridge.open(Purpose::Request, &request);
    let Some(asked) = asked.filter(|asked| asked.until > seconds()) else {
        return wrong("This page is too old, or the server was started anew. Begin anew in the program that sent you.");
    };
    match allows {
        Some(true) => {}
        Some(false) => {
            let refusal = [("error", "access_denied"), ("error_description", "the person declined")];
            return answer(&bridge, &asked.redirect, &refusal, asked.state.as_deref());
        }
        None => return wrong("Neither allowed nor declined."),
    }
    let judged = match key.len() {
        ..=LONGEST_KEY => bridge.principal(&head.extensions, &key).await.map_err(|challenge| challenge.status()),
        _ => Err(StatusCode::UNAUTHORIZED),
    };
    if judged == Err(StatusCode::SERVICE_UNAVAILABLE) {
        let why = "Who knows the keys can't be asked at the moment. Try again in a minute.";
        return ask(&bridge, StatusCode::SERVICE_UNAVAILABLE, &asked, Some(why));
    }
    if judged == Err(StatusCode::FORBIDDEN) {
        let why = "This key does not allow what everybody needs here. Ask whoever gave it to you.";
        return ask(&bridge, StatusCode::FORBIDDEN, &asked, Some(why));
    }
    if judged.is_err() {
        // Whoever guesses many at once waits for the others.
        let _turn = bridge.own.guesses.acquire().await;
        tokio::time::sleep(PAUSE).await;
        return ask(&bridge, StatusCode::UNAUTHORIZED, &asked, Some("This key is not known."));
    }
    let code = bridge.code(Code {
        redirect: asked.redirect.clone(),
        challenge: asked.challenge,
        grant: Grant {
            credential: Zeroizing::new(key),
            client: asked.client,
            family: u128::from_ne_bytes(crate::random()),
            scopes: asked.scopes,
            until: seconds() + Code::LIFE.as_secs(),
        },
    });
    match code {
        Some(code) => answer(&bridge, &asked.redirect, &[("code", &code)], asked.state.as_deref()),
        None => {
            let refusal = [("error", "temporarily_unavailable"), ("error_description", "too many consents at once")];
            answer(&bridge, &asked.redirect, &refusal, asked.state.as_deref())
        }
    }
}

/// Leads back only who wants to: anybody can register a place, and nobody acted yet.
fn offer(bridge: &Bridge, redirect: &str, pairs: &[(&str, &str)], state: Option<&str>) -> Response {
    let Some(url) = leading(bridge, redirect, pairs, state) else {
        return wrong("The program's address can't be read.");
    };
    let why = pairs.last().map_or("", |(_, why)| why);
    let text = format!(
        "<p>The program that sent you asks for something that this server does not do: {}.</p>\
         <p><a href=\"{}\" rel=\"noreferrer\">Back to {}</a></p>",
        Shown(why),
        Shown(url.as_str()),
        Shown(url.host_str().unwrap_or("the program")),
    );
    html(StatusCode::BAD_REQUEST, "This does not work", &text)
}

/// Back to the program. It learns from whom the answer is (RFC 9207).
fn answer(bridge: &Bridge, redirect: &str, pairs: &[(&str, &str)], state: Option<&str>) -> Response {
    let location = leading(bridge, redirect, pairs, state).and_then(|url| HeaderValue::try_from(url.as_str()).ok());
    let Some(location) = location else { return wrong("The program's address can't be read.") };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn leading(bridge: &Bridge, redirect: &str, pairs: &[(&str, &str)], state: Option<&str>) -> Option<Url> {
    let mut url = Url::parse(redirect).ok()?;
    {
        let mut query = url.query_pairs_mut();
        for (name, value) in pairs {
            query.append_pair(name, value);
        }
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", bridge.issuer());
    }
    Some(url)
}

/// Nobody is sent anywhere: where to is what is not known.
fn wrong(why: &str) -> Response {
    note(StatusCode::BAD_REQUEST, "This does not work", why)
}

fn ask(bridge: &Bridge, status: StatusCode, asked: &Asked, fault: Option<&str>) -> Response {
    let Ok(redirect) = Url::parse(&asked.redirect) else { return wrong("The program's address can't be read.") };
    let target = match redirect.host_str() {
        Some(host) if redirect.scheme() == "https" => host.to_owned(),
        Some(host) if redirect.scheme() == "http" => format!("this computer ({host})"),
        _ => format!("the program that opens {}: links", redirect.scheme()),
    };
    let mut text = String::with_capacity(2048);
    if let Some(fault) = fault {
        let _ = write!(text, "<p class=\"fault\" role=\"alert\">{}</p>", Shown(fault));
    }
    let _ = write!(
        text,
        "<p>A program wants to use <b>{}</b> in your name.</p><dl><dt>It calls itself</dt><dd>{}</dd><dt>Your answer goes \
         to</dt><dd><b>{}</b></dd>",
        Shown(&bridge.own.name),
        Shown(asked.name.as_deref().unwrap_or("(nothing)")),
        Shown(&target),
    );
    if let Some(scopes) = &asked.scopes {
        let _ = write!(text, "<dt>It asks for</dt><dd>{}</dd>", Shown(&scopes.join(", ")));
    }
    let _ = write!(
        text,
        "</dl><form method=\"post\"><input type=\"hidden\" name=\"request\" value=\"{}\">\
         <p><label>Your key for this server<br><input type=\"password\" name=\"key\" autocomplete=\"off\"></label></p>\
         <p><button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Decline</button></p></form>\
         <p class=\"small\">The program does not get your key. It can do what your key can, until you have the key \
         changed. Go on only if you began this yourself, in a program that you trust.</p>",
        Shown(&bridge.seal(Purpose::Request, asked)),
    );
    let form_to = match redirect.host() {
        Some(_) if matches!(redirect.scheme(), "http" | "https") => redirect.origin().ascii_serialization(),
        _ => format!("{}:", redirect.scheme()),
    };
    html_leading_to(status, "Allow?", &text, &form_to)
}

#[derive(Default)]
struct Query {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
}

impl Query {
    /// A parameter that is given twice could be read in two ways.
    fn of(text: &[u8]) -> Result<Self, String> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            let place = match &*name {
                "client_id" => &mut query.client_id,
                "redirect_uri" => &mut query.redirect_uri,
                "response_type" => &mut query.response_type,
                "state" => &mut query.state,
                "code_challenge" => &mut query.code_challenge,
                "code_challenge_method" => &mut query.code_challenge_method,
                "scope" => &mut query.scope,
                "resource" => &mut query.resource,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(name.into_owned());
            }
        }
        Ok(query)
    }
}
