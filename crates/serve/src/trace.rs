//! Where a call belongs in a trace that somebody else keeps: W3C Trace Context, level 1. It is the client's word, and says
//! nothing about who calls.

use std::{fmt, str::FromStr, sync::Arc};

use http::HeaderMap;

/// A `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
}

/// It is none, or one of a version that can't be read as this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a `traceparent`")]
pub struct NoTraceParent;

impl TraceParent {
    pub const HEADER: &'static str = "traceparent";

    /// What the call itself says (`_meta`) is nearer to it than what stands on its way. One that can't be read is none.
    pub(crate) fn of(headers: Option<&HeaderMap>, meta: Option<&str>) -> Option<Self> {
        if let Some(parent) = meta.and_then(|text| text.parse().ok()) {
            return Some(parent);
        }
        let mut values = headers?.get_all(Self::HEADER).iter();
        let (first, None) = (values.next()?, values.next()) else { return None };
        first.to_str().ok()?.parse().ok()
    }
}

/// What vendors say of a trace (`tracestate`), to be passed on as it is; only where there is a `traceparent`, and no longer than
/// everybody has to pass on.
pub(crate) fn state_of(headers: Option<&HeaderMap>, meta: Option<&str>) -> Option<Arc<str>> {
    let said = match (meta, headers) {
        (Some(said), _) => said.to_owned(),
        (None, Some(headers)) => {
            let values: Result<Vec<&str>, _> = headers.get_all(STATE).iter().map(|value| value.to_str()).collect();
            values.ok()?.join(",")
        }
        (None, None) => return None,
    };
    let said = said.trim();
    let is_whole = said.len() <= LONGEST_STATE && said.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    (is_whole && !said.is_empty()).then(|| said.into())
}

pub(crate) const STATE: &str = "tracestate";
const LONGEST_STATE: usize = 512;

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if is_hex { u128::from_str_radix(part, 16).ok() } else { None }
        };
        let read = (part(2), part(32), part(16), part(2));
        let (Some(version), Some(trace_id), Some(span_id), Some(flags)) = read else { return Err(NoTraceParent) };
        let is_over = parts.next().is_none();
        // A later version may say more behind it.
        if version == 0xff || trace_id == 0 || span_id == 0 || (version == 0 && !is_over) {
            return Err(NoTraceParent);
        }
        Ok(Self { trace_id, span_id: span_id as u64, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_tracestate_is_passed_on_whole_or_not_at_all() {
        let headers: HeaderMap = [("a=1", "tracestate"), ("b=2", "tracestate")]
            .into_iter()
            .map(|(value, name)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        assert_eq!(state_of(Some(&headers), None).as_deref(), Some("a=1,b=2"));
        assert_eq!(state_of(Some(&headers), Some("c=3")).as_deref(), Some("c=3"));
        for none in ["", " ", "a=\u{e4}", "a=1\nb: 2", &"a".repeat(LONGEST_STATE + 1)] {
            assert_eq!(state_of(None, Some(none)), None, "{none}");
        }
    }

    /// The examples of the recommendation.
    #[test]
    fn a_traceparent_is_read_as_it_is_written_and_anything_else_is_none() {
        let parent: TraceParent = GOOD.parse().expect("one");
        assert_eq!((parent.span_id, parent.sampled), (0xb7ad_6b71_6920_3331, true));
        assert_eq!(parent.to_string(), GOOD);
        assert!(GOOD.replace("-01", "-00").parse::<TraceParent>().is_ok_and(|it| !it.sampled));
        assert!(format!("{}-more", GOOD.replacen("00", "cc", 1)).parse::<TraceParent>().is_ok(), "of a later version");
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &format!("{GOOD}-more"),
            &GOOD.replace("b7ad6b7169203331", "0000000000000000"),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &GOOD.replace("b7ad6b7169203331", "b7ad6b716920333"),
            &GOOD.replace("b7ad6b7169203331", "+7ad6b7169203331"),
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(NoTraceParent), "{bad}");
        }
    }
}
