//! Reviews: contradictions, and how the bank's answer or an operator resolves them.

use flysk_domain::TextEnum;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::ReconcilePayment;
use flysk_simulators::tbank::Forged;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, PRICE, TestApp};

/// Queries the bank, whose response is correct except for these fields.
async fn ask(app: &TestApp, id: PurchaseId, lies: &Value) {
    let payment = app.payment(id);
    let mut told = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal,
        "Status": payment.status, "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": payment.left });
    for (name, lie) in lies.as_object().unwrap() {
        told[name] = lie.clone();
    }
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    app.bank.control.script(Script::next("/v2/GetState", answer));
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.run_due_jobs().await;
}

fn forged(app: &TestApp, id: PurchaseId, error_code: Option<u32>) {
    let payment_id = app.payment(id).id;
    let status = Some("CONFIRMED".to_owned());
    app.bank
        .state
        .forge(&Forged { payment_id, status, amount: Some(PRICE), error_code, ..Forged::default() })
        .unwrap();
}

/// Money was returned before the coins were credited; the notification of the payment arrives later.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_notification_credits_nothing_that_is_under_review(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    ask(&app, id, &json!({ "Status": "PARTIAL_REFUNDED", "Amount": 40_000 })).await;
    let purchase = app.find(id).await;
    assert_eq!(
        (purchase.state, purchase.discrepancy.map(TextEnum::as_str)),
        (PurchaseState::Review, Some("refunded_before"))
    );
    assert_eq!(purchase.status.unwrap().name(), "PARTIAL_REFUNDED", "the bank's status is kept");
    forged(&app, id, None);
    app.apply_notifications(1).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Review, 0));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_contradictory_notification_is_verified(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    forged(&app, id, Some(99));
    app.apply_notifications(1).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Awaiting, 0));
    assert_eq!(app.calls("GetState"), 1);
}

/// The bank reversed its status and corrected it later; the coins stayed credited.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_consistent_status_ends_a_review(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    ask(&app, id, &json!({ "Status": "REVERSED" })).await;
    let purchase = app.find(id).await;
    assert_eq!(
        (purchase.state, purchase.discrepancy.map(TextEnum::as_str)),
        (PurchaseState::Review, Some("not_paid"))
    );
    ask(&app, id, &json!({})).await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.discrepancy), (PurchaseState::Paid, None));
    assert_eq!((purchase.poll_at, app.balance().await), (None, COINS + BONUS));
    app.assert_proven().await;
}

/// An operator resolves a review that no status resolves, with and without coins.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_resolves_a_review(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (unpaid, paid) = (app.opened().await, app.paid().await);
    ask(&app, unpaid, &json!({ "Status": "CONFIRMED", "Amount": 100 })).await;
    ask(&app, paid, &json!({ "Status": "REVERSED" })).await;
    let told = app.worker(&["purchase:resolve-review", &unpaid.to_string()]).await.told();
    assert_eq!(told, format!("{unpaid} is failed; the discrepancy `other_amount` is resolved.\n"));
    let told = app.worker(&["purchase:resolve-review", &paid.to_string()]).await.told();
    assert_eq!(told, format!("{paid} is paid; the discrepancy `not_paid` is resolved.\n"));
    let (failed, kept) = (app.find(unpaid).await, app.find(paid).await);
    assert_eq!((failed.state, failed.discrepancy, failed.poll_at), (PurchaseState::Failed, None, None));
    assert_eq!((kept.state, kept.discrepancy, kept.poll_at), (PurchaseState::Paid, None, None));
    assert_eq!(app.balance().await, COINS + BONUS);
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{unpaid}")).await;
    assert!(view["failure"].as_str().unwrap().contains("закрыли покупку"), "{view}");
    let refused = app.worker(&["purchase:resolve-review", &paid.to_string()]).await.refused(1);
    assert!(refused.contains(&format!("{paid} has no discrepancy to resolve")), "{refused}");
    let nowhere = "pur_01J00000000000000000000000";
    let refused = app.worker(&["purchase:resolve-review", nowhere]).await.refused(1);
    assert!(refused.contains(&format!("purchase {nowhere} not found")), "{refused}");
}

/// Texts of the bank that are too long or in another alphabet cause no failure.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn unusual_texts_of_the_bank_are_stored_truncated(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    ask(&app, id, &json!({ "Status": "ОТЛОЖЕНО_ДО_ВЫЯСНЕНИЯ_ОБСТОЯТЕЛЬСТВ" })).await;
    assert_eq!(app.find(id).await.status.unwrap().name(), "?".repeat(8) + "_??_?????????_??????????");
    ask(&app, id, &json!({ "Status": "REJECTED", "ErrorCode": "ОШИБКА-00000000000000000001" })).await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.unwrap().len()), (PurchaseState::Failed, 16));
    assert_eq!(app.jobs_of::<ReconcilePayment>(JobState::Done).await.len(), 2);
}
