//! The payment form, as used by a browser.

use chrono::Duration;
use serde_json::json;

use crate::fixture::{GOOD, Shop};

async fn opened(shop: &Shop, order_id: &str) -> (String, String) {
    let body = json!({
        "Amount": 96_300, "OrderId": order_id, "Description": "963 <Flycoin>",
        "SuccessURL": "https://shop.example/ok?order=${OrderId}&paid=${Success}",
        "FailURL": "https://shop.example/fail?code=${ErrorCode}",
    });
    let opened = shop.call("Init", body).await;
    let text = |name: &str| opened[name].as_str().unwrap().to_owned();
    (text("PaymentId"), text("PaymentURL"))
}

#[tokio::test]
async fn the_payer_sees_the_amount_pays_and_is_redirected() {
    let shop = Shop::open().await;
    let (id, url) = opened(&shop, "o-1").await;
    let page = shop.http.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("963,00 ₽") && page.contains("963 &lt;Flycoin&gt;"), "{page}");
    assert_eq!(shop.bank.state.payment(&id).unwrap().status, "FORM_SHOWED");
    let answer = shop.http.post(&url).form(&[("card", GOOD)]).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "https://shop.example/ok?order=o-1&paid=true");
    shop.heard(&id, 2).await;
    // Submitting the form again does not pay again.
    let again = shop.http.post(&url).form(&[("card", GOOD)]).send().await.unwrap();
    assert!(again.text().await.unwrap().contains("data-status=\"CONFIRMED\""));
    assert_eq!(shop.told(&id).len(), 2);
}

#[tokio::test]
async fn every_class_of_decline_has_a_test_card() {
    let shop = Shop::open().await;
    for (card, code) in [
        ("2200000000000012", "1051"),
        ("2200000000000020", "1005"),
        ("2200000000000038", "1041"),
        ("2200000000000046", "1059"),
        ("2200000000000053", "101"),
    ] {
        let (id, url) = opened(&shop, &format!("o-{code}")).await;
        let answer = shop.http.post(&url).form(&[("card", card)]).send().await.unwrap();
        assert_eq!(answer.headers()["location"], format!("https://shop.example/fail?code={code}").as_str());
        assert_eq!(shop.heard(&id, 1).await, [("REJECTED".to_owned(), code.to_owned(), 96_300)]);
    }
    let (id, url) = opened(&shop, "o-hung").await;
    let page = shop.http.post(&url).form(&[("card", "2200 0000 0000 0061")]).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("обрабатывается"));
    assert_eq!(shop.bank.state.payment(&id).unwrap().status, "PAY_CHECKING");
    let (_, url) = opened(&shop, "o-typo").await;
    assert_eq!(shop.http.post(&url).form(&[("card", "1")]).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_link_expires_after_a_day_without_a_notification() {
    let shop = Shop::open().await;
    let (id, url) = opened(&shop, "o-1").await;
    shop.bank.control.clock().advance(Duration::hours(25));
    let page = shop.http.post(&url).form(&[("card", GOOD)]).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("истёк"), "{page}");
    let state = shop.call("GetState", json!({"PaymentId": id})).await;
    assert_eq!(state["Status"], "DEADLINE_EXPIRED");
    assert_eq!(shop.told(&id).len(), 0);
}
