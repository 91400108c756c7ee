//! The text as the parser sees it: it ends early where the parser would buffer too much.
//!
//! A flow collection may turn out to be a key, so the scanner holds all its tokens until the closing bracket. Nearly every
//! token begins with an indicator; so many indicators without an event in between are as many tokens in memory.

use std::{cell::Cell, rc::Rc};

use saphyr_parser::{Input, StrInput, input::SkipTabs};

/// Indicators between two events, some hundred bytes of tokens each, in a text of so many bytes. Prose in one scalar holds
/// fewer.
pub(super) fn ration(bytes: usize) -> usize {
    100_000 + bytes / 32
}

pub(super) struct Rationed<'a> {
    text: StrInput<'a>,
    /// Indicators consumed since the reader of the events set it to 0.
    consumed: Rc<Cell<usize>>,
    ration: usize,
}

impl<'a> Rationed<'a> {
    pub(super) fn new(text: &'a str, consumed: Rc<Cell<usize>>) -> Self {
        Self { text: StrInput::new(text), consumed, ration: ration(text.len()) }
    }

    fn count(&mut self, character: char) {
        if matches!(character, '[' | ']' | '{' | '}' | ',' | ':' | '?' | '&' | '*' | '!' | '\'' | '"' | '%') {
            let consumed = self.consumed.get() + 1;
            self.consumed.set(consumed);
            if consumed > self.ration {
                self.text = StrInput::new("");
            }
        }
    }
}

impl Input for Rationed<'_> {
    fn skip(&mut self) {
        let character = self.text.peek();
        self.text.skip();
        self.count(character);
    }

    fn skip_n(&mut self, count: usize) {
        self.text.skip_n(count);
    }

    fn raw_read_ch(&mut self) -> char {
        let character = self.text.raw_read_ch();
        self.count(character);
        character
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        self.text.raw_read_non_breakz_ch()
    }

    fn lookahead(&mut self, count: usize) {
        self.text.lookahead(count);
    }

    fn buflen(&self) -> usize {
        self.text.buflen()
    }

    fn bufmaxlen(&self) -> usize {
        self.text.bufmaxlen()
    }

    fn peek(&self) -> char {
        self.text.peek()
    }

    fn peek_nth(&self, n: usize) -> char {
        self.text.peek_nth(n)
    }

    fn peek_opt(&self) -> Option<char> {
        self.text.peek_opt()
    }

    fn skip_ws_to_eol(&mut self, skip_tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        self.text.skip_ws_to_eol(skip_tabs)
    }

    fn skip_while_non_breakz(&mut self) -> usize {
        self.text.skip_while_non_breakz()
    }

    fn skip_while_blank(&mut self) -> usize {
        self.text.skip_while_blank()
    }

    fn fetch_while_is_alpha(&mut self, out: &mut String) -> usize {
        self.text.fetch_while_is_alpha(out)
    }

    fn fetch_while_is_yaml_non_space(&mut self, out: &mut String) -> usize {
        self.text.fetch_while_is_yaml_non_space(out)
    }
}
