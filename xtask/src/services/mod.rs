//! Private database and Redis servers on free ports, with data in separate directories.

mod choice;
mod data_template;
mod instance;
mod mysql;
mod port;
mod redis;
mod scratch;
mod server;

pub use choice::{Database, VARIABLE as DATABASE_VARIABLE};
pub use instance::{Instance, Private, State};
pub use mysql::{Durability, Flavour, Mysql};
pub use redis::Redis;
pub use scratch::fastest as fastest_directory;
pub use server::Server;
