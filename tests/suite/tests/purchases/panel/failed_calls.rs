//! A call that failed begins again from its page, and its price is a table.

use flysk_domain::Clock as _;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::payment::{PaymentState, ReceiptLine, Work};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, HoldId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::FetchRecording;
use flysk_store::flysense::payments::{self, Hold, Price, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use super::call_audio::insert_call;
use super::harness::Panel;

const REASON: (&str, &str) = ("reason", "Аккаунт подключён снова");

async fn found(panel: &Panel, id: TranscriptionId) -> Transcription {
    transcriptions::find(&mut *panel.app.conn().await, AccountId(ACCOUNT), id).await.unwrap().unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_call_without_a_dead_job_begins_again_once_and_other_calls_do_not(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id = insert_call(&panel).await;
    let (call, replay) = (format!("/calls/{id}"), format!("/calls/{id}/replay"));
    assert!(!signed.page(&call).await.contains(&replay), "the call has not failed");
    assert!(signed.refused(&replay, &[REASON], 409).await.contains("только неудавшийся"));

    // The stage found that the account is disconnected: the call failed, and no job is dead.
    let now = panel.app.clock.now();
    let failure = FailureCode::AccountDisconnected;
    transcriptions::fail(&mut *panel.app.conn().await, id, TranscriptionState::Queued, failure, now)
        .await
        .unwrap();
    assert!(panel.app.jobs_of::<FetchRecording>(JobState::Dead).await.is_empty());
    assert!(signed.page(&call).await.contains(&replay));
    signed.refused(&replay, &[], 422).await;
    assert_eq!(signed.act(&replay, &[REASON]).await, call);
    let again = found(&panel, id).await;
    assert_eq!((again.state, again.run), (TranscriptionState::Queued, 2));
    assert_eq!(panel.app.jobs_of::<FetchRecording>(JobState::Queued).await.len(), 1);
    // The form once more: the call has begun again already.
    signed.refused(&replay, &[REASON], 409).await;
    assert_eq!(found(&panel, id).await.run, 2);
    let row = panel.record_of("call.replay").await;
    assert_eq!((row.subject_id, row.reason.as_str()), (id.to_string(), REASON.1));
    assert!(row.state_before.unwrap().contains("account_disconnected"));
    assert!(signed.page(&call).await.contains("новый прогон звонка"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_run_replaces_the_dead_jobs_of_the_failed_one(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id = insert_call(&panel).await;
    let (call, now) = (found(&panel, id).await, panel.app.clock.now());
    let trace = Trace { correlation_id: call.correlation_id, traceparent: None };
    let mut unit = panel.app.executor.outbox().begin(trace).await.unwrap();
    let other = TranscriptionId::generate(&panel.app.clock);
    for transcription_id in [id, other] {
        unit.enqueue(&FetchRecording { transcription_id, account_id: AccountId(ACCOUNT) }).await.unwrap();
    }
    unit.commit().await.unwrap();
    let dead = "UPDATE jobs SET state = 'dead', waiting_key = NULL";
    sqlx::query(dead).execute(&panel.app.pool).await.unwrap();
    let mut conn = panel.app.conn().await;
    transcriptions::fail(&mut conn, id, TranscriptionState::Queued, FailureCode::Internal, now)
        .await
        .unwrap();
    signed.act(&format!("/calls/{id}/replay"), &[REASON]).await;
    let [replaced] = &panel.app.jobs_of::<FetchRecording>(JobState::Cancelled).await[..] else {
        panic!("the dead job of the call")
    };
    assert_eq!(replaced.payload.0["transcription_id"], id.to_string());
    let dead = panel.app.jobs_of::<FetchRecording>(JobState::Dead).await;
    assert_eq!(dead.len(), 1, "that of another call of the request stays");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_run_owes_nothing_of_the_failed_one(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id = insert_call(&panel).await;
    let (now, first) = (panel.app.clock.now(), RunOf { id, run: 1 });
    let mut conn = panel.app.conn().await;
    payments::plan(&mut conn, first, AccountId(ACCOUNT), Work::of(16_000, false), now).await.unwrap();
    let line = ReceiptLine {
        service: "flysense.recognition".to_owned(),
        version: 3,
        tariff: serde_json::json!({ "kind": "per_minute", "rate": 2_500_000, "at_least_s": 15 }),
        unit: "second".to_owned(),
        quantity: 16,
        billed: 16,
        rounding: "half_up".to_owned(),
        amount: MicroCoins(666_667),
    };
    let hold = Hold {
        id: HoldId::generate(&panel.app.clock),
        expires_at: now + chrono::Duration::hours(24),
        price: Price { amount: line.amount, lines: vec![line] },
    };
    payments::mark_held(&mut conn, first, &hold, now).await.unwrap();
    // The price is a table with words, not JSON.
    let page = signed.page(&format!("/calls/{id}")).await;
    for shown in ["распознавание", "16 с", "за минуту, не меньше 15 с, версия 3"]
    {
        assert!(page.contains(shown), "no {shown} in {page}");
    }
    assert!(!page.contains("half_up") && !page.contains("per_minute"), "{page}");

    payments::mark_releasing(&mut conn, first, now).await.unwrap();
    transcriptions::fail(&mut conn, id, TranscriptionState::Queued, FailureCode::Internal, now)
        .await
        .unwrap();
    signed.act(&format!("/calls/{id}/replay"), &[REASON]).await;
    assert!(payments::find(&mut conn, RunOf { id, run: 2 }).await.unwrap().is_none());
    let former = payments::find(&mut conn, first).await.unwrap().unwrap();
    assert_eq!(former.state, PaymentState::Releasing, "its hold is still released");
}
