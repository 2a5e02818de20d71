//! Codes from hosts where no account lives, and from hosts that cannot be reached for a while: one look, or as many as it takes.

use chrono::TimeDelta;
use flysk_jobs::Job as _;
use flysk_jobs::oauth::ExchangeCode;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::stand::{ACCOUNT, CLIENT_ID};
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::doors::{NEIGHBOUR, add_neighbour};
use super::house::House;
use super::made_up_codes::{behind_a_proxy, send};

const TOKENS: &str = "/oauth2/access_token";
const NOBODY: &str = "nobody.amocrm.ru";

/// All codes from there end with the first look, and for five minutes no other is taken.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_unknown_host_is_given_up_after_one_look(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    for n in 0..25 {
        let source = format!("203.0.113.{n}");
        assert_eq!(send(&house, &source, NOBODY, &format!("made-up-{n}")).await.0, StatusCode::OK);
    }
    house.run_due_jobs().await;
    assert_eq!((house.token_requests(), dead_codes(&house).await), (1, 25));
    assert!(house.jobs(JobState::Dead).await.is_empty(), "nothing for an operator");
    assert_eq!(send(&house, "203.0.113.99", NOBODY, "another").await.0, StatusCode::BAD_REQUEST);
    house.advance(TimeDelta::minutes(6));
    assert_eq!(send(&house, "203.0.113.99", NOBODY, "another").await.0, StatusCode::OK);
    house.run_due_jobs().await;
    assert_eq!(house.token_requests(), 2);
}

async fn dead_codes(house: &House) -> i64 {
    let count = "SELECT COUNT(*) FROM oauth_codes WHERE state = 'dead'";
    sqlx::query_scalar(count).fetch_one(&house.pool).await.unwrap()
}

/// A page, or a status that the token endpoint does not have: `help.amocrm.ru` is no account.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_host_that_does_not_answer_as_amocrm_does_is_given_up_after_one_look(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    let page = vec![("content-type".to_owned(), "text/html".to_owned())];
    for (n, status) in [200, 405, 302, 401].into_iter().enumerate() {
        house.amocrm.control.clear_calls();
        let act = Act::Answer { status, headers: page.clone(), body: "<h1>Help</h1>".to_owned() };
        house.amocrm.control.script(Script::next(TOKENS, act));
        let host = format!("help-{n}.amocrm.ru");
        assert_eq!(send(&house, "203.0.113.1", &host, &format!("made-up-{n}")).await.0, StatusCode::OK);
        for _ in 0..5 {
            house.run_due_jobs().await;
            house.advance(TimeDelta::minutes(1));
        }
        assert_eq!(
            (house.token_requests(), dead_codes(&house).await),
            (1, i64::try_from(n).unwrap() + 1),
            "{status}"
        );
    }
}

/// The same answers from the host of an account that we know are no reason to lose its code.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_known_accounts_code_outlives_answers_that_are_not_amocrms(pool: MySqlPool) {
    let house = House::installed(pool).await;
    for status in [200, 404, 405, 502] {
        house.advance(TimeDelta::minutes(1));
        house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        settle(&house).await;
        assert_eq!(house.status().await, "uninstalled", "{status}");
        let act = Act::Answer { status, headers: Vec::new(), body: "<h1>Soon</h1>".to_owned() };
        house.amocrm.control.script(Script::next(TOKENS, act).times(2));
        house.install().await;
        settle(&house).await;
        assert_eq!(house.status().await, "active", "{status}");
    }
}

async fn settle(house: &House) {
    for _ in 0..6 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
}

/// No connection to the host, and none to amoCRM's own site: it is the way there that is away.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_code_of_an_account_never_seen_outlives_an_outage_of_the_way_to_amocrm(pool: MySqlPool) {
    let house = House::build(pool).await;
    let nobody_listens = {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", taken.local_addr().unwrap())
    };
    let cut_off = house.worker_in(|env| env.with("FLYSK_AMOCRM_EGRESS_URL", &nobody_listens)).await;
    house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    for _ in 0..10 {
        for job in house.jobs(JobState::Queued).await {
            assert_eq!(job.kind, ExchangeCode::KIND);
            cut_off.perform(job.id).await.unwrap();
        }
        house.advance(TimeDelta::minutes(1));
    }
    assert_eq!(house.token_requests(), 0);
    house.run_due_jobs().await;
    assert_eq!((house.status().await, house.token_requests()), ("active", 1));
}

/// A genuine code of another integration is no mistake of our own configuration: it is refused like any that is not ours.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_code_of_another_integration_is_refused_at_one_look(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    add_neighbour(&house);
    let code = house.amocrm.state.issue_code(NEIGHBOUR, ACCOUNT, None).unwrap();
    assert_eq!(send(&house, "203.0.113.1", "demo.amocrm.ru", &code).await.0, StatusCode::OK);
    for _ in 0..5 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::minutes(1));
    }
    assert_eq!((house.token_requests(), dead_codes(&house).await), (1, 1));
}
