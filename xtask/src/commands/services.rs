//! `cargo xtask services up|down|status`: manages the servers for development.

use anyhow::Result;
use clap::Subcommand;

use crate::services::{Database, Durability, Instance, Server};
use crate::workspace;

/// Action on the servers.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Action {
    /// Start stopped servers and print `export` lines: `eval "$(cargo xtask services up)"`
    Up,
    /// Stop both servers; their data is kept
    Down,
    /// Print state, port and directory of the servers
    Status,
}

/// The instance that `services` and `dev` use.
pub(super) fn development() -> Instance {
    Instance::named("dev")
}

/// Runs the action.
pub fn run(action: Action) -> Result<()> {
    match action {
        Action::Up => up(),
        Action::Down => down(),
        Action::Status => {
            status();
            Ok(())
        }
    }
}

fn up() -> Result<()> {
    let state = development().up(Database::from_process()?, Durability::Process)?;
    for (name, url) in [("DATABASE_URL", state.database_url()), ("REDIS_URL", state.redis_url())] {
        if let Some(url) = url {
            println!("export {name}={url}");
        }
    }
    Ok(())
}

fn down() -> Result<()> {
    let stopped = development().down()?;
    for (name, server) in [("database", &stopped.mysql), ("Redis", &stopped.redis)] {
        match server {
            Some(server) => println!("{name}: stopped (was process {})", server.pid),
            None => println!("{name}: was not running"),
        }
    }
    Ok(())
}

fn status() {
    let running = development().running();
    println!("database: {}", describe("DATABASE_URL", running.mysql.as_ref()));
    println!("Redis: {}", describe("REDIS_URL", running.redis.as_ref()));
}

/// Describes a server without its URL, because a URL from the environment may contain a password.
fn describe(variable: &str, server: Option<&Server>) -> String {
    match server {
        _ if workspace::variable(variable).is_some() => format!("set by {variable}"),
        Some(Server { pid, port, dir }) => {
            format!("running on 127.0.0.1:{port}, process {pid}, data in {}", dir.display())
        }
        None => "not running".to_owned(),
    }
}
