//! Many calls that wait for coins.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::payment::Work;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, EntityId, InstallId, NoteId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::ResumeUnpaid;
use flysk_queue::Job as _;
use flysk_simulators::{Act, Script};
use flysk_store::Pool;
use flysk_store::flysense::payments::{self, Price, RunOf};
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_suite::environment::{ACCOUNT, LEAD};
use serde_json::json;

use crate::harness::TestApp;

const BALANCE: &str = "/v1/backend/flycoins/balance";

/// Parks one call per note at this price; a call is older than those with higher numbers.
async fn park_calls(app: &TestApp, notes: std::ops::Range<u64>, price_micro: i64) {
    let (now, account_id) = (app.clock.now(), AccountId(ACCOUNT));
    let price = Price { amount: MicroCoins(price_micro), lines: Vec::new() };
    let mut tx = app.pool.begin().await.unwrap();
    for note in notes {
        let id: TranscriptionId = format!("tr_{note:026}").parse().unwrap();
        let new = NewTranscription {
            id,
            account_id,
            install_id: InstallId::generate(&app.clock),
            entity_type: EntityType::Lead,
            entity_id: EntityId(LEAD),
            note_id: NoteId(note),
            requested_by: None,
            left_channel: Role::Operator,
            trace: &Trace { correlation_id: "call".to_owned(), traceparent: None },
            now,
        };
        transcriptions::insert(&mut tx, &new).await.unwrap();
        let of = RunOf { id, run: 1 };
        payments::plan(&mut tx, of, account_id, Work::of(60_000, true), now).await.unwrap();
        let retry_at = now + TimeDelta::seconds(10);
        payments::mark_insufficient_funds(&mut tx, of, &price, retry_at, now).await.unwrap();
    }
    sqlx::query("UPDATE transcriptions SET state = 'no_balance'").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// A top-up resumes every call that it covers in one job, oldest first, although more older ones are too dear than one
/// transaction takes, and asks for the balance once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn dear_calls_keep_back_no_cheaper_ones_and_all_that_are_covered_resume_at_once(pool: Pool) {
    let app = TestApp::installed(pool).await;
    park_calls(&app, 1..202, 1_000).await;
    park_calls(&app, 202..652, 1).await;
    // The simulator answers what it is told to, whatever it simulates.
    let balance = json!({ "account_id": ACCOUNT, "available_micro": 440, "held_micro": 0 });
    let act = Act::Answer { status: 200, headers: Vec::new(), body: balance.to_string() };
    app.amocrm.control.script(Script::next(BALANCE, act).times(100));
    let worker = app.executor_with("FLYSENSE_PLATFORM_URL", &app.amocrm.url).await;
    app.enqueue(&ResumeUnpaid { account_id: AccountId(ACCOUNT) }).await;
    let due = app.due().await;
    let job = due.iter().find(|job| job.kind == ResumeUnpaid::KIND).expect("it was enqueued");
    worker.execute(job.id).await.unwrap();

    let resumed: Vec<u64> =
        sqlx::query_scalar("SELECT note_id FROM transcriptions WHERE state = 'holding' ORDER BY note_id")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(resumed, (202..642).collect::<Vec<u64>>(), "the oldest that 440 covers");
    let counts: (i64, i64) = sqlx::query_as(
        "SELECT COUNT(retry_at), (SELECT COUNT(*) FROM jobs WHERE kind = 'calls.hold_payment') FROM flysense_payments",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(counts, (201 + 10, 440));
    assert_eq!(app.asked("GET", BALANCE), 1, "the coins of the first calls are not held yet");
}
