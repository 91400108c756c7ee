//! Calls of other tools, one after the other: what they call, with what, and under which names.

use super::{
    Checker, answers,
    catalogue::Catalogue,
    placeholders::{Absence, Scope},
};
use crate::{
    Code,
    model::{Step, Tool},
    path::Path,
};

impl Checker<'_> {
    pub(super) fn check_steps<'s>(
        &mut self,
        tool: Option<&Tool>,
        steps: &'s [Step],
        catalogue: &Catalogue<'_>,
        at: &Path,
        scope: &mut Scope<'s>,
    ) {
        self.needs_content(at, "`steps`");
        if !steps.is_empty() && !steps.iter().any(|step| matches!(step, Step::Call(_))) {
            self.report(Code::Missing, at, "no step calls a tool", None);
        }
        for (index, step) in steps.iter().enumerate() {
            let at = self.reader.place(at, index);
            let call = match step {
                Step::Return(value) => {
                    if index + 1 < steps.len() {
                        self.report(Code::Conflict, &at, "`return` is the last step", None);
                    }
                    self.check_value(value, &at.key("return"), scope, Absence::Breaks);
                    continue;
                }
                Step::Call(call) => call,
            };
            for (name, value) in &call.with {
                self.check_value(value, &at.key("with").key(name), scope, Absence::Breaks);
            }
            let place = at.key("call");
            match catalogue.get(&call.call) {
                _ if call.call.is_stand_in() => {}
                Some(called) if tool.is_some_and(|tool| catalogue.comes_back(&tool.name, &called.name)) => {
                    let message = format!("the step calls `{}`, which comes back to this tool", called.name);
                    self.report(Code::Conflict, &place, message, None);
                }
                Some(called) => self.check_arguments(called, &call.with, catalogue, &at.key("with")),
                None if self.declared("tools").contains(call.call.as_str()) => {}
                None => {
                    let near = self.suggest(Code::ToolPlaceholder, &call.call, catalogue.names());
                    self.report(Code::ToolPlaceholder, &place, format!("there is no tool `{}`", call.call), near);
                }
            }
            if let Some(name) = &call.name {
                if scope.knows(name) {
                    let message = format!("`{name}` is the name of something else already");
                    self.report(Code::DuplicateName, &at.key("as"), message, None);
                }
                if matches!(name.as_str(), "principal" | "trigger" | "env" | "call") {
                    let message =
                        format!("`{name}` can't be the name of an answer: placeholders use it for something else");
                    self.report(Code::Name, &at.key("as"), message, None);
                }
                scope.declare_answer(name, catalogue.get(&call.call).and_then(answers::schema));
            }
        }
    }
}
