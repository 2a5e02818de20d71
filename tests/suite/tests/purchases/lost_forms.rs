//! Forms nobody can find: who asks about the order in the meantime, and what else the bank knows of it.

use chrono::TimeDelta;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{OpenPayment, ReconcilePayment};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, Shop};

async fn patience(shop: &Shop) {
    for _ in 0..8 {
        shop.run_due_jobs().await;
        shop.clock.advance(TimeDelta::seconds(61));
    }
}

/// The answer to `Init` is lost and the bank falls silent; the poller asks before the job that opens forms does. The
/// purchase does not wait for hours without a button.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_question_in_between_strands_no_purchase(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    shop.bank.control.script(Script::next("/v2/CheckOrder", Act::Cut));
    shop.run_due_jobs().await;
    shop.clock.advance(TimeDelta::seconds(61));
    shop.run_due_jobs().await;
    assert_eq!((shop.calls("Init"), shop.calls("CheckOrder")), (1, 1));
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.run_due_jobs().await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.payment_id), (PurchaseState::Opening, None));
    assert!(purchase.poll_at.is_some());
    patience(&shop).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("form_lost")));
    assert_eq!((shop.payment(id).status.as_str(), shop.calls("Cancel")), ("CANCELED", 1));
}

/// The job that opens forms has given up, the buyer read so, and the bank comes back with a payment: it is closed.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_was_given_up_stays_failed_and_is_closed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    shop.bank.control.script(Script::next("/v2/*", Act::Cut).times(100));
    patience(&shop).await;
    assert_eq!(shop.jobs_of::<OpenPayment>(JobState::Dead).await.len(), 1);
    assert_eq!(shop.find(id).await.error_code.as_deref(), Some("bank_silent"));
    shop.bank.control.clear_scripts();
    shop.live(30).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.as_deref()), (PurchaseState::Failed, Some("form_lost")));
    assert_eq!((shop.payment(id).status.as_str(), shop.calls("Cancel")), ("CANCELED", 1));
    assert_eq!(purchase.poll_at, None, "it cannot be paid any more");
}

/// Somebody paid before the order was looked at: that is a purchase, and `Cancel` would be a refund.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_is_paid_is_heard_and_not_cancelled(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(Behaviour { notice_copies: 0, unique_orders: false, ..Behaviour::default() });
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    shop.run_due_jobs().await;
    let first = shop.payment(id);
    let second = shop.decoy(id).await;
    shop.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    patience(&shop).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.payment_id.as_ref()), (PurchaseState::Paid, Some(&second.id)));
    assert_eq!((shop.balance().await, purchase.doubt), (COINS + BONUS, None));
    let status = |id: &str| shop.bank.state.payment(id).unwrap().status;
    assert_eq!((status(&first.id), status(&second.id)), ("CANCELED".into(), "CONFIRMED".into()));
}

/// Two payments of one order wait for a payer: both are closed.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_payment_of_a_lost_order_is_closed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(Behaviour { unique_orders: false, ..Behaviour::default() });
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    shop.run_due_jobs().await;
    shop.decoy(id).await;
    patience(&shop).await;
    assert_eq!(shop.find(id).await.error_code.as_deref(), Some("form_lost"));
    let payments = shop.bank.state.payments();
    assert_eq!(payments.len(), 2);
    assert!(payments.iter().all(|payment| payment.status == "CANCELED"), "{payments:?}");
}

/// `Init` is answered with another buyer's payment: that one is left alone, and ours is opened.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn another_buyers_payment_is_never_cancelled(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let neighbour = shop.opened().await;
    let theirs = shop.payment(neighbour);
    let id = shop.begin().await;
    let told = json!({ "Success": true, "ErrorCode": "0", "Status": "NEW", "PaymentId": theirs.id,
        "OrderId": theirs.order_id, "Amount": theirs.amount,
        "PaymentURL": format!("{}/pay/{}", shop.bank.url, theirs.slug) });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    shop.bank.control.script(Script::next("/v2/Init", answer));
    patience(&shop).await;
    assert_eq!(shop.bank.state.payment(&theirs.id).unwrap().status, "NEW");
    assert_eq!((shop.find(id).await.state, shop.calls("Cancel")), (PurchaseState::Awaiting, 0));
    assert_ne!(shop.payment(id).id, theirs.id);
}
