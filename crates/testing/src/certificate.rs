//! A certificate that nobody vouches for but itself.

use std::{fs, path::PathBuf, process::Command};

use crate::service::run;

/// For `localhost` and 127.0.0.1, as PEM files in a folder that goes with it.
#[derive(Debug)]
pub struct Certificate {
    folder: tempfile::TempDir,
}

const CONFIG: &str = "
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = localhost
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
";

impl Certificate {
    #[must_use]
    pub fn generate() -> Self {
        let folder = tempfile::tempdir().expect("there is room for files");
        let certificate = Self { folder };
        let config = certificate.folder.path().join("config");
        fs::write(&config, CONFIG).expect("the folder is new");
        run(Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "30",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .arg("-config")
            .arg(&config)
            .arg("-keyout")
            .arg(certificate.key())
            .arg("-out")
            .arg(certificate.certificate()));
        certificate
    }

    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}
