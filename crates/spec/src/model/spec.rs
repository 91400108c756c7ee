//! A server, whole.

use indexmap::IndexMap;
use semver::Version;

use super::{
    Access, Auth, Connection, Deploy, Environment, EnvironmentName, Event, Exposure, Limits, Prompt, Resource,
    ServerName, Tool, Toolset, Transports, Trigger,
};
use crate::read::object;

object! {
    /// An MCP server: who may call it, what it talks to, what its tools do, what fires them, how it is deployed.
    pub struct Spec {
        /// Its name.
        name: ServerName,
        /// Its version (semver). A name and version never changes once it is registered.
        version: Version = Version::new(0, 1, 0),
        /// Its name for people.
        title: Option<String>,
        /// What it is.
        description: Option<String>,
        /// How to use it, for the model.
        instructions: Option<String>,
        /// Words to find it by.
        tags: Vec<String>,
        /// How callers reach it. Left out: over HTTP and on stdio.
        transport: Transports = Transports::default(),
        /// Who may call it over HTTP.
        auth: Auth = Auth::None,
        /// What its tools talk to.
        connections: Vec<Connection>,
        /// What callers can do.
        tools: Vec<Tool>,
        /// Tools under one name.
        toolsets: Vec<Toolset>,
        /// Which toolsets a caller sees.
        exposure: Exposure = Exposure::default(),
        /// What callers can read.
        resources: Vec<Resource>,
        /// Texts that people start from.
        prompts: Vec<Prompt>,
        /// What fires tools.
        triggers: Vec<Trigger>,
        /// What the server publishes to subscribers.
        events: Vec<Event>,
        /// What is bounded for all tools together.
        limits: Limits = Limits::default(),
        /// How it is deployed.
        deploy: Deploy = Deploy::default(),
        /// The same server, elsewhere: chosen with `--env`.
        environments: IndexMap<EnvironmentName, Environment>
        ; ..access: Access
    }
}

crate::read::parsed! {
    Version: Version, "a semantic version such as `1.0.0`, in quotes where YAML would read a number", {
        "type": "string", "pattern": "^(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)([-+][0-9A-Za-z.+-]+)?$"
    };
}
