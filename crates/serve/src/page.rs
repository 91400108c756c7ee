//! Pages that people see: no script, no cookie; nothing of them is kept by a browser or shown in a frame.

use std::{
    fmt::{self, Write as _},
    sync::LazyLock,
};

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use sha2::{Digest, Sha256};
use url::Url;

use crate::visible::is_hidden;

/// Browsers say which page a form was on. A page of another site must not fill in ours.
pub(crate) fn is_own_page(headers: &HeaderMap, base: Option<&Url>) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next().and_then(|origin| origin.to_str().ok()), origins.next()) else {
        return false;
    };
    let of_host = || {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some() && authority == host
    };
    base.is_some_and(|base| base.origin().ascii_serialization().eq_ignore_ascii_case(origin)) || of_host()
}

pub(crate) fn note(status: StatusCode, title: &str, text: &str) -> Response {
    html(status, title, &format!("<p>{}</p>", Shown(text)))
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1a1a1a;\
background:#fff}.message{font-size:1.25rem;white-space:pre-wrap;border-left:.25rem solid #b35c00;padding-left:1rem}\
dt{font-weight:600;margin-top:.75rem}dd{margin:0;overflow-wrap:anywhere}pre{white-space:pre-wrap;background:#f4f4f4;\
padding:.75rem;max-height:24rem;overflow:auto}button{font:inherit;padding:.5rem 1.5rem;margin-right:1rem}input{font:inherit;\
padding:.4rem;width:100%;max-width:24rem}.fault{color:#a40000;font-weight:600}.small{color:#555;font-size:.9rem}";

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(Sha256::digest(STYLE)));

/// `form_to` is where a form of the page may lead besides to us, by way of a redirect.
fn policy(form_to: &str) -> HeaderValue {
    let style = &*STYLE_HASH;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'{form_to}; frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).expect("a header's text")
}

/// A page whose form ends at another site: `form_to` is its origin, or its scheme and a colon.
pub(crate) fn html_leading_to(status: StatusCode, title: &str, body: &str, form_to: &str) -> Response {
    let mut response = html(status, title, body);
    let is_source = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-[]+_".contains(&byte);
    if !form_to.is_empty() && form_to.bytes().all(is_source) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy(&format!(" {form_to}")));
    }
    response
}

pub(crate) fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         {body}</main></body></html>\n"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, policy(""));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: browsers would not say then which page a form was on.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    response
}

/// Text of somebody else's, as it may stand in HTML. What would be invisible, or turn text around, is written out.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_char('\n')?,
                hidden if is_hidden(hidden) => write!(f, "\\u{{{:x}}}", u32::from(hidden))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
