//! The command line of the per-bearer examples: `--listen ADDR`, on loopback and a free port without it.

use std::{io, net::SocketAddr};

pub fn from_arguments() -> io::Result<SocketAddr> {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address), None) => address,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: [--listen ADDRESS:PORT]")),
    };
    address.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
