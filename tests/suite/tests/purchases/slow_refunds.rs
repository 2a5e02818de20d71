//! Refunds that are slow, fail, or seem to fail: a rejection by the bank counts only if the money is still there.

use chrono::TimeDelta;
use flysk_domain::id::PurchaseId;
use flysk_jobs::platform::billing::RefundPayment;
use flysk_simulators::tbank::{Behaviour, Refunds, Terminal};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::purchases::RefundState;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, PRICE, TestApp};
use super::refunds::{refund, state_of};
use super::test_env::TERMINAL;

fn going_back(app: &TestApp, refunds: Refunds) {
    app.bank.state.behave(Behaviour { refunds, ..Behaviour::default() });
}

/// The next status query returns the status before the refund, as from a stale replica.
fn still_confirmed(app: &TestApp, id: PurchaseId) {
    let payment = app.payment(id);
    let told = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal, "Status": "CONFIRMED",
        "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": PRICE });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    app.bank.control.script(Script::next("/v2/GetState", answer));
}

/// A refund in T-Bank's portal, which needs no receipt items.
pub(crate) async fn give_back_in_merchant_portal(app: &TestApp, id: PurchaseId, kopecks: i64) {
    app.bank.state.add_terminal(Terminal {
        key: TERMINAL.to_owned(),
        password: "TinkoffBankTest".to_owned(),
        notification_url: None,
        cash_register: false,
        charge_enabled: false,
        blocked: false,
    });
    app.refund_in_merchant_portal(id, kopecks).await;
}

async fn after(app: &TestApp, minutes: i64) {
    app.clock.advance(TimeDelta::minutes(minutes));
    app.run_due_jobs().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_pending_refund_is_polled_until_it_ends(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    going_back(&app, Refunds::Slow);
    let asked = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    after(&app, 3).await;
    after(&app, 3).await;
    assert_eq!((state_of(&app, &asked.id).await, app.calls("Cancel")), (RefundState::Sent, 1));
    app.bank.state.end_refund(&app.payment(id).id, true).unwrap();
    after(&app, 3).await;
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Done);
    assert_eq!((app.payment(id).left, app.balance().await, app.calls("Cancel")), (0, 0, 1));
    app.assert_proven().await;
}

/// `Cancel` succeeded but its response was lost; the second call is rejected because of the new status (4). The
/// buyer gets the money, and the coins are not restored.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejected_repetition_of_a_successful_refund_is_ignored(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    going_back(&app, Refunds::Sbp);
    app.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenCut));
    still_confirmed(&app, id);
    let asked = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    after(&app, 1).await;
    assert_eq!(app.calls("Cancel"), 2);
    assert_eq!((state_of(&app, &asked.id).await, app.balance().await), (RefundState::Sent, 0));
    app.bank.state.end_refund(&app.payment(id).id, true).unwrap();
    after(&app, 3).await;
    assert_eq!((state_of(&app, &asked.id).await, app.balance().await), (RefundState::Done, 0));
    assert_eq!(app.payment(id).refunds.len(), 1);
    app.assert_proven().await;
}

/// The same for a partial refund after which less is left than the second call requests (330).
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repetition_that_exceeds_the_rest_confirms_the_first_refund(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    app.bank.state.behave(Behaviour { refund_ids_count: false, ..Behaviour::default() });
    app.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenCut));
    still_confirmed(&app, id);
    let asked = refund(&app, id, Some(30_000)).await.unwrap();
    app.run_due_jobs().await;
    after(&app, 1).await;
    assert_eq!(app.calls("Cancel"), 2);
    assert_eq!(state_of(&app, &asked.id).await, RefundState::Done);
    assert_eq!((app.payment(id).left, app.balance().await), (20_000, (COINS + BONUS) * 2 / 5));
    app.assert_proven().await;
}

/// The bank rejects the refund, and then reports that the payment does not exist: the outcome is unknown, so
/// nothing is restored.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn coins_stay_withdrawn_while_the_refund_is_unknown(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    let refusal = json!({ "Success": false, "ErrorCode": "255", "Message": "Платёж не найден" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    app.bank.control.script(Script::next("/v2/*", answer).times(2));
    let asked = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!((state_of(&app, &asked.id).await, app.balance().await), (RefundState::Sent, 0));
    assert_eq!(app.jobs_of::<RefundPayment>(JobState::Dead).await.len(), 1);
}

/// A first partial refund succeeded and a second failed at the bank: `PARTIAL_REFUNDED` belongs to the first and
/// proves nothing. An operator refunds it in the portal, and the job detects that.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_earlier_partial_refund_does_not_confirm_a_failed_one(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    refund(&app, id, Some(10_000)).await.unwrap();
    app.run_due_jobs().await;
    going_back(&app, Refunds::Slow);
    let second = refund(&app, id, Some(20_000)).await.unwrap();
    app.run_due_jobs().await;
    app.bank.state.end_refund(&app.payment(id).id, false).unwrap();
    after(&app, 3).await;
    assert_eq!(state_of(&app, &second.id).await, RefundState::Sent);
    assert_eq!((app.payment(id).left, app.balance().await), (40_000, (COINS + BONUS) * 2 / 5));
    going_back(&app, Refunds::AtOnce);
    give_back_in_merchant_portal(&app, id, 20_000).await;
    after(&app, 40).await;
    assert_eq!(state_of(&app, &second.id).await, RefundState::Done);
    assert_eq!((app.payment(id).left, app.balance().await), (20_000, (COINS + BONUS) * 2 / 5));
    app.assert_proven().await;
}

/// SBP allows one attempt per hour (3029) and five per day (3030); neither error is a rejection.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failing_sbp_refund_is_retried_as_often_as_sbp_allows(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.paid().await;
    going_back(&app, Refunds::Sbp);
    let asked = refund(&app, id, None).await.unwrap();
    app.run_due_jobs().await;
    for tries in 1..=5 {
        let payment = app.payment(id);
        assert_eq!((payment.status.as_str(), payment.refunds.len()), ("ASYNC_REFUNDING", tries));
        app.bank.state.end_refund(&payment.id, false).unwrap();
        // Too early, and then an hour later.
        after(&app, 3).await;
        assert_eq!(app.payment(id).refunds.len(), tries);
        after(&app, 80).await;
    }
    assert_eq!((state_of(&app, &asked.id).await, app.balance().await), (RefundState::Sent, 0));
    assert_eq!(app.payment(id).status, "CONFIRMED");
    after(&app, 24 * 60).await;
    app.bank.state.end_refund(&app.payment(id).id, true).unwrap();
    after(&app, 3).await;
    assert_eq!((state_of(&app, &asked.id).await, app.balance().await), (RefundState::Done, 0));
    app.assert_proven().await;
}
