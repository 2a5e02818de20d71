//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long a port may stay taken after its server was killed.
const FREED_WITHIN: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

/// Whether nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// The port of last time if it is free, so that addresses survive a restart; any free one otherwise.
///
/// A killed server holds its port until its last thread is gone, so it is waited for a little.
pub(super) fn pick(last: Option<u16>) -> Result<u16> {
    let deadline = Instant::now() + FREED_WITHIN;
    while let Some(port) = last.filter(|_| Instant::now() < deadline) {
        if is_free(port) {
            return Ok(port);
        }
        thread::sleep(TICK);
    }
    let listener = TcpListener::bind(loopback(0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("a listener without an address")?.port())
}

/// `127.0.0.1` with this port.
pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
