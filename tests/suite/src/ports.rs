//! Ports for processes that listen on a given port.

use std::net::TcpListener;

use anyhow::bail;

/// Range of ports to choose from. It lies below Linux's ephemeral range (32,768 and up): an ephemeral port could
/// be given to a client of another test before the process listens, or while its server is down.
const QUIET_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Number of random ports to try.
const PORT_TRIES: u32 = 200;

/// A free port of 127.0.0.1 that the kernel does not hand out as an ephemeral port.
pub fn quiet_port() -> anyhow::Result<u16> {
    for _ in 0..PORT_TRIES {
        let port = rand::random_range(QUIET_PORTS);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {} to {}", QUIET_PORTS.start, QUIET_PORTS.end)
}

/// This port of 127.0.0.1 if it is free, otherwise a [`quiet_port`].
pub(crate) fn free_or_quiet_port(port: u16) -> anyhow::Result<u16> {
    if TcpListener::bind(("127.0.0.1", port)).is_ok() { Ok(port) } else { quiet_port() }
}
