//! Private database and Redis servers on free ports, with data in separate directories.

mod ask;
mod cache;
mod cache_servers;
mod choice;
mod data_template;
mod database_servers;
mod galera;
mod group_replication;
mod instance;
mod mysql;
mod port;
mod redis;
mod scratch;
mod sentinel;
mod server;

pub use cache::{Cache, VARIABLE as CACHE_VARIABLE};
pub use cache_servers::CacheServers;
pub use choice::{Database, VARIABLE as DATABASE_VARIABLE};
pub use database_servers::{DatabasePrograms, DatabaseServers};
pub use galera::{Galera, GaleraCluster};
pub use group_replication::{GroupReplication, ReplicationGroup};
pub use instance::{CLUSTER_VARIABLE, Instance, Private, State};
pub use mysql::{Durability, Flavour, Mysql};
pub use redis::Redis;
pub use scratch::fastest as fastest_directory;
pub use sentinel::SentinelGroup;
pub use server::Server;
