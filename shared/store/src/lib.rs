//! All SQL of Flysk, one file per table or small group: typed rows, typed errors.
//!
//! Functions take a connection (`&mut Conn`), so that the caller decides which statements share a transaction; reads
//! may use a connection of the pool. All statements run on MySQL 8 and on MariaDB 10.11.

pub mod admin;
mod answer_limit;
mod beginning;
mod connection;
pub mod contact_hashes;
mod contention;
pub mod cron_ticks;
pub mod error;
pub mod flysense;
pub mod group_commit;
mod group_member;
pub mod jobs;
mod json_text;
mod listed;
pub mod migration_lock;
mod nodes;
pub mod platform;
mod pool;
pub mod portal;
pub mod retention;
mod schema;
mod server_time;
pub mod sign_in;
mod sql_text;
mod text_column;
mod text_enums;

pub use answer_limit::{ANSWER_LIMIT, answered, answered_within};
pub use beginning::begin;
pub use connection::{Pool, STATEMENT_CACHE_CAPACITY};
pub use contention::{
    Contention, MAX_TRANSACTION_TRIES, TRANSACTION_RETRY_LIMIT, contention_pause, repeat_contended,
    repeat_while,
};
pub use error::{StoreError, StoreResult};
pub use json_text::JsonText;
pub use pool::{
    ACQUIRE_TIMEOUT, READ_TIME_LIMIT, check_database, check_primary, configure_pool,
    configure_pool_for_reading, configure_trusting_pool, connect, connect_for_reading, connect_trusting,
    connect_within,
};
pub use schema::{SchemaError, check_schema};
pub use server_time::read_server_time;
pub use text_column::TextColumn;

/// A connection: from the pool or of an open transaction.
pub type Conn = sqlx::MySqlConnection;

/// An open transaction; dropping it without commit rolls it back.
pub type Tx = sqlx::Transaction<'static, sqlx::MySql>;
