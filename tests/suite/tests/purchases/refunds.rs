//! Refunds of purchases: for unspent coins only, coins first, once.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::id::{PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::{Command, Line};
use flysk_jobs::platform::billing::RefundPayment;
use flysk_services::purchases::{RefundError, RefundRequest, request_refund};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand};
use flysk_store::platform::purchases::{self as store, Refund, RefundState};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, PRICE, TestApp, WAIT_TIMEOUT, trace};

pub(crate) async fn refund(
    app: &TestApp,
    id: PurchaseId,
    kopecks: Option<i64>,
) -> Result<Refund, RefundError> {
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let kopecks = kopecks.map(Kopecks);
    let request = RefundRequest { purchase_id: id, kopecks, requested_by: "a test" };
    let asked = request_refund(&mut unit, &request, &app.clock).await?;
    unit.commit().await.unwrap();
    Ok(asked)
}

async fn spend(app: &TestApp, micro: i64) {
    let lines = vec![Line { service: "flysense.recognition".parse().unwrap(), amount: MicroCoins(micro) }];
    let charge = LedgerCommand::new(TransactionId::generate(&app.clock), Command::Charge { lines });
    let mut tx = app.pool.begin().await.unwrap();
    let done = ledger::apply(&mut tx, app.wallet, &[charge], &app.clock).await.unwrap();
    assert!(matches!(done[0], CommandOutcome::Done(_)), "{done:?}");
    tx.commit().await.unwrap();
}

pub(crate) async fn state_of(app: &TestApp, id: &str) -> RefundState {
    store::find_refund(&mut *app.conn().await, id).await.unwrap().unwrap().state
}

fn receipts(app: &TestApp) -> Vec<Value> {
    let calls = app.bank.control.calls_to("POST", "/v2/Cancel");
    let bodies = calls.iter().map(|call| serde_json::from_str::<Value>(&call.body).unwrap());
    bodies.map(|body| body.get("Receipt").cloned().unwrap_or(Value::Null)).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unspent_purchase_is_refunded_in_full_without_receipt_items(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    let asked = refund(&app, id, None).await.unwrap();
    assert_eq!(app.balance().await, 0, "coins go before money");
    app.run_due_jobs().await;
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Done);
    let payment = app.payment(id);
    assert_eq!((payment.status.as_str(), payment.left), ("REFUNDED", 0));
    assert_eq!(payment.refunds[0].external_request_id.as_deref(), Some(asked.id.as_str()));
    assert_eq!(receipts(&app), [Value::Null]);
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["label"], &view["refunded_kopecks"]), (&json!("Деньги возвращены"), &json!(PRICE)));
    assert!(matches!(refund(&app, id, None).await, Err(RefundError::Unrefundable(_))));
    app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_partial_refund_has_receipt_items_and_its_share_of_the_bonus(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    let asked = refund(&app, id, Some(10_000)).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Done);
    assert_eq!(app.balance().await, (COINS + BONUS) * 4 / 5);
    let receipt = receipts(&app).pop().unwrap();
    assert_eq!(
        (&receipt["Items"][0]["Amount"], &receipt["Email"]),
        (&json!(10_000), &json!("buh@example.test"))
    );
    let rest = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!((rest.allocation.kopecks.0, app.balance().await), (40_000, 0));
    assert_eq!(app.payment(id).status, "REFUNDED");
    app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn spent_coins_are_not_refunded(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    // The bonus is spent first, because it expires.
    spend(&app, BONUS + 300_000_000).await;
    let too_much = refund(&app, id, Some(20_001)).await;
    assert!(matches!(too_much, Err(RefundError::Unrefundable(_))), "{too_much:?}");
    assert_eq!(app.balance().await, 200_000_000);
    let asked = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!((asked.allocation.kopecks.0, app.balance().await), (20_000, 0));
    assert_eq!(app.payment(id).left, 30_000);
    app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn one_refund_at_a_time_and_only_of_paid_purchases(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let open = app.opened().await;
    assert!(matches!(refund(&app, open, None).await, Err(RefundError::NotPaid)));
    let id = app.paid().await;
    refund(&app, id, Some(100)).await.unwrap();
    assert!(matches!(refund(&app, id, Some(100)).await, Err(RefundError::AlreadyInProgress)));
}

/// The bank definitely rejects the refund: the coins return to their lots and can be refunded again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn coins_are_restored_if_the_bank_rejects_the_refund(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    let refusal =
        json!({ "Success": false, "ErrorCode": "3002", "Message": "Недостаточно средств" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    app.bank.control.script(Script::next("/v2/Cancel", answer));
    let asked = refund(&app, id, Some(10_000)).await.unwrap();
    app.run_due_jobs().await;
    let kept = store::find_refund(&mut *app.conn().await, &asked.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.error_code.as_deref()), (RefundState::Refused, Some("3002")));
    assert_eq!((app.balance().await, app.find(id).await.refunded.0), (COINS + BONUS, 0));
    app.enqueue(&RefundPayment { refund_id: asked.id }).await;
    app.run_due_jobs().await;
    assert_eq!(app.balance().await, COINS + BONUS, "and only once");
    let again = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!((again.allocation.kopecks.0, app.balance().await), (PRICE, 0));
    app.assert_proven().await;
}

/// The response of `Cancel` is lost in various ways: the money is refunded once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_response_of_a_refund_refunds_nothing_twice(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let html = |status| Act::Answer { status, headers: Vec::new(), body: "<html>".to_owned() };
    let acts = [Act::ServeThenCut, Act::ServeThenHang, Act::Cut, Act::Hang, html(502), html(429)];
    for (round, act) in (1_i64..).zip(acts) {
        let id = app.paid().await;
        app.bank.control.script(Script::next("/v2/Cancel", act.clone()));
        let asked = refund(&app, id, Some(10_000)).await.unwrap();
        for _ in 0..6 {
            app.run_due_jobs().await;
            app.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(state_of(&app, &asked.id).await, RefundState::Done, "{act:?}");
        assert_eq!(app.payment(id).left, PRICE - 10_000, "{act:?}");
        assert_eq!(app.balance().await, (COINS + BONUS) * 4 / 5 * round, "{act:?}");
    }
    app.assert_proven().await;
}

/// SBP ignores refund ids: the remaining amount shows whether the second partial refund was executed.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_second_partial_refund_without_refund_ids_happens_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.bank.state.behave(Behaviour { refund_ids_count: false, ..Behaviour::default() });
    for act in [Act::ServeThenCut, Act::Cut] {
        let id = app.paid().await;
        refund(&app, id, Some(10_000)).await.unwrap();
        app.run_due_jobs().await;
        app.bank.control.script(Script::next("/v2/Cancel", act.clone()));
        let second = refund(&app, id, Some(20_000)).await.unwrap();
        for _ in 0..6 {
            app.run_due_jobs().await;
            app.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(state_of(&app, &second.id).await, RefundState::Done, "{act:?}");
        assert_eq!(app.payment(id).left, PRICE - 30_000, "{act:?}");
    }
    app.assert_proven().await;
}

/// A payment by SBP after a lost response: while the bank names the amount of `Init`, nothing is sent again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unclear_refund_without_refund_ids_is_not_sent_again(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    app.bank.state.behave(Behaviour {
        refund_ids_count: false,
        notification_copies: 0,
        ..Behaviour::default()
    });
    refund(&app, id, Some(10_000)).await.unwrap();
    app.run_due_jobs().await;
    sqlx::query("UPDATE coin_purchases SET card_pan = NULL").execute(&app.pool).await.unwrap();
    app.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenCut));
    let payment = app.payment(id);
    let told = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal,
        "Status": "PARTIAL_REFUNDED", "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": PRICE });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    app.bank.control.script(Script::next("/v2/GetState", answer));
    let second = refund(&app, id, Some(20_000)).await.unwrap();
    for _ in 0..12 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(state_of(&app, &second.id).await, RefundState::Done, "a later answer shows it");
    assert_eq!((app.calls("Cancel"), app.payment(id).left), (2, PRICE - 30_000));
    app.assert_proven().await;
}

/// The worker crashes between the call and storing its response.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_worker_crash_during_a_refund_refunds_nothing_twice(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    let asked = refund(&app, id, None).await.unwrap();
    app.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenHang));
    let job = app.jobs_of::<RefundPayment>(JobState::Queued).await.pop().unwrap();
    let asks_the_bank = async {
        while app.calls("Cancel") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = app.executor.execute(job.id) => panic!("it waits for the bank: {ended:?}"),
        asked = tokio::time::timeout(WAIT_TIMEOUT, asks_the_bank) => asked.expect("it asks the bank"),
    }
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Sent);
    app.clock.advance(TimeDelta::seconds(40));
    app.executor.rescue_once().await.unwrap();
    app.clock.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Done);
    assert_eq!((app.payment(id).refunds.len(), app.balance().await), (1, 0));
}
