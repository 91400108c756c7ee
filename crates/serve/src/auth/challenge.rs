//! What a request is told that is not served for who sent it, or for what their credential allows.

use std::{borrow::Cow, time::Duration};

use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::wire::{Refusal, code};

/// Why a request is not served, in words that never repeat the credential.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub(super) status: StatusCode,
    /// One for each way in.
    schemes: Vec<HeaderValue>,
    retry_after: Option<Duration>,
    message: Cow<'static, str>,
    data: Box<Value>,
}

impl Challenge {
    /// In `error.data.code` of each 401 (S2-47).
    pub const CODE: &'static str = "AUTHENTICATION_FAILED";

    /// 401: no credential, or one that nobody has.
    pub fn unauthenticated(
        www_authenticate: HeaderValue,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            schemes: vec![www_authenticate],
            ..Self::new(StatusCode::UNAUTHORIZED, message.into(), json!({ "code": Self::CODE, "hint": hint.into() }))
        }
    }

    /// 400: a credential that can't be read, or more than one.
    pub fn malformed(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message.into(), json!({ "hint": hint.into() }))
    }

    /// 403: a credential that does not allow this. `scopes` is all that is needed.
    pub fn insufficient_scope(www_authenticate: HeaderValue, scopes: &[String]) -> Self {
        let message = crate::Error::InsufficientScope { scopes: scopes.to_vec() }.to_string();
        Self {
            schemes: vec![www_authenticate],
            ..Self::new(StatusCode::FORBIDDEN, message.into(), json!({ "scopes": scopes }))
        }
    }

    /// 503: who knows whether the credential is good can't be asked. The caller did nothing wrong.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        let hint = "the credential was not judged; try again with the same one";
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message.into(), json!({ "hint": hint }))
        }
    }

    fn new(status: StatusCode, message: Cow<'static, str>, data: Value) -> Self {
        Self { status, schemes: Vec::new(), retry_after: None, message, data: Box::new(data) }
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, in words that may be told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What an answer with it has in its head.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        let schemes = self.schemes.iter().map(|scheme| (WWW_AUTHENTICATE, scheme.clone()));
        schemes.chain(self.retry_after.map(|after| (RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))))
    }

    /// The same, with the ways in that others offer.
    #[must_use]
    pub(crate) fn or(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        for scheme in others.into_iter().flat_map(|other| other.schemes) {
            match self.schemes.iter_mut().find(|known| kind(known) == kind(&scheme)) {
                None => self.schemes.push(scheme),
                // What is wrong with a token of one kind is not taken back by the offer of another of that kind, which
                // says where to get a good one.
                Some(known) => lead(known, &scheme),
            }
        }
        self
    }

    pub(crate) fn refusal(self) -> Refusal {
        let code = match self.status {
            StatusCode::UNAUTHORIZED => code::UNAUTHENTICATED,
            StatusCode::FORBIDDEN => code::FORBIDDEN,
            StatusCode::SERVICE_UNAVAILABLE => code::BUSY,
            _ => code::INVALID_REQUEST,
        };
        let mut refusal = Refusal::new(self.status, code, self.message).with_data(*self.data);
        let mut schemes = self.schemes;
        // Clients that know OAuth look at the first one only.
        schemes.sort_by_key(|scheme| kind(scheme) != Some(b"Bearer"));
        for scheme in schemes {
            refusal = refusal.with_header(WWW_AUTHENTICATE, scheme);
        }
        match self.retry_after {
            Some(after) => refusal.with_header(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1))),
            None => refusal,
        }
    }
}

/// Adds where `other` leads to, to a challenge that leads nowhere.
fn lead(known: &mut HeaderValue, other: &HeaderValue) {
    const NAME: &str = "resource_metadata=\"";
    let (Ok(text), Ok(other)) = (known.to_str(), other.to_str()) else { return };
    if text.contains(NAME) {
        return;
    }
    let Some((url, _)) = other.split_once(NAME).and_then(|(_, rest)| rest.split_once('"')) else { return };
    if let Ok(whole) = HeaderValue::try_from(format!("{text}, {NAME}{url}\"")) {
        *known = whole;
    }
}

/// `Bearer` of `Bearer realm="mcp"`.
fn kind(scheme: &HeaderValue) -> Option<&[u8]> {
    scheme.as_bytes().split(|byte| *byte == b' ').next()
}
