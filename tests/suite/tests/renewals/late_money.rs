//! Money that arrives when nobody waits for it any more.

use chrono::TimeDelta;
use flysk_crypto::aad;
use flysk_domain::id::{InvoiceId, UserId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::Discrepancy;
use flysk_domain::platform::subscriptions::{Change, InvoiceState, PeriodLength, SubscriptionState};
use flysk_services::invoice_payments::{RefundOrder, request_refund, resolve_review};
use flysk_services::subscriptions::{self as use_cases, Actor};
use flysk_simulators::tbank::{Behaviour, Ending, Terminal};
use flysk_store::platform::subscriptions;
use flysk_store::platform::vendors;
use flysk_suite::environment::ADMIN;
use flysk_suite::subscriber::SEATS;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_success_pays_the_period_although_it_was_declined_before(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.script(vec![Ending::LateSuccess]);
    subscriber.advance_to("2027-02-28", "18:00:00").await;
    let renewed = subscriber.last_invoice().await;
    assert_eq!(renewed.state, InvoiceState::Paid);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.advance_days(10).await;
    assert_eq!(subscriber.calls("Charge"), 1, "the planned retry is not made");
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_for_a_cancelled_subscription_is_returned_whole(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.script(vec![Ending::Hangs]);
    subscriber.advance_to("2027-02-28", "13:00:00").await;
    let open = subscriber.last_invoice().await;
    let payment = subscriber.attempts(open.id).await[0].payment_id.clone().unwrap();
    let mut unit = subscriber.begin().await;
    let row = subscriptions::lock_subscription(&mut unit, subscriber.subscription).await.unwrap();
    let settings = flysk_domain::platform::subscriptions::SubscriptionSettings::default();
    use_cases::cancel(
        &mut unit,
        &subscriber.sandbox.clock,
        &settings,
        &row,
        Actor::User(UserId(ADMIN)),
        None,
    )
    .await
    .unwrap();
    unit.commit().await.unwrap();
    assert_eq!(subscriber.current().await.state, SubscriptionState::Cancelled);
    subscriber.sandbox.bank.state.settle(&payment, Ending::Paid).unwrap();
    subscriber.run_due().await;
    subscriber.sandbox.advance(TimeDelta::hours(1)).await.unwrap();
    assert_eq!(subscriber.sandbox.bank.state.payment(&payment).unwrap().status, "REFUNDED");
    assert_eq!(subscriber.current().await.state, SubscriptionState::Cancelled, "nothing is revived");
    subscriber.assert_sound().await;
}

/// An operator refunds a part of an invoice.
pub(crate) async fn order_refund(subscriber: &TestSubscriber, invoice_id: InvoiceId, kopecks: Kopecks) {
    let clock = &subscriber.sandbox.clock;
    let mut unit = subscriber.begin().await;
    let order = RefundOrder {
        invoice_id,
        kopecks: Some(kopecks),
        actor: "operator:test",
        reason: "a part was not used",
    };
    request_refund(&mut unit, clock, order).await.unwrap();
    unit.commit().await.unwrap();
    subscriber.run_due().await;
}

/// The last request for a refund to the bank.
pub(crate) fn last_cancel(subscriber: &TestSubscriber) -> String {
    subscriber.sandbox.bank.control.calls_to("POST", "/v2/Cancel").pop().expect("the bank was asked").body
}

/// [`order_refund`]; returns the request to the bank.
pub(crate) async fn refund(subscriber: &TestSubscriber, invoice_id: InvoiceId, kopecks: Kopecks) -> String {
    order_refund(subscriber, invoice_id, kopecks).await;
    last_cancel(subscriber)
}

/// The receipt of a refund has the method of the receipt that it undoes (54-FZ, tag 1214).
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_undoes_the_prepayment_and_after_the_closing_receipt_the_settlement(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    for (day, method) in [("2027-02-10", "full_prepayment"), ("2027-03-05", "full_payment")] {
        subscriber.advance_to(day, "12:00:00").await;
        let request = refund(&subscriber, first.id, Kopecks(10_000)).await;
        assert!(request.contains(&format!("\"PaymentMethod\":\"{method}\"")), "{day}: {request}");
    }
    let payment = subscriber.sandbox.bank.state.payments().remove(0);
    assert_eq!((payment.status.as_str(), payment.left), ("PARTIAL_REFUNDED", 277_000));
    assert_eq!(
        payment.closing_receipts[0]["Items"][0]["Amount"], 287_000,
        "what was left at the period's end"
    );
    subscriber.assert_sound().await;
}

/// The notification about the late success is lost, so only the question before the next attempt can tell.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_success_without_a_notification_is_found_before_the_next_charge(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.sandbox.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    subscriber.script(vec![Ending::LateSuccess, Ending::Paid]);
    subscriber.advance_to("2027-03-10", "00:00:00").await;
    assert_eq!(subscriber.calls("Charge"), 1);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.assert_sound().await;
}

/// An hour before the end of the period there is no time for the usual link of three hours.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_banks_form_of_a_change_takes_no_money_after_its_period(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2027-02-27", "23:00:00").await;
    let change = subscriber.order(Change::Seats(SEATS + 1)).await.unwrap().expect("a seat costs money");
    let attempt = subscriber.0.open_form(change.id, false).await.unwrap();
    let payment = subscriber.sandbox.bank.state.payment(attempt.payment_id.as_deref().unwrap()).unwrap();
    assert_eq!(payment.due, change.period.ends_at());
    subscriber.advance_to("2027-02-28", "00:05:00").await;
    let ended = subscriber.attempts(change.id).await.remove(0);
    assert_eq!((ended.state, subscriber.current().await.terms.unwrap().seats), (AttemptState::Failed, SEATS));
    subscriber.assert_sound().await;
}

/// Terminal of the seller's own.
const OWN_TERMINAL: &str = "1700000000000OWN";
/// Its password; valid in the simulator only.
const OWN_PASSWORD: &str = "own-password-of-a-test";
/// Test card that is declined on the form.
const EMPTY_CARD: &str = "2200000000000012";

/// Gives the seller a terminal of its own, or removes it.
async fn set_terminal(subscriber: &TestSubscriber, key: Option<&str>) {
    let sandbox = &subscriber.sandbox;
    let widget = subscriber.row().await.widget_id;
    let mut conn = sandbox.pool.acquire().await.unwrap();
    let mut vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().expect("a seller");
    let keyring = &sandbox.executor.app().keyring;
    let sealed = keyring.seal(&OWN_PASSWORD.into(), &aad::terminal_password(vendor.id)).unwrap();
    vendor.terminal_key = key.map(str::to_owned);
    vendor.terminal_password_sealed = key.map(|_| sealed);
    vendors::update_vendor(&mut conn, &vendor, sandbox.now()).await.unwrap();
}

/// The seller has removed its terminal: the notification cannot be verified, and the bank cannot be asked.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_success_at_a_removed_terminal_waits_for_a_person(pool: MySqlPool) {
    let subscriber = TestSubscriber::open(pool).await;
    let bank = &subscriber.sandbox.bank.state;
    bank.add_terminal(Terminal {
        key: OWN_TERMINAL.to_owned(),
        password: OWN_PASSWORD.to_owned(),
        notification_url: Some(format!("{}/hooks/tbank", subscriber.sandbox.api_url)),
        cash_register: true,
        charge_enabled: true,
        blocked: false,
    });
    set_terminal(&subscriber, Some(OWN_TERMINAL)).await;
    let change = Change::Start { plan: subscriber.plan, seats: SEATS, length: PeriodLength::Month };
    let invoice = subscriber.order(change).await.unwrap().expect("a start costs money");
    let attempt = subscriber.open_form_at(OWN_TERMINAL, invoice.id, false).await.unwrap();
    subscriber.pay(&attempt, EMPTY_CARD);
    subscriber.run_due().await;
    let known = async || {
        let attempt = subscriber.attempts(invoice.id).await.remove(0);
        (attempt.state, attempt.discrepancy)
    };
    assert_eq!(known().await, (AttemptState::Failed, None));
    set_terminal(&subscriber, None).await;
    let payment = attempt.payment_id.as_deref().expect("a payment");
    bank.settle(payment, Ending::Paid).unwrap();
    subscriber.run_due().await;
    assert_eq!(known().await, (AttemptState::Review, Some(Discrepancy::RemovedTerminal)));
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Open, "nothing unverified is believed");
    let mut unit = subscriber.begin().await;
    resolve_review(&mut unit, &subscriber.sandbox.clock, attempt.id).await.unwrap();
    unit.commit().await.unwrap();
    // The bank repeats the notification every hour.
    subscriber.sandbox.advance(TimeDelta::hours(3)).await.unwrap();
    assert_eq!(known().await, (AttemptState::Failed, None), "what a person has decided stays");
}
