//! Notifications of the bank: duplicated, reordered, early, late, lost, forged.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::TextEnum;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::platform::billing::{ApplyTbankNotification, ReconcilePayment};
use flysk_simulators::tbank::{Behaviour, Ending, Forged, Order, sign};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::purchases as store;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, PRICE, TestApp};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_package_is_bought_from_the_order_to_the_coins(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], &view["label"]), (&json!("awaiting"), &json!("Ожидает оплаты")));
    assert!(view["payment_url"].as_str().unwrap().starts_with(&app.bank.url));
    let payment = app.payment(id);
    assert_eq!((payment.amount, payment.two_stage, payment.recurrent), (PRICE, false, false));
    app.pay(id, GOOD_CARD);
    app.apply_notifications(2).await;
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], &view["label"]), (&json!("paid"), &json!("Оплачено")));
    assert_eq!((&view["payment_url"], &view["settled"]), (&json!(null), &json!(true)));
    assert_eq!(app.balance().await, COINS + BONUS);
    assert!(
        app.bank.state.deliveries().iter().all(|delivery| delivery.accepted),
        "every notification got its OK"
    );
    assert_eq!((app.calls("Init"), app.calls("GetState")), (1, 0));
    app.assert_proven().await;
}

/// Both notifications of a one-stage payment are sent at once and arrive in any order, three times each.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn doubled_notifications_in_any_order_credit_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    for (round, order) in (1..).zip([Order::Together, Order::InOrder, Order::Reversed]) {
        app.bank.state.behave(Behaviour {
            notification_copies: 3,
            notification_order: order,
            ..Behaviour::default()
        });
        let id = app.opened().await;
        app.pay(id, GOOD_CARD);
        app.wait_for_notifications(6 * usize::try_from(round).unwrap()).await;
        app.run_due_jobs().await;
        assert_eq!(app.balance().await, (COINS + BONUS) * round, "{order:?}");
        assert_eq!(app.find(id).await.status.unwrap().name(), "CONFIRMED");
    }
    assert_eq!(
        app.jobs_of::<ApplyTbankNotification>(JobState::Done).await.len(),
        6,
        "one job per notification"
    );
    assert!(app.jobs_of::<ApplyTbankNotification>(JobState::Dead).await.is_empty());
    app.assert_proven().await;
}

/// Twenty workers apply the same two notifications concurrently.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn concurrent_notifications_credit_once(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    app.wait_for_notifications(2).await;
    let jobs = app.jobs_of::<ApplyTbankNotification>(JobState::Queued).await;
    assert_eq!(jobs.len(), 2);
    let all = (0..20).map(|at| app.executor.execute(jobs[at % 2].id));
    for performed in futures::future::join_all(all).await {
        performed.unwrap();
    }
    app.clock.advance(TimeDelta::minutes(1));
    app.run_due_jobs().await;
    assert_eq!(app.balance().await, COINS + BONUS);
    assert_eq!(app.find(id).await.state, PurchaseState::Paid);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_success_after_a_decline_is_credited(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    app.pay(id, "2200000000000012");
    app.apply_notifications(1).await;
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["state"], app.balance().await), (&json!("failed"), 0));
    assert_eq!(view["settled"], false, "the buyer can pay with another card");
    assert!(view["failure"].as_str().unwrap().contains("недостаточно средств"), "{view}");
    app.bank.state.settle(&app.payment(id).id, Ending::Paid).unwrap();
    app.apply_notifications(3).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
    assert_eq!(app.get(&format!("/v1/flycoins/purchases/{id}")).await.1["settled"], true);
}

/// The notification arrives before the response of `Init`.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notification_before_the_response_of_init_is_not_lost(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenHang));
    let open = app.run_due_jobs();
    let pay = async {
        while app.bank.state.payments().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        app.pay(id, GOOD_CARD);
        app.wait_for_notifications(2).await;
    };
    tokio::join!(open, pay);
    app.run_due_jobs().await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
    app.run_minutes(2).await;
    assert_eq!((app.calls("Init"), app.balance().await), (1, COINS + BONUS));
}

/// A notification with another amount triggers a status query; its response counts.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notification_with_another_amount_is_verified_and_not_credited(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    let payment = app.payment(id);
    let forged = Forged {
        payment_id: payment.id.clone(),
        status: Some("CONFIRMED".to_owned()),
        amount: Some(100),
        ..Forged::default()
    };
    app.bank.state.forge(&forged).unwrap();
    app.apply_notifications(1).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Awaiting, 0));
    assert_eq!(app.calls("GetState"), 1);
    app.pay(id, GOOD_CARD);
    app.apply_notifications(3).await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

/// The bank itself reports another amount: the purchase goes to review, and no coin moves.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_amount_reported_by_the_bank_goes_to_review(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    let payment = app.payment(id);
    let lie = json!({ "Success": true, "ErrorCode": "0", "TerminalKey": payment.terminal, "Status": "CONFIRMED",
        "PaymentId": payment.id, "OrderId": payment.order_id, "Amount": 100 });
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: lie.to_string() };
    app.bank.control.script(Script::next("/v2/GetState", answer));
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.run_due_jobs().await;
    let purchase = app.find(id).await;
    assert_eq!(
        (purchase.state, purchase.discrepancy.map(TextEnum::as_str)),
        (PurchaseState::Review, Some("other_amount"))
    );
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!((&view["label"], app.balance().await), (&json!("Проверяем платёж"), 0));
    // The correct status ends the review.
    app.pay(id, GOOD_CARD);
    app.enqueue(&ReconcilePayment { purchase_id: id, whole_order: false }).await;
    app.run_due_jobs().await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn forged_notifications_and_unknown_orders_change_nothing(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    let payment_id = app.payment(id).id;
    let confirmed = || Forged {
        payment_id: payment_id.clone(),
        status: Some("CONFIRMED".to_owned()),
        ..Forged::default()
    };
    app.bank.state.forge(&Forged { wrong_token: true, ..confirmed() }).unwrap();
    app.bank.state.forge(&Forged { terminal_key: Some("Another".to_owned()), ..confirmed() }).unwrap();
    app.wait_for_notifications(2).await;
    let answers: Vec<_> = app.bank.state.deliveries().iter().map(|delivery| delivery.answer).collect();
    assert_eq!(answers, [Some(401), Some(401)]);
    app.bank.state.forge(&Forged { order_id: Some("pur_nobody".to_owned()), ..confirmed() }).unwrap();
    app.apply_notifications(3).await;
    assert!(
        app.bank.state.deliveries()[2].accepted,
        "accepted and stored, then found to belong to no purchase"
    );
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Awaiting, 0));
    let (from, until) = (app.clock.now() - TimeDelta::days(1), app.clock.now() + TimeDelta::days(1));
    let loose = store::list_unapplied_notifications(&mut *app.conn().await, from, until, 10).await.unwrap();
    assert_eq!(loose.len(), 1);
    assert_eq!(loose[0].note.as_deref(), Some("unknown order"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invalid_notifications_are_rejected_by_kind(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let post = async |body: String| {
        let request = app.http.post(format!("{}/hooks/tbank", app.url)).body(body);
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
        sqlx::query_scalar("SELECT COUNT(*) FROM tbank_notifications").fetch_one(&app.pool).await.unwrap();
    assert_eq!(kept, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn notifications_are_accepted_only_from_configured_networks(pool: MySqlPool) {
    let elsewhere = |env: flysk_config::Env| env.with("FLYSK_TBANK_NOTIFICATION_NETWORKS", "91.194.226.0/23");
    let app = TestApp::open_with(pool, elsewhere).await;
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    app.apply_notifications(2).await;
    assert!(app.bank.state.deliveries().iter().all(|delivery| delivery.answer == Some(404)));
    assert_eq!(app.balance().await, 0);
    app.run_minutes(2).await;
    assert_eq!(app.balance().await, COINS + BONUS, "the bank was queried instead");
}

/// The card's `RebillId` is stored only with the buyer's consent, and always encrypted.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_is_stored_encrypted_and_only_with_consent(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (with, without) = (app.begin_with(true).await, app.begin_with(false).await);
    app.run_due_jobs().await;
    for id in [with, without] {
        app.pay(id, GOOD_CARD);
    }
    app.apply_notifications(4).await;
    assert!(app.find(with).await.has_card && !app.find(without).await.has_card);
    let rebill = app.payment(with).rebill_id.unwrap().to_string();
    let kept: Vec<(Option<String>, String)> =
        sqlx::query_as("SELECT rebill_sealed, contact_sealed FROM coin_purchases")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    for (sealed, contact) in kept {
        assert!(!sealed.unwrap_or_default().contains(&rebill) && !contact.contains("example.test"));
    }
    let bodies: Vec<String> =
        sqlx::query_scalar("SELECT body_sealed FROM tbank_notifications").fetch_all(&app.pool).await.unwrap();
    assert!(bodies.iter().all(|body| !body.contains(&rebill) && body.starts_with("v1.")));
}
