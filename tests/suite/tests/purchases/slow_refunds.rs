//! Refunds that take their time, fail on the way, or seem to fail: a no of the bank counts only while the money is
//! seen to be there.

use chrono::TimeDelta;
use flysk_domain::id::PurchaseId;
use flysk_jobs::billing::RefundPayment;
use flysk_simulators::tbank::{Behaviour, Refunds, Terminal};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::purchases::RefundState;
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, PRICE, Shop};
use super::refunds::{refund, state_of};
use super::surroundings::TERMINAL;

fn going_back(shop: &Shop, refunds: Refunds) {
    shop.bank.state.behave(Behaviour { refunds, ..Behaviour::default() });
}

/// The next look at the payment sees it as it was before the refund: the bank is a moment behind itself.
fn still_confirmed(shop: &Shop, id: PurchaseId) {
    let payment = shop.payment(id);
    let told = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal, "Status": "CONFIRMED",
        "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": PRICE });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    shop.bank.control.script(Script::next("/v2/GetState", answer));
}

/// Money is given back in the cabinet, where nobody has to write receipt lines.
pub(crate) async fn give_back_in_cabinet(shop: &Shop, id: PurchaseId, kopecks: i64) {
    shop.bank.state.add_terminal(Terminal {
        key: TERMINAL.to_owned(),
        password: "TinkoffBankTest".to_owned(),
        notification_url: None,
        cash_register: false,
        charge_enabled: false,
    });
    shop.refund_in_cabinet(id, kopecks).await;
}

async fn after(shop: &Shop, minutes: i64) {
    shop.clock.advance(TimeDelta::minutes(minutes));
    shop.run_due_jobs().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refund_on_its_way_is_waited_for(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    going_back(&shop, Refunds::Slow);
    let asked = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    after(&shop, 3).await;
    after(&shop, 3).await;
    assert_eq!((state_of(&shop, &asked.id).await, shop.calls("Cancel")), (RefundState::Sent, 1));
    shop.bank.state.end_refund(&shop.payment(id).id, true).unwrap();
    after(&shop, 3).await;
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done);
    assert_eq!((shop.payment(id).left, shop.balance().await, shop.calls("Cancel")), (0, 0, 1));
    shop.assert_proven().await;
}

/// `Cancel` was carried out and its answer lost; the second call does not fit the state the first one brought about (4).
/// The buyer gets the money and not the coins as well.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_no_to_a_second_call_is_no_refusal_of_the_first(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    going_back(&shop, Refunds::Sbp);
    shop.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenCut));
    still_confirmed(&shop, id);
    let asked = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    after(&shop, 1).await;
    assert_eq!(shop.calls("Cancel"), 2);
    assert_eq!((state_of(&shop, &asked.id).await, shop.balance().await), (RefundState::Sent, 0));
    shop.bank.state.end_refund(&shop.payment(id).id, true).unwrap();
    after(&shop, 3).await;
    assert_eq!((state_of(&shop, &asked.id).await, shop.balance().await), (RefundState::Done, 0));
    assert_eq!(shop.payment(id).refunds.len(), 1);
    shop.assert_proven().await;
}

/// The same with a part that leaves less than the second call asks for (330).
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn more_than_is_left_tells_that_it_went(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    shop.bank.state.behave(Behaviour { refund_ids_count: false, ..Behaviour::default() });
    shop.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenCut));
    still_confirmed(&shop, id);
    let asked = refund(&shop, id, Some(30_000)).await.unwrap();
    shop.run_due_jobs().await;
    after(&shop, 1).await;
    assert_eq!(shop.calls("Cancel"), 2);
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done);
    assert_eq!((shop.payment(id).left, shop.balance().await), (20_000, (COINS + BONUS) * 2 / 5));
    shop.assert_proven().await;
}

/// The bank says no, and then that it knows no such payment: nobody knows, so nobody gets anything.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn coins_stay_out_while_nobody_can_tell_where_the_money_is(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let refusal = json!({ "Success": false, "ErrorCode": "255", "Message": "Платёж не найден" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    shop.bank.control.script(Script::next("/v2/*", answer).times(2));
    let asked = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!((state_of(&shop, &asked.id).await, shop.balance().await), (RefundState::Sent, 0));
    assert_eq!(shop.jobs_of::<RefundPayment>(JobState::Dead).await.len(), 1);
}

/// A first part went back, a second failed at the bank: `PARTIAL_REFUNDED` is of the first and ends nothing. An
/// operator gives it back in the cabinet, and the job sees that.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_earlier_part_does_not_stand_for_one_that_failed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    refund(&shop, id, Some(10_000)).await.unwrap();
    shop.run_due_jobs().await;
    going_back(&shop, Refunds::Slow);
    let second = refund(&shop, id, Some(20_000)).await.unwrap();
    shop.run_due_jobs().await;
    shop.bank.state.end_refund(&shop.payment(id).id, false).unwrap();
    after(&shop, 3).await;
    assert_eq!(state_of(&shop, &second.id).await, RefundState::Sent);
    assert_eq!((shop.payment(id).left, shop.balance().await), (40_000, (COINS + BONUS) * 2 / 5));
    going_back(&shop, Refunds::AtOnce);
    give_back_in_cabinet(&shop, id, 20_000).await;
    after(&shop, 40).await;
    assert_eq!(state_of(&shop, &second.id).await, RefundState::Done);
    assert_eq!((shop.payment(id).left, shop.balance().await), (20_000, (COINS + BONUS) * 2 / 5));
    shop.assert_proven().await;
}

/// SBP takes one try an hour (3029) and five a day (3030): neither is a no.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_refund_by_sbp_that_fails_is_tried_as_often_as_sbp_allows(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    going_back(&shop, Refunds::Sbp);
    let asked = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    for tries in 1..=5 {
        let payment = shop.payment(id);
        assert_eq!((payment.status.as_str(), payment.refunds.len()), ("ASYNC_REFUNDING", tries));
        shop.bank.state.end_refund(&payment.id, false).unwrap();
        // Too soon, and then an hour later.
        after(&shop, 3).await;
        assert_eq!(shop.payment(id).refunds.len(), tries);
        after(&shop, 80).await;
    }
    assert_eq!((state_of(&shop, &asked.id).await, shop.balance().await), (RefundState::Sent, 0));
    assert_eq!(shop.payment(id).status, "CONFIRMED");
    after(&shop, 24 * 60).await;
    shop.bank.state.end_refund(&shop.payment(id).id, true).unwrap();
    after(&shop, 3).await;
    assert_eq!((state_of(&shop, &asked.id).await, shop.balance().await), (RefundState::Done, 0));
    shop.assert_proven().await;
}
