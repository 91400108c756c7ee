//! Codes become tokens, tokens become newer ones.

use std::time::{Duration, SystemTime};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::{Bridge, Grant, client::ClientMetadata, seal::Purpose, seconds, sha256};
use crate::http::{is_not_encoded, read_body};

const LONGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Goes through the person's browser, is good once and for a minute.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) redirect: String,
    pub(super) challenge: String,
    pub(super) grant: Grant,
}

impl Code {
    pub(super) const LIFE: Duration = Duration::from_secs(60);
}

#[derive(Debug, Serialize, Deserialize)]
struct Refresh {
    serial: u64,
    grant: Grant,
}

/// An error of RFC 6749, 5.2.
struct Refused(&'static str, &'static str);

impl Bridge {
    /// `None` when there are too many consents.
    pub(super) fn code(&self, code: Code) -> Option<String> {
        let until = SystemTime::now() + Code::LIFE;
        self.own
            .families
            .begin(code.grant.family, sha256(&code.grant.credential), until)
            .then(|| self.seal(Purpose::Code, &code))
    }

    async fn exchange(&self, extensions: &Extensions, form: &Form) -> Result<Value, Refused> {
        match form.grant_type.as_deref() {
            Some("authorization_code") => self.by_code(extensions, form).await,
            Some("refresh_token") => self.by_refresh(extensions, form).await,
            _ => Err(Refused("unsupported_grant_type", "use authorization_code or refresh_token")),
        }
    }

    async fn by_code(&self, extensions: &Extensions, form: &Form) -> Result<Value, Refused> {
        const GONE: Refused = Refused("invalid_grant", "this code is not known, too old, or of another client");
        let code = form.code.as_deref().ok_or(Refused("invalid_request", "code is missing"))?;
        let verifier = form.code_verifier.as_deref().ok_or(Refused("invalid_request", "code_verifier is missing"))?;
        let Code { redirect, challenge, grant } = self.open(Purpose::Code, code).ok_or(GONE)?;
        self.check(form, &grant)?;
        if grant.until <= seconds() {
            return Err(GONE);
        }
        if form.redirect_uri.as_ref().is_some_and(|given| *given != redirect) {
            return Err(Refused("invalid_grant", "redirect_uri is another one than before"));
        }
        let made = URL_SAFE_NO_PAD.encode(sha256(verifier));
        if !(43..=128).contains(&verifier.len()) || !bool::from(made.as_bytes().ct_eq(challenge.as_bytes())) {
            return Err(Refused("invalid_grant", "code_verifier does not fit the challenge"));
        }
        let scopes = grant.scopes.clone();
        self.tokens(extensions, grant, scopes, 0).await
    }

    async fn by_refresh(&self, extensions: &Extensions, form: &Form) -> Result<Value, Refused> {
        const GONE: Refused = Refused("invalid_grant", "this refresh token is not known, too old, or was used");
        let token = form.refresh_token.as_deref().ok_or(Refused("invalid_request", "refresh_token is missing"))?;
        let Refresh { serial, grant } = self.open(Purpose::Refresh, token).ok_or(GONE)?;
        self.check(form, &grant)?;
        if grant.until <= seconds() {
            return Err(GONE);
        }
        // Fewer scopes may be asked for, never more, and for this access token: the consent stays what it was.
        let mut scopes = grant.scopes.clone();
        if let Some(scope) = &form.scope {
            let asked: Vec<String> = scope.split_ascii_whitespace().map(str::to_owned).collect();
            if scopes.as_ref().is_some_and(|granted| asked.iter().any(|scope| !granted.contains(scope))) {
                return Err(Refused("invalid_scope", "a scope was not granted"));
            }
            if !asked.is_empty() {
                scopes = Some(asked);
            }
        }
        self.tokens(extensions, grant, scopes, serial).await
    }

    /// Who asks is who was granted, and for this server.
    fn check(&self, form: &Form, grant: &Grant) -> Result<(), Refused> {
        let id = form.client_id.as_deref().ok_or(Refused("invalid_client", "client_id is missing"))?;
        if sha256(id) != grant.client {
            return Err(Refused("invalid_grant", "this was given to another client"));
        }
        if form.resource.as_ref().is_some_and(|resource| !self.is_resource(resource)) {
            return Err(Refused("invalid_target", "this is not the authorization server of that resource"));
        }
        Ok(())
    }

    /// An access token for `scopes`, and a refresh token for all that was granted (RFC 6749, 6).
    async fn tokens(
        &self,
        extensions: &Extensions,
        grant: Grant,
        scopes: Option<Vec<String>>,
        serial: u64,
    ) -> Result<Value, Refused> {
        let (access, refresh) = (self.own.access_life, self.own.refresh_life);
        // A key that was revoked gives no tokens. Asked first: it must not cost the family.
        match self.principal(extensions, &grant.credential).await.map_err(|challenge| challenge.status()) {
            Ok(_) => {}
            Err(StatusCode::SERVICE_UNAVAILABLE) => {
                return Err(Refused("temporarily_unavailable", "who knows the keys can't be asked; try again"));
            }
            Err(_) => return Err(Refused("invalid_grant", "the key behind this is not good any more")),
        }
        let next = self.own.families.next(grant.family, serial, SystemTime::now() + refresh);
        let next = next.ok_or_else(|| {
            // What came of it before may be in use.
            self.own.reports.look_again();
            Refused("invalid_grant", "this was used before, or was revoked")
        })?;
        let scope = scopes.as_ref().map(|scopes| scopes.join(" "));
        let refresh = Refresh { serial: next, grant: Grant { until: seconds() + refresh.as_secs(), ..grant } };
        let mut tokens = json!({
            "token_type": "Bearer",
            "expires_in": access.as_secs(),
            "refresh_token": self.seal(Purpose::Refresh, &refresh),
        });
        let grant = Grant { until: seconds() + access.as_secs(), scopes, ..refresh.grant };
        tokens["access_token"] = self.seal(Purpose::Access, &grant).into();
        if let Some(scope) = scope {
            tokens["scope"] = scope.into();
        }
        Ok(tokens)
    }

    /// Ends all that came of the consent. What is not ours is as good as revoked (RFC 7009).
    fn end(&self, token: &str, client_id: Option<&str>) {
        let refresh = self.open(Purpose::Refresh, token).map(|refresh: Refresh| refresh.grant);
        let grant = refresh.or_else(|| self.open::<Grant>(Purpose::Access, token));
        if let (Some(grant), Some(client_id)) = (grant, client_id)
            && grant.client == sha256(client_id)
        {
            self.own.families.revoke(grant.family);
            self.own.reports.look_again();
        }
    }
}

pub(super) async fn token(State(bridge): State<Bridge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let form = match Form::read(&head.headers, body).await {
        Ok(form) => form,
        Err(refused) => return refused.into_response(),
    };
    match bridge.exchange(&head.extensions, &form).await {
        Ok(tokens) => reply(StatusCode::OK, &tokens),
        Err(refused) => refused.into_response(),
    }
}

pub(super) async fn revoke(State(bridge): State<Bridge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let form = match Form::read(&head.headers, body).await {
        Ok(form) => form,
        Err(refused) => return refused.into_response(),
    };
    let Some(token) = &form.token else { return Refused("invalid_request", "token is missing").into_response() };
    bridge.end(token, form.client_id.as_deref());
    reply(StatusCode::OK, &json!({}))
}

pub(super) async fn register(State(bridge): State<Bridge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = match whole(&head.headers, body).await {
        Ok(body) => body,
        Err(why) => return Refused("invalid_client_metadata", why).into_response(),
    };
    let Ok(metadata) = serde_json::from_slice::<ClientMetadata>(&body) else {
        let why = "the body must be JSON with redirect_uris, a list";
        return Refused("invalid_client_metadata", why).into_response();
    };
    match bridge.register(metadata) {
        Ok((id, client)) => reply(StatusCode::CREATED, &client.registered(&id)),
        Err(error) => {
            let refusal = json!({ "error": error.code(), "error_description": error.to_string() });
            reply(StatusCode::BAD_REQUEST, &refusal)
        }
    }
}

impl Refused {
    fn into_response(self) -> Response {
        let status = match self.0 {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        reply(status, &json!({ "error": self.0, "error_description": self.1 }))
    }
}

pub(super) fn reply(status: StatusCode, value: &Value) -> Response {
    let mut response = (status, value.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[derive(Default)]
struct Form {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    client_id: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    token: Option<String>,
}

/// As OAuth refuses: with 400, whatever is wrong with a request.
async fn whole(headers: &HeaderMap, body: Body) -> Result<Bytes, &'static str> {
    is_not_encoded(headers).map_err(|_| "the body comes with a Content-Encoding, and is taken without")?;
    read_body(body, LONGEST, PATIENCE).await.map_err(|_| "the body could not be read")
}

impl Form {
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Refused> {
        let body = whole(headers, body).await.map_err(|why| Refused("invalid_request", why))?;
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(&body) {
            let place = match &*name {
                "grant_type" => &mut form.grant_type,
                "code" => &mut form.code,
                "redirect_uri" => &mut form.redirect_uri,
                "client_id" => &mut form.client_id,
                "code_verifier" => &mut form.code_verifier,
                "refresh_token" => &mut form.refresh_token,
                "scope" => &mut form.scope,
                "resource" => &mut form.resource,
                "token" => &mut form.token,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(Refused("invalid_request", "a parameter is given twice"));
            }
        }
        Ok(form)
    }
}
