//! The log of API calls: counted in memory, written by group, shown to the widget's vendor.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{Portal, code_in};
use crate::harness::WAIT_TIMEOUT;

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn calls_and_errors_are_shown_with_operation_code_and_request(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = portal.give_widget(vendor).await;
    let app = &portal.panel.app;
    let page = member.shown(&format!("/portal/widgets/{widget}/rotate-token"), &[("keep_hours", "1")]).await;
    let token = code_in(&page, "fpt_").to_owned();
    let call = |path: &'static str, id: &'static str| {
        app.http
            .get(format!("{}{path}", app.url))
            .header("X-Project-Token", token.clone())
            .header("X-Request-Id", id)
    };
    assert_eq!(call("/v1/backend/installs", "romashka-0001").send().await.unwrap().status(), StatusCode::OK);
    let missing = call("/v1/backend/settings?account_id=1", "romashka-0002").send().await.unwrap();
    assert!(missing.status().is_client_error());
    let code = missing.json::<serde_json::Value>().await.unwrap()["code"].as_str().unwrap().to_owned();
    // Not authenticated: nobody's call.
    let stranger =
        app.http.get(format!("{}/v1/backend/installs", app.url)).header("X-Project-Token", "fpt_x");
    assert_eq!(stranger.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let deadline = tokio::time::Instant::now() + WAIT_TIMEOUT;
    let path = format!("/portal/api-calls?widget={widget}");
    let page = loop {
        let page = member.page(&path).await;
        // The error and the number of calls are written one after the other.
        if page.contains("romashka-0002") && page.contains("listInstalls") {
            break page;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(page.contains(&code), "{page}");
    assert!(!page.contains("romashka-0001"), "only errors have their request: {page}");
    let counted: Vec<(String, u64)> = sqlx::query_as(
        "SELECT operation, CAST(SUM(calls) AS UNSIGNED) FROM api_call_counts GROUP BY operation",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(counted.iter().map(|(_, calls)| calls).sum::<u64>(), 2, "{}", json!(counted));
}
