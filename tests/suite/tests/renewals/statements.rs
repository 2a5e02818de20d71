//! Statements of a renewal: their number is most of what it costs, and must not creep up.

use std::time::Duration;

use flysk_domain::id::{InvoiceId, JobId};
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_jobs::platform::billing::ApplyTbankNotification;
use flysk_jobs::platform::subscriptions::{AdvanceSubscription, ChargeInvoice, SubscriptionsDue};
use flysk_queue::executor::ExecutionResult;
use flysk_queue::{Job as _, JobOutcome};
use flysk_simulators::tbank::{Behaviour, Forged};
use flysk_suite::statement_log::StatementLog;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber};

/// Transactions of a charge: the intent, that `Charge` is about to be sent, and its result.
const CHARGE_TRANSACTIONS: usize = 3;
/// Statements of a charge that succeeds and of which the bank told before it answered, without the claim of its job.
const MAX_CHARGE_STATEMENTS: usize = 31;
/// Statements of a notification about a renewal that is paid, without the claim of its job.
const MAX_NOTIFICATION_STATEMENTS: usize = 3;
/// Statements of the reminder of a charge, with its letter and its event, without the claim of its job.
const MAX_REMINDER_STATEMENTS: usize = 21;
/// Statements of the beginning of a renewal, without the claim of its job.
const MAX_OPENING_STATEMENTS: usize = 16;
/// Statements of a tick at which charges alone are due: what is due, and one transaction.
const CHARGING_TICK_STATEMENTS: usize = 7;
/// Time in which a notification is stored.
const ARRIVAL_TIMEOUT: Duration = Duration::from_mins(2);

/// Runs a job; returns the beginnings of its statements.
async fn statements_of(subscriber: &TestSubscriber, log: &StatementLog, job: JobId) -> Vec<String> {
    log.take_statements_of_jobs();
    let ended = subscriber.sandbox.executor.execute(job).await.unwrap();
    assert_eq!(ended, ExecutionResult::Finished(Ok(JobOutcome::Done)));
    log.take_statements_of_jobs()
}

/// Makes the charge of the open renewal due now; returns its invoice.
async fn make_charge_due(subscriber: &TestSubscriber) -> InvoiceId {
    let invoice = subscriber.last_invoice().await;
    assert_eq!(invoice.state, InvoiceState::Open);
    sqlx::query("UPDATE subscription_invoices SET charge_at = ? WHERE id = ?")
        .bind(subscriber.sandbox.now())
        .bind(invoice.id.to_string())
        .execute(&subscriber.sandbox.pool)
        .await
        .unwrap();
    invoice.id
}

/// A job that charges the open renewal now.
async fn enqueue_charge(subscriber: &TestSubscriber) -> JobId {
    let invoice_id = make_charge_due(subscriber).await;
    let mut unit = subscriber.begin().await;
    let job = unit.enqueue(&ChargeInvoice { invoice_id }).await.unwrap();
    unit.commit().await.unwrap();
    job.expect("no other job waits")
}

/// Jobs of notifications that wait.
async fn waiting_notifications(subscriber: &TestSubscriber) -> Vec<JobId> {
    waiting_jobs(subscriber, ApplyTbankNotification::KIND).await
}

async fn waiting_jobs(subscriber: &TestSubscriber, kind: &str) -> Vec<JobId> {
    let jobs: Vec<String> =
        sqlx::query_scalar("SELECT id FROM jobs WHERE kind = ? AND state = 'queued' ORDER BY id")
            .bind(kind)
            .fetch_all(&subscriber.sandbox.pool)
            .await
            .unwrap();
    jobs.iter().map(|job| job.parse().unwrap()).collect()
}

/// The bank tells of a charge twice before it answers, and both notifications are stored. They need no jobs any more.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_takes_three_transactions_and_few_statements(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    // The renewal is open, and is charged from 10:00 on.
    subscriber.advance_to("2027-02-28", "09:00:00").await;
    let charge = enqueue_charge(&subscriber).await;
    let log = StatementLog::default();
    let listening = log.listen();
    let made = statements_of(&subscriber, &log, charge).await;
    drop(listening);
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    let begun = made.iter().filter(|statement| *statement == "BEGIN").count();
    assert_eq!(begun, CHARGE_TRANSACTIONS, "{made:#?}");
    assert!(made.len() <= MAX_CHARGE_STATEMENTS, "{} statements: {made:#?}", made.len());

    let told: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT n.state, n.note FROM tbank_notifications n JOIN invoice_payments p ON p.id = n.order_id
         WHERE p.kind = 'charge'",
    )
    .fetch_all(&subscriber.sandbox.pool)
    .await
    .unwrap();
    let applied = ("applied".to_owned(), Some("ignored".to_owned()));
    assert_eq!(told, [applied.clone(), applied], "AUTHORIZED and CONFIRMED");
    let waiting = waiting_notifications(&subscriber).await;
    assert!(waiting.is_empty(), "{waiting:?}");
    subscriber.run_due().await;
    subscriber.assert_sound().await;
}

/// A notification that comes after the answer, and says the same.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notification_that_tells_nothing_new_takes_no_transaction(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let bank = &subscriber.sandbox.bank.state;
    bank.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    subscriber.advance_to("2027-02-28", "13:00:00").await;
    let invoice = subscriber.last_invoice().await;
    assert_eq!(invoice.state, InvoiceState::Paid);
    let attempt = subscriber.attempts(invoice.id).await.remove(0);
    let again = Forged { payment_id: attempt.payment_id.unwrap(), ..Forged::default() };
    bank.forge(&again).unwrap();
    let arrival = async {
        loop {
            match waiting_notifications(&subscriber).await.pop() {
                Some(job) => break job,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let job = tokio::time::timeout(ARRIVAL_TIMEOUT, arrival).await.expect("it arrives");
    let log = StatementLog::default();
    let listening = log.listen();
    let made = statements_of(&subscriber, &log, job).await;
    drop(listening);
    assert!((1..=MAX_NOTIFICATION_STATEMENTS).contains(&made.len()), "{} statements: {made:#?}", made.len());
    assert!(!made.iter().any(|statement| statement == "BEGIN"), "{made:#?}");
    let note: Option<String> = sqlx::query_scalar("SELECT note FROM tbank_notifications WHERE order_id = ?")
        .bind(attempt.id.to_string())
        .fetch_one(&subscriber.sandbox.pool)
        .await
        .unwrap();
    assert_eq!(note.as_deref(), Some("ignored"));
    subscriber.assert_sound().await;
}

/// Performs a tick; returns the beginnings of its statements.
async fn statements_of_tick(subscriber: &TestSubscriber) -> Vec<String> {
    let mut unit = subscriber.begin().await;
    let tick = unit.enqueue(&SubscriptionsDue {}).await.unwrap();
    unit.commit().await.unwrap();
    let log = StatementLog::default();
    let _listening = log.listen();
    statements_of(subscriber, &log, tick.expect("no other tick waits")).await
}

/// It reads whether something is due, and ends.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_tick_at_which_nothing_is_due_takes_two_statements(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let made = statements_of_tick(&subscriber).await;
    assert_eq!(made.len(), 2, "{made:#?}");
}

/// As at most times of a day on which charges are spread.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_tick_at_which_charges_alone_are_due_takes_one_transaction(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2027-02-28", "09:00:00").await;
    make_charge_due(&subscriber).await;
    let made = statements_of_tick(&subscriber).await;
    assert_eq!(made.len(), CHARGING_TICK_STATEMENTS, "{made:#?}");
    assert_eq!(waiting_jobs(&subscriber, ChargeInvoice::KIND).await.len(), 1);
    subscriber.run_due().await;
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    subscriber.assert_sound().await;
}

/// Performs the next step of the subscription when it is due; returns the beginnings of its statements.
async fn statements_of_next_step(subscriber: &TestSubscriber, log: &StatementLog) -> Vec<String> {
    let row = subscriber.row().await;
    subscriber.sandbox.clock.set(row.next_due_at.expect("a step is planned"));
    let mut unit = subscriber.begin().await;
    let step = unit.enqueue(&AdvanceSubscription { subscription_id: row.id }).await.unwrap();
    unit.commit().await.unwrap();
    let listening = log.listen();
    let made = statements_of(subscriber, log, step.expect("no other step waits")).await;
    drop(listening);
    made
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_is_announced_and_opened_by_few_statements(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let log = StatementLog::default();
    let reminder = statements_of_next_step(&subscriber, &log).await;
    let told = "SELECT COUNT(*) FROM subscription_notices WHERE kind = 'renewal_upcoming'";
    let told: i64 = sqlx::query_scalar(told).fetch_one(&subscriber.sandbox.pool).await.unwrap();
    assert_eq!(told, 1, "{reminder:#?}");
    assert!(reminder.len() <= MAX_REMINDER_STATEMENTS, "{} statements: {reminder:#?}", reminder.len());
    subscriber.run_due().await;

    let opening = statements_of_next_step(&subscriber, &log).await;
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Open);
    assert!(opening.len() <= MAX_OPENING_STATEMENTS, "{} statements: {opening:#?}", opening.len());
}
