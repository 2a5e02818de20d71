//! Ports for processes that are told where to listen.

use std::net::TcpListener;

use anyhow::bail;

/// Ports below those that Linux hands out to clients (32,768 and more): a port of that range could be given to a client of
/// another test before the process listens, or while its server is down.
const QUIET_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried.
const PORT_TRIES: u32 = 200;

/// A free port of 127.0.0.1 that stays free until somebody asks for it by its number.
pub(crate) fn quiet_port() -> anyhow::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = rand::random_range(QUIET_PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {} to {}", QUIET_PORTS.start, QUIET_PORTS.end)
}
