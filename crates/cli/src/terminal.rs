//! Whether somebody looks at what is printed: in which colours, and how wide it may be.

use std::{io::IsTerminal, os::fd::AsFd};

/// <https://no-color.org>, and terminals that know no orders.
pub fn colours(stream: &impl IsTerminal) -> bool {
    let said = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    stream.is_terminal() && said("NO_COLOR").is_none() && said("TERM").is_none_or(|kind| kind != *"dumb")
}

/// In characters; `None` where it is no terminal, or one that does not say.
pub fn width(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    if !stream.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// As much of a text as there is room for.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
