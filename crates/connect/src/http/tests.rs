//! Over TLS, with an upstream whose certificate only the test trusts: from outside of this crate nobody can choose whom to trust.

use mcp_factory_testing::Certificate;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};

use super::*;
use crate::{FixedSecrets, tls};

/// Answers `GET /endless` without end, `/token` with a token, anything else with what it was asked; tells what it was asked,
/// and `gone` when a connection was closed on it.
async fn upstream(certificate: &Certificate) -> (u16, mpsc::UnboundedReceiver<String>) {
    let chain = vec![CertificateDer::from_pem_file(certificate.certificate()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificate.key()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, tell) = (acceptor.clone(), tell.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                tell.send(head.clone()).unwrap();
                if head.starts_with("get /endless") {
                    let mut piece = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    while stream.write_all(piece.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {
                        piece = "4\r\nmore\r\n";
                    }
                    tell.send("gone".to_owned()).unwrap();
                    return;
                }
                let body = if head.starts_with("post /token") {
                    r#"{"access_token":"t0ken","token_type":"bearer"}"#.to_owned()
                } else {
                    head
                };
                let answer =
                    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    (port, told)
}

#[tokio::test]
async fn tokens_bodies_and_their_early_end_go_through_tls() {
    let certificate = Certificate::generate();
    let (port, mut told) = upstream(&certificate).await;
    let auth = Auth::ClientCredentials(ClientCredentials {
        token_url: format!("https://localhost:{port}/token"),
        id_secret: "ID".into(),
        secret_secret: "SECRET".into(),
        scopes: Vec::new(),
    });
    let config = ClientConfig {
        auth,
        allow_private_network: true,
        ..ClientConfig::new("crm", Base::Url(format!("https://127.0.0.1:{port}")))
    };
    let secrets: FixedSecrets = [("ID", "me"), ("SECRET", "s3cret")].into_iter().collect();
    let client = Client::new(config, Arc::new(secrets), Arc::new(Policy::operator())).unwrap();
    let path = certificate.certificate();
    let trusted = tls::verified_by(path.to_str().unwrap(), &Policy::operator()).unwrap();
    client.inner.set(client.connector(&trusted)).unwrap();

    let response = client.send(Request::new(Method::GET, "/a")).await.unwrap();
    assert!(String::from_utf8_lossy(&response.body).contains("authorization: bearer t0ken"));
    assert!(told.recv().await.unwrap().contains("post /token"));
    assert!(told.recv().await.unwrap().contains("get /a"));

    let mut endless = client.open(Request::new(Method::GET, "/endless")).await.unwrap();
    assert!(endless.chunk().await.unwrap().is_some());
    drop(endless);
    assert!(told.recv().await.unwrap().contains("get /endless"));
    assert_eq!(told.recv().await.unwrap(), "gone");
}
