//! The daily comparison to the kopeck, and for as long as money comes back.

use chrono::TimeDelta;
use flysk_clients::tbank::CancelRequest;
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{ReconcileDay, ReconcilePayment};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::purchases as store;
use sqlx::MySqlPool;

use super::house::{GOOD_CARD, PRICE, Shop};
use super::refunds::refund;
use super::slow_refunds::give_back_in_cabinet;

async fn differences(shop: &Shop) -> Vec<[String; 3]> {
    let day = shop.clock.now().date_naive();
    shop.enqueue(&ReconcileDay { day: Some(day), after: None }).await;
    shop.run_due_jobs().await;
    let found = store::list_differences(&mut *shop.conn().await, day).await.unwrap();
    found.into_iter().map(|one| [one.kind, one.ours, one.banks]).collect()
}

/// In the cabinet, and nobody is told.
async fn give_back_unheard(shop: &Shop, id: PurchaseId, kopecks: i64) {
    shop.bank.state.behave(Behaviour { notice_copies: 0, ..Behaviour::default() });
    give_back_in_cabinet(shop, id, kopecks).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn parts_of_different_size_are_a_difference(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    refund(&shop, id, Some(10_000)).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!(differences(&shop).await, [[""; 3]; 0]);
    give_back_unheard(&shop, id, 20_000).await;
    let found = differences(&shop).await;
    assert_eq!(found, [["refund", "refunded 100.00", "PARTIAL_REFUNDED, given back 300.00"]]);
}

/// Its job died. One that has just come is no difference: its job is about to run.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_notice_nobody_reads_is_a_difference_after_a_while(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    shop.told(1).await;
    let bury = "UPDATE jobs SET state = 'dead' WHERE kind = 'billing.apply_tbank_notice'";
    sqlx::query(bury).execute(&mut *shop.conn().await).await.unwrap();
    let unread = |found: &[[String; 3]]| found.iter().filter(|one| one[0] == "unread_notice").count();
    assert_eq!(unread(&differences(&shop).await), 0);
    shop.clock.advance(TimeDelta::minutes(16));
    let found = differences(&shop).await;
    assert!(unread(&found) > 0, "{found:?}");
    assert!(found.iter().any(|one| one[1] == "kept and not read"), "{found:?}");
}

/// Coins go before money: in between the books differ, and that is as it should be.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refund_under_way_is_no_difference(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    shop.bank.control.script(Script::next("/v2/Cancel", Act::Cut).times(100));
    refund(&shop, id, Some(10_000)).await.unwrap();
    assert_eq!(differences(&shop).await, [[""; 3]; 0]);
}

/// A payer complains weeks later, and the bank's notice is lost.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn money_that_goes_back_weeks_later_is_found(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    shop.clock.advance(TimeDelta::days(20));
    assert_eq!(differences(&shop).await, [[""; 3]; 0]);
    give_back_unheard(&shop, id, PRICE).await;
    assert_eq!(differences(&shop).await, [["refund", "refunded 0.00", "REFUNDED, given back 500.00"]]);
    shop.clock.advance(TimeDelta::days(20));
    assert_eq!(differences(&shop).await, [[""; 3]; 0], "at some time nobody looks any more");
}

/// An order was paid twice, the other payment was given back in the cabinet, and an operator says so.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_second_payment_that_was_given_back_is_none(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    shop.bank.state.behave(Behaviour { notice_copies: 0, unique_orders: false, ..Behaviour::default() });
    let second = shop.decoy(id).await;
    shop.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    shop.run_due_jobs().await;
    let kinds = |found: Vec<[String; 3]>| found.into_iter().map(|[kind, ..]| kind).collect::<Vec<_>>();
    assert_eq!(kinds(differences(&shop).await), ["in_doubt", "paid_twice"]);
    let cancel = CancelRequest {
        payment_id: second.id,
        amount: Kopecks(PRICE),
        external_request_id: None,
        receipt: None,
    };
    shop.engine.app().acquiring().unwrap().bank.cancel(&cancel).await.unwrap();
    assert_eq!(shop.worker(&["purchase:close", &id.to_string()]).await.code, 0);
    shop.clock.advance(TimeDelta::days(1));
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    shop.run_due_jobs().await;
    assert_eq!(differences(&shop).await, [[""; 3]; 0]);
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt), (PurchaseState::Paid, None));
}
