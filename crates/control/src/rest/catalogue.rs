//! The read API of the official registry of MCP servers, over the catalogue of whoever asks; and servers to be taken elsewhere.

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use mcp_factory::{
    Error, ExportFormat, Factory, Published,
    registry::{Page, Selection, Timestamp, Which},
};
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::shown;
use crate::{Control, Problem, access::Admitted, body::Asked};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(export))
}

/// A list as the official registry gives it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what is written below")]
struct ServerList {
    servers: Vec<ServerResponse>,
    metadata: Metadata,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "says what is written below")]
struct Metadata {
    count: usize,
    /// `cursor` of the next page, where there is one.
    #[schema(required = false)]
    next_cursor: String,
}

#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what is written below")]
struct ServerResponse {
    /// A `server.json`.
    #[schema(value_type = Object)]
    server: Value,
    #[schema(value_type = Object)]
    _meta: Value,
}

/// As that registry does where nothing is said.
const PAGE: u32 = 30;
const MOST: u32 = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Listing {
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// Default 30, at most 100.
    limit: Option<u32>,
    /// Part of a name.
    search: Option<String>,
    #[param(value_type = Option<String>, format = DateTime)]
    updated_since: Option<DateTime<Utc>>,
    /// `latest`, or a version.
    version: Option<String>,
    /// What was removed is gone.
    #[expect(dead_code, reason = "clients send it, and it changes nothing")]
    include_deleted: Option<bool>,
}

/// Lists servers, as the official registry does.
#[utoipa::path(
    get, path = "/v0.1/servers", params(Listing), security(("bearer" = ["viewer"])),
    responses((status = 200, body = ServerList)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(listing): Asked<Listing>,
) -> Result<Json<Value>, Problem> {
    let limit = listing.limit.unwrap_or(PAGE).clamp(1, MOST);
    let page = Page { after: listing.cursor.unwrap_or_default(), limit };
    let selection = Selection {
        search: listing.search,
        version: listing.version.as_deref().map_or(Ok(Which::All), which)?,
        updated_since: Timestamp(listing.updated_since.map_or(0, |since| since.timestamp_millis())),
    };
    let found = factory.catalogue(&caller, &selection, &page).await.map_err(failed)?;
    Ok(Json(shown_all(&found.entries, found.next.as_deref())))
}

/// Lists the versions of a server, as the official registry does.
#[utoipa::path(
    get, path = "/v0.1/servers/{name}/versions", security(("bearer" = ["viewer"])),
    responses((status = 200, body = ServerList)),
)]
async fn versions(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = factory.catalogue_of(&caller, &name, &Which::All).await.map_err(failed)?;
    Ok(Json(shown_all(&found, None)))
}

/// One version of a server, as the official registry gives it.
#[utoipa::path(
    get, path = "/v0.1/servers/{name}/versions/{version}", security(("bearer" = ["viewer"])),
    responses((status = 200, body = ServerResponse)),
)]
async fn version(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let found = factory.catalogue_of(&caller, &name, &which(&version)?).await.map_err(failed)?;
    let found = found.first().ok_or_else(|| failed(Error::NotFound { what: "server", name }))?;
    Ok(Json(entry(found)))
}

fn which(version: &str) -> Result<Which, Problem> {
    match version {
        "latest" => Ok(Which::Latest),
        version => Version::parse(version).map(Which::Only).map_err(|_| {
            let problem = Problem::argument("`version` is `latest` or a semantic version");
            problem.into_registry()
        }),
    }
}

fn failed(error: Error) -> Problem {
    Problem::from(error).into_registry()
}

fn shown_all(published: &[Published], next: Option<&str>) -> Value {
    let servers: Vec<Value> = published.iter().map(entry).collect();
    let mut metadata = json!({ "count": servers.len() });
    if let Some(next) = next {
        metadata["nextCursor"] = next.into();
    }
    json!({ "servers": servers, "metadata": metadata })
}

fn entry(Published { server, listed }: &Published) -> Value {
    let (published, updated) = (shown::timestamp(listed.created), shown::timestamp(listed.updated));
    let official = json!({
        "status": "active",
        "statusChangedAt": published,
        "publishedAt": published,
        "updatedAt": updated,
        "isLatest": listed.latest,
    });
    json!({ "server": server, "_meta": { "io.modelcontextprotocol.registry/official": official } })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Export {
    /// `server.json` or `mcpb`.
    #[param(example = "server.json")]
    format: Option<String>,
    /// Left out: the latest.
    #[param(value_type = Option<String>, example = "1.2.0")]
    version: Option<Version>,
}

/// A server to be taken elsewhere.
#[utoipa::path(
    get, path = "/mcp/servers/{name}/export", params(Export), security(("bearer" = ["viewer"])),
    responses(
        (status = 200, content((Object = "application/json"), (String = "application/zip"))),
        (status = 422, description = "It can't be had in this format"),
    ),
)]
async fn export(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(Export { format, version }): Asked<Export>,
) -> Result<Response, Problem> {
    let format: ExportFormat = format.as_deref().unwrap_or("server.json").parse()?;
    let exported = factory.export(&caller, &name, version.as_ref(), format).await?;
    let disposition = format!("attachment; filename=\"{}\"", exported.file_name);
    let head = [(header::CONTENT_TYPE, exported.media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((head, exported.bytes).into_response())
}
