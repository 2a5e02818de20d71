//! A year of renewals.

use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_suite::subscriber::{SEAT, SEATS};
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber, day};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_year_is_renewed_month_by_month_on_the_anchors_day(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2028-02-01", "12:00:00").await;
    let invoices = subscriber.invoices().await;
    let until: Vec<_> = invoices.iter().map(|invoice| invoice.period.until).collect();
    let wanted = [
        "2027-02-28",
        "2027-03-31",
        "2027-04-30",
        "2027-05-31",
        "2027-06-30",
        "2027-07-31",
        "2027-08-31",
        "2027-09-30",
        "2027-10-31",
        "2027-11-30",
        "2027-12-31",
        "2028-01-31",
        "2028-02-29",
    ];
    assert_eq!(until, wanted.map(day));
    for invoice in &invoices {
        assert_eq!((invoice.state, invoice.total.0), (InvoiceState::Paid, SEAT.0 * i64::from(SEATS)));
        assert_eq!(subscriber.attempts(invoice.id).await.len(), 1);
    }
    assert_eq!((subscriber.calls("Init"), subscriber.calls("Charge")), (13, 12));
    assert_eq!(subscriber.current().await.state, SubscriptionState::Active);
    let reminders: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM subscription_notices WHERE kind = 'renewal_upcoming'")
            .fetch_one(&subscriber.sandbox.pool)
            .await
            .unwrap();
    assert_eq!(reminders, 12, "one before every charge");
    subscriber.assert_sound().await;
}

/// A renewal has no form, and so no address for its receipt.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_has_the_address_of_the_last_payer_however_many_invoices_ago(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    let first = subscriber.last_invoice().await;
    subscriber.advance_days(1).await;
    for _ in 0..60 {
        sqlx::query(
            "INSERT INTO subscription_invoices (id, subscription_id, install_id, widget_id, vendor_id, kind, state,
                 plan_id, seat_kopecks, seats, months, period_no, period_from, period_until, zone, title, lines_json,
                 total_kopecks, void_reason, created_at, updated_at)
             SELECT ?, subscription_id, install_id, widget_id, vendor_id, kind, 'void', plan_id, seat_kopecks, seats,
                 months, period_no, period_from, period_until, zone, title, lines_json, total_kopecks, 'superseded', ?, ?
             FROM subscription_invoices WHERE id = ?",
        )
        .bind(InvoiceId::generate(&subscriber.sandbox.clock).to_string())
        .bind(subscriber.sandbox.now())
        .bind(subscriber.sandbox.now())
        .bind(first.id.to_string())
        .execute(&subscriber.sandbox.pool)
        .await
        .unwrap();
    }
    subscriber.advance_to("2027-02-28", "13:00:00").await;
    assert_eq!(subscriber.last_invoice().await.state, InvoiceState::Paid);
    let payments = subscriber.sandbox.bank.state.payments();
    let address = |index: usize| payments[index].receipt.as_ref().map(|receipt| receipt["Email"].clone());
    assert_eq!(address(1), address(0));
    subscriber.assert_sound().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_prepaid_month_gets_its_closing_receipt_when_it_is_over(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2027-02-27", "23:59:59").await;
    let receipts = || -> Vec<usize> {
        subscriber
            .sandbox
            .bank
            .state
            .payments()
            .iter()
            .map(|payment| payment.closing_receipts.len())
            .collect()
    };
    assert_eq!(receipts(), [0]);
    subscriber.advance_to("2027-02-28", "12:00:00").await;
    assert_eq!(receipts(), [1, 0]);
    let payments = subscriber.sandbox.bank.state.payments();
    let line = &payments[0].closing_receipts[0]["Items"][0];
    assert_eq!(
        (line["PaymentMethod"].as_str(), line["Amount"].as_i64()),
        (Some("full_payment"), Some(297_000))
    );
    let prepaid = payments[1].receipt.as_ref().unwrap();
    assert_eq!(prepaid["Items"][0]["PaymentMethod"], "full_prepayment");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_is_made_in_the_daytime_and_never_before_the_boundary(pool: MySqlPool) {
    let subscriber = TestSubscriber::subscribed(pool, GOOD_CARD).await;
    subscriber.advance_to("2027-02-27", "23:59:59").await;
    assert_eq!(subscriber.calls("Charge"), 0);
    let events = subscriber.advance_to("2027-02-28", "12:30:00").await;
    let charged = events.iter().find(|event| event.what.is_call("/v2/Charge")).expect("charged");
    let moscow = charged.at.with_timezone(&chrono::FixedOffset::east_opt(3 * 3600).unwrap());
    assert_eq!(moscow.date_naive(), day("2027-02-28"));
    assert!((10..12).contains(&chrono::Timelike::hour(&moscow)), "{moscow}");
}
