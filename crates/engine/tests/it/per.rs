//! Connections of which each principal has one of its own, on a real PostgreSQL and a real upstream.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_connect::{
    FixedSecrets, Policy, Subject,
    sql::{Access, Backend, Database, DatabaseConfig, RunOptions, Source, Statement},
};
use mcp_factory_engine::{CursorKey, Engine, Plan, Surroundings};
use mcp_factory_testing::Postgres;
use mcp_serve::Principal;
use serde_json::{Value, json};

use crate::{
    databases::Nothing,
    harness::{answer, call_as, spec},
};

/// More than have a connection open at once.
const CALLERS: usize = 40;

fn engine(text: &str, secrets: FixedSecrets) -> Engine {
    let surroundings = Surroundings {
        folder: Path::new("/").to_owned(),
        secrets: Arc::new(secrets),
        policy: Policy::operator(),
        cursor_key: CursorKey::new(b"a key for tests"),
        fresh_seeds: None,
        changes: None,
        tasks: mcp_factory_engine::Tasks::in_memory(),
        approvals: mcp_serve::Approvals::default(),
    };
    Plan::new(&spec(text), &surroundings).unwrap().build()
}

async fn ask(engine: &Engine, caller: &str, tool: &str) -> Result<Value, String> {
    answer(call_as(engine, Principal::trusted(caller), tool, json!({})).await.unwrap())
}

/// Everybody calls again and again, all at once, and is answered as themselves.
async fn everybody_is_themselves(engine: Engine, tool: &'static str, rounds: usize) {
    let engine = Arc::new(engine);
    let calls: Vec<_> = (0..CALLERS * rounds)
        .map(|call| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                let caller = format!("caller_{}", call * 7 % CALLERS);
                let answer = ask(&engine, &caller, tool).await.unwrap();
                assert!(answer.to_string().contains(&format!("\"{caller}\"")), "{caller}: {answer}");
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_with_their_own_databases_never_meet() {
    let server = Postgres::start();
    let admin = DatabaseConfig::new("setup", Backend::Postgres, Source::Url(server.url()));
    let admin = Database::new(admin, Arc::new(FixedSecrets::default()), Arc::new(Policy::operator())).unwrap();
    let roles = format!(
        "DO $$ BEGIN FOR i IN 0..{} LOOP EXECUTE format('CREATE ROLE caller_%s LOGIN', i); END LOOP; END $$",
        CALLERS - 1
    );
    let statement = Statement::new(roles, Vec::new(), Access::Write);
    admin.run(&statement, Vec::new(), Nothing, &RunOptions::default()).await.unwrap();
    admin.close().await;
    let secrets = (0..CALLERS).fold([("DB", server.url())].into_iter().collect::<FixedSecrets>(), |secrets, number| {
        let caller = format!("caller_{number}");
        let url = server.url().replacen("factory", &caller, 1);
        secrets.with(Subject::Principal(caller), "DB", url)
    });
    let text = "
name: a
connections: [{ name: db, type: postgresql, envVar: DB, per: principal, pool: { max: 1, acquireTimeout: 30s } }]
limits: { ratePerPrincipal: none }
tools: [{ name: who, description: Who, sql: 'SELECT session_user::text AS who', annotations: { readOnly: true }, limits: { concurrency: none } }]
";
    let engine = engine(text, secrets);
    let refused = ask(&engine, "stranger", "who").await.unwrap_err();
    assert!(refused.contains("`DB`") && refused.contains("`stranger`") && !refused.contains("postgres"), "{refused}");
    everybody_is_themselves(engine, "who", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_with_their_own_tokens_never_meet() {
    let echo = async |headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        ([(axum::http::header::CONTENT_TYPE, "application/json")], json!({ "who": token }).to_string())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/who", get(echo))).await });
    let secrets = (0..CALLERS)
        .map(|number| format!("caller_{number}"))
        .fold([("TOKEN", "of the owner")].into_iter().collect::<FixedSecrets>(), |secrets, caller| {
            secrets.with(Subject::Principal(caller.clone()), "TOKEN", caller)
        });
    let text = format!(
        "name: a\nconnections: [{{ name: crm, type: http, url: 'http://{address}', allowPrivateNetwork: true, per: principal, \
         auth: {{ type: bearer, envVar: TOKEN }} }}]\nlimits: {{ ratePerPrincipal: none }}\n\
         tools: [{{ name: who, description: Who, http: {{ path: /who }}, limits: {{ concurrency: none }} }}]\n"
    );
    let engine = engine(&text, secrets);
    let refused = ask(&engine, "anonymous", "who").await.unwrap_err();
    assert!(refused.contains("`TOKEN`") && !refused.contains("owner"), "{refused}");
    everybody_is_themselves(engine, "who", 10).await;
}

/// The upstream gives every answer the same tag, so whoever mixed up what was kept would hand out somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_fetched_for_callers_and_answers_that_are_kept_never_meet() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let token = async move |headers: HeaderMap| {
        count.fetch_add(1, Ordering::Relaxed);
        let pair = headers["authorization"].to_str().unwrap().trim_start_matches("Basic ").to_owned();
        let pair = String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap();
        json!({ "access_token": pair.split(':').next(), "token_type": "bearer", "expires_in": 600 }).to_string()
    };
    let echo = async |headers: HeaderMap| {
        let who = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        let same = headers.contains_key(header::IF_NONE_MATCH);
        let head = [(header::CONTENT_TYPE, "application/json"), (header::ETAG, "\"same\"")];
        let body = if same { String::new() } else { json!({ "who": who }).to_string() };
        (if same { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, head, body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/token", post(token)).route("/who", get(echo));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let secrets =
        (0..CALLERS).map(|number| format!("caller_{number}")).fold(FixedSecrets::default(), |secrets, caller| {
            let subject = || Subject::Principal(caller.clone());
            secrets.with(subject(), "ID", caller.clone()).with(subject(), "SECRET", "s3cret")
        });
    let text = format!(
        "name: a\nconnections: [{{ name: crm, type: http, url: 'http://{address}', allowPrivateNetwork: true, per: principal, \
         auth: {{ type: oauth2ClientCredentials, tokenUrl: 'http://{address}/token', clientIdEnvVar: ID, clientSecretEnvVar: SECRET }} }}]\n\
         limits: {{ ratePerPrincipal: none }}\n\
         tools: [{{ name: who, description: Who, http: {{ path: /who }}, limits: {{ concurrency: none }} }}]\n"
    );
    everybody_is_themselves(engine(&text, secrets), "who", 10).await;
    assert_eq!(fetched.load(Ordering::Relaxed), CALLERS, "one token for each");
}
