//! Schema migrations of Flysk.
//!
//! Files are named `sql/<timestamp>_<verb>_<what>.sql` and never change once released: a migration
//! must suit the old and the new release at the same time (add, fill, switch over, remove later).

/// Brings a database to this release's schema; running it twice changes nothing.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./sql");
