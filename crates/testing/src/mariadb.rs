//! A private MariaDB.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
};

use crate::Certificate;
use crate::service::{Account, Port, Service, copy_of_template, feed, run};

const ACCOUNT: Account = Account("mysql");

const INIT: &str = "
CREATE DATABASE IF NOT EXISTS factory CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS factory@'%' IDENTIFIED BY 'open sesame';
GRANT ALL PRIVILEGES ON *.* TO factory@'%';
";

/// Listens on a port of its own on 127.0.0.1, with the database `factory` and the user `factory`, whose password is
/// `open sesame`.
#[derive(Debug)]
pub struct Mariadb {
    service: Service,
    port: Port,
}

impl Mariadb {
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
        let server = Path::new("/usr/sbin/mariadbd");
        assert!(server.exists(), "MariaDB is not installed; install the Debian package `mariadb-server`");
        let folder = copy_of_template("mariadb", ACCOUNT, |data| {
            let mut install = Command::new("mariadb-install-db");
            install
                .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"])
                .args(["--innodb-log-file-size=8M", "--innodb-fast-shutdown=1"])
                .arg(format!("--datadir={}", data.display()))
                .current_dir("/");
            if let [_, _, account, ..] = ACCOUNT.command(server).as_slice() {
                install.arg(format!("--user={account}"));
            }
            run(&mut install);
        });
        let port = Port::reserve();
        fs::write(folder.join("init.sql"), INIT).expect("the folder is ours");
        let mut command = ACCOUNT.command(server);
        let at = |name: &str| folder.join(name).display().to_string();
        command.extend([
            "--no-defaults".to_owned(),
            format!("--datadir={}", at("data")),
            format!("--socket={}", at("socket")),
            format!("--pid-file={}", at("pid")),
            format!("--init-file={}", at("init.sql")),
            format!("--port={}", port.number()),
        ]);
        let settings = [
            "--bind-address=127.0.0.1",
            "--skip-log-bin",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
            "--innodb-log-file-size=8M",
            "--innodb-buffer-pool-size=16M",
            "--key-buffer-size=1M",
            "--performance-schema=0",
            "--max-connections=60",
        ];
        command.extend(settings.map(str::to_owned));
        if let Some(certificate) = certificate {
            for (name, from) in [("cert", certificate.certificate()), ("key", certificate.key())] {
                let path = folder.join(name);
                fs::copy(from, &path).expect("the folder is ours");
                ACCOUNT.own(&path);
                command.push(format!("--ssl-{name}={}", path.display()));
            }
        }
        let mariadb = Self { service: Service::start(folder, "KILL", &command), port };
        mariadb.wait();
        mariadb
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://factory:open%20sesame@127.0.0.1:{}/factory", self.port.number())
    }

    /// Runs statements with MariaDB's own client.
    pub fn execute(&self, statements: &str) {
        let port = format!("--port={}", self.port.number());
        let arguments =
            ["--no-defaults", "--host=127.0.0.1", &port, "--user=factory", "--password=open sesame", "factory"];
        feed(Command::new("mariadb").args(arguments), statements);
    }

    /// As an outage: with every connection broken.
    pub fn stop(&self) {
        self.service.tell("stop");
    }

    pub fn restart(&self) {
        self.service.tell("start");
        self.wait();
    }

    fn wait(&self) {
        self.service.wait("MariaDB", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port.number())).is_ok());
    }
}
