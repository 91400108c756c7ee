//! A factory that hosts servers, asked by raw HTTP as their callers do.

use std::{net::SocketAddr, time::Duration};

use mcp_factory::{Caller, Factory, deploy::LocalOptions};
use mcp_serve::http::{Host, HostConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::kept::Kept;

pub struct Hosted {
    pub factory: Factory,
    pub address: SocketAddr,
}

impl Hosted {
    pub async fn start(kept: &Kept) -> Self {
        let factory = kept.factory().await;
        let host = Host::new(HostConfig::default()).expect("a host");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = host.clone();
        tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
        let url = format!("http://{address}").parse().expect("a URL");
        factory.host(host, LocalOptions::new(url)).await.expect("it hosts");
        Self { factory, address }
    }

    pub async fn deploy(&self, caller: &Caller, server: &str) {
        let commanded = self.factory.deploy(caller, server, None, Duration::from_secs(60)).await.expect("deployed");
        let observed = commanded.observed.expect("in time");
        assert!(observed.serving.is_some(), "{observed:?}");
    }

    /// Calls a tool without arguments. `header`: `name: value`, or nothing.
    pub async fn call(&self, server: &str, header: &str, tool: &str) -> (u16, Value) {
        let params = json!({ "name": tool, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let request = format!(
            "POST /servers/{server}/mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n{header}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Its status alone, for somebody with a bearer token.
    pub async fn status(&self, server: &str, secret: &str, tool: &str) -> u16 {
        self.call(server, &format!("authorization: Bearer {secret}"), tool).await.0
    }
}

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("ends in time")
}
