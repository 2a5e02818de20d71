//! Many calls that wait for coins.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::flysense::payment::Work;
use flysk_domain::id::{AccountId, JobId};
use flysk_domain::money::MicroCoins;
use flysk_jobs::flysense::calls::{ResumeUnpaid, RetryUnpaid};
use flysk_queue::Job;
use flysk_simulators::{Act, Script};
use flysk_store::Pool;
use flysk_store::flysense::payments::{self, Price, RunOf};
use flysk_suite::environment::ACCOUNT;
use serde_json::json;

use crate::harness::TestApp;

const BALANCE: &str = "/v1/backend/flycoins/balance";
const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Parks one call per note at this price; a call is older than those with higher numbers.
async fn park_calls(app: &TestApp, notes: std::ops::Range<u64>, price_micro: i64) {
    let (now, account_id) = (app.clock.now(), AccountId(ACCOUNT));
    let price = Price { amount: MicroCoins(price_micro), lines: Vec::new() };
    let mut tx = app.pool.begin().await.unwrap();
    for note in notes {
        let id = app.insert_call(&mut tx, note).await;
        let of = RunOf { id, run: 1 };
        payments::plan(&mut tx, of, account_id, Work::of(60_000, true), now).await.unwrap();
        let retry_at = now + TimeDelta::seconds(10);
        payments::mark_insufficient_funds(&mut tx, of, &price, retry_at, now).await.unwrap();
    }
    sqlx::query("UPDATE transcriptions SET state = 'no_balance'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// Answers with a balance. The simulator answers what it is told to, whatever it simulates.
fn balance_of(available_micro: i64) -> Script {
    let balance = json!({ "account_id": ACCOUNT, "available_micro": available_micro, "held_micro": 0 });
    Script::next(BALANCE, Act::Answer { status: 200, headers: Vec::new(), body: balance.to_string() })
}

/// Enqueues a job of a kind of which no other one is due; returns its id.
async fn enqueued<J: Job>(app: &TestApp, job: &J) -> JobId {
    app.enqueue(job).await;
    app.due().await.iter().find(|job| job.kind == J::KIND).expect("it was enqueued").id
}

/// Notes of the calls that got their coins.
async fn resumed(app: &TestApp) -> Vec<u64> {
    sqlx::query_scalar("SELECT note_id FROM transcriptions WHERE state = 'holding' ORDER BY note_id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

/// A top-up resumes every call that it covers in one job, oldest first, although more older ones are too dear than one
/// transaction takes, and asks for the balance once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn dear_calls_keep_back_no_cheaper_ones_and_all_that_are_covered_resume_at_once(pool: Pool) {
    let app = TestApp::installed(pool).await;
    park_calls(&app, 1..202, 1_000).await;
    park_calls(&app, 202..652, 1).await;
    app.amocrm.control.script(balance_of(440).times(100));
    let worker = app.executor_with("FLYSENSE_PLATFORM_URL", &app.amocrm.url).await;
    let job = enqueued(&app, &ResumeUnpaid { account_id: AccountId(ACCOUNT) }).await;
    worker.execute(job).await.unwrap();

    assert_eq!(resumed(&app).await, (202..642).collect::<Vec<u64>>(), "the oldest that 440 covers");
    let counts: (i64, i64) = sqlx::query_as(
        "SELECT COUNT(retry_at), (SELECT COUNT(*) FROM jobs WHERE kind = 'calls.hold_payment') FROM flysense_payments",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(counts, (201 + 10, 440));
    assert_eq!(app.asked("GET", BALANCE), 1, "the coins of the first calls are not held yet");
}

/// A tick while a job resumes many calls begins no second one, which would count coins again that are not held yet.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_tick_during_the_job_begins_no_other(pool: Pool) {
    let app = TestApp::installed(pool).await;
    park_calls(&app, 1..202, 1).await;
    app.advance(TimeDelta::seconds(11));
    app.amocrm.control.script(balance_of(300).held());
    let worker = app.executor_with("FLYSENSE_PLATFORM_URL", &app.amocrm.url).await;
    let job = enqueued(&app, &ResumeUnpaid { account_id: AccountId(ACCOUNT) }).await;
    let ticked = async {
        while app.asked("GET", BALANCE) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let tick = enqueued(&app, &RetryUnpaid {}).await;
        worker.execute(tick).await.unwrap();
        app.amocrm.control.release();
    };
    let both = async { tokio::join!(worker.execute(job), ticked) };
    let (looked, ()) = tokio::time::timeout(WAIT_TIMEOUT, Box::pin(both)).await.unwrap();
    looked.unwrap();
    let jobs = "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.resume_unpaid'";
    let jobs: i64 = sqlx::query_scalar(jobs).fetch_one(&app.pool).await.unwrap();
    assert_eq!((jobs, resumed(&app).await), (1, (1..202).collect::<Vec<u64>>()));
}
