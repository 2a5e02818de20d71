//! Orphaned payments, whose form's address was lost: status queries in between, and further payments of the
//! order.

use chrono::TimeDelta;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::{OpenPayment, ReconcilePayment};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, TestApp};

async fn run_retries(app: &TestApp) {
    for _ in 0..8 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::seconds(61));
    }
}

/// The response of `Init` is lost and the bank stops responding; the poller queries the order before the job that
/// opens forms does. The purchase must not wait for hours without a button.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_status_query_in_between_does_not_block_the_purchase(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    app.bank.control.script(Script::next("/v2/CheckOrder", Act::Cut));
    app.run_due_jobs().await;
    app.clock.advance(TimeDelta::seconds(61));
    app.run_due_jobs().await;
    assert_eq!((app.calls("Init"), app.calls("CheckOrder")), (1, 1));
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.run_due_jobs().await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.payment_id), (PurchaseState::Opening, None));
    assert!(purchase.poll_at.is_some());
    run_retries(&app).await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("form_lost")));
    assert_eq!((app.payment(id).status.as_str(), app.calls("Cancel")), ("CANCELED", 1));
}

/// The job that opens forms has given up and the buyer was told; then the bank reports a payment: it is
/// cancelled.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_abandoned_purchase_stays_failed_and_its_payment_is_cancelled(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    app.bank.control.script(Script::next("/v2/*", Act::Cut).times(100));
    run_retries(&app).await;
    assert_eq!(app.jobs_of::<OpenPayment>(JobState::Dead).await.len(), 1);
    assert_eq!(app.find(id).await.error_code.as_deref(), Some("bank_silent"));
    app.bank.control.clear_scripts();
    app.run_minutes(30).await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("form_lost")));
    assert_eq!((app.payment(id).status.as_str(), app.calls("Cancel")), ("CANCELED", 1));
    assert_eq!(purchase.poll_at, None, "it cannot be paid any more");
}

/// The payment was paid before the order was queried: it counts as a purchase, because `Cancel` would be a
/// refund.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_paid_payment_is_applied_and_not_cancelled(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.bank.state.behave(Behaviour { notification_copies: 0, unique_orders: false, ..Behaviour::default() });
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    app.run_due_jobs().await;
    let first = app.payment(id);
    let second = app.decoy(id).await;
    app.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    run_retries(&app).await;
    let purchase = app.find(id).await;
    assert_eq!((purchase.state, purchase.payment_id.as_ref()), (PurchaseState::Paid, Some(&second.id)));
    assert_eq!((app.balance().await, purchase.discrepancy), (COINS + BONUS, None));
    let status = |id: &str| app.bank.state.payment(id).unwrap().status;
    assert_eq!((status(&first.id), status(&second.id)), ("CANCELED".into(), "CONFIRMED".into()));
}

/// Two unpaid payments of one order: both are cancelled.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_payment_of_an_orphaned_order_is_cancelled(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.bank.state.behave(Behaviour { unique_orders: false, ..Behaviour::default() });
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    app.run_due_jobs().await;
    app.decoy(id).await;
    run_retries(&app).await;
    assert_eq!(app.find(id).await.error_code.as_deref(), Some("form_lost"));
    let payments = app.bank.state.payments();
    assert_eq!(payments.len(), 2);
    assert!(payments.iter().all(|payment| payment.status == "CANCELED"), "{payments:?}");
}

/// `Init` returns another buyer's payment: that one is left alone, and ours is opened.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_buyers_payment_is_never_cancelled(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let neighbour = app.opened().await;
    let theirs = app.payment(neighbour);
    let id = app.begin().await;
    let told = json!({ "Success": true, "ErrorCode": "0", "Status": "NEW", "PaymentId": theirs.id,
        "OrderId": theirs.order_id, "Amount": theirs.amount,
        "PaymentURL": format!("{}/pay/{}", app.bank.url, theirs.slug) });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    app.bank.control.script(Script::next("/v2/Init", answer));
    run_retries(&app).await;
    assert_eq!(app.bank.state.payment(&theirs.id).unwrap().status, "NEW");
    assert_eq!((app.find(id).await.state, app.calls("Cancel")), (PurchaseState::Awaiting, 0));
    assert_ne!(app.payment(id).id, theirs.id);
}
