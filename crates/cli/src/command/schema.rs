//! `mcp-factory schema`: the JSON Schema of the language, for editors.

use std::process::ExitCode;

pub fn run() -> anyhow::Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&mcp_factory_spec::language_schema())?;
    super::print(&format!("{schema}\n"))?;
    Ok(ExitCode::SUCCESS)
}
