//! All SQL of Flysk, one file per table or small group: typed rows, typed errors.
//!
//! Functions take a connection (`&mut Conn`), so that the caller decides what shares a transaction;
//! plain reads may be given the pool's. Statements run on MySQL 8 and MariaDB 10.11 alike.

mod contention;
pub mod cron_ticks;
pub mod error;
pub mod flysense;
pub mod jobs;
mod json_text;
pub mod ledger;
mod listed;
pub mod platform;
mod pool;
pub mod purchases;
mod server_time;

pub use contention::{
    Contention, TRANSACTION_RETRY_LIMIT, TRANSACTION_TRIES, contention_pause, repeat_contended, repeat_while,
};
pub use error::{StoreError, StoreResult};
pub use json_text::JsonText;
pub use pool::{ACQUIRE_TIMEOUT, Pool, STATEMENTS, careful, connect, connect_within};
pub use server_time::read_server_time;

/// What every statement runs on: a pooled connection or an open transaction.
pub type Conn = sqlx::MySqlConnection;

/// An open transaction; dropped without commit it rolls back.
pub type Tx = sqlx::Transaction<'static, sqlx::MySql>;
