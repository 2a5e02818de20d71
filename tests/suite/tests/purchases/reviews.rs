//! What does not fit and what ends it: an answer of the bank, or a person.

use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::ReconcilePayment;
use flysk_simulators::tbank::Forged;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, PRICE, Shop};

/// Has the bank asked, which answers the truth but for these fields.
async fn ask(shop: &Shop, id: PurchaseId, lies: &Value) {
    let payment = shop.payment(id);
    let mut told = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal,
        "Status": payment.status, "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": payment.left });
    for (name, lie) in lies.as_object().unwrap() {
        told[name] = lie.clone();
    }
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: told.to_string() };
    shop.bank.control.script(Script::next("/v2/GetState", answer));
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.run_due_jobs().await;
}

fn forged(shop: &Shop, id: PurchaseId, error_code: Option<u32>) {
    let payment_id = shop.payment(id).id;
    let status = Some("CONFIRMED".to_owned());
    shop.bank
        .state
        .forge(&Forged { payment_id, status, amount: Some(PRICE), error_code, ..Forged::default() })
        .unwrap();
}

/// Money went back before the coins came; the notice of its coming arrives after that.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_late_notice_credits_nothing_that_is_under_review(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    ask(&shop, id, &json!({ "Status": "PARTIAL_REFUNDED", "Amount": 40_000 })).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt.as_deref()), (PurchaseState::Review, Some("refunded_before")));
    assert_eq!(purchase.status.unwrap().name(), "PARTIAL_REFUNDED", "what the bank said is not forgotten");
    forged(&shop, id, None);
    shop.hear(1).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Review, 0));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_success_that_calls_itself_none_is_asked_about(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    forged(&shop, id, Some(99));
    shop.hear(1).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Awaiting, 0));
    assert_eq!(shop.calls("GetState"), 1);
}

/// The bank took its word back, and thought better of it: the coins were there all the time.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_answer_that_fits_ends_a_review(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.paid().await;
    ask(&shop, id, &json!({ "Status": "REVERSED" })).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt.as_deref()), (PurchaseState::Review, Some("not_paid")));
    ask(&shop, id, &json!({})).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt), (PurchaseState::Paid, None));
    assert_eq!((purchase.poll_at, shop.balance().await), (None, COINS + BONUS));
    shop.assert_proven().await;
}

/// What no answer ends an operator does, with coins and without.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_operator_closes_a_review(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (unpaid, paid) = (shop.opened().await, shop.paid().await);
    ask(&shop, unpaid, &json!({ "Status": "CONFIRMED", "Amount": 100 })).await;
    ask(&shop, paid, &json!({ "Status": "REVERSED" })).await;
    let told = shop.worker(&["purchase:close", &unpaid.to_string()]).await.told();
    assert_eq!(told, format!("{unpaid} is failed; the doubt `other_amount` is over.\n"));
    let told = shop.worker(&["purchase:close", &paid.to_string()]).await.told();
    assert_eq!(told, format!("{paid} is paid; the doubt `not_paid` is over.\n"));
    let (failed, kept) = (shop.find(unpaid).await, shop.find(paid).await);
    assert_eq!((failed.state, failed.doubt, failed.poll_at), (PurchaseState::Failed, None, None));
    assert_eq!((kept.state, kept.doubt, kept.poll_at), (PurchaseState::Paid, None, None));
    assert_eq!(shop.balance().await, COINS + BONUS);
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{unpaid}")).await;
    assert!(view["failure"].as_str().unwrap().contains("закрыли покупку"), "{view}");
    let refused = shop.worker(&["purchase:close", &paid.to_string()]).await.refused(1);
    assert!(refused.contains(&format!("nothing about {paid} is in doubt")), "{refused}");
    let nowhere = "pur_01J00000000000000000000000";
    let refused = shop.worker(&["purchase:close", nowhere]).await.refused(1);
    assert!(refused.contains(&format!("there is no purchase {nowhere}")), "{refused}");
}

/// Words of the bank that are longer than ever, or in no alphabet of ours, stop nothing.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn words_nobody_has_seen_before_are_kept_as_far_as_they_fit(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    ask(&shop, id, &json!({ "Status": "ОТЛОЖЕНО_ДО_ВЫЯСНЕНИЯ_ОБСТОЯТЕЛЬСТВ" })).await;
    assert_eq!(shop.find(id).await.status.unwrap().name(), "?".repeat(8) + "_??_?????????_??????????");
    ask(&shop, id, &json!({ "Status": "REJECTED", "ErrorCode": "ОШИБКА-00000000000000000001" })).await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.error_code.unwrap().len()), (PurchaseState::Failed, 16));
    assert_eq!(shop.jobs_of::<ReconcilePayment>(JobState::Done).await.len(), 2);
}
