//! `command`: a program, what it is started with, and what becomes of it.

mod argv;
mod printed;

use std::{path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_connect::{
    Secret, Secrets,
    command::{Ended, Lines, Output, Program, Run},
};
use mcp_factory_spec::{
    model::{self, Command, Setting},
    template::{Json, Text},
};
use mcp_serve::{CallContext, LogLevel, ToolResult};
use serde_json::{Map, Value};

use crate::{
    plan::{Builder, Fault},
    values::Values,
};
use argv::{Argv, plain, whole};
use printed::Reading;

/// How much of what a program complains of the model is shown, in characters.
const SHOWN: usize = 2000;

#[derive(Debug)]
pub struct CommandTool {
    program: Program,
    argv: Argv,
    stdin: Option<Stdin>,
    folder: PathBuf,
    environment: Vec<(String, Variable)>,
    secrets: Arc<dyn Secrets>,
    timeout: Duration,
    max_stdout: usize,
    reading: Reading,
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
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let mut argv = command.argv.iter().map(|element| &**element);
        let name = argv.next().and_then(Value::as_str).ok_or_else(|| "no program is named".to_owned())?;
        // `{{` and `}}` are braces here too.
        let name = Text::parse(name).map_err(|problem| problem.to_string())?.plain(|_| None);
        let stdin = command.stdin.as_ref().map(|stdin| {
            let template = Json::parse(stdin).map_err(|problem| problem.to_string())?;
            let property = whole(stdin).and_then(|name| properties.get(&name));
            let encoding = property.and_then(|property| property.get("contentEncoding"));
            Ok::<_, String>(Stdin { template, encoded: encoding.is_some_and(|word| word == "base64") })
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
            argv: Argv::compile(argv, properties)?,
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
            Ok(output) => {
                self.tell(cx, &output, &secrets);
                self.answer(&output, limit, &secrets)
            }
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
            arguments: self.argv.arguments(self.program.name(), get)?,
            stdin,
            folder: self.folder.clone(),
            environment,
            timeout: timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout)),
            max_stdout: self.max_stdout,
            lines,
        };
        Ok(Prepared { run, secrets })
    }

    /// A program that did what it should may still have something to say, which is no part of the answer.
    fn tell(&self, cx: &CallContext, output: &Output, secrets: &Redacted) {
        if output.ended == Ended::Exited(0) && !output.stderr.bytes.is_empty() && cx.log.wants(LogLevel::Info) {
            cx.log(LogLevel::Info, self.program.name(), last(&output.stderr.bytes, secrets));
        }
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

/// The end of what was said, without what a terminal would obey.
fn last(said: &[u8], secrets: &Redacted) -> String {
    let said = secrets.redact(String::from_utf8_lossy(said).into_owned());
    let shown: Vec<char> =
        said.trim().chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect();
    shown[shown.len().saturating_sub(SHOWN)..].iter().collect()
}
