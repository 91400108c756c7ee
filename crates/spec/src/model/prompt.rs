//! Prompts: texts that people start from.

use super::{Completion, ParameterName, PromptName, TextTemplate};
use crate::read::{object, words};

object! {
    /// A text that people start from.
    pub struct Prompt {
        /// Its name.
        name: PromptName,
        /// Its name for people.
        title: Option<String>,
        /// What it is good for.
        description: Option<String>,
        /// What is filled in.
        arguments: Vec<PromptArgument>,
        /// The messages.
        messages: Vec<PromptMessage>
    }
}

object! {
    /// Something that is filled in.
    pub struct PromptArgument {
        /// Its name.
        name: ParameterName,
        /// What it is.
        description: Option<String>,
        /// Whether it must be given.
        required: bool = false,
        /// What completes it while it is typed. Left out: the values that a tool's parameter of the same name lists.
        complete: Option<Completion>
    }
}

object! {
    /// A message: text, or a resource.
    pub struct PromptMessage {
        /// Who says it.
        role: Role,
        /// The text.
        text: Option<TextTemplate>,
        /// The `uri` of a resource.
        resource: Option<TextTemplate>
    }
}

words! {
    /// Who says a message.
    pub enum Role {
        User = "user",
        Assistant = "assistant",
    }
}
