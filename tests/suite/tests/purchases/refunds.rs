//! Giving money back: unspent coins' worth, coins first, once.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::id::{PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::ledger::{Command, Line};
use flysk_jobs::billing::{NotRefunded, RefundPayment, RefundRequest, request_refund};
use flysk_simulators::tbank::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::ledger::{self, Instruction, Outcome};
use flysk_store::purchases::{self as store, Refund, RefundState};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, PRICE, Shop, trace};

pub(crate) async fn refund(shop: &Shop, id: PurchaseId, kopecks: Option<i64>) -> Result<Refund, NotRefunded> {
    let mut unit = shop.engine.outbox().begin(trace()).await.unwrap();
    let kopecks = kopecks.map(Kopecks);
    let request = RefundRequest { purchase_id: id, kopecks, requested_by: "a test" };
    let asked = request_refund(&mut unit, &request, &shop.clock).await?;
    unit.commit().await.unwrap();
    Ok(asked)
}

async fn spend(shop: &Shop, micro: i64) {
    let lines = vec![Line { service: "flysense.recognition".parse().unwrap(), amount: MicroCoins(micro) }];
    let charge = Instruction::new(TransactionId::generate(&shop.clock), Command::Charge { lines });
    let mut tx = shop.pool.begin().await.unwrap();
    let done = ledger::apply(&mut tx, shop.wallet, &[charge], &shop.clock).await.unwrap();
    assert!(matches!(done[0], Outcome::Done(_)), "{done:?}");
    tx.commit().await.unwrap();
}

pub(crate) async fn state_of(shop: &Shop, id: &str) -> RefundState {
    store::find_refund(&mut *shop.conn().await, id).await.unwrap().unwrap().state
}

fn receipts(shop: &Shop) -> Vec<Value> {
    let calls = shop.bank.control.calls_to("POST", "/v2/Cancel");
    let bodies = calls.iter().map(|call| serde_json::from_str::<Value>(&call.body).unwrap());
    bodies.map(|body| body.get("Receipt").cloned().unwrap_or(Value::Null)).collect()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_untouched_purchase_goes_back_whole_without_receipt_lines(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let asked = refund(&shop, id, None).await.unwrap();
    assert_eq!(shop.balance().await, 0, "coins go before money");
    shop.run_due_jobs().await;
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done);
    let payment = shop.payment(id);
    assert_eq!((payment.status.as_str(), payment.left), ("REFUNDED", 0));
    assert_eq!(payment.refunds[0].external_request_id.as_deref(), Some(asked.id.as_str()));
    assert_eq!(receipts(&shop), [Value::Null]);
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["label"], &view["refunded_kopecks"]), (&json!("Деньги возвращены"), &json!(PRICE)));
    assert!(matches!(refund(&shop, id, None).await, Err(NotRefunded::Unrefundable(_))));
    shop.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_part_goes_back_with_its_lines_and_its_share_of_the_bonus(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let asked = refund(&shop, id, Some(10_000)).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done);
    assert_eq!(shop.balance().await, (COINS + BONUS) * 4 / 5);
    let receipt = receipts(&shop).pop().unwrap();
    assert_eq!(
        (&receipt["Items"][0]["Amount"], &receipt["Email"]),
        (&json!(10_000), &json!("buh@example.test"))
    );
    let rest = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!((rest.share.kopecks.0, shop.balance().await), (40_000, 0));
    assert_eq!(shop.payment(id).status, "REFUNDED");
    shop.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_is_spent_is_not_given_back(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    // The bonus goes first: it expires.
    spend(&shop, BONUS + 300_000_000).await;
    let too_much = refund(&shop, id, Some(20_001)).await;
    assert!(matches!(too_much, Err(NotRefunded::Unrefundable(_))), "{too_much:?}");
    assert_eq!(shop.balance().await, 200_000_000);
    let asked = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!((asked.share.kopecks.0, shop.balance().await), (20_000, 0));
    assert_eq!(shop.payment(id).left, 30_000);
    shop.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn one_refund_at_a_time_and_only_of_what_was_paid(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let open = shop.opened().await;
    assert!(matches!(refund(&shop, open, None).await, Err(NotRefunded::NotPaid)));
    let id = shop.paid().await;
    refund(&shop, id, Some(100)).await.unwrap();
    assert!(matches!(refund(&shop, id, Some(100)).await, Err(NotRefunded::UnderWay)));
}

/// The bank refuses for good: the coins are back in their lots, and can be given back once more.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn coins_come_back_when_the_bank_refuses_for_good(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let refusal =
        json!({ "Success": false, "ErrorCode": "3002", "Message": "Недостаточно средств" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    shop.bank.control.script(Script::next("/v2/Cancel", answer));
    let asked = refund(&shop, id, Some(10_000)).await.unwrap();
    shop.run_due_jobs().await;
    let kept = store::find_refund(&mut *shop.conn().await, &asked.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.error_code.as_deref()), (RefundState::Refused, Some("3002")));
    assert_eq!((shop.balance().await, shop.find(id).await.refunded.0), (COINS + BONUS, 0));
    shop.enqueue(&RefundPayment { refund_id: asked.id }).await;
    shop.run_due_jobs().await;
    assert_eq!(shop.balance().await, COINS + BONUS, "and only once");
    let again = refund(&shop, id, None).await.unwrap();
    shop.run_due_jobs().await;
    assert_eq!((again.share.kopecks.0, shop.balance().await), (PRICE, 0));
    shop.assert_proven().await;
}

/// The answer to `Cancel` is lost in every way there is: the money goes back once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_lost_answer_to_a_refund_gives_nothing_back_twice(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let html = |status| Act::Answer { status, headers: Vec::new(), body: "<html>".to_owned() };
    let acts = [Act::ServeThenCut, Act::ServeThenHang, Act::Cut, Act::Hang, html(502), html(429)];
    for (round, act) in (1_i64..).zip(acts) {
        let id = shop.paid().await;
        shop.bank.control.script(Script::next("/v2/Cancel", act.clone()));
        let asked = refund(&shop, id, Some(10_000)).await.unwrap();
        for _ in 0..6 {
            shop.run_due_jobs().await;
            shop.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done, "{act:?}");
        assert_eq!(shop.payment(id).left, PRICE - 10_000, "{act:?}");
        assert_eq!(shop.balance().await, (COINS + BONUS) * 4 / 5 * round, "{act:?}");
    }
    shop.assert_proven().await;
}

/// SBP knows no ids of refunds: what is left of the payment tells whether the second part went back, too.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_second_part_is_given_back_once_where_ids_protect_nothing(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(Behaviour { refund_ids_count: false, ..Behaviour::default() });
    for act in [Act::ServeThenCut, Act::Cut] {
        let id = shop.paid().await;
        refund(&shop, id, Some(10_000)).await.unwrap();
        shop.run_due_jobs().await;
        shop.bank.control.script(Script::next("/v2/Cancel", act.clone()));
        let second = refund(&shop, id, Some(20_000)).await.unwrap();
        for _ in 0..6 {
            shop.run_due_jobs().await;
            shop.clock.advance(TimeDelta::minutes(1));
        }
        assert_eq!(state_of(&shop, &second.id).await, RefundState::Done, "{act:?}");
        assert_eq!(shop.payment(id).left, PRICE - 30_000, "{act:?}");
    }
    shop.assert_proven().await;
}

/// The worker dies between the call and the note of its answer.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_worker_that_dies_while_it_refunds_gives_nothing_back_twice(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    let asked = refund(&shop, id, None).await.unwrap();
    shop.bank.control.script(Script::next("/v2/Cancel", Act::ServeThenHang));
    let job = shop.jobs_of::<RefundPayment>(JobState::Queued).await.pop().unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(250), shop.engine.perform(job.id)).await;
    assert!(cut.is_err(), "it waits for the bank");
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Sent);
    shop.clock.advance(TimeDelta::seconds(40));
    shop.engine.rescue_once().await.unwrap();
    shop.clock.advance(TimeDelta::minutes(1));
    shop.run_due_jobs().await;
    assert_eq!(state_of(&shop, &asked.id).await, RefundState::Done);
    assert_eq!((shop.payment(id).refunds.len(), shop.balance().await), (1, 0));
}
