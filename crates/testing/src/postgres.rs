//! A private PostgreSQL.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Certificate;
use crate::service::{Account, Port, Service, copy_of_template, feed, run};

const ACCOUNT: Account = Account("postgres");

/// Listens on a port of its own on 127.0.0.1, with the superuser `factory`, who needs no password.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    port: Port,
}

impl Postgres {
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// With TLS, under this certificate.
    #[must_use]
    pub fn start_with_tls(certificate: &Certificate) -> Self {
        Self::start_with(Some(certificate))
    }

    fn start_with(certificate: Option<&Certificate>) -> Self {
        let binaries = binaries();
        let version =
            binaries.parent().and_then(Path::file_name).map_or_else(String::new, |name| name.display().to_string());
        let folder = copy_of_template(&format!("postgres-{version}"), ACCOUNT, |data| {
            let command = ACCOUNT.command(&binaries.join("initdb"));
            run(Command::new(&command[0])
                .args(&command[1..])
                .args(["--username=factory", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
                .arg(data)
                .current_dir("/"));
        });
        let port = Port::reserve();
        let data = folder.join("data").display().to_string();
        let mut command = ACCOUNT.command(&binaries.join("postgres"));
        command.extend(["-D".to_owned(), data.clone(), "-p".to_owned(), port.number().to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "autovacuum=off",
            "log_statement=none",
        ];
        command.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        if let Some(certificate) = certificate {
            for (name, from) in [("server.crt", certificate.certificate()), ("server.key", certificate.key())] {
                let path = folder.join("data").join(name);
                fs::copy(from, &path).expect("the folder is ours");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("as above");
                ACCOUNT.own(&path);
            }
            command.extend(["-c".to_owned(), "ssl=on".to_owned()]);
        }
        command.extend(["-c".to_owned(), format!("unix_socket_directories={}", folder.display())]);
        let postgres = Self { service: Service::start(folder, "QUIT", &command), port };
        postgres.wait();
        postgres
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("postgresql://factory@127.0.0.1:{}/postgres", self.port.number())
    }

    /// Runs statements with PostgreSQL's own client.
    pub fn execute(&self, statements: &str) {
        let arguments = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", &self.url()];
        feed(Command::new(binaries().join("psql")).args(arguments), statements);
    }

    /// As an outage: at once, with every connection broken.
    pub fn stop(&self) {
        self.service.tell("stop");
        let _ = fs::remove_file(self.service.folder.join("data/postmaster.pid"));
    }

    pub fn restart(&self) {
        self.service.tell("start");
        self.wait();
    }

    fn wait(&self) {
        let status = self.service.folder.join("data/postmaster.pid");
        self.service.wait("PostgreSQL", || {
            fs::read_to_string(&status).is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
        });
    }
}

/// The newest version that is installed.
fn binaries() -> PathBuf {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("bin/postgres").exists())
        .max_by_key(|path| version(path));
    newest.expect("PostgreSQL is not installed; install the Debian package `postgresql`").join("bin")
}
