//! Workers that die between any two steps, and jobs that run twice.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{ApplyTbankNotice, OpenPayment, ReconcileDay, ReconcileDue, ReconcilePayment};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, Shop};

/// Long enough for the lease of a dead worker to run out, and for what comes after it.
async fn rescue(shop: &Shop) {
    shop.clock.advance(TimeDelta::seconds(40));
    shop.engine.rescue_once().await.unwrap();
    for _ in 0..6 {
        shop.run_due_jobs().await;
        shop.clock.advance(TimeDelta::seconds(61));
    }
}

/// The worker dies while it waits for the answer to `Init`, before or after the bank saw the call.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_worker_that_dies_while_it_opens_a_payment_opens_no_second_one(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    for (act, state) in [(Act::Hang, PurchaseState::Awaiting), (Act::ServeThenHang, PurchaseState::Failed)] {
        shop.bank.control.clear_calls();
        let id = shop.begin().await;
        shop.bank.control.script(Script::next("/v2/Init", act.clone()));
        let job = shop.jobs_of::<OpenPayment>(JobState::Queued).await.pop().unwrap();
        // Cut off in the middle of the call, as by `kill -9`: the lease stays, nothing is written.
        let cut = tokio::time::timeout(Duration::from_millis(250), shop.engine.perform(job.id)).await;
        assert!(cut.is_err(), "it waits for the bank");
        assert_eq!(shop.find(id).await.state, PurchaseState::Opening, "the intent outlives the worker");
        rescue(&shop).await;
        assert_eq!(shop.find(id).await.state, state, "{act:?}");
        let of_order = shop.bank.state.payments().into_iter().filter(|one| one.order_id == id.to_string());
        assert_eq!(of_order.count(), 1, "{act:?}");
    }
}

/// Another worker took the job while this one was frozen: what it wanted to write is not written.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_frozen_worker_writes_nothing_once_its_lease_is_gone(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    shop.told(2).await;
    let jobs = shop.jobs_of::<ApplyTbankNotice>(JobState::Queued).await;
    let frozen = shop.engine.claim(jobs[0].id).await.unwrap().unwrap();
    shop.clock.advance(TimeDelta::minutes(2));
    shop.engine.rescue_once().await.unwrap();
    for _ in 0..4 {
        shop.run_due_jobs().await;
        shop.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(shop.balance().await, COINS + BONUS);
    shop.engine.run(frozen).await;
    assert_eq!(shop.balance().await, COINS + BONUS);
    shop.assert_proven().await;
}

/// Every job of a purchase's way is replayed after its end: nothing changes.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_job_may_run_twice(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let notices: Vec<String> =
        sqlx::query_scalar("SELECT id FROM tbank_notices").fetch_all(&shop.pool).await.unwrap();
    let before = shop.find(id).await;
    shop.enqueue(&OpenPayment { purchase_id: id }).await;
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    shop.enqueue(&ReconcileDue {}).await;
    shop.enqueue(&ReconcileDay { day: Some(before.created_at.date_naive()), after: None }).await;
    for notice in notices {
        shop.enqueue(&ApplyTbankNotice { notice_id: notice.parse().unwrap() }).await;
    }
    shop.run_due_jobs().await;
    let after = shop.find(id).await;
    assert_eq!(
        (after.state, after.coins_lot, after.credited_at),
        (before.state, before.coins_lot, before.credited_at)
    );
    assert_eq!((shop.balance().await, shop.calls("Init")), (COINS + BONUS, 1));
    shop.assert_proven().await;
}
