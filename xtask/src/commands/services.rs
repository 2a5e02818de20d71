//! `cargo xtask services up|down|status`: manages the servers for development.

use anyhow::Result;
use clap::Subcommand;

use crate::services::{
    CLUSTER_VARIABLE, Cache, CacheServers, Database, DatabaseServers, Durability, Instance, Server,
};
use crate::workspace;

/// Action on the servers.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Action {
    /// Start stopped servers and print `export` lines: `eval "$(cargo xtask services up)"`
    Up {
        /// MariaDB, MySQL, three MariaDB servers as a Galera cluster, or three MySQL servers as a replication group; otherwise
        /// `FLYSK_DATABASE`, otherwise mariadb
        #[arg(long, value_name = "mariadb|mysql|mariadb-11.8|galera|group-replication", value_parser = Database::named)]
        database: Option<Database>,
        /// Redis, Valkey, or Redis with a replica and three sentinels; otherwise `FLYSK_CACHE`, otherwise redis
        #[arg(long, value_name = "redis|valkey|sentinel", value_parser = Cache::named)]
        cache: Option<Cache>,
    },
    /// Stop all servers; their data is kept
    Down,
    /// Print state, port and directory of the servers
    Status,
}

/// The instance that `services` and `dev` use.
pub(super) fn development() -> Instance {
    Instance::named("dev")
}

/// Starts, stops or lists the development servers.
pub fn run(action: Action) -> Result<()> {
    match action {
        Action::Up { database, cache } => up(database, cache),
        Action::Down => down(),
        Action::Status => {
            status();
            Ok(())
        }
    }
}

fn up(database: Option<Database>, cache: Option<Cache>) -> Result<()> {
    let database = database.map_or_else(Database::from_process, Ok)?;
    let cache = cache.map_or_else(Cache::from_process, Ok)?;
    let state = development().up(database, cache, Durability::Process)?;
    for (name, url) in [
        ("DATABASE_URL", state.database_url()),
        ("REDIS_URL", state.redis_url()),
        (CLUSTER_VARIABLE, state.cluster_urls()),
    ] {
        if let Some(url) = url {
            println!("export {name}={url}");
        }
    }
    Ok(())
}

fn down() -> Result<()> {
    let stopped = development().down()?;
    let database = stopped.mysql.as_ref().map(DatabaseServers::servers).unwrap_or_default();
    let cache = stopped.cache.as_ref().map(CacheServers::servers).unwrap_or_default();
    for (name, servers) in [("database", database), ("Redis", cache)] {
        for server in &servers {
            println!("{name}: stopped (was process {})", server.pid);
        }
        if servers.is_empty() {
            println!("{name}: was not running");
        }
    }
    Ok(())
}

fn status() {
    let running = development().running();
    let cache = running.cache.as_ref().map(CacheServers::servers).unwrap_or_default();
    let database = running.mysql.as_ref().map(DatabaseServers::servers).unwrap_or_default();
    describe("database", "DATABASE_URL", &database);
    describe("Redis", "REDIS_URL", &cache);
}

/// Describes servers without their URL, because a URL from the environment may contain a password.
fn describe(name: &str, variable: &str, servers: &[&Server]) {
    if workspace::variable(variable).is_some() {
        println!("{name}: set by {variable}");
    } else if servers.is_empty() {
        println!("{name}: not running");
    } else {
        for Server { pid, port, dir } in servers {
            println!("{name}: running on 127.0.0.1:{port}, process {pid}, data in {}", dir.display());
        }
    }
}
