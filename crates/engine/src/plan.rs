//! A spec, compiled for this build, this machine and this owner.
//!
//! `spec` judges the language; here it shows what can be run. Nothing is opened: a database that is down shows in the
//! first call.

mod connections;
mod entries;
mod fault;
mod order;
mod support;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mcp_factory_connect::{
    Policy, Secrets,
    command::{Program, ProgramError},
    grpc,
};
use mcp_factory_spec::{Spec, model};
use mcp_serve::{
    Approvals, Changes, Gate, Limits, Listing, ParameterHeader, Rate,
    model::{Implementation, Tool as ToolEntry},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    Engine,
    arguments::Arguments,
    cache::Answers,
    completion::Completions,
    confirm::Confirm,
    cursor::CursorKey,
    exposure::{self, Exposure},
    interned::Interned,
    per::Connected,
    prompt::CompiledPrompt,
    resource::Resources,
    tasks::{Desk, Tasks},
    tool::{
        Kind, Tool, command::CommandTool, fixed, graphql::GraphqlTool, grpc::GrpcTool, http::HttpTool, mcp::McpTool,
        sql::SqlTool, steps::StepsTool,
    },
};
use connections::Connections;
pub use connections::{SqlConnection, Upstream};
pub use entries::tool as listed;
pub use fault::Fault;

/// What a plan is made against.
#[derive(Debug)]
pub struct Surroundings {
    /// Relative paths of the spec start here. Absolute.
    pub folder: PathBuf,
    pub secrets: Arc<dyn Secrets>,
    pub policy: Policy,
    pub cursor_key: CursorKey,
    /// Databases that the spec seeds are made anew in this folder, whatever path the spec names: for tests.
    pub fresh_seeds: Option<PathBuf>,
    /// Where it is told that an engine took the place of another; shared by all engines of one server.
    pub changes: Option<Changes>,
    /// Where calls are kept that outlast their request.
    pub tasks: Tasks,
    /// Where people approve calls whose client can't ask them. The same for all plans of a program.
    pub approvals: Approvals,
}

/// Connections that an operator shares, by name: they stand on what is the operator's, and on nothing of who uses them.
pub type Shared = HashMap<String, SharedGround>;

#[derive(Debug, Clone)]
pub struct SharedGround {
    /// Relative paths of the definition start here. Absolute.
    pub folder: PathBuf,
    pub secrets: Arc<dyn Secrets>,
    pub policy: Policy,
}

/// Why a spec can't run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `plan/not-supported`, `plan/unusable` or `policy/…`.
    pub code: &'static str,
    /// Where in the spec.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at `{}`)", self.code, self.message, self.path)
    }
}

/// Compiled, and not yet serving.
#[derive(Debug)]
pub struct Plan {
    engine: Engine,
    notices: Vec<String>,
    files: Files,
}

/// A file of gRPC descriptors.
const LARGEST_DESCRIPTORS: u64 = 16 << 20;

/// Files beside the spec, with the SHA-256 of what was in them.
pub type Files = BTreeMap<PathBuf, [u8; 32]>;

impl Plan {
    /// Compiles the spec, or says everything that can't run.
    pub fn new(spec: &Spec, surroundings: &Surroundings) -> Result<Self, Vec<Problem>> {
        Self::with_shared(spec, surroundings, &Shared::new())
    }

    /// The same with connections that are shared: what they are is in the spec by now, in the place of `use`.
    pub fn with_shared(spec: &Spec, surroundings: &Surroundings, shared: &Shared) -> Result<Self, Vec<Problem>> {
        Self::compile(spec, surroundings, shared, false)
    }

    /// Of a spec that was planned before: what a spec alone decides is not tried again, such as whether its schemas compile.
    pub fn again(spec: &Spec, surroundings: &Surroundings, shared: &Shared) -> Result<Self, Vec<Problem>> {
        Self::compile(spec, surroundings, shared, true)
    }

    fn compile(
        spec: &Spec,
        surroundings: &Surroundings,
        shared: &Shared,
        is_known: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut builder = Builder { is_known, ..Builder::new(spec, surroundings, shared) };
        let mut notices = support::check(spec, &mut builder.problems);
        notices.extend(exposure::notices(spec));
        let tools = order::tools(spec, &mut builder);
        let resources = Resources::compile(spec, &mut builder);
        let prompts = prompts(spec, &mut builder);
        let completions = Completions::compile(spec, &mut builder);
        if !builder.problems.is_empty() {
            return Err(builder.problems);
        }
        let engine = Engine {
            implementation: implementation(spec),
            instructions: spec.instructions.clone(),
            tools,
            tool_listing: tool_listing(entries::tools(spec).collect()),
            desk: spec
                .tools
                .iter()
                .any(|tool| tool.task)
                .then(|| Desk { server: spec.name.to_string(), tasks: surroundings.tasks.clone() }),
            resource_listing: listing(entries::resources(spec)),
            template_listing: listing(entries::templates(spec)),
            resources,
            completions,
            prompts,
            prompt_listing: listing(spec.prompts.iter().map(entries::prompt).collect()),
            changes: surroundings.changes.clone(),
            exposure: Exposure::of(spec),
        };
        let engine = Arc::new(engine);
        if let Err(error) = engine.try_exposed() {
            let problem = Problem { code: "plan/unusable", path: "toolsets".to_owned(), message: error.to_string() };
            return Err(vec![problem]);
        }
        let engine = Arc::into_inner(engine).expect("nobody else has it yet");
        Ok(Self { engine, notices, files: builder.files.into_inner() })
    }

    /// What the spec has and this build leaves alone, harmlessly.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The files beside the spec that are part of what was compiled.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    #[must_use]
    pub fn build(self) -> Engine {
        self.engine
    }
}

fn prompts(spec: &Spec, builder: &mut Builder<'_>) -> HashMap<String, CompiledPrompt> {
    let mut prompts = HashMap::new();
    for (position, prompt) in spec.prompts.iter().enumerate() {
        match CompiledPrompt::compile(prompt, spec, builder) {
            Ok(compiled) => drop(prompts.insert(prompt.name.to_string(), compiled)),
            Err(message) => builder.report(format!("prompts[{position}]"), message.into()),
        }
    }
    prompts
}

/// What compiling needs, and where it reports.
#[derive(Debug)]
pub struct Builder<'a> {
    spec: &'a Spec,
    surroundings: &'a Surroundings,
    pub cursor_key: CursorKey,
    pub connections: Connections<'a>,
    pub problems: Vec<Problem>,
    server: &'a str,
    answers: Option<Arc<Answers>>,
    files: RefCell<Files>,
    is_known: bool,
}

impl<'a> Builder<'a> {
    fn new(spec: &'a Spec, surroundings: &'a Surroundings, shared: &'a Shared) -> Self {
        Self {
            spec,
            surroundings,
            cursor_key: surroundings.cursor_key.clone(),
            connections: Connections::new(spec, surroundings, shared),
            problems: Vec::new(),
            server: spec.title.as_deref().unwrap_or(spec.name.as_str()),
            answers: None,
            files: RefCell::default(),
            is_known: false,
        }
    }

    /// The spec was planned before.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    pub fn report(&mut self, path: String, fault: Fault) {
        self.problems.push(Problem { code: fault.code, path, message: fault.message });
    }

    /// A file that the spec names, whole. It must lie below the spec's folder, wherever links lead.
    pub fn read_file(&self, file: &str, largest: u64) -> Result<Vec<u8>, String> {
        read_below(&self.surroundings.folder, file, largest, &self.files)
    }

    /// The gRPC server that a connection means.
    pub fn grpc(&mut self, name: Option<&str>) -> Result<Connected<grpc::Client>, Fault> {
        let (own, files) = (&self.surroundings.folder, &self.files);
        self.connections.grpc(name, |shared, file| {
            let folder = shared.map_or(own, |ground| &ground.folder);
            let bytes = read_below(folder, file, LARGEST_DESCRIPTORS, files)?;
            grpc::parse_descriptors(&bytes).map_err(|error| format!("can't use `{file}`: {error}"))
        })
    }

    /// A program that a `command` may start.
    pub fn program(&self, name: &str) -> Result<Program, Fault> {
        match Program::find(name, &self.surroundings.folder, &self.surroundings.policy) {
            Ok(program) => Ok(program),
            Err(ProgramError::Denied(denied)) => Err(denied.into()),
            Err(error) => Err(error.to_string().into()),
        }
    }

    /// What knows the secrets of the spec's owner.
    pub fn secrets(&self) -> Arc<dyn Secrets> {
        Arc::clone(&self.surroundings.secrets)
    }

    /// A folder that the spec names, or its own. It must lie below that, wherever links lead.
    pub fn folder(&self, folder: Option<&str>) -> Result<PathBuf, String> {
        let own = &self.surroundings.folder;
        let Some(folder) = folder else { return Ok(own.clone()) };
        let path = fs::canonicalize(own.join(folder)).map_err(|error| format!("can't find `{folder}`: {error}"))?;
        match path {
            path if !path.starts_with(own) => Err(format!("`{folder}` leads out of the folder of the spec")),
            path if !path.is_dir() => Err(format!("`{folder}` is no folder")),
            path => Ok(path),
        }
    }

    /// `compiled` holds the tools that this one calls.
    fn tool(&mut self, position: usize, tool: &model::Tool, compiled: &HashMap<String, Arc<Tool>>) -> Option<Tool> {
        let path = format!("tools[{position}]");
        let schema = tool.input_schema();
        let headers = ParameterHeader::of(&schema);
        let schema = Value::Object(schema);
        let arguments = if self.is_known { Ok(Arguments::known(&schema)) } else { Arguments::compile(&schema) };
        let compiled = arguments
            .map_err(|error| Fault::from(error.to_string()))
            .and_then(|arguments| Ok((self.kind(tool, compiled)?, arguments)));
        let (kind, arguments) = match compiled {
            Ok(compiled) => compiled,
            Err(fault) => {
                self.report(path, fault);
                return None;
            }
        };
        let mut scopes = tool.scopes.clone();
        scopes.extend(exposure::scopes_of_toolsets(self.spec, tool));
        if let Kind::Steps(steps) = &kind {
            scopes.extend(steps.scopes().cloned());
        }
        if scopes.len() > tool.scopes.len() {
            scopes.sort();
            scopes.dedup();
        }
        let read_only = tool.annotations.read_only.unwrap_or_else(|| kind.only_reads()) && kind.may_only_read();
        let confirm = tool
            .confirm
            .as_ref()
            .map(|confirm| Confirm::compile(confirm, tool, self.server, self.surroundings.approvals.clone()));
        let confirm = match confirm.transpose() {
            Ok(confirm) => confirm,
            Err(message) => {
                self.report(format!("{path}.confirm"), message.into());
                return None;
            }
        };
        Some(Tool {
            name: Arc::from(tool.name.as_str()),
            scopes,
            arguments,
            headers,
            timeout: tool.limits.timeout.at().map(model::Duration::get),
            max_bytes: tool.limits.max_bytes.at().map(model::Size::bytes),
            task: tool.task,
            gate: Gate::new(&limits_of(&tool.limits)),
            read_only,
            confirm,
            cache: self.cache(tool, read_only),
            seeded: kind.is_seeded(),
            kind,
        })
    }

    /// What writes, or asks a person, does it every time. The language refuses `cache` there.
    fn cache(&mut self, tool: &model::Tool, read_only: bool) -> Option<(Arc<Answers>, Duration)> {
        let cache = tool.cache.as_ref().filter(|_| read_only && tool.confirm.is_none())?;
        let answers = self.answers.get_or_insert_with(|| Arc::new(Answers::new()));
        Some((Arc::clone(answers), cache.ttl.get()))
    }

    fn kind(&mut self, tool: &model::Tool, compiled: &HashMap<String, Arc<Tool>>) -> Result<Kind, Fault> {
        Ok(match &tool.kind {
            None => Kind::Stub,
            Some(model::ToolKind::Sql(sql)) => Kind::Sql(Box::new(SqlTool::of_tool(tool, sql, self)?)),
            Some(model::ToolKind::Http(request)) => Kind::Http(Box::new(HttpTool::of_tool(tool, request, self)?)),
            Some(model::ToolKind::Command(command)) => {
                Kind::Command(Box::new(CommandTool::compile(command, tool, self)?))
            }
            Some(model::ToolKind::Graphql(graphql)) => {
                Kind::Graphql(Box::new(GraphqlTool::compile(graphql, tool, self)?))
            }
            Some(model::ToolKind::Mcp(call)) => Kind::Mcp(Box::new(McpTool::compile(call, tool, self)?)),
            Some(model::ToolKind::Static(fixed)) => Kind::Fixed(fixed::compile(fixed, self)?),
            Some(model::ToolKind::Steps(steps)) => {
                Kind::Steps(StepsTool::compile(steps, tool, |name| compiled.get(name).cloned())?)
            }
            Some(model::ToolKind::Grpc(call)) => Kind::Grpc(Box::new(GrpcTool::of_tool(tool, call, self)?)),
            // `support` has refused the others.
            Some(_) => Kind::Stub,
        })
    }
}

/// A file below `folder`, wherever links lead; what was in it is remembered in `files`.
fn read_below(folder: &Path, file: &str, largest: u64, files: &RefCell<Files>) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("can't read `{file}`: {error}");
    let path = fs::canonicalize(folder.join(file)).map_err(failed)?;
    if !path.starts_with(folder) {
        return Err(format!("`{file}` leads out of the folder of the spec"));
    }
    let mut bytes = Vec::new();
    fs::File::open(&path).map_err(failed)?.take(largest + 1).read_to_end(&mut bytes).map_err(failed)?;
    files.borrow_mut().insert(path, Sha256::digest(&bytes).into());
    if bytes.len() as u64 > largest {
        return Err(format!("`{file}` is larger than {largest} bytes"));
    }
    Ok(bytes)
}

fn limits_of(limits: &model::ToolLimits) -> Limits {
    Limits { rate: limits.rate.at().map(rate), concurrency: limits.concurrency.at().map(|calls| calls.get() as usize) }
}

/// How the spec bounds its callers, as the serving library takes it.
#[must_use]
pub fn limits(spec: &Spec) -> Limits {
    Limits {
        rate: spec.limits.rate_per_principal.at().map(rate),
        concurrency: spec.limits.concurrency.at().map(|calls| calls.get() as usize),
    }
}

/// A rate, as the serving library takes it.
#[must_use]
pub fn rate(rate: model::Rate) -> Rate {
    Rate { calls: u32::try_from(rate.times.get()).unwrap_or(u32::MAX), per: rate.per.get() }
}

fn implementation(spec: &Spec) -> Implementation {
    let mut implementation = Implementation::new(spec.name.as_str(), spec.version.to_string());
    if let Some(title) = &spec.title {
        implementation = implementation.with_title(title);
    }
    if let Some(description) = &spec.description {
        implementation = implementation.with_description(description);
    }
    implementation
}

fn listing<T: Serialize + DeserializeOwned>(entries: Vec<T>) -> Arc<Listing<T>> {
    let json = serde_json::value::to_raw_value(&entries).expect(WRITABLE);
    Arc::new(Listing::written(json).expect(WRITABLE))
}

/// Lists of tools by their JSON, of all servers.
static TOOLS: Interned<Listing<ToolEntry>> = Interned::new();
const WRITABLE: &str = "the protocol's types are written as JSON, and read from it";

fn tool_listing(entries: Vec<ToolEntry>) -> Arc<Listing<ToolEntry>> {
    let json = serde_json::value::to_raw_value(&entries).expect(WRITABLE);
    let text = json.get().to_owned();
    TOOLS.get_or_make(&[&text], || Listing::written(json)).expect(WRITABLE)
}
