//! Charges of saved cards.

use flysk_simulators::tbank::Ending;
use serde_json::json;

use crate::fixture::{GOOD, Shop, code};

async fn child(shop: &Shop, order_id: &str) -> String {
    let body = json!({"Amount": 49_900, "OrderId": order_id, "DATA": {"OperationInitiatorType": "R"}});
    shop.call("Init", body).await["PaymentId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_saved_card_is_charged_once_per_payment() {
    let shop = Shop::open().await;
    let rebill = shop.save_card("parent", GOOD).await;
    let id = child(&shop, "sub-1").await;
    let charge = json!({"PaymentId": id, "RebillId": rebill});
    let charged = shop.call("Charge", charge.clone()).await;
    assert_eq!((&charged["Success"], &charged["Status"]), (&json!(true), &json!("CONFIRMED")));
    // Both notifications arrived before the response.
    let mut statuses: Vec<String> = shop.told(&id).into_iter().map(|(status, ..)| status).collect();
    statuses.sort();
    assert_eq!(statuses, ["AUTHORIZED", "CONFIRMED"]);
    assert_eq!(code(&shop.call("Charge", charge).await), "4");
    assert_eq!(shop.told(&id).len(), 2);
}

#[tokio::test]
async fn a_decline_has_a_code_and_ends_the_payment() {
    let shop = Shop::open().await;
    let rebill = shop.save_card("parent", "2200000000000087").await;
    let id = child(&shop, "sub-1").await;
    let declined = shop.call("Charge", json!({"PaymentId": id, "RebillId": rebill})).await;
    assert_eq!((declined["Success"].as_bool(), code(&declined)), (Some(false), "1051"));
    assert_eq!(declined["Status"], "REJECTED");
    let order = shop.call("CheckOrder", json!({"OrderId": "sub-1"})).await;
    assert_eq!(order["Payments"][0]["ErrorCode"], 1051, "a number here, a text there");
    assert_eq!(code(&shop.call("Charge", json!({"PaymentId": id, "RebillId": rebill})).await), "4");

    let saved = rebill.parse().unwrap();
    shop.bank.state.script_rebill(saved, vec![Ending::Declined(1041), Ending::Hangs]).unwrap();
    let lost = child(&shop, "sub-2").await;
    assert_eq!(code(&shop.call("Charge", json!({"PaymentId": lost, "RebillId": rebill})).await), "1041");
    let hung = child(&shop, "sub-3").await;
    let checking = shop.call("Charge", json!({"PaymentId": hung, "RebillId": rebill})).await;
    assert_eq!(checking["Status"], "PAY_CHECKING");
    assert_eq!(shop.told(&hung).len(), 0);
    shop.bank.state.settle(&hung, Ending::Paid).unwrap();
    shop.heard(&hung, 2).await;
}

#[tokio::test]
async fn invalid_charges_are_rejected() {
    let shop = Shop::open().await;
    let rebill = shop.save_card("parent", GOOD).await;
    let id = child(&shop, "sub-1").await;
    assert_eq!(code(&shop.call("Charge", json!({"PaymentId": id, "RebillId": "1"})).await), "104");
    assert_eq!(code(&shop.call("Charge", json!({"PaymentId": id, "RebillId": 1})).await), "9999");
    let by_email = json!({"PaymentId": id, "RebillId": rebill, "SendEmail": true});
    assert_eq!(code(&shop.call("Charge", by_email).await), "9999");
    let body = json!({"Amount": 100, "OrderId": "cit", "DATA": {"OperationInitiatorType": "0"}});
    let cit = shop.call("Init", body).await;
    let charge = json!({"PaymentId": cit["PaymentId"], "RebillId": rebill});
    assert_eq!(code(&shop.call("Charge", charge).await), "1126");
    // A saved card belongs to the terminal that saved it, and `Charge` must be enabled.
    let foreign = shop.call_as("Neighbour", "Init", json!({"Amount": 100, "OrderId": "n"})).await;
    let charge = json!({"PaymentId": foreign["PaymentId"], "RebillId": rebill});
    assert_eq!(code(&shop.call_as("Neighbour", "Charge", charge).await), "104");
    let opened = shop
        .call_as(
            "WithRegister",
            "Init",
            json!({"Amount": 100, "OrderId": "r", "Receipt": crate::fixture::receipt(100)}),
        )
        .await;
    let charge = json!({"PaymentId": opened["PaymentId"], "RebillId": rebill});
    assert_eq!(code(&shop.call_as("WithRegister", "Charge", charge).await), "10");
    assert_eq!(shop.call("GetState", json!({"PaymentId": id})).await["Status"], "NEW", "nothing happened");
}

#[tokio::test]
async fn a_two_stage_payment_is_authorized_before_it_is_confirmed() {
    let shop = Shop::open().await;
    let opened = shop.call("Init", json!({"Amount": 500, "OrderId": "two", "PayType": "T"})).await;
    let id = opened["PaymentId"].as_str().unwrap();
    assert_eq!(code(&shop.call("Confirm", json!({"PaymentId": id})).await), "4");
    assert_eq!(shop.bank.state.pay(id, GOOD).unwrap().status, "AUTHORIZED");
    assert_eq!(code(&shop.call("Confirm", json!({"PaymentId": id, "Amount": 501})).await), "8");
    assert_eq!(shop.call("Confirm", json!({"PaymentId": id, "Amount": 400})).await["Status"], "CONFIRMED");
    assert_eq!(shop.heard(id, 2).await[1], ("CONFIRMED".into(), "0".into(), 400));
}
