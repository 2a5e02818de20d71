//! Authorization codes from amoCRM's server and from browsers: duplicated, late, forged.

use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID};
use reqwest::{Method, StatusCode};
use sqlx::MySqlPool;
use url::Url;

use super::authentication::OTHER_CLIENT_ID;
use super::harness::{TestApp, WAIT_TIMEOUT};

const HOST: &str = "demo.amocrm.ru";

pub(crate) async fn arrives(
    app: &TestApp,
    query: &[(&str, &str)],
    cookie: Option<&str>,
) -> (StatusCode, String) {
    let mut url: Url = format!("{}/oauth/amocrm/callback", app.api_url).parse().unwrap();
    url.query_pairs_mut().extend_pairs(query);
    let mut request = app.http.get(url);
    if let Some(cookie) = cookie {
        request = request.header("Cookie", cookie);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_forged_request_gets_neither_our_secret_nor_a_job(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    for host in
        ["evil.example", "demo.amocrm.ru.evil.example", "user@demo.amocrm.ru", "demo.amocrm.ru:443", ""]
    {
        let query = [("code", "c"), ("referer", host), ("client_id", CLIENT_ID), ("from_widget", "1")];
        assert_eq!(arrives(&app, &query, None).await.0, StatusCode::BAD_REQUEST, "{host}");
    }
    // A widget of amoCRM has no Kommo account, and its secret must not be sent there.
    let query =
        [("code", "c"), ("referer", "demo.kommo.com"), ("client_id", CLIENT_ID), ("from_widget", "1")];
    assert_eq!(arrives(&app, &query, None).await.0, StatusCode::BAD_REQUEST);
    let stranger = "99999999-2222-4333-8444-555555555555";
    let query = [("code", "c"), ("referer", HOST), ("client_id", stranger), ("from_widget", "1")];
    assert_eq!(arrives(&app, &query, None).await.0, StatusCode::NOT_FOUND);
    let query = [("referer", HOST), ("client_id", CLIENT_ID), ("from_widget", "1")];
    assert_eq!(arrives(&app, &query, None).await.0, StatusCode::BAD_REQUEST);
    assert!(app.jobs(JobState::Queued).await.is_empty());
    assert_eq!(app.token_requests(), 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_duplicated_code_is_one_grant(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let code = app.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    let query = [("code", code.as_str()), ("referer", HOST), ("client_id", CLIENT_ID), ("from_widget", "1")];
    for _ in 0..3 {
        assert_eq!(arrives(&app, &query, None).await.0, StatusCode::OK);
    }
    app.run_due_jobs().await;
    assert_eq!(arrives(&app, &query, None).await.0, StatusCode::OK);
    app.run_due_jobs().await;
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
}

/// An administrator starts a reconnect for one account and grants access to another: the grant is rejected.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_grant_of_another_account_than_requested_is_rejected(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let mut other = app.amocrm.state.account(ACCOUNT).unwrap();
    (other.id, other.subdomain) = (39_999_999, "other".to_owned());
    app.amocrm.state.add_account(other).unwrap();
    let (state, cookie) = begin(&app).await;
    let code = app.amocrm.state.issue_code(CLIENT_ID, 39_999_999, None).unwrap();
    let query = [
        ("code", code.as_str()),
        ("referer", "other.amocrm.ru"),
        ("client_id", CLIENT_ID),
        ("state", state.as_str()),
    ];
    assert_eq!(arrives(&app, &query, Some(&cookie)).await.0, StatusCode::OK);
    app.run_due_jobs().await;
    let dead = app.jobs(JobState::Dead).await;
    assert!(dead[0].last_error.as_deref().unwrap_or_default().contains("39999999"), "{dead:?}");
    let installs: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM installs").fetch_one(&app.pool).await.unwrap();
    assert_eq!(installs, 0);
}

/// A user who started in two windows may finish in either.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_window_does_not_invalidate_the_first(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let (first, second) = (begin(&app).await, begin(&app).await);
    let code = app.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, Some(ADMIN)).unwrap();
    let query =
        [("code", code.as_str()), ("referer", HOST), ("client_id", CLIENT_ID), ("state", first.0.as_str())];
    let cookies = format!("{}; {}", first.1, second.1);
    assert_eq!(arrives(&app, &query, Some(&cookies)).await.0, StatusCode::OK);
}

/// amoCRM waits 3 s for the response, so the response must not wait for the exchange.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_response_does_not_wait_for_the_exchange(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next("/oauth2/access_token", Act::Hang).times(10));
    let outcome = app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(outcome.status, Some(200));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_code_is_retried_for_twenty_minutes_and_then_fails(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let busy = Act::Answer { status: 429, headers: Vec::new(), body: String::new() };
    app.amocrm.control.script(Script::next("/oauth2/access_token", busy).times(10_000));
    app.install().await;
    for _ in 0..130 {
        app.advance(TimeDelta::seconds(10));
        app.run_due_jobs().await;
    }
    let dead = app.jobs(JobState::Dead).await;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap_or_default().contains("20 minutes"), "{dead:?}");
    assert!(app.jobs(JobState::Queued).await.is_empty());
    // The page still gets a response with a reconnect link.
    let (_, handshake) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(handshake["status"], "reconnect");
    assert!(handshake["connect_url"].as_str().unwrap().contains("/oauth/amocrm/connect?ticket="));
}

/// The pair was received, but its account could not be read: the pair is stored, and the code is not used twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_pair_is_stored_while_its_account_cannot_be_read(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let ill = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    app.amocrm.control.script(Script::next("/api/v4/account", ill).times(3));
    app.install().await;
    for _ in 0..6 {
        app.advance(TimeDelta::seconds(30));
        app.run_due_jobs().await;
    }
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_code_with_a_lost_response_ends_in_a_reconnect(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next("/oauth2/access_token", Act::ServeThenCut));
    app.install().await;
    app.advance(TimeDelta::seconds(60));
    app.run_due_jobs().await;
    let dead = app.jobs(JobState::Dead).await;
    assert!(dead[0].last_error.as_deref().unwrap_or_default().contains("used before"), "{dead:?}");
}

/// An administrator reconnects in one browser: signed link, state, amoCRM's page, and back with the code.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_state_is_accepted_once_from_its_own_browser(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let (state, cookie) = begin(&app).await;
    let code = app.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, Some(ADMIN)).unwrap();
    let query = |state: &'static str| {
        [("code", "other"), ("referer", HOST), ("client_id", CLIENT_ID), ("state", state)]
    };
    let good =
        [("code", code.as_str()), ("referer", HOST), ("client_id", CLIENT_ID), ("state", state.as_str())];
    assert_eq!(arrives(&app, &good[..3], Some(&cookie)).await.0, StatusCode::BAD_REQUEST, "without a state");
    assert_eq!(arrives(&app, &good, None).await.0, StatusCode::BAD_REQUEST, "another browser");
    let made_up = "flysk_connect=made-up";
    assert_eq!(arrives(&app, &query("made-up"), Some(made_up)).await.0, StatusCode::BAD_REQUEST, "made up");
    let (status, page) = arrives(&app, &good, Some(&cookie)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("data-origin=\"https://demo.amocrm.ru\"") && page.contains("Готово"));
    let again = [("code", "second"), ("referer", HOST), ("client_id", CLIENT_ID), ("state", state.as_str())];
    assert_eq!(arrives(&app, &again, Some(&cookie)).await.0, StatusCode::BAD_REQUEST, "used before");
    assert_eq!(arrives(&app, &good, Some(&cookie)).await.0, StatusCode::OK, "the same code again");
    app.run_due_jobs().await;
    assert_eq!(app.status().await, "active");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_state_expires_and_a_refused_grant_is_reported(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let (state, cookie) = begin(&app).await;
    app.advance(TimeDelta::minutes(21));
    let late = [("code", "late"), ("referer", HOST), ("client_id", CLIENT_ID), ("state", state.as_str())];
    assert_eq!(arrives(&app, &late, Some(&cookie)).await.0, StatusCode::BAD_REQUEST);
    let (status, page) = arrives(&app, &[("error", "access_denied"), ("state", &state)], Some(&cookie)).await;
    assert!(status == StatusCode::OK && page.contains("Доступ не выдан"), "{page}");
}

/// Error pages have the same security headers as others, and link back to the widget's host.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn error_pages_are_strict_and_link_to_the_widgets_platform(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let (amocrm, kommo) = ("href=\"https://www.amocrm.ru/\"", "href=\"https://www.kommo.com/\"");
    let (_, cookie) = begin(&app).await;
    let of_amocrm = cookie.split_once('=').unwrap().1;
    let abroad = app.register("abroad", OTHER_CLIENT_ID).await;
    assert!(!abroad.is_empty());
    sqlx::query("UPDATE widgets SET platform = 'kommo' WHERE code = 'abroad'")
        .execute(&app.pool)
        .await
        .unwrap();
    let begun =
        app.http.get(format!("{}/oauth/amocrm/connect?widget=abroad", app.api_url)).send().await.unwrap();
    let there: Url = begun.headers()["location"].to_str().unwrap().parse().unwrap();
    let of_kommo = there.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    for (path, status, back) in [
        ("callback?code=c".to_owned(), 400, amocrm),
        ("callback?code=c&platform=2".to_owned(), 400, kommo),
        (format!("callback?code=c&client_id={OTHER_CLIENT_ID}"), 400, kommo),
        (format!("callback?code=c&client_id={CLIENT_ID}&platform=2"), 400, amocrm),
        ("callback/abroad?code=c&referer=evil.example".to_owned(), 400, kommo),
        ("callback/nobody?code=c&referer=new.kommo.com".to_owned(), 404, "href=\"https://new.kommo.com/\""),
        (format!("callback?error=access_denied&state={of_kommo}"), 200, kommo),
        (format!("callback?error=access_denied&state={of_amocrm}"), 200, amocrm),
        ("connect?widget=abroad&mode=none".to_owned(), 400, kommo),
        ("connect?widget=nobody".to_owned(), 404, amocrm),
        ("connect".to_owned(), 400, amocrm),
    ] {
        let answer = app.http.get(format!("{}/oauth/amocrm/{path}", app.api_url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains(back), "{path}: {page}");
    }
}

/// Starts a connection as the widget of an administrator; returns the state and the browser's cookie.
pub(crate) async fn begin(app: &TestApp) -> (String, String) {
    let (_, handshake) = app.admin(Method::POST, "/v1/handshake", None).await;
    let ours: Url = handshake["connect_url"].as_str().unwrap().parse().unwrap();
    let local = format!("{}{}?{}", app.api_url, ours.path(), ours.query().unwrap());
    let answer = app.http.get(local).timeout(WAIT_TIMEOUT).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let there: Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    let query: Vec<(String, String)> = there.query_pairs().into_owned().collect();
    assert_eq!(query[0], ("client_id".to_owned(), CLIENT_ID.to_owned()));
    (query[1].1.clone(), cookie)
}
