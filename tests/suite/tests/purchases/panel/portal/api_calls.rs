//! The log of API calls: counted in memory, written by group, shown to the widget's vendor.

use std::time::Duration;

use flysk_domain::Clock as _;
use flysk_store::portal::NEWEST;
use flysk_store::portal::api_calls::{self, CallError, ErrorFilter};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::MySqlPool;

use super::deliveries::rows_read;
use super::harness::{Portal, code_in};
use crate::harness::WAIT_TIMEOUT;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

/// A page of errors, whatever it selects, reads as many rows as it shows: a flood of one error among which another one is rare.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_loop_of_one_error_hides_no_other(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = portal.give_widget(vendor).await;
    let app = &portal.panel.app;
    let error = |number: u32, operation: &'static str, status: u16, code: &str| CallError {
        widget_id: widget,
        happened_at: app.clock.now(),
        operation,
        status,
        code: code.to_owned(),
        detail: "nothing".to_owned(),
        request_id: format!("request-{number:05}"),
    };
    let mut errors = vec![error(0, "getInstall", 404, "install_not_found")];
    errors.extend((1..=3_000).map(|number| error(number, "chargeFlycoins", 402, "insufficient_balance")));
    let mut conn = app.conn().await;
    api_calls::insert_errors(&mut conn, &errors).await.unwrap();
    sqlx::query("ANALYZE TABLE api_call_errors").execute(&app.pool).await.unwrap();
    let path = format!("/portal/api-calls?widget={widget}");
    let page = member.page(&path).await;
    assert!(page.contains("request-03000") && !page.contains("request-00000"), "{page}");
    let older = page.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let older = member.page(&older.replace("&amp;", "&").replace("&#38;", "&")).await;
    assert!(older.contains("request-02950") && !older.contains("request-02951"), "{older}");
    for filter in ["operation=getInstall", "code=404", "code=install_not_found", "request=request-00000"] {
        let page = member.page(&format!("{path}&{filter}")).await;
        assert!(page.contains("request-00000") && !page.contains("request-03000"), "{filter}: {page}");
        assert!(!page.contains("rel=\"next\""), "{filter}: {page}");
    }
    let answer = portal.panel.get_as(&member.cookie, &format!("{path}&code=404&request=x")).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    for (filter, shown) in [
        (ErrorFilter::All, 50),
        (ErrorFilter::Operation("getInstall".to_owned()), 1),
        (ErrorFilter::Status(402), 50),
        (ErrorFilter::Code("no_such_code".to_owned()), 0),
        (ErrorFilter::Request("request-00000".to_owned()), 1),
    ] {
        let mut read = Vec::new();
        // The first execution prepares the statement and opens the table.
        for _ in 0..2 {
            let (start, before) = (rows_read(&mut conn).await, rows_read(&mut conn).await);
            let page = api_calls::list_errors(&mut conn, vendor, widget, &filter, NEWEST, 50).await.unwrap();
            assert_eq!((page.errors.len(), page.has_more), (shown, shown == 50), "{filter:?}");
            // Reading the counters reads rows, too.
            read.push((rows_read(&mut conn).await - before).saturating_sub(before - start));
        }
        assert!(read[1] < 400, "{filter:?}: {} rows were read for {shown}", read[1]);
    }
}
