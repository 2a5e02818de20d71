//! Receipts (54-FZ) of sellers whose taxes and receipts change.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, InvoiceState, PeriodLength, VatRate};
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_suite::subscriber::SEATS;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber, day};
use super::late_money::refund;

async fn seller(subscriber: &TestSubscriber) -> Vendor {
    let widget = subscriber.row().await.widget_id;
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().expect("a seller")
}

/// The seller has these taxes from a day on.
async fn set_taxes(subscriber: &TestSubscriber, from: &str, taxation: &str, vat: VatRate) {
    let seller = seller(subscriber).await;
    let taxes = VendorTaxes { valid_from: day(from), taxation: taxation.to_owned(), vat };
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    vendors::put_taxes(&mut conn, seller.id, &taxes, subscriber.sandbox.now()).await.unwrap();
}

/// From now on the receipt at a payment is a settlement.
async fn give_settlements(subscriber: &TestSubscriber) {
    let mut seller = seller(subscriber).await;
    seller.receipts.prepayment = false;
    let mut conn = subscriber.sandbox.pool.acquire().await.unwrap();
    vendors::update_vendor(&mut conn, &seller, subscriber.sandbox.now()).await.unwrap();
}

/// Taxation, payment method and tax of a receipt with one line.
fn told(receipt: &Value) -> [&str; 3] {
    let line = &receipt["Items"][0];
    [&receipt["Taxation"], &line["PaymentMethod"], &line["Tax"]].map(|value| value.as_str().expect("a text"))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_repeats_the_receipt_that_it_undoes_whatever_the_seller_has_changed_since(pool: MySqlPool) {
    let subscriber = TestSubscriber::open(pool).await;
    set_taxes(&subscriber, "2027-01-01", "usn_income", VatRate::Vat5).await;
    subscriber.buy(GOOD_CARD).await.unwrap();
    let first = subscriber.last_invoice().await;
    give_settlements(&subscriber).await;
    set_taxes(&subscriber, "2027-01-01", "usn_income", VatRate::Vat7).await;
    subscriber.advance_to("2027-02-10", "12:00:00").await;
    let request: Value = serde_json::from_str(&refund(&subscriber, first.id, Kopecks(10_000)).await).unwrap();
    assert_eq!(told(&request["Receipt"]), ["usn_income", "full_prepayment", "vat105"]);
    // The closing receipt that was planned follows; the next payment has the receipt of today.
    subscriber.advance_to("2027-03-05", "12:00:00").await;
    let payments = subscriber.sandbox.bank.state.payments();
    assert_eq!(told(&payments[0].closing_receipts[0]), ["usn_income", "full_payment", "vat7"]);
    assert_eq!(told(payments[1].receipt.as_ref().unwrap()), ["usn_income", "full_payment", "vat7"]);
    set_taxes(&subscriber, "2027-01-01", "osn", VatRate::Vat22).await;
    let request: Value = serde_json::from_str(&refund(&subscriber, first.id, Kopecks(10_000)).await).unwrap();
    assert_eq!(
        told(&request["Receipt"]),
        ["usn_income", "full_payment", "vat7"],
        "that of the closing receipt"
    );
    subscriber.advance_to("2027-04-05", "12:00:00").await;
    let payments = subscriber.sandbox.bank.state.payments();
    assert!(payments[1].closing_receipts.is_empty(), "a settlement needs none");
    subscriber.assert_sound().await;
}

/// The invoice is written at noon of 31 January and paid in the morning of 1 February.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_receipt_has_the_rate_of_the_day_of_the_payment_and_a_closing_one_that_of_the_last_day(
    pool: MySqlPool,
) {
    let subscriber = TestSubscriber::open(pool).await;
    set_taxes(&subscriber, "2027-01-01", "usn_income", VatRate::Vat5).await;
    set_taxes(&subscriber, "2027-02-01", "usn_income", VatRate::Vat7).await;
    set_taxes(&subscriber, "2027-02-28", "osn", VatRate::Vat22).await;
    set_taxes(&subscriber, "2027-03-01", "osn", VatRate::Vat10).await;
    let change = Change::Start { plan: subscriber.plan, seats: SEATS, length: PeriodLength::Month };
    let invoice = subscriber.order(change).await.unwrap().expect("a start costs money");
    assert_eq!(invoice.vat, Some(VatRate::Vat5));
    subscriber.advance_to("2027-02-01", "10:00:00").await;
    let attempt = subscriber.open_form(invoice.id).await;
    subscriber.pay(&attempt, GOOD_CARD);
    subscriber.run_due().await;
    let paid = subscriber.last_invoice().await;
    assert_eq!((paid.state, paid.period.until), (InvoiceState::Paid, day("2027-03-01")));
    subscriber.advance_to("2027-03-01", "13:00:00").await;
    let payments = subscriber.sandbox.bank.state.payments();
    assert_eq!(told(payments[0].receipt.as_ref().unwrap()), ["usn_income", "full_prepayment", "vat107"]);
    assert_eq!(
        told(&payments[0].closing_receipts[0]),
        ["osn", "full_payment", "vat22"],
        "the last day is 28 February"
    );
    assert_eq!(told(payments[1].receipt.as_ref().unwrap()), ["osn", "full_prepayment", "vat110"]);
    subscriber.assert_sound().await;
}
