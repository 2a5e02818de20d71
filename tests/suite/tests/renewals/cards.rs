//! New cards, and cards that were unlinked (376-FZ).

use chrono::TimeDelta;
use flysk_domain::platform::subscriptions::{Change, InvoiceState, PeriodLength, SubscriptionState};
use flysk_simulators::tbank::Behaviour;
use flysk_suite::subscriber::SEATS;
use sqlx::MySqlPool;

use super::harness::{EMPTY_LATER, GOOD_CARD, TestSubscriber};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nothing_is_charged_after_the_card_was_unlinked(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, EMPTY_LATER).await;
    subscriber.advance_to("2027-03-01", "00:00:00").await;
    assert_eq!(subscriber.calls("Charge"), 1);
    subscriber.unlink().await;
    subscriber.advance_days(120).await;
    assert_eq!(subscriber.calls("Charge"), 1, "the planned retries are not made");
    assert_eq!(subscriber.current().await.state, SubscriptionState::Expired);
    subscriber.assert_sound().await;
}

/// The payer unlinks the card between the job's intent and the charge.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_is_prepared_is_stopped_by_the_unlinking(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    // The answer to `Init` is lost, and the next run waits for its time.
    subscriber
        .sandbox
        .bank
        .control
        .script(flysk_simulators::Script::next("/v2/Init", flysk_simulators::Act::ServeThenCut));
    subscriber.advance_to("2027-02-28", "00:00:01").await;
    let charge_at = subscriber.last_invoice().await.charge_at.unwrap();
    subscriber.advance_until(charge_at + chrono::TimeDelta::seconds(1)).await;
    assert_eq!((subscriber.calls("Init"), subscriber.calls("Charge")), (2, 0));
    subscriber.unlink().await;
    subscriber.advance_days(3).await;
    assert_eq!(subscriber.calls("Charge"), 0);
    let payment = subscriber.sandbox.bank.state.payments().pop().unwrap();
    assert_eq!(payment.status, "CANCELED", "nobody can charge it later");
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_on_the_form_with_another_card_settles_the_open_renewal(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, EMPTY_LATER).await;
    subscriber.advance_to("2027-03-01", "00:00:00").await;
    let open = subscriber.last_invoice().await;
    let attempt = subscriber.open_form(open.id).await;
    subscriber.pay(&attempt, GOOD_CARD);
    subscriber.run_due().await;
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.advance_to("2027-04-01", "12:00:00").await;
    let renewed = subscriber.last_invoice().await;
    assert_eq!((renewed.period.from.to_string().as_str(), renewed.state), ("2027-03-31", InvoiceState::Paid));
    subscriber.assert_sound().await;
}

/// The bank tells no notification, and `GetState` of the older document has no `RebillId`.
fn forget_cards(subscriber: &TestSubscriber) {
    let quiet = Behaviour { notification_copies: 0, state_tells_rebill: false, ..Behaviour::default() };
    subscriber.sandbox.bank.state.behave(quiet);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_whose_notification_was_lost_is_found_among_those_of_its_payer(pool: MySqlPool) {
    let subscriber = TestSubscriber::open(pool).await;
    forget_cards(&subscriber);
    let change = Change::Start { plan: subscriber.plan, seats: SEATS, length: PeriodLength::Month };
    let invoice = subscriber.order(change).await.unwrap().expect("a start costs money");
    let attempt = subscriber.open_form(invoice.id).await;
    subscriber.pay(&attempt, GOOD_CARD);
    subscriber.sandbox.advance(TimeDelta::minutes(30)).await.unwrap();
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    assert!(subscriber.row().await.card_id.is_some());
    assert_eq!(subscriber.calls("GetCardList"), 1, "asked once");
    subscriber.advance_to("2027-03-01", "00:00:00").await;
    assert_eq!(subscriber.calls("Charge"), 1, "the renewal is charged with it");
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_former_card_is_not_taken_for_that_of_a_payment_by_sberpay(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.unlink().await;
    subscriber.advance_to("2027-03-01", "00:00:00").await;
    forget_cards(&subscriber);
    let open = subscriber.last_invoice().await;
    let attempt = subscriber.open_form(open.id).await;
    subscriber.pay(&attempt, "sberpay");
    subscriber.sandbox.advance(TimeDelta::minutes(30)).await.unwrap();
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    assert_eq!((subscriber.row().await.card_id, subscriber.calls("GetCardList")), (None, 1));
    subscriber.assert_sound().await;
}

/// The bank names no `RebillId` for such a payment, although its payer has agreed to renewals.
async fn pays_but_gives_no_renewal(pool: MySqlPool, means: &str) {
    let subscriber = TestSubscriber::open(pool).await;
    subscriber.buy(means).await.unwrap();
    assert_eq!(subscriber.row().await.card_id, None);
    subscriber.advance_to("2027-04-01", "00:00:00").await;
    assert_eq!(subscriber.calls("Charge"), 0);
    assert_eq!(subscriber.current().await.state, SubscriptionState::Expired);
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn sberpay_pays_but_gives_no_renewal(pool: MySqlPool) {
    pays_but_gives_no_renewal(pool, "sberpay").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_single_payment_by_sbp_pays_but_gives_no_renewal(pool: MySqlPool) {
    pays_but_gives_no_renewal(pool, "sbp").await;
}
