//! `command`: a program and its arguments, each of which stays one argument, whatever it holds.
//!
//! A value must not become an option: what begins with `-` is refused where a placeholder begins the element, unless the
//! values are the spec's own (`enum`, `const`), a number, or stand behind a `--`.

mod printed;

use std::{borrow::Cow, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_connect::{
    Secret, Secrets,
    command::{Ended, Lines, Output, Program, Run},
};
use mcp_factory_spec::{
    model::{self, Command, Setting},
    template::{Json, Text},
};
use mcp_serve::{CallContext, ToolResult};
use serde_json::{Map, Value};

use crate::{
    plan::{Builder, Fault},
    values::Values,
};
use printed::Reading;

/// How much of what a program complains of the model is shown, in characters.
const SHOWN: usize = 2000;

#[derive(Debug)]
pub struct CommandTool {
    program: Program,
    elements: Vec<Element>,
    stdin: Option<Stdin>,
    folder: PathBuf,
    environment: Vec<(String, Variable)>,
    secrets: Arc<dyn Secrets>,
    timeout: Duration,
    max_stdout: usize,
    reading: Reading,
}

/// One element of `argv` behind the program.
#[derive(Debug)]
struct Element {
    template: Json,
    /// The text as the spec has it, for messages.
    text: String,
    /// A value of the caller begins it, where a program looks for options.
    guarded: bool,
}

#[derive(Debug)]
enum Variable {
    Text(Text),
    /// Its name in `secrets`.
    Secret(String),
}

/// What a program is started with, and what must not be seen of it.
struct Prepared {
    run: Run,
    secrets: Redacted,
}

/// Values that are shown to nobody.
#[derive(Clone, Default)]
struct Redacted(Vec<Secret>);

#[derive(Debug)]
struct Stdin {
    template: Json,
    /// The argument that it is holds base64.
    encoded: bool,
}

impl CommandTool {
    pub fn compile(command: &Command, tool: &model::Tool, builder: &Builder<'_>) -> Result<Self, Fault> {
        let schema = tool.input_schema();
        let property = |value: &Value| whole(value).and_then(|name| schema.get("properties")?.get(name)).cloned();
        let json = |value: &Value| Json::parse(value).map_err(|problem| problem.to_string());
        let mut argv = command.argv.iter();
        let name = argv.next().and_then(|program| program.as_str()).ok_or_else(|| "no program is named".to_owned())?;
        // `{{` and `}}` are braces here too.
        let name = Text::parse(name).map_err(|problem| problem.to_string())?.plain(|_| None);
        let mut elements = Vec::new();
        let mut options_end = false;
        for value in argv {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let begins_with_value = text.starts_with('{') && !text.starts_with("{{");
            let guarded = begins_with_value && !options_end && !property(value).is_some_and(|p| is_fixed(&p));
            options_end |= text == "--";
            elements.push(Element { template: json(value)?, text, guarded });
        }
        let stdin = command.stdin.as_ref().map(|stdin| {
            let encoding = property(stdin).and_then(|property| property.get("contentEncoding").cloned());
            Ok::<_, String>(Stdin { template: json(stdin)?, encoded: encoding.is_some_and(|word| word == "base64") })
        });
        let environment = command.env.iter().map(|(name, setting)| {
            let variable = match setting {
                Setting::Text(text) => Variable::Text(Text::parse(text).map_err(|problem| problem.to_string())?),
                Setting::Secret(secret) => Variable::Secret(secret.env_var.to_string()),
            };
            Ok((name.clone(), variable))
        });
        let bytes = tool.limits.max_bytes.at().map(|size| usize::try_from(size.bytes()).unwrap_or(usize::MAX));
        Ok(Self {
            program: builder.program(&name)?,
            elements,
            stdin: stdin.transpose()?,
            folder: builder.folder(command.cwd.as_deref())?,
            environment: environment.collect::<Result<_, String>>()?,
            secrets: builder.secrets(),
            timeout: command.timeout.get(),
            max_stdout: bytes.unwrap_or(usize::MAX),
            reading: Reading::of(tool.returns.as_ref().map(model::Schema::as_value), &tool.limits),
        })
    }

    pub async fn call(
        &self,
        cx: &CallContext,
        arguments: &Map<String, Value>,
        timeout: Option<Duration>,
    ) -> ToolResult {
        let Prepared { run, secrets } = match self.prepare(&Values { arguments, cx }, timeout) {
            Ok(prepared) => prepared,
            Err(message) => return ToolResult::error(message),
        };
        let limit = run.timeout;
        match self.program.run(run).await {
            Ok(output) => self.answer(&output, limit, &secrets),
            Err(error) => {
                tracing::warn!(request = %cx.call_id, error = &error as &dyn std::error::Error, "no program was run");
                ToolResult::error(error.to_string())
            }
        }
    }

    fn prepare(&self, values: &Values<'_>, timeout: Option<Duration>) -> Result<Prepared, String> {
        let get = |name: &str| values.get(name);
        let mut environment = Vec::new();
        let mut secrets = Redacted::default();
        for (name, variable) in &self.environment {
            match variable {
                Variable::Text(text) => environment.extend(text.text(get).map(|text| (name.clone(), text))),
                Variable::Secret(named) => {
                    let secret = self.secrets.get(named).map_err(|error| error.to_string())?;
                    environment.push((name.clone(), secret.expose().to_owned()));
                    secrets.0.push(secret);
                }
            }
        }
        let stdin = match self.stdin.as_ref().and_then(|stdin| Some((stdin, stdin.template.render(get)?))) {
            None => Vec::new(),
            Some((stdin, value)) if stdin.encoded => STANDARD
                .decode(plain(&value).as_bytes())
                .map_err(|error| format!("the input of the program is no base64: {error}"))?,
            Some((_, value)) => plain(&value).into_bytes(),
        };
        let progress = &values.cx.progress;
        progress.report(0.0, None, None);
        let lines = Lines(progress.is_wanted().then(|| {
            let (progress, secrets) = (progress.clone(), secrets.clone());
            #[expect(clippy::cast_precision_loss, reason = "nobody prints that many lines")]
            let report = move |count: u64, line: &str| {
                progress.report(count as f64, None, Some(&secrets.redact(line.to_owned())));
            };
            Box::new(report) as Box<dyn FnMut(u64, &str) + Send>
        }));
        let run = Run {
            arguments: self.arguments(get)?,
            stdin,
            folder: self.folder.clone(),
            environment,
            timeout: timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout)),
            max_stdout: self.max_stdout,
            lines,
        };
        Ok(Prepared { run, secrets })
    }

    fn arguments<'v>(&self, get: impl Fn(&str) -> Option<Cow<'v, Value>> + Copy) -> Result<Vec<String>, String> {
        let mut arguments = Vec::new();
        for element in &self.elements {
            let values = match element.template.render(get) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(values)) => values,
                Some(value) => vec![value],
            };
            for value in values.iter().filter(|value| !value.is_null()) {
                let argument = plain(value);
                if element.guarded && argument.starts_with('-') && !value.is_number() {
                    return Err(format!(
                        "`{}` may not begin with `-` here: the program `{}` would take it for an option",
                        element.text,
                        self.program.name()
                    ));
                }
                arguments.push(argument);
            }
        }
        Ok(arguments)
    }

    fn answer(&self, output: &Output, limit: Duration, secrets: &Redacted) -> ToolResult {
        let program = self.program.name();
        let what = match output.ended {
            Ended::Exited(0) => match self.reading.read(&output.stdout, self.max_stdout) {
                Ok(result) => return result,
                Err(why) => format!("the program `{program}` {why}"),
            },
            Ended::Exited(code) => format!("the program `{program}` failed with exit code {code}"),
            Ended::Killed(signal) => format!("the program `{program}` was killed by signal {signal}"),
            Ended::TimedOut => {
                format!(
                    "the program `{program}` took longer than its limit of {} and was stopped",
                    super::humane(limit)
                )
            }
        };
        let complaint = [&output.stderr, &output.stdout].map(|said| last(&said.bytes, secrets));
        match complaint.iter().find(|complaint| !complaint.is_empty()) {
            Some(complaint) => ToolResult::error(format!("{what}: {complaint}")),
            None => ToolResult::error(what),
        }
    }
}

impl Redacted {
    fn redact(&self, text: String) -> String {
        let secrets = self.0.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(text, |text, secret| text.replace(secret, "[secret]"))
    }
}

/// The name of the argument that the whole value is.
fn whole(value: &Value) -> Option<String> {
    Some(Text::parse(value.as_str()?).ok()?.whole()?.name.clone())
}

/// Whether the spec lists every value that there can be.
fn is_fixed(property: &Value) -> bool {
    let listed = |schema: &Value| schema.get("enum").is_some() || schema.get("const").is_some();
    let is_array = property.get("type").is_some_and(|kind| kind == "array");
    listed(property) || (is_array && property.get("items").is_some_and(listed))
}

/// A value as text, without quotes around what is text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The end of what was said, without what a terminal would obey.
fn last(said: &[u8], secrets: &Redacted) -> String {
    let said = secrets.redact(String::from_utf8_lossy(said).into_owned());
    let shown: Vec<char> =
        said.trim().chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect();
    shown[shown.len().saturating_sub(SHOWN)..].iter().collect()
}
