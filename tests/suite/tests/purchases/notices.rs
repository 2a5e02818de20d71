//! What the bank posts: doubled, out of order, early, late, lost, and not the bank's at all.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::{ApplyTbankNotice, ReconcilePayment};
use flysk_simulators::tbank::{Behaviour, Ending, Forged, Order, sign};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::purchases as store;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, GOOD_CARD, PRICE, Shop};

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_package_is_bought_from_the_order_to_the_coins(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], &view["label"]), (&json!("awaiting"), &json!("Ожидает оплаты")));
    assert!(view["payment_url"].as_str().unwrap().starts_with(&shop.bank.url));
    let payment = shop.payment(id);
    assert_eq!((payment.amount, payment.two_stage, payment.recurrent), (PRICE, false, false));
    shop.pay(id, GOOD_CARD);
    shop.hear(2).await;
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], &view["label"]), (&json!("paid"), &json!("Оплачено")));
    assert_eq!((&view["payment_url"], &view["settled"]), (&json!(null), &json!(true)));
    assert_eq!(shop.balance().await, COINS + BONUS);
    assert!(shop.bank.state.deliveries().iter().all(|delivery| delivery.accepted), "every notice got its OK");
    assert_eq!((shop.calls("Init"), shop.calls("GetState")), (1, 0));
    shop.assert_proven().await;
}

/// Both notices of a one-stage payment leave at once and arrive in any order, each three times.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn doubled_notices_in_any_order_credit_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    for (round, order) in (1..).zip([Order::Together, Order::InOrder, Order::Reversed]) {
        shop.bank.state.behave(Behaviour { notice_copies: 3, notice_order: order, ..Behaviour::default() });
        let id = shop.opened().await;
        shop.pay(id, GOOD_CARD);
        shop.told(6 * usize::try_from(round).unwrap()).await;
        shop.run_due_jobs().await;
        assert_eq!(shop.balance().await, (COINS + BONUS) * round, "{order:?}");
        assert_eq!(shop.find(id).await.status.unwrap().name(), "CONFIRMED");
    }
    assert_eq!(shop.jobs_of::<ApplyTbankNotice>(JobState::Done).await.len(), 6, "one job per notice");
    assert!(shop.jobs_of::<ApplyTbankNotice>(JobState::Dead).await.is_empty());
    shop.assert_proven().await;
}

/// Twenty workers apply the same two notices at the same time.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn notices_that_race_each_other_credit_once(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    shop.told(2).await;
    let jobs = shop.jobs_of::<ApplyTbankNotice>(JobState::Queued).await;
    assert_eq!(jobs.len(), 2);
    let all = (0..20).map(|at| shop.engine.perform(jobs[at % 2].id));
    for performed in futures::future::join_all(all).await {
        performed.unwrap();
    }
    shop.clock.advance(TimeDelta::minutes(1));
    shop.run_due_jobs().await;
    assert_eq!(shop.balance().await, COINS + BONUS);
    assert_eq!(shop.find(id).await.state, PurchaseState::Paid);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_success_after_a_refusal_is_believed(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.pay(id, "2200000000000012");
    shop.hear(1).await;
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], shop.balance().await), (&json!("failed"), 0));
    assert!(view["failure"].as_str().unwrap().contains("недостаточно средств"), "{view}");
    shop.bank.state.settle(&shop.payment(id).id, Ending::Paid).unwrap();
    shop.hear(3).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

/// The bank tells of the payment before the answer to `Init` reaches us.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_notice_before_the_answer_to_init_is_not_lost(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenHang));
    let open = shop.run_due_jobs();
    let pay = async {
        while shop.bank.state.payments().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        shop.pay(id, GOOD_CARD);
        shop.told(2).await;
    };
    tokio::join!(open, pay);
    shop.run_due_jobs().await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
    shop.live(2).await;
    assert_eq!((shop.calls("Init"), shop.balance().await), (1, COINS + BONUS));
}

/// Of a notice that tells of another sum the bank is asked; what it answers then counts.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn another_amount_is_asked_about_and_never_credited(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let payment = shop.payment(id);
    let forged = Forged {
        payment_id: payment.id.clone(),
        status: Some("CONFIRMED".to_owned()),
        amount: Some(100),
        ..Forged::default()
    };
    shop.bank.state.forge(&forged).unwrap();
    shop.hear(1).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Awaiting, 0));
    assert_eq!(shop.calls("GetState"), 1);
    shop.pay(id, GOOD_CARD);
    shop.hear(3).await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

/// The bank itself answers with another sum: a person has to look, and no coin moves.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_bank_that_insists_on_another_amount_is_for_a_person(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let payment = shop.payment(id);
    let lie = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal, "Status": "CONFIRMED",
        "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": 100 });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: lie.to_string() };
    shop.bank.control.script(Script::next("/v2/GetState", answer));
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.run_due_jobs().await;
    let purchase = shop.find(id).await;
    assert_eq!((purchase.state, purchase.doubt.as_deref()), (PurchaseState::Review, Some("other_amount")));
    let (_, view) = shop.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["label"], shop.balance().await), (&json!("Проверяем платёж"), 0));
    // The truth comes out, and ends the review.
    shop.pay(id, GOOD_CARD);
    shop.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    shop.run_due_jobs().await;
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn notices_of_strangers_and_of_unknown_orders_change_nothing(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    let payment_id = shop.payment(id).id;
    let confirmed = || Forged {
        payment_id: payment_id.clone(),
        status: Some("CONFIRMED".to_owned()),
        ..Forged::default()
    };
    shop.bank.state.forge(&Forged { wrong_token: true, ..confirmed() }).unwrap();
    shop.bank.state.forge(&Forged { terminal_key: Some("Another".to_owned()), ..confirmed() }).unwrap();
    shop.told(2).await;
    let answers: Vec<_> = shop.bank.state.deliveries().iter().map(|delivery| delivery.answer).collect();
    assert_eq!(answers, [Some(401), Some(401)]);
    shop.bank.state.forge(&Forged { order_id: Some("pur_nobody".to_owned()), ..confirmed() }).unwrap();
    shop.hear(3).await;
    assert!(shop.bank.state.deliveries()[2].accepted, "kept, answered, and then found to be nobody's");
    assert_eq!((shop.find(id).await.state, shop.balance().await), (PurchaseState::Awaiting, 0));
    let (from, until) = (shop.clock.now() - TimeDelta::days(1), shop.clock.now() + TimeDelta::days(1));
    let loose = store::list_unapplied_notices(&mut *shop.conn().await, from, until, 10).await.unwrap();
    assert_eq!(loose.len(), 1);
    assert_eq!(loose[0].note.as_deref(), Some("unknown order"));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_is_no_notice_is_refused_by_kind(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let post = async |body: String| {
        let request = shop.http.post(format!("{}/hooks/tbank", shop.url)).body(body);
        request.send().await.unwrap().status()
    };
    assert_eq!(post("no json".to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(post("[]".to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(post("{}".to_owned()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post("x".repeat(70_000)).await, StatusCode::PAYLOAD_TOO_LARGE);
    let signed = |mut fields: serde_json::Value| {
        let token = sign(&fields.to_string(), "TinkoffBankTest").unwrap();
        fields["Token"] = json!(token);
        fields.to_string()
    };
    let nameless = signed(json!({ "TerminalKey": "1700000000000DEMO", "Status": "CONFIRMED" }));
    assert_eq!(post(nameless).await, StatusCode::UNPROCESSABLE_ENTITY);
    let kept: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM tbank_notices").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(kept, 0);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn notices_are_taken_from_the_banks_networks_if_they_are_named(pool: MySqlPool) {
    let elsewhere =
        |env: flysk_runtime::config::Env| env.with("FLYSK_TBANK_NOTICE_NETWORKS", "91.194.226.0/23");
    let shop = Shop::open_with(pool, elsewhere).await;
    let id = shop.opened().await;
    shop.pay(id, GOOD_CARD);
    shop.hear(2).await;
    assert!(shop.bank.state.deliveries().iter().all(|delivery| delivery.answer == Some(404)));
    assert_eq!(shop.balance().await, 0);
    shop.live(2).await;
    assert_eq!(shop.balance().await, COINS + BONUS, "the bank was asked instead");
}

/// The card's later charge is kept only if the buyer agreed, and never readable.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_card_is_kept_sealed_and_only_with_consent(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (with, without) = (shop.begin_with(true).await, shop.begin_with(false).await);
    shop.run_due_jobs().await;
    for id in [with, without] {
        shop.pay(id, GOOD_CARD);
    }
    shop.hear(4).await;
    assert!(shop.find(with).await.has_card && !shop.find(without).await.has_card);
    let rebill = shop.payment(with).rebill_id.unwrap().to_string();
    let kept: Vec<(Option<String>, String)> =
        sqlx::query_as("SELECT rebill_sealed, contact_sealed FROM coin_purchases")
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    for (sealed, contact) in kept {
        assert!(!sealed.unwrap_or_default().contains(&rebill) && !contact.contains("example.test"));
    }
    let bodies: Vec<String> =
        sqlx::query_scalar("SELECT body_sealed FROM tbank_notices").fetch_all(&shop.pool).await.unwrap();
    assert!(bodies.iter().all(|body| !body.contains(&rebill) && body.starts_with("v1.")));
}
