//! Charges that fail, by the class of the bank's refusal.

use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_simulators::tbank::Ending;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{EMPTY_LATER, GOOD_CARD, TestSubscriber};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_empty_card_is_tried_by_the_schedule_and_the_subscription_expires_unpaid(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, EMPTY_LATER).await;
    subscriber.advance_to("2027-03-01", "00:00:01").await;
    assert_eq!(subscriber.current().await.state, SubscriptionState::PastDue);
    subscriber.advance_to("2027-05-01", "00:00:00").await;
    let last = subscriber.last_invoice().await;
    let attempts = subscriber.attempts(last.id).await;
    assert_eq!(attempts.len(), 7, "days 0, 1, 3, 5, 7, 10 and 14");
    assert!(attempts.iter().all(|attempt| attempt.state == AttemptState::Failed));
    assert!(attempts.iter().all(|attempt| attempt.error_code.as_deref() == Some("1051")));
    assert_eq!(last.state, InvoiceState::Void);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Expired);
    assert_eq!(subscriber.calls("Charge"), 7, "nothing is charged after the end");
    subscriber.assert_sound().await;
}

/// Advances by more than the schedule after a refusal with this code.
async fn stops_after(pool: MySqlPool, code: u32) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.script(vec![Ending::Declined(code)]);
    subscriber.advance_to("2027-03-10", "00:00:00").await;
    assert_eq!(subscriber.calls("Charge"), 1);
    assert_eq!(subscriber.current().await.state, SubscriptionState::PastDue, "the grace goes on");
    subscriber.advance_days(30).await;
    assert_eq!(
        (subscriber.calls("Charge"), subscriber.current().await.state),
        (1, SubscriptionState::Expired)
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_card_is_charged_once(pool: MySqlPool) {
    stops_after(pool, 1041).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_suspicion_of_fraud_stops_the_charges(pool: MySqlPool) {
    stops_after(pool, 1059).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_succeeds_at_the_third_try_pays_the_period_from_its_boundary(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.script(vec![Ending::Declined(1051), Ending::Declined(1005), Ending::Paid]);
    subscriber.advance_to("2027-03-10", "00:00:00").await;
    let renewed = subscriber.last_invoice().await;
    assert_eq!(renewed.state, InvoiceState::Paid);
    assert_eq!(renewed.period.from.to_string(), "2027-02-28", "the money was for it");
    assert_eq!(subscriber.attempts(renewed.id).await.len(), 3);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_terminal_that_is_switched_off_costs_the_customer_no_try(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.sandbox.bank.state.block_terminal(flysk_sandbox::TERMINAL_KEY, true);
    subscriber.advance_to("2027-03-02", "00:00:00").await;
    let open = subscriber.last_invoice().await;
    assert_eq!((open.state, open.charges_made), (InvoiceState::Open, 0));
    assert!(open.charge_at.is_some(), "tried again on the schedule");
    assert_eq!(subscriber.current().await.state, SubscriptionState::Renewing, "nobody is dunned for it");
    subscriber.sandbox.bank.state.block_terminal(flysk_sandbox::TERMINAL_KEY, false);
    subscriber.advance_to("2027-03-03", "13:00:00").await;
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.assert_sound().await;
}

/// Who starts the charge, as the bank was told with the last payment.
fn last_initiator(subscriber: &TestSubscriber) -> String {
    let opened = subscriber.sandbox.bank.control.calls_to("POST", "/v2/Init");
    let body: Value = serde_json::from_str(&opened.last().expect("a payment").body).unwrap();
    body["DATA"]["OperationInitiatorType"].as_str().expect("an initiator").to_owned()
}

/// It depends on the type of the seller's terminal. That of the simulator is an ECOM one, which takes `R` only.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_bank_is_told_the_initiator_that_the_seller_has_set(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let set = async |initiator: &str| {
        let update = "UPDATE vendors SET charge_initiator = ?";
        sqlx::query(update).bind(initiator).execute(&subscriber.sandbox.pool).await.unwrap();
    };
    set("I").await;
    subscriber.advance_to("2027-02-28", "13:00:00").await;
    assert_eq!(last_initiator(&subscriber), "I");
    let open = subscriber.last_invoice().await;
    assert_eq!((open.state, open.charges_made), (InvoiceState::Open, 0));
    assert_eq!(subscriber.attempts(open.id).await[0].error_code.as_deref(), Some("1126"));
    assert_eq!(subscriber.current().await.state, SubscriptionState::Renewing, "nobody is dunned for it");
    set("R").await;
    subscriber.advance_to("2027-03-01", "13:00:00").await;
    assert_eq!(last_initiator(&subscriber), "R");
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    assert_eq!(subscriber.calls("Charge"), 1);
    subscriber.assert_sound().await;
}
