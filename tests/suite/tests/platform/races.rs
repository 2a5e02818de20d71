//! Writes of the API that lose a race in the database: whoever asked is not told of it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

use super::house::House;

/// Rows that make a transaction too heavy to be the one that the database ends.
const WEIGHT: u32 = 200;

/// Waits until somebody else has locked the install's row.
async fn install_is_locked(pool: &MySqlPool, install: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
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

/// A transaction that holds what the API wants second, and is heavy.
async fn hold_next_version(conn: &mut MySqlConnection, install: &str) {
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    for version in (1..=WEIGHT).rev() {
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

/// The API locks the install and waits for the history's row, a heavier transaction has the row and comes for the install: the
/// database ends the API's.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_write_that_loses_a_deadlock_is_answered_as_if_there_had_been_none(pool: MySqlPool) {
    let house = House::installed(pool.clone()).await;
    let install = house.install_id().await.to_string();
    let mut other = MySqlConnection::connect_with(&pool.connect_options()).await.unwrap();
    hold_next_version(&mut other, &install).await;
    let asked = async {
        let body = json!({ "version": 0, "settings": { "tone": "formal" } });
        house.admin(Method::PUT, "/v1/settings", Some(body)).await
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
