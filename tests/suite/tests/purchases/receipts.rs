//! Notices beside those of our payments: the cash register's, and other systems' on the same terminal.

use flysk_simulators::tbank::sign;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{Shop, read};
use super::surroundings::TERMINAL;

/// Posts what the bank has signed.
async fn post(shop: &Shop, mut fields: Value) -> (StatusCode, Value) {
    fields["TerminalKey"] = json!(TERMINAL);
    fields["Token"] = json!(sign(&fields.to_string(), "TinkoffBankTest").unwrap());
    let request = shop.http.post(format!("{}/hooks/tbank", shop.url)).body(fields.to_string());
    read(request.send().await.unwrap()).await
}

/// What became of each notice that was kept.
async fn notes(shop: &Shop) -> Vec<String> {
    let sql = "SELECT COALESCE(note, '') FROM tbank_notices ORDER BY received_at, id";
    sqlx::query_scalar(sql).fetch_all(&shop.pool).await.unwrap()
}

/// A payment has a receipt of its own for each refund, and any may fail after any other was printed.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_receipt_of_a_payment_is_news_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let number: u64 = shop.payment(id).id.parse().unwrap();
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
        assert_eq!(post(&shop, told).await, (StatusCode::OK, json!("OK")));
        shop.clock.advance(chrono::Duration::milliseconds(5));
    }
    shop.run_due_jobs().await;
    let (printed, failed) = ("the receipt is printed", "the receipt was not printed");
    assert_eq!(notes(&shop).await, [printed, failed, printed, printed, failed]);
}

/// A refusal would only bring it again, every hour for a day.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_order_that_cannot_be_ours_is_answered_and_not_kept(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    for order in ["заказ-5".to_owned(), "o".repeat(51)] {
        let told = json!({ "OrderId": order, "PaymentId": 1, "Status": "CONFIRMED", "Amount": 100, "Success": true,
            "ErrorCode": "0" });
        assert_eq!(post(&shop, told).await, (StatusCode::OK, json!("OK")), "{order}");
    }
    assert_eq!(notes(&shop).await, [""; 0]);
}
