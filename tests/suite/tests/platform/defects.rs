//! A statement that the server rejects is a defect of ours: the client must not be told to retry.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::TestApp;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejected_statement_is_internal_and_a_database_that_is_down_is_unavailable(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    sqlx::query("RENAME TABLE settings_history TO settings_history_of_yesterday")
        .execute(&app.pool)
        .await
        .unwrap();
    let change = json!({ "version": 0, "settings": { "colour": "green" } });
    let (status, problem) = app.admin(Method::PUT, "/v1/settings", Some(change)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal")),
        "{problem}"
    );
    app.pool.close().await;
    let (status, problem) = app.admin(Method::PUT, "/v1/settings", Some(json!({ "version": 0 }))).await;
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
}
