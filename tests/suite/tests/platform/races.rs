//! Writes of the API that lose a race in the database are repeated, invisibly to the client.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

use super::harness::TestApp;

/// Rows changed by a transaction, so that the deadlock detection rolls back the other one.
const HEAVY_ROWS: u32 = 200;

/// Waits until another connection has locked the install's row.
async fn install_is_locked(pool: &MySqlPool, install: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(5);
    loop {
        let free: Option<String> =
            sqlx::query_scalar("SELECT id FROM installs WHERE id = ? FOR UPDATE SKIP LOCKED")
                .bind(install)
                .fetch_optional(pool)
                .await
                .unwrap();
        if free.is_none() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the API did not come to the install's row");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A heavy transaction that locks the row that the API writes second.
async fn hold_next_version(conn: &mut MySqlConnection, install: &str) {
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    for version in (1..=HEAVY_ROWS).rev() {
        sqlx::query(
            "INSERT INTO settings_history (install_id, version, settings, changed_by, changed_at)
             VALUES (?, ?, '{}', 'test', '2026-11-29')",
        )
        .bind(install)
        .bind(version)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
}

/// A deadlock: the API locks the install and waits for the history's row, which a heavier transaction has locked
/// before it requests the install. The database rolls back the API's transaction.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_write_that_loses_a_deadlock_succeeds(pool: MySqlPool) {
    let app = TestApp::installed(pool.clone()).await;
    let install = app.install_id().await.to_string();
    let mut other = MySqlConnection::connect_with(&pool.connect_options()).await.unwrap();
    hold_next_version(&mut other, &install).await;
    let asked = async {
        let body = json!({ "version": 0, "settings": { "tone": "formal" } });
        app.admin(Method::PUT, "/v1/settings", Some(body)).await
    };
    let deadlock = async {
        install_is_locked(&pool, &install).await;
        let wanted = sqlx::query("UPDATE installs SET updated_at = updated_at WHERE id = ?").bind(&install);
        wanted.execute(&mut other).await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let ((status, answer), ()) = tokio::join!(asked, deadlock);
    assert_eq!((status, &answer["version"]), (StatusCode::OK, &json!(1)), "{answer}");
    let written: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM settings_history WHERE install_id = ?")
        .bind(&install)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(written, 1);
}
