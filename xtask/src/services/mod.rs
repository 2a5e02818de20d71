//! Private servers in a directory of their own, on free ports.

mod instance;
mod mysql;
mod port;
mod redis;
mod server;

pub use instance::{Instance, Private, State};
pub use mysql::{Durability, Flavour, Mysql};
pub use redis::Redis;
pub use server::Server;
