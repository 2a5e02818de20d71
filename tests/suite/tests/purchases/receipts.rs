//! Other notifications on the same terminal: those about receipts, and those of other systems.

use flysk_simulators::tbank::sign;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, read};
use super::test_env::TERMINAL;

/// Posts a notification with a valid signature.
async fn post(app: &TestApp, mut fields: Value) -> (StatusCode, Value) {
    fields["TerminalKey"] = json!(TERMINAL);
    fields["Token"] = json!(sign(&fields.to_string(), "TinkoffBankTest").unwrap());
    let request = app.http.post(format!("{}/hooks/tbank", app.url)).body(fields.to_string());
    read(request.send().await.unwrap()).await
}

/// Kind and outcome of each stored notification.
async fn notes(app: &TestApp) -> Vec<String> {
    let sql = "SELECT COALESCE(note, '') FROM tbank_notifications ORDER BY received_at, id";
    sqlx::query_scalar(sql).fetch_all(&app.pool).await.unwrap()
}

/// Each refund of a payment has its own receipt, and any of them may fail after another was printed.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_receipt_of_a_payment_is_processed_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    let number: u64 = app.payment(id).id.parse().unwrap();
    let receipt = |kind: &str, document: Option<u32>| {
        let mut told = json!({ "OrderId": id, "PaymentId": number, "Status": "RECEIPT", "Amount": 50_000,
            "Success": document.is_some(), "ErrorCode": "0", "Type": kind });
        match document {
            Some(document) => told["FiscalDocumentNumber"] = json!(document),
            None => told["ErrorMessage"] = json!("Нет связи с кассой"),
        }
        told
    };
    for told in [
        receipt("Income", Some(133)),
        receipt("Income", Some(133)),
        receipt("IncomeReturn", None),
        receipt("IncomeReturn", Some(134)),
        receipt("IncomeReturn", Some(4_000_000_000)),
        receipt("Income", None),
    ] {
        assert_eq!(post(&app, told).await, (StatusCode::OK, json!("OK")));
        app.clock.advance(chrono::Duration::milliseconds(5));
    }
    app.run_due_jobs().await;
    let (printed, failed) = ("the receipt is printed", "the receipt was not printed");
    assert_eq!(notes(&app).await, [printed, failed, printed, printed, failed]);
}

/// A rejection would make the bank repeat the notification hourly for a day.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notification_about_a_foreign_order_is_accepted_and_not_stored(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    for order in ["заказ-5".to_owned(), "o".repeat(51)] {
        let told = json!({ "OrderId": order, "PaymentId": 1, "Status": "CONFIRMED", "Amount": 100, "Success": true,
            "ErrorCode": "0" });
        assert_eq!(post(&app, told).await, (StatusCode::OK, json!("OK")), "{order}");
    }
    assert_eq!(notes(&app).await, [""; 0]);
}
