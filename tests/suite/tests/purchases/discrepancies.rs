//! Daily reconciliation: exact to the kopeck, for as long as refunds are possible.

use chrono::TimeDelta;
use flysk_clients::tbank::CancelRequest;
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::{ReconcileDay, ReconcilePayment};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::platform::purchases as store;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, PRICE, TestApp};
use super::refunds::refund;
use super::slow_refunds::give_back_in_merchant_portal;

async fn differences(app: &TestApp) -> Vec<[String; 3]> {
    let day = app.clock.now().date_naive();
    app.enqueue(&ReconcileDay { day: Some(day), after: None }).await;
    app.run_due_jobs().await;
    let found = store::list_discrepancies(&mut *app.conn().await, day).await.unwrap();
    found.into_iter().map(|one| [one.kind, one.ours, one.banks]).collect()
}

/// A refund in T-Bank's portal whose notification is lost.
async fn give_back_unheard(app: &TestApp, id: PurchaseId, kopecks: i64) {
    app.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    give_back_in_merchant_portal(app, id, kopecks).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn partial_refunds_of_different_amounts_are_a_discrepancy(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    refund(&app, id, Some(10_000)).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(differences(&app).await, [[""; 3]; 0]);
    give_back_unheard(&app, id, 20_000).await;
    let found = differences(&app).await;
    assert_eq!(found, [["refund", "refunded 100.00", "PARTIAL_REFUNDED, refunded 300.00"]]);
}

/// The notification's job is dead. A recent notification is not a discrepancy, because its job is about to run.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unprocessed_notification_becomes_a_discrepancy(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    app.wait_for_notifications(1).await;
    let bury = "UPDATE jobs SET state = 'dead' WHERE kind = 'billing.apply_tbank_notification'";
    sqlx::query(bury).execute(&mut *app.conn().await).await.unwrap();
    let unread = |found: &[[String; 3]]| found.iter().filter(|one| one[0] == "unread_notification").count();
    assert_eq!(unread(&differences(&app).await), 0);
    app.clock.advance(TimeDelta::minutes(16));
    let found = differences(&app).await;
    assert!(unread(&found) > 0, "{found:?}");
    assert!(found.iter().any(|one| one[1] == "stored but not applied"), "{found:?}");
}

/// Coins are withdrawn before the money is returned: in between, the amounts differ as intended.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_in_progress_is_not_a_discrepancy(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    app.bank.control.script(Script::next("/v2/Cancel", Act::Cut).times(100));
    refund(&app, id, Some(10_000)).await.unwrap();
    assert_eq!(differences(&app).await, [[""; 3]; 0]);
}

/// A chargeback weeks later, whose notification is lost.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_returned_weeks_later_is_found(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    app.clock.advance(TimeDelta::days(20));
    assert_eq!(differences(&app).await, [[""; 3]; 0]);
    give_back_unheard(&app, id, PRICE).await;
    assert_eq!(differences(&app).await, [["refund", "refunded 0.00", "REFUNDED, refunded 500.00"]]);
    app.clock.advance(TimeDelta::days(20));
    assert_eq!(differences(&app).await, [[""; 3]; 0], "reconciliation ends after some time");
}

/// An order was paid twice, the second payment was refunded in the portal, and an operator recorded that.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refunded_second_payment_is_not_a_discrepancy(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    app.bank.state.behave(Behaviour { notification_copies: 0, unique_orders: false, ..Behaviour::default() });
    let second = app.decoy(id).await;
    app.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    app.run_due_jobs().await;
    let kinds = |found: Vec<[String; 3]>| found.into_iter().map(|[kind, ..]| kind).collect::<Vec<_>>();
    assert_eq!(kinds(differences(&app).await), ["needs_review", "paid_twice"]);
    let cancel = CancelRequest {
        payment_id: second.id,
        amount: Kopecks(PRICE),
        external_request_id: None,
        receipt: None,
    };
    app.executor.app().acquiring().unwrap().bank.cancel(&cancel).await.unwrap();
    assert_eq!(app.worker(&["purchase:resolve-review", &id.to_string()]).await.code, 0);
    app.clock.advance(TimeDelta::days(1));
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    app.run_due_jobs().await;
    assert_eq!(differences(&app).await, [[""; 3]; 0]);
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.discrepancy), (PurchaseState::Paid, None));
}
