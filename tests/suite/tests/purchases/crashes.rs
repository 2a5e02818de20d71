//! Workers that crash between any two steps, and jobs that run twice.

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::{
    ApplyTbankNotification, OpenPayment, ReconcileDay, ReconcileDue, ReconcilePayment,
};
use flysk_queue::Job;
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::Tx;
use flysk_store::jobs::JobState;
use flysk_store::platform::purchases as store;
use flysk_suite::due_jobs::rescue_abandoned;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, PRICE, TestApp, WAIT_TIMEOUT};

/// Starts the job on a worker and drops it at this moment, as SIGKILL would: its lease remains, and uncommitted
/// changes are lost.
async fn die_at_work<J: Job>(app: &TestApp, moment: impl Future<Output = ()>) {
    let job = app.jobs_of::<J>(JobState::Queued).await.pop().expect("one waits");
    let work = Box::pin(app.executor.execute(job.id));
    tokio::select! {
        ended = work => panic!("it ended early: {ended:?}"),
        moment = tokio::time::timeout(WAIT_TIMEOUT, moment) => moment.expect("the moment is reached"),
    }
    assert_eq!(app.jobs_of::<J>(JobState::Running).await.len(), 1);
}

/// Waits until the bank was called `count` times for a method.
async fn asks_the_bank(app: &TestApp, method: &str, count: usize) {
    while app.calls(method) < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a connection to this database executes a statement with this prefix. A held lock keeps it there.
async fn is_at(app: &TestApp, statement: &str) {
    let seen = "SELECT COUNT(*) FROM information_schema.processlist
         WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE CONCAT(?, '%')";
    while sqlx::query_scalar::<_, i64>(seen).bind(statement).fetch_one(&app.pool).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A transaction that locks the purchase's row; writers must wait.
async fn holding(app: &TestApp, id: PurchaseId) -> Tx {
    let mut tx = app.pool.begin().await.unwrap();
    store::lock_purchase(&mut tx, id).await.unwrap();
    tx
}

/// Checks that no job of the kind is queued, running or dead.
async fn assert_ended<J: Job>(app: &TestApp) {
    for state in [JobState::Queued, JobState::Running, JobState::Dead] {
        assert!(app.jobs_of::<J>(state).await.is_empty(), "{} is {state:?}", J::KIND);
    }
}

/// Advances the clock past the lease of a dead worker, and runs the rescued jobs.
async fn rescue(app: &TestApp) {
    app.clock.advance(TimeDelta::seconds(40));
    assert_eq!(rescue_abandoned(&app.executor).await.unwrap(), 1);
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::seconds(61));
    }
}

/// The worker crashes while it waits for the response of `Init`, before or after the bank received the call.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_worker_crash_during_init_opens_no_second_payment(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    for (act, state) in [(Act::Hang, PurchaseState::Awaiting), (Act::ServeThenHang, PurchaseState::Failed)] {
        app.bank.control.clear_calls();
        let id = app.begin().await;
        app.bank.control.script(Script::next("/v2/Init", act.clone()));
        die_at_work::<OpenPayment>(&app, asks_the_bank(&app, "Init", 1)).await;
        assert_eq!(app.find(id).await.state, PurchaseState::Opening, "the intent outlives the worker");
        rescue(&app).await;
        assert_eq!(app.find(id).await.state, state, "{act:?}");
        let of_order = app.bank.state.payments().into_iter().filter(|one| one.order_id == id.to_string());
        assert_eq!(of_order.count(), 1, "{act:?}");
    }
}

/// Another worker took the job while this one was frozen: its writes are rejected.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_frozen_worker_writes_nothing_after_losing_its_lease(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    app.wait_for_notifications(2).await;
    let jobs = app.jobs_of::<ApplyTbankNotification>(JobState::Queued).await;
    let frozen = app.executor.claim(jobs[0].id).await.unwrap().unwrap();
    app.clock.advance(TimeDelta::minutes(2));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    for _ in 0..4 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.balance().await, COINS + BONUS);
    app.executor.run(frozen).await;
    assert_eq!(app.balance().await, COINS + BONUS);
    app.assert_proven().await;
}

/// Every job of a purchase is replayed after its end: nothing changes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_job_may_run_twice(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    let notifications: Vec<String> =
        sqlx::query_scalar("SELECT id FROM tbank_notifications").fetch_all(&app.pool).await.unwrap();
    let before = app.find(id).await;
    app.enqueue(&OpenPayment { purchase_id: id }).await;
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: true }).await;
    app.enqueue(&ReconcileDue {}).await;
    app.enqueue(&ReconcileDay { day: Some(before.created_at.date_naive()), after: None }).await;
    for notification in notifications {
        app.enqueue(&ApplyTbankNotification { notification_id: notification.parse().unwrap() }).await;
    }
    app.run_due_jobs().await;
    let after = app.find(id).await;
    assert_eq!(
        (after.state, after.coins_lot, after.credited_at),
        (before.state, before.coins_lot, before.credited_at)
    );
    assert_eq!((app.balance().await, app.calls("Init")), (COINS + BONUS, 1));
    app.assert_proven().await;
}

/// The worker crashes during a status query, or after its response: the payment is found nevertheless, and
/// credited once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_worker_crash_during_a_status_query_credits_once(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    let mut balance = 0;
    for (method, whole_order) in [("GetState", false), ("CheckOrder", true)] {
        for answer_in_hand in [false, true] {
            let id = app.opened().await;
            app.pay(id, GOOD_CARD);
            let question = ReconcilePayment { purchase_id: id, whole_order };
            app.enqueue(&question).await;
            if answer_in_hand {
                let elsewhere = holding(&app, id).await;
                let writes = is_at(&app, "SELECT id FROM coin_purchases WHERE id = ");
                die_at_work::<ReconcilePayment>(&app, writes).await;
                elsewhere.rollback().await.unwrap();
            } else {
                app.bank.control.script(Script::next(format!("/v2/{method}"), Act::ServeThenHang));
                let asked = asks_the_bank(&app, method, app.calls(method) + 1);
                die_at_work::<ReconcilePayment>(&app, asked).await;
            }
            assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Awaiting, balance));
            rescue(&app).await;
            balance += COINS + BONUS;
            assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, balance));
            app.enqueue(&question).await;
            app.run_due_jobs().await;
            assert_eq!((app.find(id).await.poll_at, app.balance().await), (None, balance));
            assert_ended::<ReconcilePayment>(&app).await;
        }
    }
    app.assert_proven().await;
}

/// Inserts 100 unpaid forms that are due before the purchase they are copied from.
async fn leave_a_hundred_forms_open(app: &TestApp, like: PurchaseId) {
    let copied = sqlx::query(
        "INSERT INTO coin_purchases (id, order_id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro,
             bonus_days, state, terminal_key, contact_sealed, save_card, poll_at, created_at, updated_at)
         WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 100)
         SELECT CONCAT('pur_01TESTED', LPAD(n, 18, '0')), CONCAT('pur_01TESTED', LPAD(n, 18, '0')), wallet_id,
             package_id, price_kopecks, coins_micro, bonus_micro, bonus_days, state, terminal_key, contact_sealed,
             save_card, created_at, created_at, updated_at
         FROM coin_purchases, numbers WHERE id = ?",
    );
    let copied = copied.bind(like.to_string()).execute(&app.pool).await.unwrap();
    assert_eq!(copied.rows_affected(), 100);
}

/// A poll that crashes between two transactions has enqueued 100 queries. The next run enqueues the others, none
/// twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_poll_that_crashes_half_way_queries_every_purchase_once(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    leave_a_hundred_forms_open(&app, id).await;
    app.clock.advance(TimeDelta::minutes(2));
    let waiting = async || app.jobs_of::<ReconcilePayment>(JobState::Queued).await.len();

    app.enqueue(&ReconcileDue {}).await;
    let elsewhere = holding(&app, id).await;
    let first_is_committed = Box::pin(async {
        while waiting().await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    die_at_work::<ReconcileDue>(&app, first_is_committed).await;
    elsewhere.rollback().await.unwrap();
    assert_eq!(waiting().await, 100, "what was committed stays");
    app.clock.advance(TimeDelta::seconds(40));
    assert_eq!(rescue_abandoned(&app.executor).await.unwrap(), 1);
    app.clock.advance(TimeDelta::minutes(1));
    for _ in 0..2 {
        let tick = app.jobs_of::<ReconcileDue>(JobState::Queued).await.pop().expect("it is started again");
        app.executor.execute(tick.id).await.unwrap();
        assert_eq!(waiting().await, 101);
        app.enqueue(&ReconcileDue {}).await;
    }
    app.run_due_jobs().await;
    assert_eq!((app.calls("GetState"), app.calls("CheckOrder")), (1, 100));
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
    let forgotten: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM coin_purchases WHERE state = 'awaiting' AND COALESCE(poll_at <= ?, TRUE)",
    )
    .bind(app.clock.now())
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(forgotten, 0);
    assert_ended::<ReconcilePayment>(&app).await;
    assert_ended::<ReconcileDue>(&app).await;
    app.assert_proven().await;
}

async fn differences(app: &TestApp, day: NaiveDate) -> Vec<(String, String)> {
    let found = store::list_discrepancies(&mut *app.conn().await, day).await.unwrap();
    found.into_iter().map(|one| (one.order_id, one.kind)).collect()
}

/// A reconciliation that crashes between two purchases has stored nothing, and one that crashes while storing
/// keeps what is stored. Whichever run completes, every discrepancy is listed once and no coin has moved.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reconciliation_that_crashes_half_way_lists_every_discrepancy_once(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let (first, second) = (app.paid().await, app.paid().await);
    app.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    app.refund_in_merchant_portal(first, PRICE).await;
    app.refund_in_merchant_portal(second, PRICE).await;
    let day = app.find(second).await.updated_at.date_naive();
    let comparison = ReconcileDay { day: Some(day), after: None };
    let both = [first, second].map(|id| (id.to_string(), "refund".to_owned()));

    app.bank.control.script(Script::next("/v2/CheckOrder", Act::Serve));
    app.bank.control.script(Script::next("/v2/CheckOrder", Act::Hang));
    app.enqueue(&comparison).await;
    die_at_work::<ReconcileDay>(&app, asks_the_bank(&app, "CheckOrder", app.calls("CheckOrder") + 2)).await;
    assert_eq!(differences(&app, day).await, []);
    rescue(&app).await;
    assert_eq!(differences(&app, day).await, both);

    let mut elsewhere = app.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM tbank_discrepancies WHERE order_id = ? FOR UPDATE")
        .bind(second.to_string())
        .fetch_one(&mut *elsewhere)
        .await
        .unwrap();
    app.enqueue(&comparison).await;
    die_at_work::<ReconcileDay>(&app, is_at(&app, "INSERT INTO tbank_discrepancies")).await;
    elsewhere.rollback().await.unwrap();
    rescue(&app).await;
    app.enqueue(&comparison).await;
    app.run_due_jobs().await;
    assert_eq!(differences(&app, day).await, both);
    assert_ended::<ReconcileDay>(&app).await;
    assert_eq!(app.balance().await, 2 * (COINS + BONUS));
    app.assert_proven().await;
}
