//! gRPC services, as a set of file descriptors tells them: of a file (`protoc --include_imports --descriptor_set_out`) or of a
//! server that was asked (reflection). Each method becomes a tool whose parameters are the fields of its request.

mod schema;

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{
    DescriptorPool, MethodDescriptor, ServiceDescriptor, prost_types::method_options::IdempotencyLevel,
};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{
    Finding, Level, MANY, Proposal,
    choice::Idle,
    exposure::{self, Group, expose},
    name::{self, Names},
    network, settle, text,
};

/// What is taken of a server, and how it is reached.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server's name. Left out: made of the first package.
    pub name: Option<String>,
    /// Where the server is. Left out: a variable names it.
    pub url: Option<Url>,
    /// The file of descriptors, for a server that does not describe itself; relative to the spec.
    pub descriptors: Option<String>,
    /// Only services that fit one of these; `*` stands for anything.
    pub services: Vec<String>,
}

/// Services of gRPC itself, which say nothing of what a server is for.
const INFRASTRUCTURE: [&str; 3] = ["grpc.reflection.", "grpc.channelz.", "grpc.binarylog."];

/// Makes a spec of what a server offers. Without one the findings say why.
pub fn import(pool: &DescriptorPool, options: &Options) -> Result<Proposal, Vec<Finding>> {
    let mut found = Vec::new();
    let is_its_own = |it: &ServiceDescriptor| !INFRASTRUCTURE.iter().any(|prefix| it.full_name().starts_with(prefix));
    let mut services: Vec<ServiceDescriptor> = pool.services().filter(is_its_own).collect();
    let mut idle = Idle::default();
    let known = || services.iter().map(ServiceDescriptor::full_name);
    idle.look(&options.services, ("no service fits", "services"), name::fits, known);
    let all = services.len();
    services.retain(|it| {
        options.services.is_empty() || options.services.iter().any(|pattern| name::fits(pattern, it.full_name()))
    });
    if services.is_empty() && all > 0 {
        return Err(vec![idle.none_of(all, "services")]);
    }
    found.extend(idle.notes());
    let mut import = Import { names: Names::default(), tools: Vec::new(), places: Vec::new(), found: &mut found };
    let mut toolsets: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    for service in &services {
        let comments = Comments::of(service);
        let tools: Vec<String> =
            service.methods().filter_map(|method| import.tool(service, &method, &comments)).collect();
        if !tools.is_empty() {
            let about = comments.get(service.path()).map(|about| text::plain(about, 200));
            let about = about.filter(|about| !about.is_empty()).unwrap_or_else(|| service.full_name().to_owned());
            toolsets.insert(service.full_name().to_owned(), (about, tools));
        }
    }
    let Import { tools, places, .. } = import;
    if tools.is_empty() {
        let message = match services.len() {
            0 => "there are no services: there is nothing to make tools of".to_owned(),
            all => format!("none of the {all} services has a method that can be a tool"),
        };
        found.push(Finding { level: Level::Error, place: String::new(), position: None, message, hint: None });
        return Err(found);
    }
    let package = services.first().map(|service| service.package_name().to_owned()).unwrap_or_default();
    let server = options.name.clone().unwrap_or_else(|| {
        // `shop.inventory.v1` is about `inventory`.
        let is_version = |word: &&str| word.starts_with('v') && word[1..].starts_with(|c: char| c.is_ascii_digit());
        name::server(package.split('.').rfind(|word| !is_version(word) && !word.is_empty()).unwrap_or("grpc"))
    });
    let mut spec = Map::from_iter([("name".to_owned(), Value::from(server.clone()))]);
    spec.insert("connections".to_owned(), json!([connection(&server, options, &mut found)]));
    if tools.len() > MANY {
        let groups = toolsets.into_iter().map(|(service, (about, tools))| {
            let short = service.rsplit('.').next().unwrap_or(&service);
            Group { name: name::snake(short), about, tools }
        });
        expose(&mut spec, &exposure::names(&tools), groups.collect());
    }
    spec.insert("tools".to_owned(), tools.into());
    settle::settle(Value::Object(spec), &places, found)
}

fn connection(server: &str, options: &Options, found: &mut Vec<Finding>) -> Value {
    let mut connection = json!({ "name": "server", "type": "grpc" });
    match &options.url {
        Some(url) => {
            connection["url"] = url.as_str().trim_end_matches('/').into();
            if network::is_private(url) {
                connection["allowPrivateNetwork"] = true.into();
            }
        }
        None => {
            let variable = format!("{}_URL", name::variable(server));
            let hint = Some(format!("set `{variable}`, or write `url` at the connection"));
            connection["envVar"] = variable.into();
            let message = "descriptors do not say where the server is".to_owned();
            found.push(Finding { level: Level::Note, place: String::new(), position: None, message, hint });
        }
    }
    if let Some(file) = &options.descriptors {
        connection["descriptors"] = file.as_str().into();
    }
    connection
}

struct Import<'f> {
    names: Names,
    tools: Vec<Value>,
    places: Vec<String>,
    found: &'f mut Vec<Finding>,
}

impl Import<'_> {
    /// Its name, if the method can be a tool.
    fn tool(&mut self, service: &ServiceDescriptor, method: &MethodDescriptor, comments: &Comments) -> Option<String> {
        let place = format!("{}/{}", service.full_name(), method.name());
        if method.is_client_streaming() {
            let message = "it takes a stream of requests, which a call of a tool can't send".to_owned();
            self.found.push(Finding { level: Level::LeftOut, place, position: None, message, hint: None });
            return None;
        }
        let short = name::snake(method.name());
        let placed = format!("{}_{short}", name::snake(service.name()));
        let full = name::tool(Some(&format!("{}_{short}", service.full_name())), "GRPC", &place);
        let name = self.names.tool([
            name::tool(Some(&short), "GRPC", &place),
            name::tool(Some(&placed), "GRPC", &place),
            full,
        ]);
        let about = comments.get(method.path()).map(|about| text::plain(about, text::TOOL));
        let about = about
            .filter(|about| !about.is_empty())
            .unwrap_or_else(|| format!("Calls {} of {}", short.replace('_', " "), service.full_name()));
        let mut spec = json!({ "name": name, "description": about, "connection": "server" });
        if method
            .method_descriptor_proto()
            .options
            .as_ref()
            .is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
        {
            spec["annotations"] = json!({ "readOnly": true });
        }
        let mut call = json!({ "method": place });
        let (schema, message) = schema::request(&method.input(), comments);
        if let Some(message) = message {
            spec["inputSchema"] = schema;
            call["message"] = message;
        }
        spec["grpc"] = call;
        if let Some(answer) = schema::answer(&method.output(), comments) {
            let list = method.is_server_streaming();
            spec["returns"] = if list { json!({ "type": "array", "items": answer }) } else { answer };
        }
        self.tools.push(spec);
        self.places.push(place);
        Some(name)
    }
}

/// What stands in front of things in the files of a pool, by file and place. Servers leave it out more often than not.
#[derive(Debug, Default)]
struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    fn of(service: &ServiceDescriptor) -> Self {
        let file = service.parent_file();
        let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
        Self(
            locations
                .filter_map(|location| {
                    let said = location.leading_comments.as_ref().or(location.trailing_comments.as_ref())?;
                    Some((location.path.clone(), said.clone()))
                })
                .collect(),
        )
    }

    fn get(&self, path: &[i32]) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
