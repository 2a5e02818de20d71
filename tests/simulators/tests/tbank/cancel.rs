//! Cancellations, reversals and refunds.

use chrono::TimeDelta;
use flysk_simulators::tbank::{Behaviour, Refunds};
use serde_json::{Value, json};

use crate::fixture::{GOOD, Shop, code, receipt};

async fn paid(shop: &Shop, order_id: &str) -> String {
    let id = shop.init(order_id).await;
    shop.bank.state.pay(&id, GOOD).unwrap();
    shop.heard(&id, 2).await;
    id
}

#[tokio::test]
async fn parts_are_refunded_until_nothing_is_left() {
    let shop = Shop::open().await;
    let id = paid(&shop, "o-1").await;
    let part = shop.call("Cancel", json!({"PaymentId": id, "Amount": 10_000})).await;
    assert_eq!(
        (&part["Status"], &part["OriginalAmount"], &part["NewAmount"]),
        (&json!("PARTIAL_REFUNDED"), &json!(49_900), &json!(39_900))
    );
    let state = async || {
        let told = shop.call("GetState", json!({"PaymentId": id})).await;
        (told["Status"].as_str().unwrap().to_owned(), told["Amount"].as_i64().unwrap())
    };
    assert_eq!(state().await, ("PARTIAL_REFUNDED".to_owned(), 39_900), "the amount it has now");
    // Without an amount the whole payment is requested, which exceeds the rest.
    assert_eq!(code(&shop.call("Cancel", json!({"PaymentId": id})).await), "330");
    let rest = shop.call("Cancel", json!({"PaymentId": id, "Amount": 39_900})).await;
    assert_eq!((&rest["Status"], &rest["NewAmount"]), (&json!("REFUNDED"), &json!(0)));
    assert_eq!(state().await, ("REFUNDED".to_owned(), 0));
    assert_eq!(code(&shop.call("Cancel", json!({"PaymentId": id, "Amount": 1})).await), "4");
    let told = shop.heard(&id, 4).await;
    assert!(told.contains(&("PARTIAL_REFUNDED".into(), "0".into(), 39_900)), "{told:?}");
}

#[tokio::test]
async fn a_refund_with_an_id_happens_once() {
    let shop = Shop::open().await;
    let id = paid(&shop, "o-1").await;
    let refund = json!({"PaymentId": id, "Amount": 10_000, "ExternalRequestId": "refund-1"});
    let first = shop.call("Cancel", refund.clone()).await;
    assert_eq!(shop.call("Cancel", refund).await, first);
    let blank: Value = json!({"PaymentId": id, "Amount": 10_000, "ExternalRequestId": " "});
    shop.call("Cancel", blank.clone()).await;
    shop.call("Cancel", blank).await;
    assert_eq!(shop.bank.state.payment(&id).unwrap().left, 19_900, "a blank id checks nothing");
    shop.bank.state.behave(Behaviour { refund_ids_count: false, ..Behaviour::default() });
    shop.call("Cancel", json!({"PaymentId": id, "Amount": 10_000, "ExternalRequestId": "refund-1"})).await;
    assert_eq!(shop.bank.state.payment(&id).unwrap().left, 9_900, "SBP heeds none");
}

#[tokio::test]
async fn the_payment_status_determines_the_kind_of_cancellation() {
    let shop = Shop::open().await;
    let new = shop.init("new").await;
    assert_eq!(shop.call("Cancel", json!({"PaymentId": new, "Amount": 1})).await["Status"], "CANCELED");
    let held = shop.call("Init", json!({"Amount": 500, "OrderId": "held", "PayType": "T"})).await;
    let held = held["PaymentId"].as_str().unwrap();
    shop.bank.state.pay(held, GOOD).unwrap();
    let part = shop.call("Cancel", json!({"PaymentId": held, "Amount": 100})).await;
    assert_eq!(part["Status"], "PARTIAL_REVERSED");
    assert_eq!(shop.call("GetState", json!({"PaymentId": held})).await["Amount"], 400);
    let rest = shop.call("Cancel", json!({"PaymentId": held, "Amount": 400})).await;
    assert_eq!(rest["Status"], "REVERSED");
    let declined = shop.init("declined").await;
    shop.bank.state.pay(&declined, "2200000000000012").unwrap();
    assert_eq!(code(&shop.call("Cancel", json!({"PaymentId": declined, "Amount": 100})).await), "4");
}

#[tokio::test]
async fn a_partial_refund_needs_a_receipt_of_the_refunded_items() {
    let shop = Shop::open().await;
    let body = json!({"Amount": 49_900, "OrderId": "r", "Receipt": receipt(49_900)});
    let opened = shop.call_as("WithRegister", "Init", body).await;
    let id = opened["PaymentId"].as_str().unwrap();
    shop.bank.state.pay(id, GOOD).unwrap();
    let cancel = async |mut body: Value| {
        body["PaymentId"] = json!(id);
        shop.call_as("WithRegister", "Cancel", body).await
    };
    assert_eq!(code(&cancel(json!({"Amount": 100})).await), "309");
    assert_eq!(code(&cancel(json!({"Amount": 100, "Receipt": receipt(99)})).await), "334");
    assert_eq!(cancel(json!({"Amount": 100, "Receipt": receipt(100)})).await["Status"], "PARTIAL_REFUNDED");
    assert_eq!(cancel(json!({"Amount": 49_800})).await["Status"], "REFUNDED", "a full one needs no lines");
}

#[tokio::test]
async fn a_refund_may_be_slow_and_may_fail() {
    let shop = Shop::open().await;
    let id = shop.init("slow").await;
    shop.bank.state.pay(&id, GOOD).unwrap();
    shop.bank.state.behave(Behaviour { refunds: Refunds::Slow, ..Behaviour::default() });
    let refund = json!({"PaymentId": id, "Amount": 10_000, "ExternalRequestId": "refund-1"});
    let under_way = shop.call("Cancel", refund.clone()).await;
    assert_eq!((&under_way["Status"], &under_way["NewAmount"]), (&json!("REFUNDING"), &json!(39_900)));
    assert_eq!(shop.call("GetState", json!({"PaymentId": id})).await["Amount"], 49_900, "not yet");
    assert_eq!(code(&shop.call("Cancel", json!({"PaymentId": id, "Amount": 1})).await), "4");
    shop.bank.state.end_refund(&id, false).unwrap();
    let failed = shop.call("Cancel", refund).await;
    assert_eq!((&failed["Status"], &failed["NewAmount"]), (&json!("CONFIRMED"), &json!(49_900)));
    shop.call("Cancel", json!({"PaymentId": id, "Amount": 49_900})).await;
    let paid_back = shop.bank.state.end_refund(&id, true).unwrap();
    assert_eq!((paid_back.status.as_str(), paid_back.left), ("REFUNDED", 0));
    assert!(shop.bank.state.end_refund(&id, true).is_err());
    shop.heard(&id, 3).await;
}

#[tokio::test]
async fn sbp_allows_one_refund_attempt_per_hour_and_five_per_day() {
    let shop = Shop::open().await;
    let id = shop.init("sbp").await;
    shop.bank.state.pay(&id, GOOD).unwrap();
    shop.bank.state.behave(Behaviour { refunds: Refunds::Sbp, ..Behaviour::default() });
    let refund = json!({"PaymentId": id, "Amount": 10_000, "ExternalRequestId": "refund-1"});
    for _ in 0..5 {
        let under_way = shop.call("Cancel", refund.clone()).await;
        assert_eq!(under_way["Status"], "ASYNC_REFUNDING", "{under_way}");
        assert_eq!(code(&shop.call("Cancel", refund.clone()).await), "4");
        shop.bank.state.end_refund(&id, false).unwrap();
        assert_eq!(code(&shop.call("Cancel", refund.clone()).await), "3029");
        shop.bank.control.clock().advance(TimeDelta::minutes(61));
    }
    assert_eq!(code(&shop.call("Cancel", refund.clone()).await), "3030");
    shop.bank.control.clock().advance(TimeDelta::hours(24));
    assert_eq!(shop.call("Cancel", refund).await["Status"], "ASYNC_REFUNDING");
}
