//! Opening the bank's form while the bank is silent, slow, broken, overloaded, or lies. Whatever happens, the
//! bank is called once per order unless it says that it knows no payment of it.

use chrono::TimeDelta;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::OpenPayment;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, Shop};

fn answer(status: u16, body: impl Into<String>) -> Act {
    Act::Answer { status, headers: Vec::new(), body: body.into() }
}

async fn patience(shop: &Shop) {
    for _ in 0..8 {
        shop.run_due_jobs().await;
        shop.clock.advance(TimeDelta::seconds(61));
    }
}

/// The call did not reach the bank: `CheckOrder` says so, and the same order is opened.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_call_that_never_arrived_is_made_again_under_the_same_order(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let html = "<html><body>502 Bad Gateway</body></html>";
    let failures = [
        Act::Hang,
        Act::Cut,
        answer(502, html),
        answer(500, r#"{"Success":false,"ErrorCode":"9999","Message":"Внутренняя ошибка"}"#),
        answer(429, ""),
        answer(200, "not json"),
    ];
    for failure in failures {
        shop.bank.control.clear_calls();
        let id = shop.begin().await;
        shop.bank.control.script(Script::next("/v2/Init", failure.clone()));
        patience(&shop).await;
        let purchase = shop.find(id).await;
        assert_eq!(purchase.state, PurchaseState::Awaiting, "{failure:?}");
        assert_eq!((shop.calls("Init"), shop.calls("CheckOrder")), (2, 1), "{failure:?}");
        let orders: Vec<String> =
            shop.bank.state.payments().into_iter().map(|payment| payment.order_id).collect();
        assert_eq!(orders.iter().filter(|order| **order == id.to_string()).count(), 1);
    }
    assert!(shop.jobs_of::<OpenPayment>(JobState::Dead).await.is_empty());
}

/// The bank opened a payment and its answer was lost: nobody knows the form's address, so it is closed, the
/// buyer reads so and begins anew, and nothing is ever opened twice.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_lost_answer_is_asked_about_and_never_called_again(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    for act in [Act::ServeThenCut, Act::ServeThenHang] {
        shop.bank.control.clear_calls();
        let id = shop.begin().await;
        shop.bank.control.script(Script::next("/v2/Init", act));
        patience(&shop).await;
        let purchase = shop.find(id).await;
        assert_eq!(
            (purchase.state, purchase.error_code.as_deref()),
            (PurchaseState::Failed, Some("form_lost"))
        );
        assert_eq!((shop.calls("Init"), shop.calls("CheckOrder"), shop.calls("Cancel")), (1, 1, 1));
        assert_eq!(shop.payment(id).status, "CANCELED");
    }
    let again = shop.paid().await;
    assert_eq!(shop.find(again).await.state, PurchaseState::Paid);
    assert_eq!(shop.balance().await, COINS + BONUS);
}

/// Silence all along: the purchase fails in words a buyer can act on, and is watched until it cannot be paid.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_bank_that_stays_silent_fails_the_purchase(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/*", Act::Cut).times(100));
    patience(&shop).await;
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!(view["state"], "failed");
    assert!(view["failure"].as_str().unwrap().starts_with("Банк не ответил"), "{view}");
    assert_eq!(shop.jobs_of::<OpenPayment>(JobState::Dead).await.len(), 1);
    assert!(
        shop.find(id).await.poll_at.is_some(),
        "should the first call have arrived after all, it is seen"
    );
}

/// `204`: our password is wrong. Nobody's card is at fault, and nobody is told that it is.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refusal_for_good_fails_at_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    let refusal = json!({ "Success": false, "ErrorCode": "204", "Message": "Неверный токен" });
    shop.bank.control.script(Script::next("/v2/Init", answer(200, refusal.to_string())));
    shop.run_due_jobs().await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("204")));
    assert_eq!((shop.calls("Init"), purchase.poll_at), (1, None));
}

/// Another amount, another order, a form somewhere else: no buyer is led there, and the payment is closed.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_payment_that_was_not_asked_for_is_closed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let lies: [(&str, Value); 3] = [
        ("Amount", json!(1)),
        ("OrderId", json!("another")),
        ("PaymentURL", json!("https://pay.tbank.example/AbCd")),
    ];
    for (field, lie) in lies {
        let id = shop.begin().await;
        let decoy = shop.decoy(id).await;
        let mut told = json!({ "Success": true, "ErrorCode": "0", "Status": "NEW", "PaymentId": decoy.id,
            "OrderId": id, "Amount": decoy.amount, "PaymentURL": format!("{}/pay/{}", shop.bank.url, decoy.slug) });
        told[field] = lie;
        shop.bank.control.script(Script::next("/v2/Init", answer(200, told.to_string())));
        patience(&shop).await;
        let purchase = shop.find(id).await;
        assert_eq!(purchase.error_code.as_deref(), Some("form_lost"), "{field}");
        assert_eq!((purchase.state, purchase.payment_url), (PurchaseState::Failed, None), "{field}");
        assert_eq!(shop.bank.state.payment(&decoy.id).unwrap().status, "CANCELED", "{field}");
    }
    assert_eq!(shop.balance().await, 0);
}

/// Workers were away for an hour: the buyer has left, and no form is opened for nobody.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_purchase_nobody_opened_in_time_is_not_opened(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    shop.clock.advance(TimeDelta::hours(1));
    shop.run_due_jobs().await;
    assert_eq!(shop.find(id).await.error_code.as_deref(), Some("too_late"));
    assert_eq!(shop.calls("Init"), 0);
}

/// Everything the bank needs for the receipt and the way back is in `Init`, and the e-mail nowhere else.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn init_carries_the_receipt_and_the_way_back(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin_with(true).await;
    shop.run_due_jobs().await;
    let call = shop.bank.control.calls_to("POST", "/v2/Init").pop().unwrap();
    let sent: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(sent["Receipt"]["Email"], "buh@example.test");
    assert_eq!(sent["Receipt"]["Items"][0]["Amount"], sent["Amount"]);
    assert_eq!((&sent["Recurrent"], &sent["PayType"]), (&json!("Y"), &json!("O")));
    assert_eq!(sent["DATA"]["OperationInitiatorType"], "1");
    assert_eq!(sent["CustomerKey"], shop.wallet.to_string());
    assert_eq!(sent["NotificationURL"], format!("{}/hooks/tbank", shop.url));
    let back = format!("{}/billing/flycoins/{}/purchases/{id}?from=bank", shop.url, shop.install().await.id);
    assert_eq!(sent["SuccessURL"], back);
    assert_eq!(shop.find(id).await.state, PurchaseState::Awaiting);
    shop.pay(id, GOOD_CARD);
    shop.hear(2).await;
    assert_eq!(shop.balance().await, COINS + BONUS);
}
