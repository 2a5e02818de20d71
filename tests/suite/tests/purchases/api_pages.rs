//! Pages of the API in Chromium, under the policies that the API sends: the documentation with Swagger UI, and pages that links
//! from amoCRM and from letters lead to. The hosted pages of billing have tests of their own.

use flysk_suite::environment::{CLIENT_ID, HOST};
use serde_json::Value;
use sqlx::MySqlPool;

use super::browser::Browser;
use super::harness::TestApp;

/// Operation of the reference that is opened and called.
const OPERATION: &str = "[id$='-getFlycoinWallet']";
/// What Chromium says of something that a policy forbids.
const VIOLATIONS: [&str; 2] = ["Content Security Policy", "Refused to"];

/// Addresses that the page has asked for, besides its own.
async fn asked(browser: &Browser) -> Vec<String> {
    let names = "return performance.getEntriesByType('resource').map((entry) => entry.name)";
    let names: Value = browser.client.execute(names, Vec::new()).await.unwrap();
    serde_json::from_value(names).unwrap()
}

/// The page has asked no other host, and its policy has forbidden nothing.
async fn assert_at_home(browser: &Browser, origin: &str) {
    let page = browser.client.current_url().await.unwrap();
    let asked = asked(browser).await;
    let is_own = |address: &String| address.starts_with(origin) || address.starts_with("data:");
    assert!(asked.iter().all(is_own), "{page} asks {asked:?}");
    let complaints = browser.complaints().await;
    let is_violation = |line: &&String| VIOLATIONS.iter().any(|text| line.contains(text));
    let violations: Vec<&String> = complaints.iter().filter(is_violation).collect();
    assert!(violations.is_empty(), "on {page}: {violations:#?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_reference_opens_and_calls_an_operation_under_its_policy(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    browser.client.goto(&format!("{}/docs", app.url)).await.unwrap();
    browser.wait(".swagger-ui .opblock").await;
    assert_at_home(&browser, &app.url).await;
    browser.click(&format!("{OPERATION} .opblock-summary-control")).await;
    browser.wait(&format!("{OPERATION} .opblock-body .responses-wrapper")).await;
    assert_at_home(&browser, &app.url).await;
    browser.click(&format!("{OPERATION} .try-out__btn")).await;
    browser.click(&format!("{OPERATION} .execute")).await;
    // Called without a token; the answer came from this API.
    let status =
        browser.text(&format!("{OPERATION} .live-responses-table tr.response .response-col_status")).await;
    assert!(status.starts_with("401"), "{status}");
    let called = format!("{}/v1/flycoins/wallet", app.url);
    assert!(asked(&browser).await.contains(&called), "{:?}", asked(&browser).await);
    assert_at_home(&browser, &app.url).await;
    browser.client.clone().close().await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn other_pages_load_nothing_that_their_policy_forbids(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let browser = Browser::start().await;
    let arrived = format!("/oauth/amocrm/callback?code=made-up&referer={HOST}&client_id={CLIENT_ID}");
    for path in [
        "/docs/guide",
        "/docs/errors",
        "/docs/search?q=hold",
        "/oauth/amocrm/callback",
        "/oauth/amocrm/callback?error=access_denied&state=unknown",
        arrived.as_str(),
        "/oauth/amocrm/connect?widget=nobody",
        "/billing/flycoins/?ticket=x",
        "/billing/subscription/?ticket=x",
        "/billing/act-as?ticket=x",
        "/billing/documents?ticket=x",
        "/mail?ticket=x",
        "/pay/inv_x/signature",
        "/unlink/crd_x/signature",
    ] {
        browser.client.goto(&format!("{}{path}", app.url)).await.unwrap();
        browser.wait("h1").await;
        assert_at_home(&browser, &app.url).await;
    }
    browser.client.clone().close().await.unwrap();
}
