//! Workers that die between any two steps, and jobs that run twice.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::Job;
use flysk_jobs::billing::{ApplyTbankNotice, OpenPayment, ReconcileDay, ReconcileDue, ReconcilePayment};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::Tx;
use flysk_store::jobs::JobState;
use flysk_store::purchases as store;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, PRICE, SOON, Shop};

/// A worker begins the job and is cut off at this moment, as by `kill -9`: its lease stays, and what it had not
/// committed is gone.
async fn die_at_work<J: Job>(shop: &Shop, moment: impl Future<Output = ()>) {
    let job = shop.jobs_of::<J>(JobState::Queued).await.pop().expect("one waits");
    let work = Box::pin(shop.engine.perform(job.id));
    tokio::select! {
        ended = work => panic!("it came to an end before its moment: {ended:?}"),
        moment = tokio::time::timeout(SOON, moment) => moment.expect("the moment comes"),
    }
    assert_eq!(shop.jobs_of::<J>(JobState::Running).await.len(), 1);
}

/// The moment when the bank has been called so often for a method.
async fn asks_the_bank(shop: &Shop, method: &str, count: usize) {
    while shop.calls(method) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The moment when somebody in this database is at a statement that begins so: it lasts, if a lock is in its way.
async fn is_at(shop: &Shop, statement: &str) {
    let seen = "SELECT COUNT(*) FROM information_schema.processlist
         WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE CONCAT(?, '%')";
    while sqlx::query_scalar::<_, i64>(seen).bind(statement).fetch_one(&shop.pool).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Somebody else's transaction that has the purchase's row: whoever wants to write it waits.
async fn holding(shop: &Shop, id: PurchaseId) -> Tx {
    let mut tx = shop.pool.begin().await.unwrap();
    store::lock_purchase(&mut tx, id).await.unwrap();
    tx
}

/// No job of the kind is left behind: none waits, runs or is dead.
async fn assert_ended<J: Job>(shop: &Shop) {
    for state in [JobState::Queued, JobState::Running, JobState::Dead] {
        assert!(shop.jobs_of::<J>(state).await.is_empty(), "{} is {state:?}", J::KIND);
    }
}

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

/// The worker dies while the bank answers, or with the answer in hand: the payment is found all the same, and
/// credited once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_worker_that_dies_while_it_asks_credits_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(Behaviour { notice_copies: 0, ..Behaviour::default() });
    let mut balance = 0;
    for (method, whole_order) in [("GetState", false), ("CheckOrder", true)] {
        for answer_in_hand in [false, true] {
            let id = shop.opened().await;
            shop.pay(id, GOOD_CARD);
            let question = ReconcilePayment { purchase_id: id, whole_order };
            shop.enqueue(&question).await;
            if answer_in_hand {
                let elsewhere = holding(&shop, id).await;
                let writes = is_at(&shop, "SELECT id FROM coin_purchases WHERE id = ");
                die_at_work::<ReconcilePayment>(&shop, writes).await;
                elsewhere.rollback().await.unwrap();
            } else {
                shop.bank.control.script(Script::next(format!("/v2/{method}"), Act::ServeThenHang));
                let asked = asks_the_bank(&shop, method, shop.calls(method) + 1);
                die_at_work::<ReconcilePayment>(&shop, asked).await;
            }
            assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Awaiting, balance));
            rescue(&shop).await;
            balance += COINS + BONUS;
            assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, balance));
            shop.enqueue(&question).await;
            shop.run_due_jobs().await;
            assert_eq!((shop.find(id).await.poll_at, shop.balance().await), (None, balance));
            assert_ended::<ReconcilePayment>(&shop).await;
        }
    }
    shop.assert_proven().await;
}

/// A hundred forms that nobody pays, due before the purchase they are copied from.
async fn leave_a_hundred_forms_open(shop: &Shop, like: PurchaseId) {
    let copied = sqlx::query(
        "INSERT INTO coin_purchases (id, order_id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro,
             bonus_days, state, terminal_key, contact_sealed, save_card, poll_at, created_at, updated_at)
         WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 100)
         SELECT CONCAT('pur_01TESTED', LPAD(n, 18, '0')), CONCAT('pur_01TESTED', LPAD(n, 18, '0')), wallet_id,
             package_id, price_kopecks, coins_micro, bonus_micro, bonus_days, state, terminal_key, contact_sealed,
             save_card, created_at, created_at, updated_at
         FROM coin_purchases, numbers WHERE id = ?",
    );
    let copied = copied.bind(like.to_string()).execute(&shop.pool).await.unwrap();
    assert_eq!(copied.rows_affected(), 100);
}

/// A tick that dies between two of its transactions has had a hundred asked about: the next start has the rest
/// asked about, nobody twice, and nobody is forgotten.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_tick_that_dies_half_way_asks_about_everybody_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(Behaviour { notice_copies: 0, ..Behaviour::default() });
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    leave_a_hundred_forms_open(&shop, id).await;
    shop.clock.advance(TimeDelta::minutes(2));
    let waiting = async || shop.jobs_of::<ReconcilePayment>(JobState::Queued).await.len();

    shop.enqueue(&ReconcileDue {}).await;
    let elsewhere = holding(&shop, id).await;
    let first_is_committed = Box::pin(async {
        while waiting().await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    die_at_work::<ReconcileDue>(&shop, first_is_committed).await;
    elsewhere.rollback().await.unwrap();
    assert_eq!(waiting().await, 100, "what was committed stays");
    shop.clock.advance(TimeDelta::seconds(40));
    shop.engine.rescue_once().await.unwrap();
    shop.clock.advance(TimeDelta::minutes(1));
    for _ in 0..2 {
        let tick = shop.jobs_of::<ReconcileDue>(JobState::Queued).await.pop().expect("it is started again");
        shop.engine.perform(tick.id).await.unwrap();
        assert_eq!(waiting().await, 101);
        shop.enqueue(&ReconcileDue {}).await;
    }
    shop.run_due_jobs().await;
    assert_eq!((shop.calls("GetState"), shop.calls("CheckOrder")), (1, 100));
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
    let forgotten: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM coin_purchases WHERE state = 'awaiting' AND COALESCE(poll_at <= ?, TRUE)",
    )
    .bind(shop.clock.now())
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(forgotten, 0);
    assert_ended::<ReconcilePayment>(&shop).await;
    assert_ended::<ReconcileDue>(&shop).await;
    shop.assert_proven().await;
}

async fn differences(shop: &Shop, day: NaiveDate) -> Vec<(String, String)> {
    let found = store::list_differences(&mut *shop.conn().await, day).await.unwrap();
    found.into_iter().map(|one| (one.order_id, one.kind)).collect()
}

/// A comparison that dies between two purchases has told nothing, and one that dies while it writes takes
/// nothing back: whichever start comes to the end, every difference is there once, and no coin has moved.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_comparison_that_dies_half_way_lists_every_difference_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (first, second) = (shop.paid().await, shop.paid().await);
    shop.bank.state.behave(Behaviour { notice_copies: 0, ..Behaviour::default() });
    shop.refund_in_cabinet(first, PRICE).await;
    shop.refund_in_cabinet(second, PRICE).await;
    let day = shop.find(second).await.updated_at.date_naive();
    let comparison = ReconcileDay { day: Some(day), after: None };
    let both = [first, second].map(|id| (id.to_string(), "refund".to_owned()));

    shop.bank.control.script(Script::next("/v2/CheckOrder", Act::Serve));
    shop.bank.control.script(Script::next("/v2/CheckOrder", Act::Hang));
    shop.enqueue(&comparison).await;
    die_at_work::<ReconcileDay>(&shop, asks_the_bank(&shop, "CheckOrder", shop.calls("CheckOrder") + 2))
        .await;
    assert_eq!(differences(&shop, day).await, []);
    rescue(&shop).await;
    assert_eq!(differences(&shop, day).await, both);

    let mut elsewhere = shop.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM tbank_differences WHERE order_id = ? FOR UPDATE")
        .bind(second.to_string())
        .fetch_one(&mut *elsewhere)
        .await
        .unwrap();
    shop.enqueue(&comparison).await;
    die_at_work::<ReconcileDay>(&shop, is_at(&shop, "INSERT INTO tbank_differences")).await;
    elsewhere.rollback().await.unwrap();
    rescue(&shop).await;
    shop.enqueue(&comparison).await;
    shop.run_due_jobs().await;
    assert_eq!(differences(&shop, day).await, both);
    assert_ended::<ReconcileDay>(&shop).await;
    assert_eq!(shop.balance().await, 2 * (COINS + BONUS));
    shop.assert_proven().await;
}
