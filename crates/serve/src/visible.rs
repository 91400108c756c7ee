//! Text of strangers, for people to read.

use std::{borrow::Cow, fmt::Write as _};

/// With everything written out that would be invisible, break the line or turn the text around it.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x1_d173..=0x1_d17a | 0xe_0000..=0xe_0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_everything_else_stays() {
        assert!(matches!(visible("Grüße, 東京 🎉 «a»"), Cow::Borrowed(_)));
        assert_eq!(visible("a\nb\u{202e}c\u{200b}\u{0}"), "a\\u{a}b\\u{202e}c\\u{200b}\\u{0}");
    }
}
