//! Whether the database has the schema.

use crate::{Pool, StoreError, StoreResult};

/// The database is reachable and empty.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// No migration has run.
    #[error("the database has no schema: create it with `flysk-worker migrate`")]
    Missing,
    /// The database did not respond.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks that migrations have created the schema, so that a process started too early says so instead of failing at
/// each request.
///
/// # Errors
///
/// [`SchemaError::Missing`], or the database is unavailable.
pub async fn check_schema(pool: &Pool) -> Result<(), SchemaError> {
    if has_schema(pool).await? { Ok(()) } else { Err(SchemaError::Missing) }
}

async fn has_schema(pool: &Pool) -> StoreResult<bool> {
    let tables: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'jobs'",
    )
    .fetch_one(pool)
    .await?;
    Ok(tables > 0)
}
