//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};

/// Whether nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// The port of last time if it is still free, so that addresses survive a restart; any free one otherwise.
pub(super) fn pick(last: Option<u16>) -> Result<u16> {
    if let Some(port) = last.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    let listener = TcpListener::bind(loopback(0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("a listener without an address")?.port())
}

/// `127.0.0.1` with this port.
pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
