//! Of commands about who may what: keys of servers, secrets, users with their tokens and grants, shared connections.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Subcommand, ValueEnum, ValueHint};
use mcp_factory_spec::model::Duration;

use super::factory::Asking;

#[derive(Debug, clap::Args)]
#[command(after_help = "A secret is shown once, alone on standard output: KEY=$(mcp-factory keys issue shop ci)\n\n\
    A key is good for its server alone. It takes keys with `auth: { type: bearer }` or `api_key` in its spec.")]
pub struct Keys {
    #[command(subcommand)]
    pub what: KeysVerb,
}

#[derive(Debug, Subcommand)]
pub enum KeysVerb {
    /// Make a key for callers of a server.
    Issue(IssueKey),
    /// List the keys of a server, without their secrets.
    #[command(visible_alias = "ls")]
    List {
        #[arg(value_name = "SERVER")]
        server: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Give a key another secret.
    Rotate {
        #[arg(value_name = "SERVER")]
        server: String,
        #[command(flatten)]
        rotation: Rotation,
    },
    /// Take a key back, from the next request on.
    Revoke {
        #[arg(value_name = "SERVER")]
        server: String,
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Another secret for a key or a token.
#[derive(Debug, clap::Args)]
pub struct Rotation {
    #[arg(value_name = "NAME")]
    pub name: String,
    /// For how long the secret before is good still.
    #[arg(long, value_name = "DURATION")]
    pub overlap: Option<Duration>,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
pub struct IssueKey {
    #[arg(value_name = "SERVER")]
    pub server: String,
    /// What the key is called.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Who calls with it, as the tools see it. Default: the name of the key.
    #[arg(long, value_name = "ID")]
    pub principal: Option<String>,
    /// What the caller belongs to.
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// A group of the caller; may be given again.
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// A scope of the caller; may be given again.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// For how long it is good, as in `30d`. Default: until it is revoked.
    #[arg(long, value_name = "DURATION")]
    pub expires_in: Option<Duration>,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A value comes from a file or from standard input, and never from the command line, which others see:\n  \
    mcp-factory secrets set DATABASE_URL < url.txt\n  \
    read -rs VALUE && printf %s \"$VALUE\" | mcp-factory secrets set CRM_TOKEN"
)]
pub struct Secrets {
    #[command(subcommand)]
    pub what: SecretsVerb,
}

#[derive(Debug, Subcommand)]
pub enum SecretsVerb {
    /// Set what your servers find under a name, as in `envVar: DATABASE_URL`.
    Set {
        #[arg(value_name = "NAME")]
        name: String,
        /// Read the value from this file. Default: standard input. A line break at its end is no part of it.
        #[arg(long, value_hint = ValueHint::FilePath, value_name = "FILE")]
        from_file: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the names of your secrets. No value ever comes out.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        asking: Asking,
    },
    /// Forget a secret.
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Looks at what is the user's.
    Viewer,
    /// Changes it.
    Developer,
    /// Operates the factory.
    Admin,
}

#[derive(Debug, clap::Args)]
pub struct Users {
    #[command(subcommand)]
    pub what: UsersVerb,
}

#[derive(Debug, Subcommand)]
pub enum UsersVerb {
    /// Add a user. `tokens issue NAME --user USER` lets them in.
    Add {
        #[arg(value_name = "USER")]
        name: String,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the users of the factory.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        asking: Asking,
    },
    /// Change what a user may, from their next request on.
    Change {
        #[arg(value_name = "USER")]
        name: String,
        #[command(flatten)]
        rights: Rights,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove a user, with their tokens, secrets and grants. Their servers go first.
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "USER")]
        name: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// What a user may, and how much.
#[derive(Debug, clap::Args)]
pub struct Rights {
    #[arg(long, value_enum)]
    pub role: Option<Role>,
    /// How many servers are theirs.
    #[arg(long, value_name = "N")]
    pub max_servers: Option<u32>,
    /// How often they ask the factory itself.
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// How large a spec of theirs is.
    #[arg(long, value_name = "BYTES")]
    pub max_spec_bytes: Option<u32>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "A secret is shown once, alone on standard output. Programs hand it in as MCP_FACTORY_TOKEN.")]
pub struct Tokens {
    #[command(subcommand)]
    pub what: TokensVerb,
}

#[derive(Debug, Subcommand)]
pub enum TokensVerb {
    /// Make a token for the factory itself.
    Issue {
        #[arg(value_name = "NAME")]
        name: String,
        /// What it is good for, within what its user may.
        #[arg(long, value_enum, default_value = "developer")]
        role: Role,
        /// Whose it is. Default: yours.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// For how long it is good, as in `30d`. Default: until it is revoked.
        #[arg(long, value_name = "DURATION")]
        expires_in: Option<Duration>,
        #[command(flatten)]
        asking: Asking,
    },
    /// List tokens, without their secrets.
    #[command(visible_alias = "ls")]
    List {
        /// Whose they are. Default: yours.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Give a token of yours another secret.
    Rotate(Rotation),
    /// Take a token back, from the next request on.
    Revoke {
        #[arg(value_name = "NAME")]
        name: String,
        /// Whose it is. Default: yours.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  mcp-factory grants add jane private-networks\n  \
    mcp-factory grants add jane path /srv/shop\n  mcp-factory grants add jane shared-connection shop_db\n  \
    mcp-factory grants add jane command")]
pub struct Grants {
    #[command(subcommand)]
    pub what: GrantsVerb,
}

#[derive(Debug, Subcommand)]
pub enum GrantsVerb {
    /// Let the specs of a user reach something outside their own.
    Add {
        #[command(flatten)]
        grant: Grant,
        #[command(flatten)]
        asking: Asking,
    },
    /// List what was granted.
    #[command(visible_alias = "ls")]
    List {
        /// To whom. Default: you.
        #[arg(value_name = "USER")]
        user: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Take a grant back. What runs and needs it is stopped.
    #[command(visible_alias = "rm")]
    Remove {
        #[command(flatten)]
        grant: Grant,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
pub struct Grant {
    #[arg(value_name = "USER")]
    pub user: String,
    /// `path`, `private-networks`, `command`, `shared-connection` or `environment`.
    #[arg(value_name = "KIND")]
    pub kind: String,
    /// A path, the name of a connection or a variable.
    #[arg(value_name = "VALUE", default_value = "")]
    pub value: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "FILE has one entry of a spec's `connections`:\n  name: shop_db\n  type: postgresql\n  \
    envVar: SHOP_DB_URL\n  readOnly: true\n\nThe secrets it names are yours (`mcp-factory secrets set SHOP_DB_URL`). \
    Whoever may use it (`mcp-factory grants add USER shared-connection shop_db`)\nsays `connections: [{ use: shop_db }]`, \
    and learns nothing of what that is.")]
pub struct Connections {
    #[command(subcommand)]
    pub what: ConnectionsVerb,
}

#[derive(Debug, Subcommand)]
pub enum ConnectionsVerb {
    /// Share a connection with whom it is granted to, or say anew what it is.
    Share {
        /// What it is; `-` reads standard input.
        #[arg(value_hint = ValueHint::FilePath, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        asking: Asking,
    },
    /// List the connections that your specs may use.
    #[command(visible_alias = "ls")]
    List {
        /// All there are and who shares them, for an admin.
        #[arg(long)]
        all: bool,
        /// With the tables and columns of databases.
        #[arg(long, conflicts_with = "all")]
        tables: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Share a connection no more.
    #[command(visible_alias = "rm")]
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
        /// Although servers use it; those that run are stopped.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        asking: Asking,
    },
}

#[derive(Debug, clap::Args)]
pub struct Usage {
    /// Only of this server.
    #[arg(value_name = "SERVER")]
    pub server: Option<String>,
    /// Of so many days, with today.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u16,
    #[command(flatten)]
    pub asking: Asking,
}

#[derive(Debug, clap::Args)]
pub struct Audit {
    /// With what is others', for an admin.
    #[arg(long)]
    pub all: bool,
    /// So many, the newest first.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    #[command(flatten)]
    pub asking: Asking,
}
