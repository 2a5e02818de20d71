//! The daily comparison to the kopeck, and for as long as money comes back.

use chrono::TimeDelta;
use flysk_clients::tbank::CancelRequest;
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{ReconcileDay, ReconcilePayment};
use flysk_simulators::tbank::{Behaviour, Terminal};
use flysk_simulators::{Act, Script};
use flysk_store::purchases as store;
use sqlx::MySqlPool;

use super::house::{GOOD_CARD, PRICE, Shop};
use super::refunds::refund;
use super::surroundings::TERMINAL;

async fn differences(shop: &Shop) -> Vec<[String; 3]> {
    let day = shop.clock.now().date_naive();
    shop.enqueue(&ReconcileDay { day: Some(day), after: None }).await;
    shop.run_due_jobs().await;
    let found = store::list_differences(&mut *shop.conn().await, day).await.unwrap();
    found.into_iter().map(|one| [one.kind, one.ours, one.banks]).collect()
}

/// In the cabinet, without lines for the receipt, and nobody is told.
async fn give_back_unheard(shop: &Shop, id: PurchaseId, kopecks: i64) {
    shop.bank.state.behave(Behaviour { notice_copies: 0, ..Behaviour::default() });
    shop.bank.state.add_terminal(Terminal {
        key: TERMINAL.to_owned(),
        password: "TinkoffBankTest".to_owned(),
        notification_url: None,
        cash_register: false,
        charge_enabled: false,
    });
    shop.refund_in_cabinet(id, kopecks).await;
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
