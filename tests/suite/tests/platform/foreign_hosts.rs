//! Codes from hosts without an account, and from temporarily unreachable hosts: one attempt, or as many as
//! needed.

use chrono::TimeDelta;
use flysk_jobs::platform::oauth::ExchangeCode;
use flysk_queue::Job as _;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::environment::{ACCOUNT, CLIENT_ID};
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::authentication::{OTHER_CLIENT_ID, add_other_widget};
use super::harness::TestApp;
use super::made_up_codes::{behind_a_proxy, send};

const TOKENS: &str = "/oauth2/access_token";
const UNKNOWN_HOST: &str = "nobody.amocrm.ru";

/// All codes from such a host fail at the first attempt, and no other is accepted for 5 minutes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn codes_of_an_unknown_host_fail_after_one_attempt(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    for n in 0..25 {
        let source = format!("203.0.113.{n}");
        assert_eq!(send(&app, &source, UNKNOWN_HOST, &format!("made-up-{n}")).await.0, StatusCode::OK);
    }
    app.run_due_jobs().await;
    assert_eq!((app.token_requests(), dead_codes(&app).await), (1, 25));
    assert!(app.jobs(JobState::Dead).await.is_empty(), "nothing for an operator");
    assert_eq!(send(&app, "203.0.113.99", UNKNOWN_HOST, "another").await.0, StatusCode::BAD_REQUEST);
    app.advance(TimeDelta::minutes(6));
    assert_eq!(send(&app, "203.0.113.99", UNKNOWN_HOST, "another").await.0, StatusCode::OK);
    app.run_due_jobs().await;
    assert_eq!(app.token_requests(), 2);
}

async fn dead_codes(app: &TestApp) -> i64 {
    let count = "SELECT COUNT(*) FROM oauth_codes WHERE state = 'dead'";
    sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap()
}

/// A page, or a status that the token endpoint does not use: `help.amocrm.ru` is not an account.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn codes_of_a_host_unlike_amocrm_fail_after_one_attempt(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    let page = vec![("content-type".to_owned(), "text/html".to_owned())];
    for (n, status) in [200, 405, 302, 401].into_iter().enumerate() {
        app.amocrm.control.clear_calls();
        let act = Act::Answer { status, headers: page.clone(), body: "<h1>Help</h1>".to_owned() };
        app.amocrm.control.script(Script::next(TOKENS, act));
        let host = format!("help-{n}.amocrm.ru");
        assert_eq!(send(&app, "203.0.113.1", &host, &format!("made-up-{n}")).await.0, StatusCode::OK);
        for _ in 0..5 {
            app.run_due_jobs().await;
            app.advance(TimeDelta::minutes(1));
        }
        assert_eq!(
            (app.token_requests(), dead_codes(&app).await),
            (1, i64::try_from(n).unwrap() + 1),
            "{status}"
        );
    }
}

/// The same responses from the host of a known account do not invalidate its code.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_known_accounts_code_survives_foreign_responses(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for status in [200, 404, 405, 502] {
        app.advance(TimeDelta::minutes(1));
        app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        run_six_minutes(&app).await;
        assert_eq!(app.status().await, "uninstalled", "{status}");
        let act = Act::Answer { status, headers: Vec::new(), body: "<h1>Soon</h1>".to_owned() };
        app.amocrm.control.script(Script::next(TOKENS, act).times(2));
        app.install().await;
        run_six_minutes(&app).await;
        assert_eq!(app.status().await, "active", "{status}");
    }
}

async fn run_six_minutes(app: &TestApp) {
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
}

/// Neither the host nor amoCRM's own site is reachable: the network is down.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_accounts_code_survives_a_network_outage(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let nobody_listens = {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", taken.local_addr().unwrap())
    };
    let cut_off = app.worker_in(|env| env.with("FLYSK_AMOCRM_EGRESS_URL", &nobody_listens)).await;
    app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    for _ in 0..10 {
        for job in app.jobs(JobState::Queued).await {
            assert_eq!(job.kind, ExchangeCode::KIND);
            cut_off.execute(job.id).await.unwrap();
        }
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.token_requests(), 0);
    app.run_due_jobs().await;
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
}

/// A genuine code of another integration does not count as a configuration error of ours; it fails like other
/// foreign codes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_code_of_another_integration_fails_after_one_attempt(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    add_other_widget(&app);
    let code = app.amocrm.state.issue_code(OTHER_CLIENT_ID, ACCOUNT, None).unwrap();
    assert_eq!(send(&app, "203.0.113.1", "demo.amocrm.ru", &code).await.0, StatusCode::OK);
    for _ in 0..5 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!((app.token_requests(), dead_codes(&app).await), (1, 1));
}
