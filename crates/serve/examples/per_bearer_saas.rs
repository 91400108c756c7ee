//! Software as a service: customers come, change their plan and go, while everybody else is served.
//!
//! `cargo run -p mcp-serve --example per_bearer_saas -- --listen 127.0.0.1:9090`

mod address;

use std::sync::Arc;

use mcp_serve::{
    Server, TenantContext, ToolResult, ToolServer, ToolServerError,
    per_bearer::{Options, PerBearerError, PerBearerServer, create_per_bearer_mcp_server},
    tokens::{Secret, Token},
};

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
        Plan::Pro => server.tool("report", "Writes a report", async |_, _| Ok(ToolResult::text("a report"))),
    }
    .build()
}

#[derive(Debug)]
pub struct CustomerService {
    pub mcp: PerBearerServer,
}

impl CustomerService {
    pub async fn start(options: Options) -> Result<Self, PerBearerError> {
        Ok(Self { mcp: create_per_bearer_mcp_server(options).start().await? })
    }

    /// Returns the customer's secret, which is shown once: afterwards nobody knows it.
    pub fn add_customer(&self, id: u32, name: &'static str, plan: Plan) -> Result<Secret, PerBearerError> {
        let secret = Secret::generate();
        let token = Token::new(secret.clone()).with_id(format!("customer-{id}"));
        self.mcp.add_token(token, move |_: TenantContext| async move { customer_server(name, plan) })?;
        Ok(secret)
    }

    /// Calls that run end as they began; the next request finds the tools of the new plan.
    pub fn change_plan(&self, id: u32, name: &'static str, plan: Plan) -> bool {
        let factory = move |_: TenantContext| async move { customer_server(name, plan) };
        self.mcp.update_token(&format!("customer-{id}"), factory).is_some()
    }

    pub fn remove_customer(&self, id: u32) -> bool {
        self.mcp.remove_token(&format!("customer-{id}")).is_some()
    }
}
// ANCHOR_END: service

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = CustomerService::start(Options::at(address::from_arguments()?)).await?;
    eprintln!("listening on {}", service.mcp.get_server_info().expect("just started").url);
    for (id, name, plan) in [(1, "acme", Plan::Free), (2, "globex", Plan::Pro)] {
        eprintln!("{name}: {}", service.add_customer(id, name, plan)?.reveal());
    }
    service.change_plan(1, "acme", Plan::Pro);
    tokio::signal::ctrl_c().await?;
    service.remove_customer(2);
    Ok(service.mcp.stop().await?)
}
