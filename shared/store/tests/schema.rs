//! Whether the database has the schema.

use flysk_store::{SchemaError, check_schema};
use sqlx::MySqlPool;

#[sqlx::test(migrations = false)]
async fn an_empty_database_is_reported_with_the_command_that_creates_the_schema(pool: MySqlPool) {
    let error = check_schema(&pool).await.unwrap_err();
    assert!(matches!(error, SchemaError::Missing), "{error:?}");
    assert!(error.to_string().contains("flysk-worker migrate"), "{error}");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_migrated_database_has_the_schema(pool: MySqlPool) {
    check_schema(&pool).await.unwrap();
}
