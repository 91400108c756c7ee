//! The statement of a tool, read by the language's parser.

use mcp_factory_spec::sql::{Dialect, Template};
use serde_json::Value;

/// In the dialect of its connection. Where that only stands on another one, whichever reads it.
pub fn template(spec: &Value, tool: &Value) -> Option<Template> {
    let sql = tool["sql"].as_str()?;
    let connections = spec["connections"].as_array().map_or(&[][..], Vec::as_slice);
    let of_tool = connections.iter().find(|it| tool["connection"].is_null() || it["name"] == tool["connection"]);
    let dialects: &[Dialect] = match of_tool.and_then(|it| it["type"].as_str()) {
        Some("postgresql") => &[Dialect::Postgres],
        Some("mysql") => &[Dialect::Mysql],
        Some("sqlite") => &[Dialect::Sqlite],
        _ => &[Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite],
    };
    dialects.iter().find_map(|dialect| Template::parse(sql, *dialect).ok())
}

/// The first table that it names, as tables are compared.
pub fn table(spec: &Value, tool: &Value) -> Option<String> {
    template(spec, tool)?.tables().into_iter().next()
}

/// Whether it says whose rows it means.
pub fn is_bound(tool: &Value) -> bool {
    tool["sql"].as_str().is_some_and(|sql| sql.contains(":principal."))
}

/// Whether one of its words is this name.
pub fn mentions(tool: &Value, name: &str) -> bool {
    let sql = tool["sql"].as_str().unwrap_or_default().to_lowercase();
    sql.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$').any(|word| word == name)
        || sql.contains(&format!("\"{name}\""))
        || sql.contains(&format!("`{name}`"))
}
