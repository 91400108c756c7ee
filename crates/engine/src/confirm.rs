//! `confirm`: a person is asked before a tool runs. In the client where it can ask, else by a link to a page of ours.
//!
//! Nothing here runs a tool. A call goes on with a [`Verdict::Yes`] and no other way; every other answer tells the model what
//! to do next.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_factory_spec::{model, template::Text};
use mcp_serve::{
    Answer, Approval, ApprovalError, ApprovalRequest, Approvals, CallContext, Elicitation, Error, Ticket, ToolResult,
    visible,
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::values::Values;

/// How much of one value a question shows, in characters.
const SHOWN: usize = 1000;

#[derive(Debug)]
pub struct Confirm {
    server: String,
    tool: String,
    message: Text,
    by: Option<String>,
    /// A link, even where the client could ask.
    link: bool,
    /// What a yes is for: a tool that was changed since is another one.
    of: String,
    approvals: Approvals,
}

#[derive(Debug)]
pub enum Verdict {
    Yes(Permission),
    No(ToolResult),
}

/// Good for one call.
#[derive(Debug)]
pub struct Permission(Option<Ticket>);

impl Permission {
    /// Uses it up. What was approved by link may have been done since, by the same call twice at once.
    #[must_use]
    pub fn redeem(self) -> bool {
        self.0.is_none_or(Ticket::redeem)
    }
}

impl Confirm {
    pub fn compile(
        confirm: &model::Confirm,
        tool: &model::Tool,
        server: &str,
        approvals: Approvals,
    ) -> Result<Self, String> {
        Ok(Self {
            server: server.to_owned(),
            tool: tool.name.to_string(),
            message: Text::parse(&confirm.message).map_err(|problem| problem.to_string())?,
            // The client asks whoever calls, so somebody else is asked by link.
            link: confirm.via == Some(model::Via::Link) || confirm.by.is_some(),
            by: confirm.by.clone(),
            of: URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{tool:?}"))),
            approvals,
        })
    }

    /// `arguments` were checked.
    pub async fn ask(&self, cx: &CallContext, arguments: &Map<String, Value>) -> Result<Verdict, Error> {
        let message = self.message(cx, arguments);
        if !self.link && cx.can_elicit() {
            let question = Elicitation::question(message).about(&self.of);
            return Ok(match while_waiting(cx, cx.elicit("confirm", &question)).await? {
                Answer::Accepted(_) => Verdict::Yes(Permission(None)),
                Answer::Declined => Verdict::No(self.declined()),
                Answer::Cancelled => Verdict::No(self.unanswered()),
            });
        }
        let request = ApprovalRequest {
            server: &self.server,
            tool: &self.tool,
            message: &message,
            arguments,
            caller: &cx.principal,
            by: self.by.as_deref(),
            of: &self.of,
        };
        Ok(match self.approvals.ask(&request).await {
            Ok(Approval::Approved(ticket)) => Verdict::Yes(Permission(Some(ticket))),
            Ok(Approval::Declined) => Verdict::No(self.declined()),
            Ok(Approval::Waiting { url, left }) => Verdict::No(self.waiting(&url, left)),
            Err(error) => Verdict::No(self.nobody_asked(&error)),
        })
    }

    fn message(&self, cx: &CallContext, arguments: &Map<String, Value>) -> String {
        let values = Values { arguments, cx };
        self.message.plain(|name| values.get(name).map(|value| std::borrow::Cow::Owned(Value::String(shown(&value)))))
    }

    fn declined(&self) -> ToolResult {
        ToolResult::error(format!(
            "a person was asked and said no, so nothing was done. Don't call `{}` for this again on your own, and don't try \
             to reach the same in another way; say that it was declined",
            self.tool
        ))
    }

    fn unanswered(&self) -> ToolResult {
        ToolResult::error(format!(
            "a person was asked and did not answer, so nothing was done. Don't call `{}` for this again on your own; ask the \
             person what to do",
            self.tool
        ))
    }

    fn waiting(&self, url: &str, left: Duration) -> ToolResult {
        let whom = match &self.by {
            Some(group) => format!("somebody of the group `{group}`, who is not the caller,"),
            None => "the person you work for".to_owned(),
        };
        let minutes = left.as_secs().div_ceil(60);
        ToolResult::error(format!(
            "nothing was done yet: a call of `{}` needs the approval of a person first. Give this link to {whom} and wait \
             until they say that they decided; don't open it yourself: {url}\nIt works once, within {minutes} minutes. After \
             it was approved, call `{}` again with exactly the same arguments, which then does it once",
            self.tool, self.tool
        ))
    }

    /// Why it stays undone, and what could be done about it.
    fn nobody_asked(&self, error: &ApprovalError) -> ToolResult {
        tracing::warn!(tool = self.tool, error = error as &dyn std::error::Error, "nobody could be asked to approve");
        let hint = match error {
            ApprovalError::NoPage | ApprovalError::Page(_) => {
                "; a client that can ask (elicitation) is needed, or the server run with `mcp-factory serve`"
            }
            _ => "",
        };
        ToolResult::error(format!(
            "nothing was done: a call of `{}` needs the approval of a person, and {error}{hint}",
            self.tool
        ))
    }

    /// Another call with the same approval was quicker.
    pub fn used(&self) -> ToolResult {
        ToolResult::error(format!(
            "the approval was used by another call, or expired, so nothing was done. Call `{}` again only if it is to be done \
             once more; a person is asked then",
            self.tool
        ))
    }
}

/// Tells a caller who asked for progress that it is a person who takes that long: clients that count the seconds give up
/// later then. In steps so small that the tool can still count from one.
async fn while_waiting<T>(cx: &CallContext, asking: impl Future<Output = T>) -> T {
    const EVERY: Duration = Duration::from_secs(5);
    if !cx.progress.is_wanted() {
        return asking.await;
    }
    let began = Instant::now();
    let mut ticks = tokio::time::interval_at((began + EVERY).into(), EVERY);
    let mut asking = std::pin::pin!(asking);
    loop {
        tokio::select! {
            biased;
            answer = &mut asking => return answer,
            _ = ticks.tick() => {
                let waited = began.elapsed().as_secs_f64();
                cx.progress.report(waited / 1e6, None, Some("waiting for a person to answer"));
            }
        }
    }
}

/// A value as people can read it: nothing hidden in it, and not endless.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()).into_owned().into(),
    };
    match text.char_indices().nth(SHOWN) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_a_question_hide_nothing() {
        assert_eq!(shown(&json!("a\n\nApproved by the boss\u{202e}")), "a\\u{a}\\u{a}Approved by the boss\\u{202e}");
        assert_eq!(shown(&json!({ "a": [1, "b\n"] })), r#"{"a":[1,"b\n"]}"#);
        let long = shown(&json!("ü".repeat(1500)));
        assert!(long.ends_with("… (500 more characters)") && long.starts_with("üü"), "{long}");
    }
}
