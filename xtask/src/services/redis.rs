//! Private Redis or Valkey server, or sentinel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Cache;
use super::ask::ask;
use super::cache::VALKEY_ROOT;
use super::server::{Server, ServerSpec};
use crate::tools::{self, REDIS, VALKEY};

/// Executable of Redis or Valkey.
#[derive(Debug, Clone)]
pub struct Redis {
    server: PathBuf,
}

impl Redis {
    /// Finds the executable that the environment selects.
    pub fn find() -> Option<Self> {
        Self::find_for(Cache::from_process().ok()?)
    }

    /// Finds the executable of these servers.
    pub fn find_for(cache: Cache) -> Option<Self> {
        let server = match cache {
            Cache::Redis | Cache::Sentinel => REDIS.find(),
            Cache::Valkey => VALKEY.find().or_else(|| VALKEY_ROOT.find()),
        };
        server.map(|server| Self { server })
    }

    /// Finds the executable of these servers; installs or unpacks a missing one.
    pub fn require(cache: Cache) -> Result<Self> {
        if let Some(found) = Self::find_for(cache) {
            return Ok(found);
        }
        match cache {
            Cache::Redis | Cache::Sentinel => tools::require(&[&REDIS])?,
            Cache::Valkey => VALKEY_ROOT.require()?,
        }
        Self::find_for(cache).with_context(|| format!("{} is not found after its installation", cache.name()))
    }

    /// Path of `redis-server`, or of the server that replaces it.
    pub fn executable(&self) -> &Path {
        &self.server
    }

    /// URL of a server that was started here.
    pub fn url(server: &Server) -> String {
        format!("redis://127.0.0.1:{}/0", server.port)
    }

    /// Starts a server with data in `dir`; existing data is kept.
    pub fn start(&self, dir: &Path, last_port: Option<u16>) -> Result<Server> {
        self.start_with(dir, last_port, &[])
    }

    /// Starts a server with more options on its command line.
    pub fn start_with(&self, dir: &Path, last_port: Option<u16>, options: &[String]) -> Result<Server> {
        let dir = create(dir)?;
        let command = |port| self.command(&dir, port, options);
        start("Redis", &dir, &command, last_port)
    }

    /// Starts a sentinel with these lines of configuration.
    pub fn start_sentinel(&self, dir: &Path, last_port: Option<u16>, directives: &str) -> Result<Server> {
        let dir = create(dir)?;
        // The sentinel writes what it learns into the file.
        let file = dir.join("sentinel.conf");
        let configuration = format!("bind 127.0.0.1\n{directives}");
        fs::write(&file, configuration).with_context(|| format!("cannot write {}", file.display()))?;
        let command = |port: u16| {
            let mut command = Command::new(&self.server);
            command.arg(&file).args(["--port", &port.to_string(), "--sentinel"]);
            command
        };
        start("the sentinel", &dir, &command, last_port)
    }

    fn command(&self, dir: &Path, port: u16, options: &[String]) -> Command {
        let mut command = Command::new(&self.server);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"])
            .arg("--dir")
            .arg(dir)
            .args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""])
            // A replica gets its copy at once.
            .args(["--repl-diskless-sync-delay", "0"])
            // 64 databases, so that tests on a shared server can have one each.
            .args(["--databases", "64", "--maxmemory-policy", "noeviction"])
            .args(options);
        command
    }
}

fn create(dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))
}

fn start(name: &str, dir: &Path, command: &dyn Fn(u16) -> Command, last_port: Option<u16>) -> Result<Server> {
    let log = dir.join("redis.log");
    Server::start(&ServerSpec { name, log: &log, command, ready: &answers }, dir, last_port)
}

/// Whether the server is ready. It answers `-LOADING` while it loads its data, and `-NOAUTH` if it requires a password.
fn answers(port: u16) -> bool {
    match ask(port, "PING") {
        Ok(answer) => answer == ["PONG"],
        Err(error) => error.to_string().starts_with("NOAUTH"),
    }
}
