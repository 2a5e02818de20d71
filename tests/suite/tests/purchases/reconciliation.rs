//! Lost notifications: polling replaces them, and the daily reconciliation lists remaining discrepancies.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::TextEnum;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::{ReconcileDay, ReconcilePayment};
use flysk_simulators::tbank::{Behaviour, Ending, Forged};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::purchases as store;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, PRICE, TestApp};

fn mute() -> Behaviour {
    Behaviour { notification_copies: 0, ..Behaviour::default() }
}

async fn differences(app: &TestApp) -> Vec<(String, String, String)> {
    let day = app.clock.now().date_naive();
    app.enqueue(&ReconcileDay { day: Some(day), after: None }).await;
    app.run_due_jobs().await;
    let found = store::list_discrepancies(&mut *app.conn().await, day).await.unwrap();
    found.into_iter().map(|one| (one.kind, one.ours, one.banks)).collect()
}

/// No notification arrives: every final status is found by polling.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn lost_notifications_are_replaced_by_polling(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.bank.state.behave(mute());
    let (paid, declined, left) = (app.opened().await, app.opened().await, app.opened().await);
    app.pay(paid, GOOD_CARD);
    app.pay(declined, "2200000000000012");
    app.run_minutes(2).await;
    assert_eq!(app.find(paid).await.state, PurchaseState::Paid);
    let purchase = app.find(declined).await;
    assert_eq!(purchase.state, PurchaseState::Failed);
    assert_eq!(app.find(left).await.state, PurchaseState::Awaiting);
    assert_eq!(app.balance().await, COINS + BONUS);
    // The form has expired; the bank sends no notification about that.
    app.clock.advance(TimeDelta::hours(3));
    app.run_minutes(6).await;
    assert_eq!(app.find(left).await.error_code.as_deref(), Some("link_expired"));
    app.clock.advance(TimeDelta::hours(3));
    app.run_minutes(12).await;
    for id in [paid, declined, left] {
        assert_eq!(app.find(id).await.poll_at, None, "polling ends");
    }
}

/// The outcome is unknown to the bank for an hour.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_with_unknown_outcome_is_polled_until_it_is_known(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.bank.state.behave(mute());
    let id = app.opened().await;
    app.pay(id, "2200000000000061");
    app.run_minutes(3).await;
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!(view["label"], "Банк проверяет оплату");
    app.clock.advance(TimeDelta::minutes(50));
    app.bank.state.settle(&app.payment(id).id, Ending::Paid).unwrap();
    app.run_minutes(3).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

/// The bank does not answer status queries for a while: they are repeated, and no conclusion is drawn.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn unanswered_status_queries_change_nothing(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.bank.state.behave(mute());
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    for act in [
        Act::Hang,
        Act::Cut,
        Act::Answer { status: 503, headers: Vec::new(), body: "<html>".to_owned() },
        Act::Answer { status: 429, headers: Vec::new(), body: String::new() },
    ] {
        app.bank.control.script(Script::next("/v2/GetState", act));
    }
    app.run_minutes(1).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Awaiting, 0));
    app.run_minutes(15).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
    assert!(app.jobs_of::<ReconcilePayment>(JobState::Dead).await.is_empty());
}

/// A definite error of a status query ("no such payment") is for operators; the purchase is not changed.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejected_status_query_changes_nothing(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.opened().await;
    let refusal = json!({ "Success": false, "ErrorCode": "255", "Message": "Платёж не найден" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    app.bank.control.script(Script::next("/v2/GetState", answer));
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.run_due_jobs().await;
    assert_eq!(app.find(id).await.state, PurchaseState::Awaiting);
    assert_eq!(app.jobs_of::<ReconcilePayment>(JobState::Done).await.len(), 1);
}

/// A terminal without unique order ids took money twice for one order: it is credited once, and reported.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_payment_of_one_order_is_reported_and_not_credited(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let id = app.paid().await;
    app.bank.state.behave(Behaviour { unique_orders: false, ..Behaviour::default() });
    let second = app.decoy(id).await;
    app.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    app.apply_notifications(4).await;
    let purchase = app.find(id).await;
    assert_eq!(
        (purchase.state, purchase.discrepancy.map(TextEnum::as_str)),
        (PurchaseState::Paid, Some("other_payment"))
    );
    assert_eq!(app.balance().await, COINS + BONUS);
    let kinds: Vec<String> = differences(&app).await.into_iter().map(|one| one.0).collect();
    assert_eq!(kinds, ["needs_review", "paid_twice"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_day_without_discrepancies_lists_none(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.paid().await;
    app.opened().await;
    assert_eq!(differences(&app).await, []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_discrepancy_of_a_day_is_listed_once(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    let paid = app.paid().await;
    let (stolen, refunded) = (app.opened().await, app.paid().await);
    app.bank.state.behave(mute());
    // Paid at the bank, unknown here.
    app.pay(stolen, GOOD_CARD);
    // Refunded in T-Bank's portal.
    app.refund_in_merchant_portal(refunded, PRICE).await;
    // Paid here, unknown to the bank, because a row was edited.
    sqlx::query("UPDATE coin_purchases SET order_id = 'nowhere' WHERE id = ?")
        .bind(paid.to_string())
        .execute(&app.pool)
        .await
        .unwrap();
    app.bank.state.behave(Behaviour::default());
    let forged = Forged {
        payment_id: app.payment(refunded).id,
        order_id: Some("pur_stranger".to_owned()),
        status: Some("CONFIRMED".to_owned()),
        ..Forged::default()
    };
    app.bank.state.forge(&forged).unwrap();
    app.apply_notifications(5).await;
    for _ in 0..2 {
        let mut kinds: Vec<String> = differences(&app).await.into_iter().map(|one| one.0).collect();
        kinds.sort();
        assert_eq!(kinds, ["not_paid_at_the_bank", "paid_at_the_bank", "refund", "unknown_order"]);
    }
}

/// The bank is down during the reconciliation: it waits and reports nothing wrong.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn reconciliation_waits_for_an_unresponsive_bank(pool: MySqlPool) {
    let app = TestApp::open_at_noon(pool).await;
    app.paid().await;
    app.bank.control.script(Script::next("/v2/CheckOrder", Act::Cut).times(2));
    assert_eq!(differences(&app).await, []);
    assert_eq!(app.jobs_of::<ReconcileDay>(JobState::Queued).await.len(), 1);
    app.clock.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    app.clock.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert_eq!(app.jobs_of::<ReconcileDay>(JobState::Done).await.len(), 1);
    let refusal = json!({ "Success": false, "ErrorCode": "204", "Message": "Неверный токен" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    app.bank.control.script(Script::next("/v2/CheckOrder", answer));
    let told = differences(&app).await;
    assert_eq!(told, [("unanswered".to_owned(), "paid".to_owned(), "204".to_owned())]);
}
