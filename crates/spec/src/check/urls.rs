//! URLs, and paths of HTTP.

use super::Checker;
use crate::{Code, model::Url, path::Path, read::list};

impl Checker<'_> {
    pub(super) fn check_url(&mut self, url: Option<&Url>, at: &Path, schemes: &[&str]) {
        let Some(url) = url.filter(|url| !url.is_stand_in()) else { return };
        let parts = url.parts();
        if !schemes.contains(&parts.scheme()) {
            let message = format!("a URL of scheme `{}` can't be used here", parts.scheme());
            self.report(Code::Url, at, message, Some(format!("expected {}", list(schemes))));
        } else if !parts.has_host() {
            self.report(Code::Url, at, format!("the URL `{url}` has no host"), None);
        }
    }

    /// A path that is appended to something: no way out of it.
    pub(super) fn check_http_path(&mut self, path: &str, at: &Path) {
        let wrong = if !path.starts_with('/') {
            "does not begin with `/`"
        } else if path.contains("//") {
            "holds `//`"
        } else if path.split('/').any(|segment| matches!(decoded_dots(segment).as_str(), "." | "..")) {
            "holds a segment of dots"
        } else if path.contains('?') {
            "holds a query, which goes into `query`"
        } else if path.contains('#') {
            "holds a fragment"
        } else if path.contains(|c: char| c.is_control() || c == '\\' || c == ' ') {
            "holds a character that paths can't have"
        } else {
            return;
        };
        self.report(Code::HttpPath, at, format!("the path `{path}` {wrong}"), None);
    }
}

fn decoded_dots(segment: &str) -> String {
    segment.replace("%2e", ".").replace("%2E", ".")
}
