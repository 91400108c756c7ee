//! What all examples do with their command line: `--listen ADDR`, on loopback and a free port without it.

use std::io;

use tokio::net::TcpListener;

/// Binds, and says where on standard error.
pub async fn from_arguments() -> io::Result<TcpListener> {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address), None) => address,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS:PORT]")),
    };
    let listener = TcpListener::bind(&address).await?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    Ok(listener)
}

pub async fn until_interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
