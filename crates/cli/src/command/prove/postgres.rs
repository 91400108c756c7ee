//! Rows in a PostgreSQL, kept apart by `scope` and by row security that asks the settings of `session`: in a schema that is made
//! for the proof and dropped after it, reached by tools as a role that is too.

use std::{ops::ControlFlow, sync::Arc};

use anyhow::Context as _;
use mcp_factory::Secret;
use mcp_factory_connect::{
    FixedSecrets, Policy,
    sql::{
        Access, Backend, Cell, Columns, Database, DatabaseConfig, Hint, Parameter, RowSink, RunOptions, Source,
        Statement,
    },
};
use serde_json::{Value, json};

use super::ground::{Tenant, word};
use crate::exit;

pub struct Postgres {
    database: Database,
    /// Of the schema and of the role.
    name: String,
    /// As that role.
    url: Secret,
}

/// The variable that the spec names.
pub const URL: &str = "PROOF_DATABASE";
const SPEC: &str = include_str!("postgres.yaml");
const TABLES: [&str; 2] = ["notes_scoped", "notes_secured"];

impl Postgres {
    pub async fn prepare(url: &str) -> anyhow::Result<Self> {
        let wrong = || exit::usage("`--postgres` takes a URL", "postgresql://user:password@host/database");
        let mut own = url::Url::parse(url).map_err(|_| wrong())?;
        let (name, password) = (format!("mcp_factory_proof_{}", &word()?[..12]), word()?);
        own.set_username(&name).and_then(|()| own.set_password(Some(&password))).map_err(|()| wrong())?;
        let config = DatabaseConfig::new("the database of the proof", Backend::Postgres, Source::Url(url.to_owned()));
        let database = Database::new(config, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator()))?;
        let proof = Self { database, name, url: Secret::new(String::from(own)) };
        if let Err(error) = proof.make(&password).await {
            proof.end().await;
            let hint =
                "the user of the URL has to be one that makes schemas and roles; name a database for trying things";
            return Err(exit::hinted(format!("no place for the proof can be made in the database: {error:#}"), hint));
        }
        Ok(proof)
    }

    async fn make(&self, password: &str) -> anyhow::Result<()> {
        let name = &self.name;
        // Of letters and digits alone: both are made here.
        let mut statements =
            vec![format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"), format!("CREATE SCHEMA {name}")];
        statements.extend(TABLES.map(|table| {
            format!(
                "CREATE TABLE {name}.{table} (id SERIAL PRIMARY KEY, owner TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL)"
            )
        }));
        statements.extend([
            format!("ALTER TABLE {name}.notes_secured ENABLE ROW LEVEL SECURITY"),
            format!("CREATE POLICY own ON {name}.notes_secured USING (owner = current_setting('app.user'))"),
            format!("GRANT USAGE ON SCHEMA {name} TO {name}"),
            format!("GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {name}"),
            format!("GRANT ALL ON ALL SEQUENCES IN SCHEMA {name} TO {name}"),
        ]);
        for statement in statements {
            self.ask(&statement, Vec::new()).await?;
        }
        Ok(())
    }

    /// What tools reach it with.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    pub fn spec(&self) -> String {
        SPEC.replace("PROOF_SCHEMA", &self.name)
    }

    /// A row in each table, with the canary. Returns their numbers.
    pub async fn plant(&self, tenant: &Tenant) -> anyhow::Result<Vec<i64>> {
        let mut planted = Vec::new();
        for table in TABLES {
            let text = format!(
                "INSERT INTO {}.{table} (owner, title, body) VALUES ($1, $2, $2) RETURNING id::text",
                self.name
            );
            let canary = format!("canary {} {}", tenant.name, tenant.canary);
            let ids = self.ask(&text, vec![json!(tenant.name), json!(canary)]).await?;
            planted.extend(ids.iter().filter_map(|id| id.parse::<i64>().ok()));
        }
        Ok(planted)
    }

    /// All that is this one's, to see whether it was changed.
    pub async fn of_tenant(&self, tenant: &Tenant) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for table in TABLES {
            let text = format!("SELECT it::text FROM {}.{table} AS it WHERE owner = $1 ORDER BY id", self.name);
            let rows = self.ask(&text, vec![json!(tenant.name)]).await?;
            found.extend(rows.into_iter().map(|row| format!("{table} {row}")));
        }
        Ok(found)
    }

    /// Nothing of the proof is left.
    pub async fn end(&self) {
        let name = &self.name;
        for statement in [format!("DROP SCHEMA IF EXISTS {name} CASCADE"), format!("DROP ROLE IF EXISTS {name}")] {
            if let Err(error) = self.ask(&statement, Vec::new()).await {
                let error = format!("{error:#}");
                tracing::warn!(error, "`{statement}` failed, and is left to you");
            }
        }
        self.database.close().await;
    }

    /// The first column of the rows.
    async fn ask(&self, text: &str, arguments: Vec<Value>) -> anyhow::Result<Vec<String>> {
        let parameters = arguments.iter().map(|_| Parameter::new("value", Hint::Text)).collect();
        let statement = Statement::new(text, parameters, Access::Write);
        let options = RunOptions::default();
        let run = self.database.run(&statement, arguments, Texts::default(), &options);
        Ok(run.await.context("the database of the proof")?.0.0)
    }
}

#[derive(Default)]
struct Texts(Vec<String>);

impl RowSink for Texts {
    fn columns(&mut self, _: &Columns) {}

    fn begin_row(&mut self) {}

    fn cell(&mut self, index: usize, cell: Cell<'_>) {
        if let (0, Cell::Text(text)) = (index, cell) {
            self.0.push(text.to_owned());
        }
    }

    fn end_row(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn reset(&mut self) {
        self.0.clear();
    }
}
