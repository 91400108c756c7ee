//! The page on which a person decides.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::Response,
    routing::get,
};
use http::{StatusCode, header::AUTHORIZATION, request::Parts};
use url::{Url, form_urlencoded};

use super::pending::{Caller, Decision, Entry, Pending};
use crate::{
    Authentication, Principal,
    auth::bearer,
    bridge::is_token,
    http::{CurrentAuthenticator, read_body},
    page::{Shown, html, is_own_page, note},
};

pub(super) const PATH: &str = "/approve/";
/// Bytes of a form.
const LARGEST: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Page {
    pending: Arc<Mutex<Pending>>,
    /// Where links lead.
    base: Arc<OnceLock<Url>>,
}

pub(super) fn routes(pending: Arc<Mutex<Pending>>, base: Arc<OnceLock<Url>>) -> Router {
    Router::new().route("/approve/{token}", get(show).post(decide)).with_state(Page { pending, base })
}

impl Page {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows, and changes nothing.
async fn show(State(page): State<Page>, Path(token): Path<String>) -> Response {
    match page.pending().of_link(&token) {
        None => gone(),
        Some(entry) => match entry.decision {
            None => html(StatusCode::OK, "Approve?", &question(entry, None)),
            Some(decision) => decided(decision, &entry.tool),
        },
    }
}

async fn decide(State(page): State<Page>, Path(token): Path<String>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    if !is_own_page(&head.headers, page.base.get()) {
        return note(StatusCode::FORBIDDEN, "Refused", "This did not come from the page itself. Open the link anew.");
    }
    let Ok(body) = read_body(body, LARGEST, PATIENCE).await else {
        return note(StatusCode::BAD_REQUEST, "Refused", "The form could not be read.");
    };
    let form = Form::of(&body);
    let by = {
        let mut pending = page.pending();
        let Some(entry) = pending.of_link(&token) else { return gone() };
        if let Some(decision) = entry.decision {
            return decided(decision, &entry.tool);
        }
        if !entry.is_form(&form.form) {
            return note(
                StatusCode::FORBIDDEN,
                "Refused",
                "This did not come from the page itself. Open the link anew.",
            );
        }
        entry.by.clone()
    };
    let Some(decision) = form.decision else {
        return note(StatusCode::BAD_REQUEST, "Refused", "Neither approved nor declined. Open the link anew.");
    };
    let mut approver = None;
    if let Some(group) = by {
        match who(&mut head, &form.key).await {
            Ok(principal) => approver = Some((principal, group)),
            Err(()) => return page.refuse(&token, StatusCode::UNAUTHORIZED, "This key is not known."),
        }
    }
    let mut pending = page.pending();
    let Some(entry) = pending.of_link(&token) else { return gone() };
    if let Some((approver, group)) = &approver
        && let Err(why) = may(approver, group, &entry.caller)
    {
        drop(pending);
        return page.refuse(&token, StatusCode::FORBIDDEN, why);
    }
    let (tool, caller) = (entry.tool.clone(), entry.caller.id.clone());
    let decided_now = pending.decide(&token, decision);
    let stands = pending.of_link(&token).and_then(|entry| entry.decision);
    drop(pending);
    if decided_now {
        let approver = approver.as_ref().map_or("(whoever had the link)", |(approver, _)| &approver.id);
        tracing::info!(tool, caller, approver, ?decision, "a person decided on a call");
    }
    stands.map_or_else(gone, |decision| decided(decision, &tool))
}

impl Page {
    /// Shows the question again, with what was wrong. Guessing is counted.
    fn refuse(&self, token: &str, status: StatusCode, why: &str) -> Response {
        let mut pending = self.pending();
        pending.fail(token);
        match pending.of_link(token) {
            Some(entry) => html(status, "Approve?", &question(entry, Some(why))),
            None => gone(),
        }
    }
}

/// Who fills the form in, by the server's own authentication.
async fn who(head: &mut Parts, key: &str) -> Result<Arc<Principal>, ()> {
    let Some(CurrentAuthenticator(authenticator)) = head.extensions.get::<CurrentAuthenticator>().cloned() else {
        tracing::error!("the approval page is served without authentication");
        return Err(());
    };
    if authenticator.is_open() {
        return Err(());
    }
    if !key.is_empty() {
        head.headers.remove(AUTHORIZATION);
        authenticator.present(&mut head.headers, key).map_err(drop)?;
    }
    // A program's token is no person's word, whoever lent it to the program.
    if is_token(key.as_bytes()) || bearer(&head.headers).is_some_and(is_token) {
        return Err(());
    }
    let outcome = match authenticator.authenticate(head) {
        Authentication::Ready(outcome) => outcome,
        Authentication::Pending(outcome) => outcome.await,
    };
    outcome.map_err(drop)
}

fn may(approver: &Principal, group: &str, caller: &Caller) -> Result<(), &'static str> {
    if Caller::of(approver) == *caller {
        return Err("You are who asks. Somebody else of the group has to approve.");
    }
    // A group of that name in another tenant is another group.
    if approver.tenant != caller.tenant || !approver.groups.iter().any(|of| of == group) {
        return Err("You are not of the group that may approve this.");
    }
    Ok(())
}

#[derive(Default)]
struct Form {
    form: String,
    decision: Option<Decision>,
    key: String,
}

impl Form {
    fn of(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "form" => form.form = value.into_owned(),
                "key" => value.trim().clone_into(&mut form.key),
                "decision" => {
                    form.decision = match &*value {
                        "approve" => Some(Decision::Approved),
                        "decline" => Some(Decision::Declined),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        form
    }
}

fn question(entry: &Entry, fault: Option<&str>) -> String {
    let Entry { server, tool, message, arguments, caller, by, form, .. } = entry;
    let minutes = entry.left().as_secs().div_ceil(60);
    let mut text = String::with_capacity(2048 + arguments.len());
    if let Some(fault) = fault {
        let _ = write!(text, "<p class=\"fault\" role=\"alert\">{}</p>", Shown(fault));
    }
    let _ = write!(
        text,
        "<p>Somebody wants to use a tool of <b>{}</b> that asks first:</p><p class=\"message\">{}</p>\
         <dl><dt>Tool</dt><dd><code>{}</code></dd><dt>With</dt><dd><pre>{}</pre></dd><dt>Asked by</dt><dd>{}",
        Shown(server),
        Shown(message),
        Shown(tool),
        Shown(arguments),
        Shown(&caller.id),
    );
    if let Some(tenant) = &caller.tenant {
        let _ = write!(text, " of {}", Shown(tenant));
    }
    text.push_str("</dd><dt>May approve</dt><dd>");
    match by {
        Some(group) => {
            let _ = write!(text, "somebody else, of the group <b>{}</b>", Shown(group));
        }
        None => text.push_str("whoever has this link"),
    }
    let plural = if minutes == 1 { "" } else { "s" };
    let _ = write!(
        text,
        "</dd><dt>Expires</dt><dd>in {minutes} minute{plural}</dd></dl><form method=\"post\">\
         <input type=\"hidden\" name=\"form\" value=\"{}\">",
        Shown(form)
    );
    if by.is_some() {
        text.push_str(
            "<p><label>Your key for this server<br><input type=\"password\" name=\"key\" required autocomplete=\"off\">\
             </label></p>",
        );
    }
    text.push_str(
        "<p><button name=\"decision\" value=\"approve\">Approve</button> \
         <button name=\"decision\" value=\"decline\">Decline</button></p></form>\
         <p class=\"small\">If you approve, exactly this may be done once. Nothing happens as long as you decide \
         nothing.</p>",
    );
    text
}

fn decided(decision: Decision, tool: &str) -> Response {
    let tool = Shown(tool);
    match decision {
        Decision::Approved => html(
            StatusCode::OK,
            "Approved",
            &format!("<p>The call of <code>{tool}</code> is approved. Tell who asked you that they can go on.</p>"),
        ),
        Decision::Declined => html(
            StatusCode::OK,
            "Declined",
            &format!("<p>The call of <code>{tool}</code> is declined: nothing is done.</p>"),
        ),
    }
}

fn gone() -> Response {
    let text =
        "This link is not known: it was used, it is too old, or the server was started anew. Ask for another one.";
    note(StatusCode::NOT_FOUND, "Nothing to decide", text)
}
