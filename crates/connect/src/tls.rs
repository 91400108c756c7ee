//! TLS for all that is talked to: rustls with ring and the roots of Mozilla, or those of a file.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

pub use rustls::ClientConfig;
use rustls::{
    DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use crate::{Denied, Grant, Policy};

/// Why the authorities of a file can't be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("`{path}` holds no certificates that can be read")]
    Unreadable { path: String },
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    PROVIDER.clone()
}

/// For a driver that takes whatever the process has set.
pub(crate) fn install_provider() {
    // Somebody else may have been first, with a provider that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// With the authorities of Mozilla.
#[must_use]
pub fn verified() -> Arc<ClientConfig> {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Arc::new(builder().with_root_certificates(roots).with_no_client_auth())
    });
    CONFIG.clone()
}

/// Trusts the authorities in a PEM file and no other.
pub fn verified_by(path: &str, policy: &Policy) -> Result<Arc<ClientConfig>, RootsError> {
    policy.check(Grant::Path(path.into()))?;
    let mut roots = RootCertStore::empty();
    let unreadable = || RootsError::Unreadable { path: path.to_owned() };
    for certificate in CertificateDer::pem_file_iter(Path::new(path)).map_err(|_| unreadable())? {
        roots.add(certificate.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
    }
    if roots.is_empty() {
        return Err(unreadable());
    }
    Ok(Arc::new(builder().with_root_certificates(roots).with_no_client_auth()))
}

/// Encrypts, and takes whoever answers. Only where not to encrypt at all would do as well.
pub(crate) fn unverified() -> Arc<ClientConfig> {
    static CONFIG: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
        let verifier = Arc::new(AnyCertificate(provider()));
        Arc::new(builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    });
    CONFIG.clone()
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
