//! Software as a service: customers come, change their plan and go, while everybody else is served.
//!
//! `cargo run -p mcp-serve --example per_bearer_saas -- --listen 127.0.0.1:9090`, and then, for example, `add 3 initech free`,
//! `plan 3 initech pro`, `remove 3`. What happens is told on standard error.

#![expect(clippy::print_stdout, reason = "what it is asked on standard input it answers on standard output")]

mod listen;

use std::{sync::Arc, time::Duration};

use mcp_serve::{
    CallContext, Error, Server, ServerFactory, TenantContext, ToolResult, ToolServer, ToolServerError,
    per_bearer::{Options, PerBearerError, PerBearerServer, create_per_bearer_mcp_server},
    tokens::{Secret, Token},
};
use serde_json::{Map, Value};

// ANCHOR: service
#[derive(Debug, Clone, Copy)]
pub enum Plan {
    Free,
    Pro,
}

fn customer_server(name: &str, plan: Plan) -> Result<Arc<dyn Server>, ToolServerError> {
    let server = ToolServer::new(name, "1.0.0").tool("search", "Searches", async |_, _| Ok(ToolResult::text("found")));
    match plan {
        Plan::Free => server,
        Plan::Pro => server.tool("report", "Writes a report", report),
    }
    .build()
}

fn factory(name: &str, plan: Plan) -> impl ServerFactory + use<> {
    let name = name.to_owned();
    move |_: TenantContext| std::future::ready(customer_server(&name, plan))
}

#[derive(Debug, Clone)]
pub struct CustomerService {
    pub mcp: PerBearerServer,
}

impl CustomerService {
    pub async fn start(options: Options) -> Result<Self, PerBearerError> {
        Ok(Self { mcp: create_per_bearer_mcp_server(options).start().await? })
    }

    /// Returns the customer's secret, which is shown once: afterwards nobody knows it.
    pub fn add_customer(&self, id: u32, name: &str, plan: Plan) -> Result<Secret, PerBearerError> {
        let secret = Secret::generate();
        let token = Token::new(secret.clone()).with_id(format!("customer-{id}"));
        self.mcp.add_token(token, factory(name, plan))?;
        Ok(secret)
    }

    /// Calls that run end as they began; the next request finds the tools of the new plan.
    pub fn change_plan(&self, id: u32, name: &str, plan: Plan) -> bool {
        self.mcp.update_token(&format!("customer-{id}"), factory(name, plan)).is_some()
    }

    pub fn remove_customer(&self, id: u32) -> bool {
        self.mcp.remove_token(&format!("customer-{id}")).is_some()
    }
}
// ANCHOR_END: service

/// A page takes a while; the caller may follow.
async fn report(cx: CallContext, arguments: Map<String, Value>) -> Result<ToolResult, Error> {
    let pages = arguments.get("pages").and_then(Value::as_u64).unwrap_or(0).min(100);
    for page in 1..=pages {
        cx.progress.report(page as f64, Some(pages as f64), Some("writing"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(ToolResult::text("a report"))
}

/// Does what a line says, and returns what there is to say: `add ID NAME PLAN`, `plan ID NAME PLAN`, `remove ID`.
fn obey(service: &CustomerService, line: &str) -> Result<String, Box<dyn std::error::Error>> {
    let plan = |word: &str| match word {
        "free" => Ok(Plan::Free),
        "pro" => Ok(Plan::Pro),
        other => Err(format!("there is no plan `{other}`")),
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let found = match words[..] {
        ["add", id, name, word] => {
            let secret = service.add_customer(id.parse()?, name, plan(word)?)?;
            return Ok(format!("{name}: {}", secret.reveal()));
        }
        ["plan", id, name, word] => service.change_plan(id.parse()?, name, plan(word)?),
        ["remove", id] => service.remove_customer(id.parse()?),
        _ => return Err("say `add ID NAME PLAN`, `plan ID NAME PLAN` or `remove ID`".into()),
    };
    Ok(if found { "done" } else { "there is no such customer" }.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = CustomerService::start(Options::at(listen::address()?)).await?;
    let event = |event: &_| eprintln!("{}", serde_json::to_string(event).expect("events are JSON"));
    service.mcp.on_event(event);
    eprintln!("listening on {}", service.mcp.get_server_info().expect("just started").url);
    for line in ["add 1 acme free", "add 2 globex pro"] {
        println!("{}", obey(&service, line)?);
    }
    let operator = service.clone();
    // A thread of its own, which nobody waits for: it may wait for a line for ever.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            println!("{}", obey(&operator, &line).unwrap_or_else(|error| error.to_string()));
        }
    });
    listen::until_interrupted().await;
    Ok(service.mcp.stop().await?)
}
