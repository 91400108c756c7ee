//! Connections that the operator shares.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use mcp_factory::{Change, ColumnShown, ConnectionSchema, Factory, GrantedConnection, TableShown, registry::SharedRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{servers::format_of, shown};
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Whole},
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new().routes(routes!(list, share)).routes(routes!(unshare))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// Everybody's with what they are, for an admin; else those that one's specs may use.
    #[serde(default)]
    all: bool,
    /// With the tables of those that are databases, of which some are shown.
    #[serde(default)]
    tables: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Connections {
    connections: Vec<SharedConnection>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SharedConnection {
    #[schema(example = "shop_db")]
    name: String,
    #[serde(rename = "type")]
    #[schema(example = "postgresql")]
    kind: String,
    read_only: bool,
    /// For admins. Secrets are not in it: it names them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    definition: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<String>,
    /// Where they were asked for, and the database answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<Vec<Table>>,
    /// So many tables are not shown.
    #[serde(skip_serializing_if = "is_none")]
    more: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Table {
    #[schema(example = "products")]
    name: String,
    /// `table` or `view`.
    kind: &'static str,
    columns: Vec<Column>,
    /// So many columns are not shown.
    #[serde(skip_serializing_if = "is_none")]
    more: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Column {
    #[schema(example = "price")]
    name: String,
    #[serde(rename = "type")]
    #[schema(example = "decimal")]
    kind: &'static str,
    nullable: bool,
    /// Part of what a row is found by.
    key: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde has it")]
fn is_none(more: &usize) -> bool {
    *more == 0
}

/// As agents are told them too.
pub fn tables(schema: &ConnectionSchema) -> Vec<Table> {
    let column =
        |it: &ColumnShown| Column { name: it.name.clone(), kind: it.kind, nullable: it.nullable, key: it.is_key };
    let table = |it: &TableShown| Table {
        name: it.name.clone(),
        kind: if it.is_view { "view" } else { "table" },
        columns: it.columns.iter().map(column).collect(),
        more: it.more,
    };
    schema.tables.iter().map(table).collect()
}

/// Lists the connections that one's specs may use, or for an admin all there are.
#[utoipa::path(
    get, path = "/mcp/connections", params(Listing), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Connections)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(Listing { all, tables }): Asked<Listing>,
) -> Result<Json<Connections>, Problem> {
    let connections = match (all, tables) {
        (true, true) => return Err(Problem::argument("`tables` are of what one may use oneself: leave `all` out")),
        (true, false) => factory.shared_connections(&caller).await?.into_iter().map(defined).collect(),
        (false, true) => {
            let granted = factory.granted_schemas(&caller).await?.into_iter();
            granted.map(|(it, schema)| granted_to(it, schema.as_deref())).collect()
        }
        (false, false) => {
            factory.granted_connections(&caller).await?.into_iter().map(|it| granted_to(it, None)).collect()
        }
    };
    Ok(Json(Connections { connections }))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Defined {
    name: String,
    /// Whether it was not so before.
    changed: bool,
    /// Servers that run with what it was before, as `owner/server` where they are others', until they are deployed, started or
    /// restarted.
    used_by: Vec<String>,
}

fn example() -> Value {
    serde_json::json!({ "name": "shop_db", "type": "postgresql", "envVar": "SHOP_DB_URL", "readOnly": true })
}

const YAML: &str = "name: shop_db\ntype: postgresql\nenvVar: SHOP_DB_URL\nreadOnly: true\n";

/// Shares a connection, or says anew what it is: one entry of a spec's `connections`.
#[utoipa::path(
    post, path = "/mcp/connections", security(("bearer" = ["admin"])),
    request_body(content(
        (Object = "application/json", example = json!(example())), (String = "application/yaml", example = json!(YAML)),
    )),
    responses(
        (status = 200, body = Defined, description = "It was so before"), (status = 201, body = Defined),
        (status = 409, description = "Another admin shares one of this name"),
    ),
)]
async fn share(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    headers: HeaderMap,
    Whole(text): Whole,
) -> Result<(StatusCode, Json<Defined>), Problem> {
    let (name, change) = factory.share_connection(&caller, &format_of(&headers, &text)?).await?;
    let changed = change == Change::Done;
    let status = if changed { StatusCode::CREATED } else { StatusCode::OK };
    let used_by = if changed { factory.running_with_connection(&caller, &name).await? } else { Vec::new() };
    Ok((status, Json(Defined { name, changed, used_by })))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Unsharing {
    /// Although servers use it; those that run are stopped.
    #[serde(default)]
    force: bool,
}

/// Shares a connection no more. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/connections/{connection}", params(Unsharing), security(("bearer" = ["admin"])),
    responses((status = 204, description = "It is shared no more"), (status = 409, description = "Servers use it")),
)]
async fn unshare(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(Unsharing { force }): Asked<Unsharing>,
) -> Result<StatusCode, Problem> {
    factory.unshare_connection(&caller, &name, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn granted_to(it: GrantedConnection, schema: Option<&ConnectionSchema>) -> SharedConnection {
    SharedConnection {
        name: it.name,
        kind: it.kind,
        read_only: it.read_only,
        definition: None,
        shared_by: None,
        updated: None,
        tables: schema.map(tables),
        more: schema.map_or(0, |schema| schema.more),
    }
}

fn defined(row: SharedRow) -> SharedConnection {
    let definition: Value = serde_json::from_str(&row.definition).unwrap_or_default();
    SharedConnection {
        name: row.name,
        kind: row.kind,
        read_only: definition["readOnly"] == true,
        definition: Some(definition),
        shared_by: Some(row.owner.to_string()),
        updated: Some(shown::timestamp(row.updated)),
        tables: None,
        more: 0,
    }
}
