//! Rate limit of backends and its headers.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use reqwest::{Response, StatusCode};
use sqlx::MySqlPool;

use super::authentication::{OTHER_CLIENT_ID, add_other_widget};
use super::harness::{TestApp, WAIT_TIMEOUT, read};

const LIMIT: &str = "FLYSK_BACKEND_REQUESTS_PER_MINUTE";

async fn ask(app: &TestApp, url: &str, token: &str) -> Response {
    let request = app.http.get(format!("{url}/v1/backend/events")).header("X-Project-Token", token);
    request.send().await.unwrap()
}

/// Sets the clock to the beginning of the next minute, so that the test does not meet its end.
fn begin_minute(app: &TestApp) {
    app.advance(TimeDelta::seconds(60 - app.clock.now().timestamp().rem_euclid(60)));
}

/// Remaining requests in the `RateLimit` header.
fn remaining(answer: &Response) -> u32 {
    let state = answer.headers().get("RateLimit").expect("the header").to_str().unwrap();
    let number = state.split("r=").nth(1).unwrap();
    number.split(';').next().unwrap().parse().unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_backend_sees_its_limit_is_refused_beyond_it_and_admitted_again(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    begin_minute(&app);
    let url = app.api_in(|env| env.with(LIMIT, "3")).await;
    let token = app.project_token.clone();
    for left in [2, 1, 0] {
        let answer = ask(&app, &url, &token).await;
        assert_eq!((answer.status(), remaining(&answer)), (StatusCode::OK, left));
        assert_eq!(answer.headers()["RateLimit-Policy"], "\"backend\";q=3;w=60");
    }
    let refused = ask(&app, &url, &token).await;
    let after: i64 = refused.headers()["Retry-After"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    let (status, problem) = read(refused).await;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &"too_many_requests".into()));
    assert!(problem["detail"].as_str().unwrap().contains("3 requests per 60 s"), "{problem}");
    add_other_widget(&app);
    let other = app.register("neighbour", OTHER_CLIENT_ID).await;
    assert_eq!(ask(&app, &url, &other).await.status(), StatusCode::OK, "the limit is the widget's own");
    app.advance(TimeDelta::seconds(after));
    assert_eq!(ask(&app, &url, &token).await.status(), StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn processes_share_the_limit(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    begin_minute(&app);
    let with_limit = |env: flysk_config::Env| env.with(LIMIT, "1000");
    let (one, other) = (app.api_in(with_limit).await, app.api_in(with_limit).await);
    let token = app.project_token.clone();
    for _ in 0..20 {
        ask(&app, &one, &token).await;
    }
    // Every request here exchanges the counts again.
    let (deadline, mut own) = (Instant::now() + WAIT_TIMEOUT, 0);
    loop {
        own += 1;
        ask(&app, &one, &token).await;
        let left = remaining(&ask(&app, &other, &token).await);
        if left < 1_000 - 20 - own {
            break;
        }
        assert!(Instant::now() < deadline, "{left} left in the other process");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A request without a valid token has no quota and is not counted.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wrong_token_has_no_limit_to_show(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let url = app.api_in(|env| env.with(LIMIT, "1")).await;
    for _ in 0..3 {
        let answer = ask(&app, &url, "fpt_wrong").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers().get("RateLimit").is_none());
    }
    assert_eq!(ask(&app, &url, &app.project_token).await.status(), StatusCode::OK);
    let free = app.http.get(format!("{url}/healthz")).send().await.unwrap();
    assert!(free.headers().get("RateLimit").is_none());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_limit_of_zero_is_none(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let url = app.api_in(|env| env.with(LIMIT, "0")).await;
    for _ in 0..3 {
        let answer = ask(&app, &url, &app.project_token).await;
        assert_eq!((answer.status(), answer.headers().get("RateLimit")), (StatusCode::OK, None));
    }
}
