//! Users, for admins: who they are, what they may, and the tokens that they are given.

use std::num::NonZeroU32;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use mcp_factory::{
    Caller, Factory, Owner,
    registry::{Limits, Role, User},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    shown,
    tokens::{self, IssuedToken, NewToken, Tokens},
};
use crate::{
    Control, Problem,
    access::Admitted,
    body::{Asked, Sent},
    paging::Paging,
};

pub fn routes() -> OpenApiRouter<Control> {
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(list_tokens, issue_token))
        .routes(routes!(revoke_token))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserOf {
    name: String,
    /// `viewer`, `developer` or `admin`.
    role: &'static str,
    max_servers: u32,
    requests_per_minute: u32,
    max_spec_bytes: u32,
    created: String,
    updated: String,
}

/// Who asks, and in which role: a token may be for less than its user may do.
#[utoipa::path(get, path = "/mcp/user", security(("bearer" = ["viewer"])), responses((status = 200, body = UserOf)))]
async fn whoami(State(factory): State<Factory>, Admitted(caller): Admitted) -> Result<Json<UserOf>, Problem> {
    let user = shown_user(&factory.user(&caller).await?);
    Ok(Json(UserOf { role: caller.role().as_str(), ..user }))
}

#[derive(Debug, Serialize, ToSchema)]
struct Users {
    users: Vec<UserOf>,
    /// `after` of the next page, where there is one.
    next: Option<String>,
}

/// Lists the users of the factory.
#[utoipa::path(
    get, path = "/mcp/users", params(Paging), security(("bearer" = ["admin"])),
    responses((status = 200, body = Users)),
)]
async fn list(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Users>, Problem> {
    let users = factory.users(&caller, &paging.page()).await?;
    Ok(Json(Users { users: users.entries.iter().map(shown_user).collect(), next: users.next }))
}

macro_rules! wanted {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $kind:ty),* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct $name {
            $($(#[$attribute])* $field: $kind,)*
            #[schema(example = "developer")]
            role: Option<String>,
            #[schema(example = 100)]
            max_servers: Option<u32>,
            #[schema(value_type = Option<u32>, example = 600)]
            requests_per_minute: Option<NonZeroU32>,
            #[schema(example = 1048576)]
            max_spec_bytes: Option<u32>,
        }

        impl $name {
            fn onto(self, role: Role, limits: Limits) -> Result<(Role, Limits), Problem> {
                let said = self.role.map(|role| role.parse().map_err(|error| Problem::argument(format!("{error}"))));
                let limits = Limits {
                    max_servers: self.max_servers.unwrap_or(limits.max_servers),
                    requests_per_minute: self.requests_per_minute.unwrap_or(limits.requests_per_minute),
                    max_spec_bytes: self.max_spec_bytes.unwrap_or(limits.max_spec_bytes),
                };
                Ok((said.transpose()?.unwrap_or(role), limits))
            }
        }
    };
}

wanted! {
    /// What is left out stays as it is.
    ChangedUser {}
}

wanted! {
    /// What is left out is as usual: a developer with a hundred servers.
    NewUser {
        #[schema(example = "anna")]
        name: String
    }
}

/// Adds a user, who needs a token to come in.
#[utoipa::path(
    post, path = "/mcp/users", request_body = NewUser, security(("bearer" = ["admin"])),
    responses((status = 201, body = UserOf), (status = 409, description = "There is one of this name")),
)]
async fn add(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Sent(new): Sent<NewUser>,
) -> Result<(StatusCode, Json<UserOf>), Problem> {
    let name = owner(&new.name)?;
    let (role, limits) = new.onto(Role::Developer, Limits::default())?;
    let user = factory.add_user(&caller, &name, role, limits).await?;
    Ok((StatusCode::CREATED, Json(shown_user(&user))))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/mcp/users/{user}", security(("bearer" = ["admin"])), responses((status = 200, body = UserOf)),
)]
async fn show(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<Json<UserOf>, Problem> {
    Ok(Json(shown_user(&factory.user(&on_behalf(&caller, &name)?).await?)))
}

/// Changes what a user may, from their next request on.
#[utoipa::path(
    patch, path = "/mcp/users/{user}", request_body = ChangedUser, security(("bearer" = ["admin"])),
    responses((status = 200, body = UserOf), (status = 409, description = "`local` stays an admin")),
)]
async fn change(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(changed): Sent<ChangedUser>,
) -> Result<Json<UserOf>, Problem> {
    let known = factory.user(&on_behalf(&caller, &name)?).await?;
    let (role, limits) = changed.onto(known.role, known.limits)?;
    Ok(Json(shown_user(&factory.change_user(&caller, &known.owner, role, limits).await?)))
}

/// Removes a user, with their tokens, secrets and grants.
#[utoipa::path(
    delete, path = "/mcp/users/{user}", security(("bearer" = ["admin"])),
    responses((status = 204, description = "They are gone"), (status = 409, description = "Servers are theirs still")),
)]
async fn remove(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    factory.remove_user(&caller, &owner(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the API tokens of a user, without their secrets.
#[utoipa::path(
    get, path = "/mcp/users/{user}/tokens", params(Paging), security(("bearer" = ["admin"])),
    responses((status = 200, body = Tokens)),
)]
async fn list_tokens(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Tokens>, Problem> {
    tokens::listed(&factory, &on_behalf(&caller, &name)?, paging).await
}

/// Makes an API token for a user, and shows its secret this once.
#[utoipa::path(
    post, path = "/mcp/users/{user}/tokens", request_body = NewToken, security(("bearer" = ["admin"])),
    responses((status = 201, body = IssuedToken)),
)]
async fn issue_token(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path(name): Path<String>,
    Sent(new): Sent<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    tokens::issue_for(&factory, &on_behalf(&caller, &name)?, new).await
}

/// Revokes a token of a user. Harmless where there is none.
#[utoipa::path(
    delete, path = "/mcp/users/{user}/tokens/{token}", security(("bearer" = ["admin"])),
    responses((status = 204, description = "It is no token any more")),
)]
async fn revoke_token(
    State(factory): State<Factory>,
    Admitted(caller): Admitted,
    Path((user, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    factory.revoke_token(&on_behalf(&caller, &user)?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is in the path is who it is about. Nobody but an admin names somebody else.
pub fn on_behalf(caller: &Caller, name: &str) -> Result<Caller, Problem> {
    Ok(caller.acting_for(owner(name)?)?)
}

fn owner(name: &str) -> Result<Owner, Problem> {
    name.parse().map_err(|error| mcp_factory::Error::Name(error).into())
}

fn shown_user(user: &User) -> UserOf {
    UserOf {
        name: user.owner.to_string(),
        role: user.role.as_str(),
        max_servers: user.limits.max_servers,
        requests_per_minute: user.limits.requests_per_minute.get(),
        max_spec_bytes: user.limits.max_spec_bytes,
        created: shown::timestamp(user.created),
        updated: shown::timestamp(user.updated),
    }
}
