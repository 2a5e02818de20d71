//! The release phase on a schema that another release has migrated.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use sqlx::MySqlPool;
use sqlx::migrate::MigrateError;

/// Version of a migration of a newer release.
const NEWER_VERSION: i64 = 99_991_231_000_001;

async fn applied(pool: &MySqlPool) -> Vec<(i64, bool)> {
    let versions = "SELECT version, success FROM _sqlx_migrations ORDER BY version";
    sqlx::query_as(versions).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrations = false)]
async fn an_older_release_leaves_migrations_of_a_newer_one_alone(pool: MySqlPool) {
    flysk_migrations::migrate(&pool).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (?, 'add something', TRUE, 'x', 1)",
    )
    .bind(NEWER_VERSION)
    .execute(&pool)
    .await
    .unwrap();
    let before = applied(&pool).await;

    flysk_migrations::migrate(&pool).await.unwrap();

    let after = applied(&pool).await;
    assert_eq!(after, before);
    assert_eq!(after.len(), flysk_migrations::MIGRATOR.iter().count() + 1);
    assert_eq!(after.last(), Some(&(NEWER_VERSION, true)));
}

#[sqlx::test(migrations = false)]
async fn a_migration_that_was_changed_after_it_was_applied_is_refused(pool: MySqlPool) {
    flysk_migrations::migrate(&pool).await.unwrap();
    let first = flysk_migrations::MIGRATOR.iter().next().unwrap().version;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = ?")
        .bind(first)
        .execute(&pool)
        .await
        .unwrap();

    let refused = flysk_migrations::migrate(&pool).await.unwrap_err();

    assert!(matches!(refused, MigrateError::VersionMismatch(version) if version == first), "{refused}");
}
