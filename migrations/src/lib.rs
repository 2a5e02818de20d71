//! Schema migrations of Flysk.
//!
//! Files are named `sql/<timestamp>_<verb>_<what>.sql` and never change once released: a migration
//! must suit the old and the new release at the same time (add, fill, switch over, remove later).

use sqlx::MySqlPool;
use sqlx::migrate::{MigrateError, Migrator};

/// Every migration of this release, in order. Tests hand it to `sqlx::test`; a deployment calls [`migrate`].
pub static MIGRATOR: Migrator = sqlx::migrate!("./sql");

/// Brings a database to this release's schema; running it twice changes nothing.
///
/// Migrations that a newer release has applied stay as they are. So the release phase of a rollback ends well, and the
/// older release starts on the newer schema, which suits it.
///
/// # Errors
///
/// A migration fails, its file is not the one that was applied, or the database cannot be reached.
pub async fn migrate(pool: &MySqlPool) -> Result<(), MigrateError> {
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator.run(pool).await
}
