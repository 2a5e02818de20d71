//! Private Redis server.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::port::loopback;
use super::server::{Server, ServerSpec};
use crate::tools::REDIS;

/// Executable of the Redis server.
#[derive(Debug, Clone)]
pub struct Redis {
    server: PathBuf,
}

impl Redis {
    /// Finds the executable.
    pub fn find() -> Option<Self> {
        REDIS.find().map(|server| Self { server })
    }

    /// Path of the executable.
    pub fn executable(&self) -> &Path {
        &self.server
    }

    /// URL of a server that was started here.
    pub fn url(server: &Server) -> String {
        format!("redis://127.0.0.1:{}/0", server.port)
    }

    /// Starts a server with data in `dir`; existing data is kept.
    pub fn start(&self, dir: &Path, last_port: Option<u16>) -> Result<Server> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let log = dir.join("redis.log");
        let command = |port| self.command(&dir, port);
        Server::start(
            &ServerSpec { name: "Redis", log: &log, command: &command, ready: &answers },
            &dir,
            last_port,
        )
    }

    fn command(&self, dir: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.server);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
            .arg("--dir")
            .arg(dir)
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""])
            // 64 databases, so that tests on a shared server can have one each.
            .args(["--databases", "64", "--maxmemory-policy", "noeviction"]);
        command
    }
}

/// Whether Redis is ready. It answers `-LOADING` while it loads its data.
fn answers(port: u16) -> bool {
    let timeout = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&loopback(port), timeout) else { return false };
    let mut answer = [0; 7];
    stream.set_read_timeout(Some(timeout)).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"+PONG\r\n"
}
