//! Schema migrations of Flysk.
//!
//! Files are named `sql/<timestamp>_<verb>_<what>.sql`. A released file never changes. The first files create the schema,
//! one file per area.
//!
//! # Expand and contract
//!
//! During a rollout the code of two releases runs on one schema. So a change that is incompatible with the previous
//! release takes two releases or more:
//!
//! 1. **Add** (expand): a migration adds the column, table or index. A new column has a default or is nullable, so that
//!    statements without it still work.
//! 2. **Backfill**: a job fills existing rows in batches; the code writes both the old and the new column.
//! 3. **Switch**: the code reads only the new column.
//! 4. **Remove** (contract): a later release drops the old column, when no supported release uses it.
//!
//! A rollback deploys the image of the previous release on the current schema, which is compatible with it; [`migrate`]
//! ignores migrations of newer releases. There are no down migrations. The first comment of each file states its purpose.
//! A file that removes or redefines something also states, after `Way back:`, the oldest release that still runs on the
//! schema.

use sqlx::MySqlPool;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};

/// Table of applied migrations. Row 0 is the lock of the process that migrates.
const HISTORY_TABLE: &str = "_sqlx_migrations";

/// All migrations of this release, in order. Deployments call [`migrate`].
pub static MIGRATOR: Migrator = sqlx::migrate!("./sql");

/// Creates the table of applied migrations, if there is none.
///
/// # Errors
///
/// The database is unreachable, or refuses the statement.
pub async fn create_history(pool: &MySqlPool) -> Result<(), MigrateError> {
    let mut conn = pool.acquire().await?;
    conn.ensure_migrations_table(HISTORY_TABLE).await
}

/// Applies all pending migrations of this release. Idempotent. On a cluster, one process at a time may do it: `GET_LOCK`,
/// which this takes, is local to a node (`flysk-worker migrate` takes a lock that is not).
///
/// Migrations of newer releases are ignored. So the release phase of a rollback succeeds, and the older release starts on
/// the newer schema, which is compatible with it.
///
/// # Errors
///
/// A migration failed, its file differs from the applied one, or the database is unreachable.
pub async fn migrate(pool: &MySqlPool) -> Result<(), MigrateError> {
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.set_ignore_missing(true);
    migrator.run(pool).await
}
