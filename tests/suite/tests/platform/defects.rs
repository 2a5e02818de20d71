//! A statement that the server refuses is our defect: nobody is told to try again in a moment.

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::house::House;

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refused_statement_is_an_internal_error_and_a_database_that_is_away_is_unavailable(
    pool: MySqlPool,
) {
    let house = House::installed(pool).await;
    sqlx::query("RENAME TABLE settings_history TO settings_history_of_yesterday")
        .execute(&house.pool)
        .await
        .unwrap();
    let change = json!({ "version": 0, "settings": { "colour": "green" } });
    let (status, problem) = house.admin(Method::PUT, "/v1/settings", Some(change)).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("internal")),
        "{problem}"
    );
    house.pool.close().await;
    let (status, problem) = house.admin(Method::PUT, "/v1/settings", Some(json!({ "version": 0 }))).await;
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
}
