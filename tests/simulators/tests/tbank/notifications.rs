//! Notifications, their signature and their faults.

use std::time::Duration;

use flysk_simulators::tbank::{Behaviour, Forged, Order, sign};
use serde_json::{Value, json};

use crate::fixture::{GOOD, PASSWORD, Shop};

#[tokio::test]
async fn a_notification_is_signed_over_its_root_scalars() {
    let shop = Shop::open().await;
    let id = shop.init("o-1").await;
    shop.bank.state.pay(&id, GOOD).unwrap();
    shop.heard(&id, 2).await;
    for notification in shop.inbox.lock().unwrap().iter() {
        assert_eq!(notification["Token"], sign(&notification.to_string(), PASSWORD).unwrap());
        assert!(notification["PaymentId"].is_u64() && notification["ErrorCode"].is_string());
        assert_eq!(notification["Pan"], "220000******0004");
    }
}

#[tokio::test]
async fn an_unaccepted_notification_is_repeated_hourly_for_a_day() {
    let shop = Shop::open().await;
    *shop.reply.lock().unwrap() = "ok";
    let id = shop.init("o-1").await;
    shop.bank.state.pay(&id, "2200000000000012").unwrap();
    shop.heard(&id, 1).await;
    shop.next_is_planned().await;
    shop.bank.control.clock().advance(chrono::Duration::minutes(61));
    shop.heard(&id, 2).await;
    shop.next_is_planned().await;
    *shop.reply.lock().unwrap() = "OK";
    shop.bank.control.clock().advance(chrono::Duration::minutes(61));
    shop.heard(&id, 3).await;
    shop.bank.control.clock().until_idle().await;
    assert_eq!(shop.bank.control.clock().next_work(), None, "nothing more is told");
    let accepted: Vec<bool> = shop.bank.state.deliveries().iter().map(|delivery| delivery.accepted).collect();
    assert_eq!(accepted, [false, false, true]);
}

#[tokio::test]
async fn notifications_may_be_duplicated_reordered_or_lost() {
    let shop = Shop::open().await;
    let pay = async |order: &str, behaviour: Behaviour| {
        shop.bank.state.behave(behaviour);
        let id = shop.init(order).await;
        shop.bank.state.pay(&id, GOOD).unwrap();
        id
    };
    let id = pay("reversed", Behaviour { notification_order: Order::Reversed, ..Behaviour::default() }).await;
    let told: Vec<String> = shop.heard(&id, 2).await.into_iter().map(|(status, ..)| status).collect();
    assert_eq!(told, ["CONFIRMED", "AUTHORIZED"]);
    let id = pay("doubled", Behaviour { notification_copies: 2, ..Behaviour::default() }).await;
    shop.heard(&id, 4).await;
    let id = pay("silent", Behaviour { notification_copies: 0, ..Behaviour::default() }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    shop.heard(&id, 0).await;
    assert_eq!(shop.bank.state.payment(&id).unwrap().status, "CONFIRMED");
}

#[tokio::test]
async fn a_late_success_follows_a_decline_after_a_minute() {
    let shop = Shop::open().await;
    let id = shop.init("late").await;
    shop.bank.state.pay(&id, "2200000000000079").unwrap();
    assert_eq!(shop.heard(&id, 1).await[0].0, "REJECTED");
    shop.next_is_planned().await;
    shop.bank.control.clock().advance(chrono::Duration::seconds(61));
    shop.heard(&id, 3).await;
    assert_eq!(shop.bank.state.payment(&id).unwrap().status, "CONFIRMED");
}

#[tokio::test]
async fn a_forged_notification_can_be_sent_over_http() {
    let shop = Shop::open().await;
    let id = shop.init("o-1").await;
    let forge = async |body: Value| {
        let url = format!("{}/_sim/notification", shop.bank.url);
        shop.http.post(url).json(&body).send().await.unwrap().status().as_u16()
    };
    let lie = json!({"payment_id": id, "status": "CONFIRMED", "amount": 1});
    assert_eq!(forge(lie).await, 204);
    assert_eq!(shop.heard(&id, 1).await, [("CONFIRMED".to_owned(), "0".to_owned(), 1)]);
    assert_eq!(forge(json!({"payment_id": id, "terminal_key": "Neighbour", "copies": 2})).await, 204);
    shop.heard(&id, 3).await;
    let foreign = shop.inbox.lock().unwrap()[2].clone();
    assert_eq!(foreign["TerminalKey"], "Neighbour");
    assert_eq!(foreign["Token"], sign(&foreign.to_string(), "another").unwrap());
    assert_eq!(forge(json!({"payment_id": "1"})).await, 404);
    assert_eq!(forge(json!({"payment": id})).await, 400);

    let forged = Forged { payment_id: id.clone(), wrong_token: true, ..Forged::default() };
    shop.bank.state.forge(&forged).unwrap();
    shop.heard(&id, 4).await;
    let wrong = shop.inbox.lock().unwrap()[3].clone();
    assert_ne!(wrong["Token"], sign(&wrong.to_string(), PASSWORD).unwrap());
}
