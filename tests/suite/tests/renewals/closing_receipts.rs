//! Closing receipts (54-FZ) that the bank refuses, or whose answers are lost.

use chrono::TimeDelta;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_jobs::platform::subscriptions::SendClosingReceipt;
use flysk_queue::Job as _;
use flysk_services::subscriptions::{OperatorAct, OperatorError, ReceiptDecision, decide_receipt};
use flysk_simulators::{Act, Script};
use flysk_store::platform::invoice_payments::{self, ClosingReceipt, ReceiptState};
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, Rival, TestSubscriber};
use super::late_money::{last_cancel, order_refund, refund};

const SEND: &str = "/cashbox/SendClosingReceipt";

async fn state_of(subscriber: &TestSubscriber, invoice: InvoiceId) -> ReceiptState {
    let paid = subscriber.attempts(invoice).await.remove(0);
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    let found = invoice_payments::find_receipt_of_payment(&mut conn, paid.id).await.unwrap();
    found.expect("a receipt").state
}

/// Numbers of closing receipts of the first payment that were asked for, and that the cash register has.
fn sent(subscriber: &TestSubscriber) -> (usize, usize) {
    let bank = &subscriber.sandbox.bank;
    (bank.control.calls_to("POST", SEND).len(), bank.state.payments()[0].closing_receipts.len())
}

async fn is_overdue(subscriber: &TestSubscriber) -> bool {
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    let found = subscriptions::verify_schedule(&mut conn, subscriber.sandbox.now(), 10).await.unwrap();
    found.iter().any(|violation| violation.rule == "receipt_overdue")
}

async fn decide(
    subscriber: &TestSubscriber,
    invoice: InvoiceId,
    decision: ReceiptDecision,
) -> Result<ClosingReceipt, OperatorError> {
    let mut unit = subscriber.begin().await;
    let act = OperatorAct { operator: "anna", reason: "сверено с кассой" };
    let decided = decide_receipt(&mut unit, &subscriber.sandbox.clock, invoice, decision, act).await?;
    unit.commit().await.unwrap();
    Ok(decided)
}

/// The password of the terminal was changed, and is repaired within the day.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_receipt_that_the_bank_refuses_is_reported_and_sent_again_on_the_next_day(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    let body = r#"{"Success":false,"ErrorCode":"204","Message":"Неверный токен"}"#.to_owned();
    let refusal = Act::Answer { status: 200, headers: Vec::new(), body };
    subscriber.sandbox.bank.control.script(Script::next(SEND, refusal));
    subscriber.advance_to("2027-02-28", "20:00:00").await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Waiting, (1, 0)));
    assert!(is_overdue(&subscriber).await);
    subscriber.advance_to("2027-03-01", "12:00:00").await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Sent, (2, 1)));
    assert!(!is_overdue(&subscriber).await);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_receipt_that_an_operator_finds_after_a_lost_answer_is_what_a_refund_undoes(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    subscriber.sandbox.bank.control.script(Script::next(SEND, Act::ServeThenCut));
    subscriber.advance_to("2027-03-05", "12:00:00").await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Unclear, (1, 1)));
    let before = decide(&subscriber, first.id, ReceiptDecision::Registered).await.unwrap();
    assert_eq!(before.state, ReceiptState::Unclear);
    assert_eq!(state_of(&subscriber, first.id).await, ReceiptState::Sent);
    let request = refund(&subscriber, first.id, Kopecks(10_000)).await;
    assert!(request.contains("\"PaymentMethod\":\"full_payment\""), "{request}");
    let again = decide(&subscriber, first.id, ReceiptDecision::SendAgain).await;
    assert!(matches!(again, Err(OperatorError::ReceiptDecided(ReceiptState::Sent))), "{again:?}");
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_receipt_that_an_operator_does_not_find_is_sent_again(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    let early = decide(&subscriber, first.id, ReceiptDecision::SendAgain).await;
    assert!(matches!(early, Err(OperatorError::ReceiptDecided(ReceiptState::Waiting))), "{early:?}");
    subscriber.sandbox.bank.control.script(Script::next(SEND, Act::Cut));
    subscriber.advance_to("2027-03-05", "12:00:00").await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Unclear, (1, 0)));
    decide(&subscriber, first.id, ReceiptDecision::SendAgain).await.unwrap();
    subscriber.run_due().await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Sent, (2, 1)));
    subscriber.assert_sound().await;
}

/// Only the bank's answer tells whether the refund undoes the prepayment or the settlement.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_in_part_waits_while_the_closing_receipt_is_being_sent(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    subscriber.advance_to("2027-02-20", "12:00:00").await;
    let paid = subscriber.attempts(first.id).await.remove(0);
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    let receipt = invoice_payments::find_receipt_of_payment(&mut conn, paid.id).await.unwrap().unwrap();
    let now = subscriber.sandbox.now();
    let (waiting, sending) = (ReceiptState::Waiting, ReceiptState::Sending);
    invoice_payments::mark_receipt(&mut conn, receipt.id, waiting, sending, None, now).await.unwrap();
    order_refund(&subscriber, first.id, Kopecks(10_000)).await;
    assert_eq!(subscriber.calls("Cancel"), 0);
    let sent = ReceiptState::Sent;
    invoice_payments::mark_receipt(&mut conn, receipt.id, sending, sent, None, now).await.unwrap();
    subscriber.sandbox.advance(TimeDelta::minutes(3)).await.unwrap();
    let request = last_cancel(&subscriber);
    assert!(request.contains("\"PaymentMethod\":\"full_payment\""), "{request}");
    subscriber.assert_sound().await;
}

/// A handler that runs again does not know the answer any more: the receipt would be left to an operator.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_registered_receipt_is_recorded_also_after_a_lost_race(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool.clone(), GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    let bank = &subscriber.sandbox.bank.control;
    bank.script(Script::next(SEND, Act::Serve).held());
    let rival = Rival::begin(&pool).await;
    let rows = "SELECT id FROM invoice_receipts FOR UPDATE";
    let lost = rival.defeat((bank, SEND), SendClosingReceipt::KIND, rows);
    tokio::join!(subscriber.advance_to("2027-03-05", "12:00:00"), lost);
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Sent, (1, 1)));
    subscriber.assert_sound().await;
}

/// The bank knows neither the refund nor the payment for a while, so the refund's job dies: another one asks hours later, and the
/// closing receipt does not wait for an operator.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_whose_job_died_is_taken_up_again_and_its_receipt_follows(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    subscriber.advance_to("2027-02-20", "12:00:00").await;
    let body = r#"{"Success":false,"ErrorCode":"255","Message":"Платёж не найден"}"#.to_owned();
    let unknown = Act::Answer { status: 200, headers: Vec::new(), body };
    subscriber.sandbox.bank.control.script(Script::next("/v2/*", unknown).times(2));
    let asked_before = subscriber.calls("GetState");
    let asked = || subscriber.calls("GetState") - asked_before;
    order_refund(&subscriber, first.id, Kopecks(10_000)).await;
    let died = "SELECT COUNT(*) FROM jobs WHERE kind = 'billing.refund_invoice_payment' AND state = 'dead'";
    let died: i64 = sqlx::query_scalar(died).fetch_one(&subscriber.sandbox.pool).await.unwrap();
    assert_eq!((died, subscriber.calls("Cancel"), asked()), (1, 1, 1));
    subscriber.advance_to("2027-02-20", "18:30:00").await;
    assert_eq!((subscriber.calls("Cancel"), asked()), (2, 2), "it asks first");
    subscriber.advance_to("2027-03-01", "12:00:00").await;
    assert_eq!((state_of(&subscriber, first.id).await, sent(&subscriber)), (ReceiptState::Sent, (1, 1)));
    assert!(!is_overdue(&subscriber).await);
    subscriber.assert_sound().await;
}
