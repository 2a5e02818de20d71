//! Tokens, field types and amounts of `Init`, and status queries.

use serde_json::{Value, json};

use crate::fixture::{GOOD, KEY, PASSWORD, Shop, code, receipt};

#[tokio::test]
async fn a_payment_is_opened_and_can_be_queried() {
    let shop = Shop::open().await;
    let opened =
        shop.call("Init", json!({"Amount": 49_900, "OrderId": "o-1", "Description": "Монеты"})).await;
    assert_eq!((&opened["Status"], &opened["Amount"]), (&json!("NEW"), &json!(49_900)));
    assert!(opened["PaymentURL"].as_str().unwrap().starts_with(&format!("{}/pay/", shop.bank.url)));
    let id = opened["PaymentId"].as_str().unwrap();
    let state = shop.call("GetState", json!({"PaymentId": id})).await;
    assert_eq!((&state["Status"], &state["OrderId"]), (&json!("NEW"), &json!("o-1")));
    let order = shop.call("CheckOrder", json!({"OrderId": "o-1"})).await;
    assert_eq!(order["Payments"].as_array().unwrap().len(), 1);
    assert_eq!(code(&shop.call("CheckOrder", json!({"OrderId": "nobody"})).await), "335");
}

#[tokio::test]
async fn a_wrong_token_is_distinguished_from_another_shops_payment() {
    let shop = Shop::open().await;
    let id = shop.init("o-1").await;
    let wrong = |key: &str, fields: Value| {
        let mut body = fields;
        body["TerminalKey"] = json!(key);
        body["Token"] = json!("0".repeat(64));
        body
    };
    assert_eq!(code(&shop.send("Init", &wrong(KEY, json!({"Amount": 100, "OrderId": "o"}))).await), "204");
    assert_eq!(
        code(&shop.send("Init", &wrong("Nobody", json!({"Amount": 100, "OrderId": "o"}))).await),
        "205"
    );
    assert_eq!(code(&shop.send("GetState", &wrong(KEY, json!({"PaymentId": id}))).await), "204");
    // The payment is checked before the token.
    assert_eq!(code(&shop.send("GetState", &wrong("Neighbour", json!({"PaymentId": id}))).await), "255");
    assert_eq!(code(&shop.call("GetState", json!({"PaymentId": "1"})).await), "255");
}

#[tokio::test]
async fn a_field_added_after_signing_breaks_the_token() {
    let shop = Shop::open().await;
    let mut body = json!({"TerminalKey": KEY, "Amount": 100, "OrderId": "o"});
    body["Token"] = json!(flysk_simulators::tbank::sign(&body.to_string(), PASSWORD).unwrap());
    body["DATA"] = json!({"nested": "fields are not signed"});
    assert_eq!(shop.send("Init", &body).await["Success"], true);
    body["OrderId"] = json!("o-2");
    assert_eq!(code(&shop.send("Init", &body).await), "204");
    body["OrderId"] = json!("o");
    body["Language"] = json!("ru");
    assert_eq!(code(&shop.send("Init", &body).await), "204");
}

#[tokio::test]
async fn names_types_and_lengths_of_fields_are_validated() {
    let shop = Shop::open().await;
    let good = json!({"Amount": 100, "OrderId": "o"});
    for (name, value) in [
        ("Amount", json!("100")),
        ("Amount", json!(100.5)),
        ("Amount", json!(0)),
        ("Amount", json!(10_000_000_000_i64)),
        ("Amount", Value::Null),
        ("OrderId", json!(7)),
        ("OrderId", json!("o".repeat(37))),
        ("Description", json!("d".repeat(141))),
        ("Recurrent", json!("N")),
        ("PayType", json!("X")),
        ("NotificationURL", json!("not an address")),
        ("RedirectDueDate", json!("2026-12-01T00:00:00Z")),
        ("RedirectDueDate", json!("2026-12-01T00:00:00.5+03:00")),
        ("DATA", json!({"key longer than twenty characters": "v"})),
        ("DATA", json!({"number": 1})),
        ("OrderID", json!("misspelled")),
    ] {
        let mut body = good.clone();
        body[name] = value.clone();
        let refused = shop.call("Init", body).await;
        assert_eq!(code(&refused), "9999", "{name} = {value}: {refused}");
    }
    assert_eq!(code(&shop.call("Init", json!({"Amount": 99, "OrderId": "o"})).await), "251");
    let past = json!({"Amount": 100, "OrderId": "o", "RedirectDueDate": "2020-01-01T00:00:00+03:00"});
    assert_eq!(code(&shop.call("Init", past).await), "12");
    assert!(shop.bank.state.payments().is_empty());
}

#[tokio::test]
async fn an_order_is_opened_once_and_paid_once() {
    let shop = Shop::open().await;
    let id = shop.init("o-1").await;
    let again = json!({"Amount": 49_900, "OrderId": "o-1"});
    assert_eq!(code(&shop.call("Init", again.clone()).await), "20");
    shop.bank.state.pay(&id, GOOD).unwrap();
    assert_eq!(code(&shop.call("Init", again.clone()).await), "623");
    // The same order id at another shop is another order.
    assert_eq!(shop.call_as("Neighbour", "Init", again.clone()).await["Success"], true);

    // Not every terminal enforces unique order ids.
    let mut behaviour = shop.bank.state.behaviour();
    behaviour.unique_orders = false;
    shop.bank.state.behave(behaviour);
    assert_eq!(shop.call("Init", again).await["Success"], true);
    let order = shop.call("CheckOrder", json!({"OrderId": "o-1"})).await;
    assert_eq!(order["Payments"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_initiator_must_be_consistent_with_saving_the_card() {
    let shop = Shop::open().await;
    let init = async |recurrent: bool, kind: Option<&str>| {
        let mut body =
            json!({"Amount": 100, "OrderId": format!("o-{recurrent}-{kind:?}"), "CustomerKey": "c"});
        if recurrent {
            body["Recurrent"] = json!("Y");
        }
        if let Some(kind) = kind {
            body["DATA"] = json!({"OperationInitiatorType": kind});
        }
        code(&shop.call("Init", body).await).to_owned()
    };
    for (recurrent, kind, expected) in [
        (true, Some("1"), "0"),
        (true, None, "1126"),
        (true, Some("R"), "1126"),
        (false, Some("1"), "1126"),
        (false, Some("I"), "1126"),
        (false, Some("Q"), "1125"),
        (false, Some("R"), "0"),
        (false, Some("0"), "0"),
        (false, None, "0"),
    ] {
        assert_eq!(init(recurrent, kind).await, expected, "{recurrent} {kind:?}");
    }
    let nameless =
        json!({"Amount": 100, "OrderId": "n", "Recurrent": "Y", "DATA": {"OperationInitiatorType": "1"}});
    assert_eq!(code(&shop.call("Init", nameless).await), "9999");
}

#[tokio::test]
async fn a_receipt_must_add_up_and_have_a_recipient() {
    let shop = Shop::open().await;
    let init = async |order: &str, receipt: Option<Value>| {
        let mut body = json!({"Amount": 49_900, "OrderId": order});
        if let Some(receipt) = receipt {
            body["Receipt"] = receipt;
        }
        code(&shop.call_as("WithRegister", "Init", body).await).to_owned()
    };
    assert_eq!(init("a", None).await, "309");
    assert_eq!(init("b", Some(receipt(49_900))).await, "0");
    assert_eq!(init("c", Some(receipt(49_800))).await, "308");
    let change = |name: &str, value: Value| {
        let mut receipt = receipt(49_900);
        *receipt.pointer_mut(name).unwrap() = value;
        Some(receipt)
    };
    assert_eq!(init("d", change("/Email", Value::Null)).await, "329");
    assert_eq!(init("e", change("/Items/0/Price", json!(1))).await, "308");
    assert_eq!(init("f", change("/Items/0/Tax", json!("vat20"))).await, "9999");
    assert_eq!(init("g", change("/Taxation", json!("envd"))).await, "9999");
    assert_eq!(init("h", change("/Items", json!([]))).await, "9999");
}

#[tokio::test]
async fn a_body_that_is_not_json_gets_an_html_page() {
    let shop = Shop::open().await;
    let url = format!("{}/v2/Init", shop.bank.url);
    let form = shop.http.post(&url).form(&[("TerminalKey", KEY)]).send().await.unwrap();
    assert_eq!(form.status(), 415);
    let broken =
        shop.http.post(&url).header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(broken.status(), 400);
    assert!(broken.text().await.unwrap().starts_with("<html>"));
    let url = format!("{}/v2/init", shop.bank.url);
    assert_eq!(shop.http.post(&url).json(&json!({})).send().await.unwrap().status(), 404);
}
