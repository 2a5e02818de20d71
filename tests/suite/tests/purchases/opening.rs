//! `Init` while the bank is unresponsive, slow, broken, overloaded or incorrect. `Init` is called once per order,
//! unless the bank confirms that the order has no payment.

use chrono::TimeDelta;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::OpenPayment;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, TestApp};

fn answer(status: u16, body: impl Into<String>) -> Act {
    Act::Answer { status, headers: Vec::new(), body: body.into() }
}

async fn run_retries(app: &TestApp) {
    for _ in 0..8 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::seconds(61));
    }
}

/// The call did not reach the bank: `CheckOrder` confirms that, and the same order is opened.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_call_that_did_not_arrive_is_repeated_for_the_same_order(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
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
        app.bank.control.clear_calls();
        let id = app.begin().await;
        app.bank.control.script(Script::next("/v2/Init", failure.clone()));
        run_retries(&app).await;
        let purchase = app.find(id).await;
        assert_eq!(purchase.state, PurchaseState::Awaiting, "{failure:?}");
        assert_eq!((app.calls("Init"), app.calls("CheckOrder")), (2, 1), "{failure:?}");
        let orders: Vec<String> =
            app.bank.state.payments().into_iter().map(|payment| payment.order_id).collect();
        assert_eq!(orders.iter().filter(|order| **order == id.to_string()).count(), 1);
    }
    assert!(app.jobs_of::<OpenPayment>(JobState::Dead).await.is_empty());
}

/// The bank opened a payment and the response was lost. The form's address is unknown, so the payment is
/// cancelled and the buyer is told to start again; nothing is opened twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_response_of_init_is_queried_and_not_repeated(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    for act in [Act::ServeThenCut, Act::ServeThenHang] {
        app.bank.control.clear_calls();
        let id = app.begin().await;
        app.bank.control.script(Script::next("/v2/Init", act));
        run_retries(&app).await;
        let purchase = app.find(id).await;
        assert_eq!(
            (purchase.state, purchase.error_code.as_deref()),
            (PurchaseState::Failed, Some("form_lost"))
        );
        assert_eq!((app.calls("Init"), app.calls("CheckOrder"), app.calls("Cancel")), (1, 1, 1));
        assert_eq!(app.payment(id).status, "CANCELED");
    }
    let again = app.paid().await;
    assert_eq!(app.find(again).await.state, PurchaseState::Paid);
    assert_eq!(app.balance().await, COINS + BONUS);
}

/// The bank never responds: the purchase fails with an actionable message and is polled until it can no longer be
/// paid.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_bank_that_never_responds_fails_the_purchase(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/*", Act::Cut).times(100));
    run_retries(&app).await;
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!(view["state"], "failed");
    assert!(view["failure"].as_str().unwrap().starts_with("Банк не ответил"), "{view}");
    assert_eq!(app.jobs_of::<OpenPayment>(JobState::Dead).await.len(), 1);
    assert!(app.find(id).await.poll_at.is_some(), "should the first call have arrived after all, it is seen");
}

/// `204`: our password is wrong. The message must not blame the buyer's card.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_definite_rejection_fails_at_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    let refusal = json!({ "Success": false, "ErrorCode": "204", "Message": "Неверный токен" });
    app.bank.control.script(Script::next("/v2/Init", answer(200, refusal.to_string())));
    app.run_due_jobs().await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("204")));
    assert_eq!((app.calls("Init"), purchase.poll_at), (1, None));
}

/// Another amount, another order or a form on another host: the buyer is not redirected there, and the payment is
/// cancelled.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_that_differs_from_the_request_is_cancelled(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let lies: [(&str, Value); 3] = [
        ("Amount", json!(1)),
        ("OrderId", json!("another")),
        ("PaymentURL", json!("https://pay.tbank.example/AbCd")),
    ];
    for (field, lie) in lies {
        let id = app.begin().await;
        let decoy = app.decoy(id).await;
        let mut told = json!({ "Success": true, "ErrorCode": "0", "Status": "NEW", "PaymentId": decoy.id,
            "OrderId": id, "Amount": decoy.amount, "PaymentURL": format!("{}/pay/{}", app.bank.url, decoy.slug) });
        told[field] = lie;
        app.bank.control.script(Script::next("/v2/Init", answer(200, told.to_string())));
        run_retries(&app).await;
        let purchase = app.find(id).await;
        assert_eq!(purchase.error_code.as_deref(), Some("form_lost"), "{field}");
        assert_eq!((purchase.state, purchase.payment_url), (PurchaseState::Failed, None), "{field}");
        assert_eq!(app.bank.state.payment(&decoy.id).unwrap().status, "CANCELED", "{field}");
    }
    assert_eq!(app.balance().await, 0);
}

/// Workers were down for an hour: the buyer has left, so no form is opened.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_stale_purchase_is_not_opened(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    app.clock.advance(TimeDelta::hours(1));
    app.run_due_jobs().await;
    assert_eq!(app.find(id).await.error_code.as_deref(), Some("too_late"));
    assert_eq!(app.calls("Init"), 0);
}

/// `Init` contains everything for the receipt and the return URLs; the e-mail address appears nowhere else.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn init_contains_the_receipt_and_the_return_urls(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin_with(true).await;
    app.run_due_jobs().await;
    let call = app.bank.control.calls_to("POST", "/v2/Init").pop().unwrap();
    let sent: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(sent["Receipt"]["Email"], "buh@example.test");
    assert_eq!(sent["Receipt"]["Items"][0]["Amount"], sent["Amount"]);
    assert_eq!((&sent["Recurrent"], &sent["PayType"]), (&json!("Y"), &json!("O")));
    assert_eq!(sent["DATA"]["OperationInitiatorType"], "1");
    assert_eq!(sent["CustomerKey"], app.wallet.to_string());
    assert_eq!(sent["NotificationURL"], format!("{}/hooks/tbank", app.url));
    let back = format!("{}/billing/flycoins/{}/purchases/{id}?from=bank", app.url, app.install().await.id);
    assert_eq!(sent["SuccessURL"], back);
    assert_eq!(app.find(id).await.state, PurchaseState::Awaiting);
    app.pay(id, GOOD_CARD);
    app.apply_notifications(2).await;
    assert_eq!(app.balance().await, COINS + BONUS);
}
