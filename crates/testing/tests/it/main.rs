//! The services start, answer, go and come back.

use std::net::{Ipv4Addr, TcpStream};

use mcp_factory_testing::{Mariadb, Postgres};

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[test]
fn postgresql_starts_and_survives_an_outage() {
    let postgres = Postgres::start();
    assert!(listens(postgres.port()));
    postgres.stop();
    assert!(!listens(postgres.port()));
    postgres.restart();
    assert!(listens(postgres.port()));
    let port = postgres.port();
    drop(postgres);
    assert!(!listens(port));
}

#[test]
fn mariadb_starts_and_survives_an_outage() {
    let mariadb = Mariadb::start();
    assert!(listens(mariadb.port()));
    mariadb.stop();
    assert!(!listens(mariadb.port()));
    mariadb.restart();
    assert!(listens(mariadb.port()));
    let port = mariadb.port();
    drop(mariadb);
    assert!(!listens(port));
}
