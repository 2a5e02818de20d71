//! Saved cards, means of payment without a saved card, and faults of single charges.

use chrono::Duration;
use flysk_simulators::tbank::{Behaviour, ChargeAnswer, ChargeScript, Ending};
use serde_json::{Value, json};

use crate::fixture::{GOOD, KEY, PASSWORD, Shop, code};

async fn child(shop: &Shop, order_id: &str) -> String {
    let body = json!({"Amount": 49_900, "OrderId": order_id, "DATA": {"OperationInitiatorType": "R"}});
    shop.call("Init", body).await["PaymentId"].as_str().unwrap().to_owned()
}

async fn parent(shop: &Shop, order_id: &str) -> String {
    let parent = json!({"Amount": 5_000, "OrderId": order_id, "Recurrent": "Y", "CustomerKey": "cust",
                        "DATA": {"OperationInitiatorType": "1"}});
    shop.call("Init", parent).await["PaymentId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_removed_card_stays_in_the_list_and_cannot_be_charged() {
    let shop = Shop::open().await;
    assert_eq!(code(&shop.call("GetCardList", json!({"CustomerKey": "cust"})).await), "503");
    let first = shop.save_card("parent-1", GOOD).await;
    let second = shop.save_card("parent-2", GOOD).await;
    let cards = shop.call("GetCardList", json!({"CustomerKey": "cust"})).await;
    assert_eq!(cards.as_array().map(Vec::len), Some(1), "the same card of the same payer: {cards}");
    assert_eq!((&cards[0]["RebillId"], &cards[0]["Status"]), (&json!(second), &json!("A")));
    let removal = json!({"CustomerKey": "cust", "CardId": cards[0]["CardId"]});
    assert_eq!(shop.call("RemoveCard", removal).await["Status"], "D");
    let cards = shop.call("GetCardList", json!({"CustomerKey": "cust"})).await;
    assert_eq!(cards[0]["Status"], "D");
    for (order, rebill) in [("c-1", &first), ("c-2", &second)] {
        let id = child(&shop, order).await;
        assert_eq!(code(&shop.call("Charge", json!({"PaymentId": id, "RebillId": rebill})).await), "104");
    }
    shop.bank.state.behave(Behaviour { removed_cards_chargeable: true, ..Behaviour::default() });
    let id = child(&shop, "c-3").await;
    assert_eq!(shop.call("Charge", json!({"PaymentId": id, "RebillId": first})).await["Status"], "CONFIRMED");
    let unknown = json!({"CustomerKey": "cust", "CardId": "1"});
    assert_eq!(code(&shop.call("RemoveCard", unknown).await), "107");
}

#[tokio::test]
async fn a_payer_is_registered_once() {
    let shop = Shop::open().await;
    let payer = json!({"CustomerKey": "new", "Email": "payer@example.test"});
    assert_eq!(shop.call("AddCustomer", payer.clone()).await["Success"], true);
    assert_eq!(code(&shop.call("AddCustomer", payer).await), "7");
    let read = shop.call("GetCustomer", json!({"CustomerKey": "new"})).await;
    assert_eq!(read["Email"], "payer@example.test");
    let foreign = shop.call_as("Neighbour", "GetCustomer", json!({"CustomerKey": "new"})).await;
    assert_eq!(code(&foreign), "503");
}

#[tokio::test]
async fn sbp_and_sberpay_pay_but_save_nothing() {
    let shop = Shop::open().await;
    for means in ["sbp", "sberpay"] {
        let id = parent(&shop, means).await;
        let paid = shop.bank.state.pay(&id, means).unwrap();
        assert_eq!((paid.status.as_str(), paid.rebill_id), ("CONFIRMED", None));
        shop.heard(&id, 2).await;
        let notices = shop.inbox.lock().unwrap().clone();
        let of_this = |notice: &&Value| notice["PaymentId"] == id.parse::<u64>().unwrap();
        for notice in notices.iter().filter(of_this) {
            assert!(notice.get("RebillId").is_none() && notice.get("CardId").is_none(), "{notice}");
        }
    }
    let small = shop.call("Init", json!({"Amount": 999, "OrderId": "small"})).await;
    assert!(shop.bank.state.pay(small["PaymentId"].as_str().unwrap(), "sbp").is_err());
}

#[tokio::test]
async fn a_bound_card_is_told_to_the_terminals_address() {
    let shop = Shop::open().await;
    let rebill = shop.bank.state.bind_card(KEY, "cust", GOOD).unwrap();
    for _ in 0..12_000 {
        if !shop.inbox.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let notice = shop.inbox.lock().unwrap()[0].clone();
    assert_eq!((&notice["NotificationType"], &notice["Status"]), (&json!("LINKCARD"), &json!("COMPLETED")));
    assert_eq!(notice["RebillId"], rebill);
    assert_eq!(notice["Token"], flysk_simulators::tbank::sign(&notice.to_string(), PASSWORD).unwrap());
    let id = child(&shop, "c-1").await;
    let charge = json!({"PaymentId": id, "RebillId": rebill.to_string()});
    assert_eq!(shop.call("Charge", charge).await["Status"], "CONFIRMED");
}

#[tokio::test]
async fn the_answer_of_one_charge_can_be_lost_although_it_was_executed() {
    let shop = Shop::open().await;
    let rebill = shop.save_card("parent", GOOD).await;
    let script = |ending, answer| ChargeScript { ending, answer };
    let scripts = vec![
        script(Ending::Paid, ChargeAnswer::Lost),
        script(Ending::Declined(1051), ChargeAnswer::Hangs),
        Ending::Paid.into(),
    ];
    shop.bank.state.script_rebill(rebill.parse().unwrap(), scripts).unwrap();
    let timeout = std::time::Duration::from_secs(3);
    let http = reqwest::Client::builder().no_proxy().timeout(timeout).build().unwrap();
    for (order, status) in [("c-1", "CONFIRMED"), ("c-2", "REJECTED")] {
        let id = child(&shop, order).await;
        let mut charge = json!({"TerminalKey": KEY, "PaymentId": id, "RebillId": rebill});
        charge["Token"] = json!(flysk_simulators::tbank::sign(&charge.to_string(), PASSWORD).unwrap());
        let sent = http.post(format!("{}/v2/Charge", shop.bank.url)).json(&charge).send().await;
        assert!(sent.is_err(), "{order}");
        assert_eq!(shop.call("GetState", json!({"PaymentId": id})).await["Status"], status);
    }
    let id = child(&shop, "c-3").await;
    assert_eq!(shop.call("Charge", json!({"PaymentId": id, "RebillId": rebill})).await["Success"], true);
}

#[tokio::test]
async fn a_terminal_that_is_switched_off_takes_no_money_but_answers_questions() {
    let shop = Shop::open().await;
    let rebill = shop.save_card("parent", GOOD).await;
    let id = child(&shop, "c-1").await;
    shop.bank.state.block_terminal(KEY, true);
    assert_eq!(code(&shop.call("Init", json!({"Amount": 100, "OrderId": "o"})).await), "202");
    let charge = json!({"PaymentId": id, "RebillId": rebill});
    assert_eq!(code(&shop.call("Charge", charge.clone()).await), "202");
    assert_eq!(shop.call("GetState", json!({"PaymentId": id})).await["Status"], "NEW");
    shop.bank.state.block_terminal(KEY, false);
    assert_eq!(shop.call("Charge", charge).await["Success"], true);
}

#[tokio::test]
async fn requests_above_the_limit_get_429_and_change_nothing() {
    let shop = Shop::open().await;
    shop.bank.state.behave(Behaviour { requests_per_second: Some(3), ..Behaviour::default() });
    let began = std::time::Instant::now();
    let requests = (0..30).map(|number| {
        let mut body = json!({"TerminalKey": KEY, "Amount": 100, "OrderId": format!("o-{number}")});
        body["Token"] = json!(flysk_simulators::tbank::sign(&body.to_string(), PASSWORD).unwrap());
        shop.http.post(format!("{}/v2/Init", shop.bank.url)).json(&body).send()
    });
    let answers = futures::future::try_join_all(requests).await.unwrap();
    let of = |status: u16| answers.iter().filter(|answer| answer.status().as_u16() == status).count();
    // The limit is one of real time.
    let windows = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let (admitted, refused) = (of(200), of(429));
    assert!((3..=3 * windows).contains(&admitted), "{admitted} in {windows} s");
    assert_eq!(admitted + refused, 30);
    assert_eq!(shop.bank.state.payments().len(), admitted);
}

#[tokio::test]
async fn late_notifications_arrive_when_the_clock_reaches_them() {
    let shop = Shop::open().await;
    shop.bank.state.behave(Behaviour { notification_delay_s: 86_400, ..Behaviour::default() });
    let id = parent(&shop, "p").await;
    shop.bank.state.pay(&id, GOOD).unwrap();
    shop.bank.control.clock().advance(Duration::hours(23));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(shop.told(&id).len(), 0);
    shop.bank.control.clock().advance(Duration::hours(2));
    shop.heard(&id, 2).await;
}

#[tokio::test]
async fn a_closing_receipt_needs_a_prepaid_payment_and_is_given_once() {
    let shop = Shop::open().await;
    let receipt = |method: &str, amount: i64| {
        json!({"Taxation": "usn_income", "Email": "payer@example.test", "Items": [
            {"Name": "Тариф", "Price": amount, "Quantity": 1, "Amount": amount, "Tax": "none",
             "PaymentMethod": method, "PaymentObject": "service"}]})
    };
    let opened = shop
        .call("Init", json!({"Amount": 500, "OrderId": "pre", "Receipt": receipt("full_prepayment", 500)}))
        .await;
    let id = opened["PaymentId"].as_str().unwrap();
    let closing = async |id: &str, receipt: Value| {
        let mut body = json!({"TerminalKey": KEY, "PaymentId": id, "Receipt": receipt});
        body["Token"] = json!(flysk_simulators::tbank::sign(&body.to_string(), PASSWORD).unwrap());
        let url = format!("{}/cashbox/SendClosingReceipt", shop.bank.url);
        shop.http.post(url).json(&body).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(code(&closing(id, receipt("full_payment", 500)).await), "8", "not paid yet");
    shop.bank.state.pay(id, GOOD).unwrap();
    assert_eq!(code(&closing(id, receipt("full_prepayment", 500)).await), "9999");
    assert_eq!(closing(id, receipt("full_payment", 500)).await["Success"], true);
    assert_eq!(code(&closing(id, receipt("full_payment", 500)).await), "308", "closed before");
    let plain = shop
        .call("Init", json!({"Amount": 500, "OrderId": "full", "Receipt": receipt("full_payment", 500)}))
        .await;
    let plain = plain["PaymentId"].as_str().unwrap();
    shop.bank.state.pay(plain, GOOD).unwrap();
    assert_eq!(code(&closing(plain, receipt("full_payment", 500)).await), "308", "nothing was prepaid");
}

#[tokio::test]
async fn an_added_card_has_its_own_outcomes_and_lost_notifications_are_not_sent() {
    let shop = Shop::open().await;
    let charges = vec![Ending::Declined(1051), Ending::Paid];
    let card = shop.bank.state.add_card("вторая попытка", Ending::Paid, charges, Ending::Declined(1033));
    let rebill = shop.save_card("parent", &card.number).await;
    shop.bank.state.lose_notifications(1);
    let mut ids = Vec::new();
    for (order, status) in [("c-1", "REJECTED"), ("c-2", "CONFIRMED"), ("c-3", "REJECTED")] {
        let id = child(&shop, order).await;
        shop.call("Charge", json!({"PaymentId": id, "RebillId": rebill})).await;
        assert_eq!(shop.bank.state.payment(&id).unwrap().status, status, "{order}");
        ids.push(id);
    }
    // A charge is answered after its notifications: those of the first were lost.
    assert_eq!(shop.told(&ids[0]), []);
    assert_eq!((shop.told(&ids[1]).len(), shop.bank.state.losses()), (2, 0));
    let recorded = shop.bank.state.changes_from(2);
    let told = recorded.iter().map(|change| (&*change.order_id, &*change.status, change.error_code));
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            ("c-1", "REJECTED", 1051),
            ("c-2", "AUTHORIZED", 0),
            ("c-2", "CONFIRMED", 0),
            ("c-3", "REJECTED", 1033)
        ]
    );
    assert!(recorded.iter().all(|change| change.initiator.as_deref() == Some("R")));
}
