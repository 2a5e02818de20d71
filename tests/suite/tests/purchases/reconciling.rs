//! What notices did not bring: the poller closes it, and the daily comparison lists what still differs.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{ReconcileDay, ReconcilePayment};
use flysk_simulators::tbank::{Behaviour, Ending, Forged};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::purchases as store;
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, PRICE, Shop};

fn mute() -> Behaviour {
    Behaviour { notice_copies: 0, ..Behaviour::default() }
}

async fn differences(shop: &Shop) -> Vec<(String, String, String)> {
    let day = shop.clock.now().date_naive();
    shop.enqueue(&ReconcileDay { day: Some(day), after: None }).await;
    shop.run_due_jobs().await;
    let found = store::list_differences(&mut *shop.conn().await, day).await.unwrap();
    found.into_iter().map(|one| (one.kind, one.ours, one.banks)).collect()
}

/// No notice ever comes: every way a payment can end is found out by asking.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn lost_notices_are_made_good_by_asking(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(mute());
    let (paid, declined, left) = (shop.opened().await, shop.opened().await, shop.opened().await);
    shop.pay(paid, GOOD_CARD);
    shop.pay(declined, "2200000000000012");
    shop.live(2).await;
    assert_eq!(shop.find(paid).await.state, PurchaseState::Paid);
    let purchase = shop.find(declined).await;
    assert_eq!(purchase.state, PurchaseState::Failed);
    assert_eq!(shop.find(left).await.state, PurchaseState::Awaiting);
    assert_eq!(shop.balance().await, COINS + BONUS);
    // The form's time is over; the bank sends no notice of that.
    shop.clock.advance(TimeDelta::hours(3));
    shop.live(6).await;
    assert_eq!(shop.find(left).await.error_code.as_deref(), Some("link_expired"));
    shop.clock.advance(TimeDelta::hours(3));
    shop.live(12).await;
    for id in [paid, declined, left] {
        assert_eq!(shop.find(id).await.poll_at, None, "nobody asks for ever");
    }
}

/// The bank itself does not know for an hour, and then does.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_payment_in_doubt_is_asked_about_until_the_bank_knows(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(mute());
    let id = shop.opened().await;
    shop.pay(id, "2200000000000061");
    shop.live(3).await;
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!(view["label"], "Банк проверяет оплату");
    shop.clock.advance(TimeDelta::minutes(50));
    shop.bank.state.settle(&shop.payment(id).id, Ending::Paid).unwrap();
    shop.live(3).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

/// The bank does not answer questions for a while: they are asked again, and nothing is concluded.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn silence_to_a_question_concludes_nothing(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.bank.state.behave(mute());
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    for act in [
        Act::Hang,
        Act::Cut,
        Act::Answer { status: 503, headers: Vec::new(), body: "<html>".to_owned() },
        Act::Answer { status: 429, headers: Vec::new(), body: String::new() },
    ] {
        shop.bank.control.script(Script::next("/v2/GetState", act));
    }
    shop.live(1).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Awaiting, 0));
    shop.live(15).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
    assert!(shop.jobs_of::<ReconcilePayment>(JobState::Dead).await.is_empty());
}

/// A definite no to a question ("no such payment") is for operators; the purchase is left as it is.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_question_that_is_refused_changes_nothing(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let refusal = json!({ "Success": false, "ErrorCode": "255", "Message": "Платёж не найден" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    shop.bank.control.script(Script::next("/v2/GetState", answer));
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.run_due_jobs().await;
    assert_eq!(shop.find(id).await.state, PurchaseState::Awaiting);
    assert_eq!(shop.jobs_of::<ReconcilePayment>(JobState::Done).await.len(), 1);
}

/// A terminal that does not refuse a used order took money twice for one: credited once, and told.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_second_payment_of_one_order_is_told_and_not_credited(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    shop.bank.state.behave(Behaviour { unique_orders: false, ..Behaviour::default() });
    let second = shop.decoy(id).await;
    shop.bank.state.pay(&second.id, GOOD_CARD).unwrap();
    shop.hear(4).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt.as_deref()), (PurchaseState::Paid, Some("other_payment")));
    assert_eq!(shop.balance().await, COINS + BONUS);
    let kinds: Vec<String> = differences(&shop).await.into_iter().map(|one| one.0).collect();
    assert_eq!(kinds, ["in_doubt", "paid_twice"]);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_day_without_differences_lists_none(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.paid().await;
    shop.opened().await;
    assert_eq!(differences(&shop).await, []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_difference_of_a_day_is_listed_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let paid = shop.paid().await;
    let (stolen, refunded) = (shop.opened().await, shop.paid().await);
    shop.bank.state.behave(mute());
    // Taken by the bank, and not known here.
    shop.pay(stolen, GOOD_CARD);
    // Given back in the bank's cabinet, behind our back.
    shop.refund_in_cabinet(refunded, PRICE).await;
    // Paid here, and not at the bank: somebody edited a row.
    sqlx::query("UPDATE coin_purchases SET order_id = 'nowhere' WHERE id = ?")
        .bind(paid.to_string())
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.bank.state.behave(Behaviour::default());
    let forged = Forged {
        payment_id: shop.payment(refunded).id,
        order_id: Some("pur_stranger".to_owned()),
        status: Some("CONFIRMED".to_owned()),
        ..Forged::default()
    };
    shop.bank.state.forge(&forged).unwrap();
    shop.hear(5).await;
    for _ in 0..2 {
        let mut kinds: Vec<String> = differences(&shop).await.into_iter().map(|one| one.0).collect();
        kinds.sort();
        assert_eq!(kinds, ["not_paid_at_the_bank", "paid_at_the_bank", "refund", "unknown_order"]);
    }
}

/// The bank is away while a day is compared: the comparison waits, and says nothing wrong.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_comparison_waits_for_a_silent_bank(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    shop.paid().await;
    shop.bank.control.script(Script::next("/v2/CheckOrder", Act::Cut).times(2));
    assert_eq!(differences(&shop).await, []);
    assert_eq!(shop.jobs_of::<ReconcileDay>(JobState::Queued).await.len(), 1);
    shop.clock.advance(TimeDelta::minutes(1));
    shop.run_due_jobs().await;
    shop.clock.advance(TimeDelta::minutes(1));
    shop.run_due_jobs().await;
    assert_eq!(shop.jobs_of::<ReconcileDay>(JobState::Done).await.len(), 1);
    let refusal = json!({ "Success": false, "ErrorCode": "204", "Message": "Неверный токен" }).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: refusal };
    shop.bank.control.script(Script::next("/v2/CheckOrder", answer));
    let told = differences(&shop).await;
    assert_eq!(told, [("unanswered".to_owned(), "paid".to_owned(), "204".to_owned())]);
}
