//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Maximum time until the port of a killed server is free.
const PORT_RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Whether nothing listens on the port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// Picks the previous port if it is free, so that URLs survive a restart; otherwise any free port.
///
/// Waits shortly for the previous port, because a killed server keeps it until its last thread has ended.
pub(super) fn pick(last: Option<u16>) -> Result<u16> {
    let deadline = Instant::now() + PORT_RELEASE_TIMEOUT;
    while let Some(port) = last.filter(|_| Instant::now() < deadline) {
        if is_free(port) {
            return Ok(port);
        }
        thread::sleep(POLL_INTERVAL);
    }
    let listener = TcpListener::bind(loopback(0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("cannot read the listener's address")?.port())
}

/// `127.0.0.1` with this port.
pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
