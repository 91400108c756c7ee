//! Connections: what their types need, and whether anything uses them.

use std::collections::HashSet;

use super::{Checker, files::Kind, placeholders::Scope};
use crate::{
    Code, Spec,
    model::{Broker, Connection, ConnectionKind, OutboundAuth, RowScope, SqlServer, Url},
    path::Path,
};

/// Names of connections that something uses.
pub(super) type Used = HashSet<String>;

impl Checker<'_> {
    pub(super) fn check_connections(&mut self, spec: &Spec, used: &Used) {
        for (index, connection) in spec.connections.iter().enumerate() {
            let at = self.element("connections", index);
            if let Some(kind) = &connection.kind {
                self.check_connection(kind, &at);
            }
            self.check_per(connection, &at);
            let name = &connection.name;
            if !used.contains(name.as_str()) && !name.is_stand_in() {
                let at = if connection.kind.is_some() { at.key("name") } else { at.key("use") };
                self.report(Code::ConnectionUnused, &at, format!("nothing uses the connection `{name}`"), None);
            }
        }
    }

    /// Callers differ by the secrets of their stores, and by nothing else: without one they all would have the same.
    pub(super) fn check_per(&mut self, connection: &Connection, at: &Path) {
        let Some((per, kind)) = connection.per.as_ref().zip(connection.kind.as_ref()) else { return };
        if kind.differs_by_caller() {
            return;
        }
        let place = if self.has(&at.key("per")) { &at.key("per") } else { at };
        let message = format!("`{}` names no secret, so every {} would have the same", connection.name, per.as_str());
        let help = "name one that is looked up in the store of each, as with `envVar`, or take `per` away";
        self.report(Code::Conflict, place, message, Some(help.to_owned()));
    }

    pub(super) fn check_connection(&mut self, kind: &ConnectionKind, at: &Path) {
        let word = kind.word();
        match kind {
            ConnectionKind::Postgresql(server) => self.check_sql_server(server, at, word, &["postgresql", "postgres"]),
            ConnectionKind::Mysql(server) => self.check_sql_server(server, at, word, &["mysql", "mariadb"]),
            ConnectionKind::Sqlite(sqlite) => {
                self.one_of(at, word, "path", "envVar");
                if let Some(path) = &sqlite.path {
                    self.check_file(path, Kind::Made, &at.key("path"));
                }
                if let Some(seed) = &sqlite.seed {
                    self.check_file(seed, Kind::File, &at.key("seed"));
                }
                self.check_row_scope(sqlite.scope.as_ref(), at);
            }
            ConnectionKind::Mongodb(mongodb) => {
                self.check_server(mongodb.url.as_ref(), at, word, &["mongodb", "mongodb+srv"])
            }
            ConnectionKind::Redis(Broker { url, .. }) => {
                self.check_server(url.as_ref(), at, word, &["redis", "rediss"])
            }
            ConnectionKind::Rabbitmq(Broker { url, .. }) => {
                self.check_server(url.as_ref(), at, word, &["amqp", "amqps"])
            }
            ConnectionKind::Nats(Broker { url, .. }) => self.check_server(url.as_ref(), at, word, &["nats", "tls"]),
            ConnectionKind::Sqs(Broker { url, .. }) => self.check_server(url.as_ref(), at, word, &["https", "http"]),
            ConnectionKind::Http(api) | ConnectionKind::Graphql(api) => {
                self.check_server(api.url.as_ref(), at, word, &["https", "http"]);
                self.check_outbound_auths(&api.auth, &at.key("auth"));
                for (name, value) in &api.headers {
                    self.check_text(value, &at.key("headers").key(name), &Scope::caller());
                }
                self.check_hosts(&api.allow_hosts, &at.key("allowHosts"));
            }
            ConnectionKind::Grpc(server) => {
                self.check_server(server.url.as_ref(), at, word, &["https", "http", "grpc", "grpcs"]);
                self.check_outbound_auth(server.auth.as_ref(), &at.key("auth"));
                if let Some(descriptors) = &server.descriptors {
                    self.check_file(descriptors, Kind::File, &at.key("descriptors"));
                }
            }
            ConnectionKind::Filesystem(folder) => self.check_file(&folder.root, Kind::Folder, &at.key("root")),
            ConnectionKind::S3(bucket) | ConnectionKind::Gcs(bucket) => {
                self.needs_content(&at.key("bucket"), "`bucket`");
                self.check_web_url(bucket.endpoint.as_ref(), &at.key("endpoint"));
            }
            ConnectionKind::Smtp(messenger) => {
                self.check_url(messenger.url.as_ref(), &at.key("url"), &["smtp", "smtps"])
            }
            ConnectionKind::Slack(messenger) | ConnectionKind::Sms(messenger) => {
                self.check_web_url(messenger.url.as_ref(), &at.key("url"));
            }
            ConnectionKind::Embeddings(model) => {
                self.check_web_url(Some(&model.url), &at.key("url"));
                self.check_outbound_auth(model.auth.as_ref(), &at.key("auth"));
                self.needs_content(&at.key("model"), "`model`");
            }
            ConnectionKind::Vector(store) => {
                self.check_server(store.url.as_ref(), at, word, &["https", "http", "postgresql", "postgres"]);
                self.check_outbound_auth(store.auth.as_ref(), &at.key("auth"));
                self.needs_content(&at.key("collection"), "`collection`");
            }
            ConnectionKind::Mcp(server) => {
                self.one_of(at, word, "url", "argv");
                self.check_web_url(server.url.as_ref(), &at.key("url"));
                self.check_outbound_auth(server.auth.as_ref(), &at.key("auth"));
                self.needs_content(&at.key("argv"), "`argv`");
            }
        }
    }

    fn check_sql_server(&mut self, server: &SqlServer, at: &Path, word: &str, schemes: &[&str]) {
        self.check_server(server.url.as_ref(), at, word, schemes);
        for (setting, value) in &server.session {
            self.check_text(value, &at.key("session").key(setting), &Scope::caller());
        }
        self.check_row_scope(server.scope.as_ref(), at);
    }

    fn check_row_scope(&mut self, scope: Option<&RowScope>, at: &Path) {
        if scope.is_some() {
            self.needs_content(&at.key("scope").key("tables"), "`tables`");
        }
    }

    fn check_server(&mut self, url: Option<&Url>, at: &Path, word: &str, schemes: &[&str]) {
        self.one_of(at, word, "envVar", "url");
        self.check_url(url, &at.key("url"), schemes);
    }

    /// A connection that is found by one of two fields.
    fn one_of(&mut self, at: &Path, word: &str, one: &str, other: &str) {
        match (self.has(&at.key(one)), self.has(&at.key(other))) {
            (false, false) => {
                let message = format!("a `{word}` connection needs `{one}` or `{other}`");
                self.report(Code::ConnectionNeeds, at, message, None);
            }
            (true, true) => {
                let message = format!("`{other}` stands beside `{one}`: a `{word}` connection has one of them");
                self.report(Code::Conflict, &at.key(other), message, None);
            }
            _ => {}
        }
    }

    fn check_outbound_auth(&mut self, auth: Option<&OutboundAuth>, at: &Path) {
        if let Some(OutboundAuth::Oauth2ClientCredentials(client)) = auth {
            self.check_web_url(Some(&client.token_url), &at.key("tokenUrl"));
        }
    }

    /// Several stand in one request, each in a place of its own.
    fn check_outbound_auths(&mut self, auths: &[OutboundAuth], at: &Path) {
        if let (true, [one]) = (self.node(at).is_some_and(|node| node.get("type").is_some()), auths) {
            return self.check_outbound_auth(Some(one), at);
        }
        self.needs_content(at, "`auth`");
        let mut taken: Vec<(&str, String)> = Vec::new();
        for (index, auth) in auths.iter().enumerate() {
            let at = self.reader.place(at, index);
            self.check_outbound_auth(Some(auth), &at);
            let place = match auth {
                OutboundAuth::Header(key) => ("header", key.name.to_ascii_lowercase()),
                OutboundAuth::Query(key) => ("query parameter", key.name.clone()),
                OutboundAuth::Cookie(key) => ("cookie", key.name.to_string()),
                OutboundAuth::Bearer(_)
                | OutboundAuth::Basic(_)
                | OutboundAuth::Oauth2ClientCredentials(_)
                | OutboundAuth::Principal(_) => ("header", "authorization".to_owned()),
            };
            if taken.contains(&place) {
                let message = format!("two credentials would stand in the {} `{}`", place.0, place.1);
                self.report(Code::Conflict, &at, message, Some("keep one of them".to_owned()));
            }
            taken.push(place);
        }
    }

    fn check_hosts(&mut self, hosts: &[String], list: &Path) {
        for (index, host) in hosts.iter().enumerate() {
            if url::Host::parse(host.strip_prefix("*.").unwrap_or(host)).is_err() {
                let at = self.reader.place(list, index);
                let help = Some("expected the name of a host, without scheme, port or path".to_owned());
                self.report(Code::Url, &at, format!("`{host}` is no host"), help);
            }
        }
    }
}
