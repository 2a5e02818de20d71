//! What the bank and Flysk say of payments of invoices weeks after they were paid.

use flysk_clients::tbank::CancelRequest;
use flysk_domain::money::Kopecks;
use flysk_jobs::platform::subscriptions::ReconcileInvoices;
use flysk_sandbox::{TERMINAL_KEY, TERMINAL_PASSWORD};
use flysk_simulators::tbank::Terminal;
use flysk_store::platform::purchases::{self, DiscrepancyRow};
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber, day};
use super::late_money::refund;

/// Somebody refunds the first payment in T-Bank's portal, which gives the receipt itself; no notification arrives.
async fn refund_in_merchant_portal(subscriber: &TestSubscriber, amount: Kopecks) {
    let bank = &subscriber.sandbox.bank.state;
    bank.add_terminal(Terminal {
        key: TERMINAL_KEY.to_owned(),
        password: TERMINAL_PASSWORD.to_owned(),
        notification_url: None,
        cash_register: false,
        charge_enabled: true,
        blocked: false,
    });
    let payment_id = bank.payments().remove(0).id;
    let cancel = CancelRequest { payment_id, amount, external_request_id: None, receipt: None };
    subscriber.sandbox.executor.app().acquiring().unwrap().bank.cancel(&cancel).await.unwrap();
}

/// Compares a day; returns what was stored of it.
async fn compare(subscriber: &TestSubscriber, of: &str) -> Vec<DiscrepancyRow> {
    let mut unit = subscriber.begin().await;
    unit.enqueue(&ReconcileInvoices { day: Some(day(of)), after: None }).await.unwrap();
    unit.commit().await.unwrap();
    subscriber.run_due().await;
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    purchases::list_discrepancies(&mut conn, day(of)).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_that_the_bank_does_not_tell_of_is_found_weeks_later(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    subscriber.advance_to("2027-02-10", "12:00:00").await;
    refund(&subscriber, first.id, Kopecks(10_000)).await;
    assert_eq!(compare(&subscriber, "2027-02-10").await, []);
    subscriber.advance_to("2027-02-20", "12:00:00").await;
    refund_in_merchant_portal(&subscriber, Kopecks(100_000)).await;
    let found = compare(&subscriber, "2027-02-20").await;
    let [difference] = &found[..] else { panic!("one discrepancy: {found:?}") };
    let order = subscriber.attempts(first.id).await[0].id.to_string();
    assert_eq!((difference.kind.as_str(), &difference.order_id), ("refund", &order));
    assert_eq!(difference.ours, format!("refunded {}", Kopecks(10_000)));
    assert_eq!(difference.banks, format!("PARTIAL_REFUNDED, refunded {}", Kopecks(110_000)));
    assert_eq!(compare(&subscriber, "2027-02-21").await, [], "it was found before");
    refund_in_merchant_portal(&subscriber, Kopecks(187_000)).await;
    let found = compare(&subscriber, "2027-02-22").await;
    let kinds: Vec<&str> = found.iter().map(|difference| difference.kind.as_str()).collect();
    assert_eq!(kinds, ["not_paid_at_the_bank"]);
}
