//! Wallets: opened with the install, credited with the welcome bonus, shown to users of the account.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::authentication::{OTHER_CLIENT_ID, add_other_widget};
use super::charging::{BONUS, FLYCOINS, WalletClient, seconds_of, use_flycoins};
use super::harness::{TestApp, as_conn};

async fn ask(client: &WalletClient, path: &str) -> Value {
    let (status, body) = client.app.admin(Method::GET, path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn credits(client: &WalletClient) -> i64 {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'credit'");
    count.fetch_one(&client.app.pool).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_welcome_bonus_is_credited_once_despite_reinstalls(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let wallet = client.wallet().await;
    assert_eq!(wallet.available.0, BONUS);
    client.charge(60).await;
    for _ in 0..3 {
        client.app.advance(TimeDelta::minutes(1));
        client.app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        for _ in 0..6 {
            client.app.run_due_jobs().await;
            client.app.advance(TimeDelta::minutes(1));
        }
        assert_eq!(client.app.status().await, "uninstalled");
        client.app.install().await;
        assert_eq!(client.app.status().await, "active");
    }
    assert_eq!((client.wallet().await.id, client.balance().await), (wallet.id, (BONUS - 2_500_000, 0)));
    assert_eq!(credits(&client).await, 1);
    // The bonus expires if it is not spent in time.
    client.app.advance(TimeDelta::days(31));
    assert_eq!(client.balance().await, (0, 0));
    client.close().await;
}

/// An install that is older than its widget's use of Flycoins: the first of several concurrent requests opens its
/// wallet.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wallet_opened_late_is_opened_once(pool: MySqlPool) {
    let client = WalletClient::at(TestApp::installed(pool).await);
    use_flycoins(&client.app).await;
    let mut racers = JoinSet::new();
    for number in 0..12 {
        let client = client.clone();
        racers.spawn(async move {
            match number % 3 {
                0 => assert_eq!(client.balance().await.0, BONUS),
                1 => assert_eq!(ask(&client, "/v1/flycoins/wallet").await["available_micro"], BONUS),
                _ => {
                    let (_, shaken) = client.app.admin(Method::POST, "/v1/handshake", None).await;
                    assert_eq!(shaken["wallet"]["available_micro"], BONUS, "{shaken}");
                }
            }
        });
    }
    while let Some(racer) = racers.join_next().await {
        racer.unwrap();
    }
    assert_eq!(credits(&client).await, 1);
    client.close().await;
}

/// Invalid billing settings do not prevent an install; the bonus is credited by the next activation after the
/// repair.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invalid_billing_settings_delay_the_bonus(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let widget = app.widget().await;
    let billing = Some(Some(json!({ "welcome": 100 })));
    let changes = Changes { uses_flycoins: Some(true), billing, ..Changes::default() };
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    app.install().await;
    let client = WalletClient::at(app);
    assert_eq!((client.app.status().await, client.balance().await), ("active", (0, 0)));
    use_flycoins(&client.app).await;
    for on in [false, true, false, true] {
        client.app.advance(TimeDelta::seconds(1));
        let body = json!({ "account_id": ACCOUNT, "on": on });
        client.app.backend(Method::PUT, "/v1/backend/switch", Some(body)).await;
    }
    assert_eq!(client.balance().await, (BONUS, 0));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wallet_shows_amounts_and_expiry(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    client.credit(863_000_000, None).await;
    let wallet = ask(&client, "/v1/flycoins/wallet").await;
    assert_eq!(wallet["available_micro"], 963_000_000);
    assert_eq!(
        (&wallet["forecast"], &wallet["forecast_minutes"]),
        (&json!("≈ 6 ч 25 мин работы"), &json!(385))
    );
    let expiring = wallet["expiring"].as_array().unwrap();
    assert_eq!((expiring.len(), &expiring[0]["label"]), (1, &json!("Бонус")));
    assert_eq!(expiring[0]["amount_micro"], BONUS);
    let (_, shaken) = client.app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["wallet"], json!({ "available_micro": 963_000_000, "held_micro": 0 }));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_without_flycoins_has_no_wallet_to_show(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["wallet"], Value::Null);
    for path in ["wallet", "transactions", "statistics"] {
        let (status, problem) = app.admin(Method::GET, &format!("/v1/flycoins/{path}"), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("flycoins_not_used")), "{path}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn transactions_are_paged_and_described(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    for number in 1..=5 {
        client.app.advance(TimeDelta::seconds(number % 2));
        let mut body = seconds_of(60);
        body["reference"] = json!(format!("Звонок {number}"));
        client.write("/charges", body).await;
    }
    let mut hold = seconds_of(60);
    hold["expires_in_s"] = json!(60);
    client.app.advance(TimeDelta::seconds(1));
    let held = client.write("/holds", hold).await.text("hold_id");
    let lines = json!({ "lines": seconds_of(30)["lines"] });
    client.write(&format!("/holds/{held}/capture"), lines).await;
    let (mut seen, mut path) = (Vec::new(), "/v1/flycoins/transactions?limit=3".to_owned());
    loop {
        let page = ask(&client, &path).await;
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/flycoins/transactions?limit=3&cursor={next}");
    }
    let told: Vec<(&str, i64)> = seen
        .iter()
        .map(|one| (one["label"].as_str().unwrap(), one["amount_micro"].as_i64().unwrap()))
        .collect();
    assert_eq!(told.len(), 8);
    assert_eq!(told[..2], [("Списание", -1_250_000), ("Резерв", -2_500_000)]);
    assert_eq!(told[7], ("Пополнение", BONUS));
    assert_eq!(seen[7]["reference"], "Приветственный бонус");
    assert_eq!((&seen[0]["hold_id"], &seen[1]["hold_id"]), (&json!(held), &json!(held)));
    assert_eq!(seen[0]["receipt"][0]["billed"], 30);
    let charges = ask(&client, "/v1/flycoins/transactions?kinds=charge").await;
    assert_eq!(charges["items"].as_array().unwrap().len(), 5);
    let later = (client.app.clock.now() + TimeDelta::seconds(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let none = ask(&client, &format!("/v1/flycoins/transactions?from={later}")).await;
    assert_eq!((none["items"].as_array().unwrap().len(), &none["next"]), (0, &Value::Null));
    for wrong in ["kinds=coins", "cursor=1.2", "limit=0", "limit=101", "from=yesterday"] {
        let path = format!("/v1/flycoins/transactions?{wrong}");
        let (status, problem) = client.app.admin(Method::GET, &path, None).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{wrong}"
        );
    }
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn statistics_sum_charges_by_service(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let today = (client.app.clock.now() + TimeDelta::hours(3)).date_naive();
    let mut body = seconds_of(60);
    body["lines"].as_array_mut().unwrap().push(json!({ "service": "flysense.summary", "quantity": 2 }));
    let charge = client.write("/charges", body).await.text("transaction_id");
    client.charge(60).await;
    let refund = json!({ "account_id": ACCOUNT, "transaction_id": charge, "amount_micro": 500_000 });
    client.write("/refunds", refund).await;
    let told = ask(&client, "/v1/flycoins/statistics").await;
    assert_eq!(
        told["items"],
        json!([
            { "begins": today, "service": "flysense.recognition", "paid_micro": 5_000_000, "returned_micro": 0, "charges": 2 },
            { "begins": today, "service": "flysense.summary", "paid_micro": 2_000_000, "returned_micro": 500_000, "charges": 1 },
        ])
    );
    assert_eq!(
        (&told["paid_micro"], &told["returned_micro"], &told["charges"], &told["until"]),
        (&json!(7_000_000), &json!(500_000), &json!(3), &json!(today.succ_opt()))
    );
    let tomorrow = today.succ_opt().unwrap();
    let month =
        ask(&client, &format!("/v1/flycoins/statistics?period=month&from={today}&until={tomorrow}")).await;
    assert_eq!(month["items"][0]["begins"], json!(today.format("%Y-%m-01").to_string()));
    for wrong in [
        "period=year",
        "from=2026-13-01",
        "from=2026-02-01&until=2026-02-01",
        "from=2024-01-01&until=2026-01-01",
        "utc_offset_min=900",
    ] {
        let (status, problem) =
            client.app.admin(Method::GET, &format!("/v1/flycoins/statistics?{wrong}"), None).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{wrong}"
        );
    }
    client.close().await;
}

/// Another widget in the same account cannot see our wallet, and has its own services.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_widget_cannot_see_or_move_our_coins(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let theirs = client.app.register("neighbour", OTHER_CLIENT_ID).await;
    add_other_widget(&client.app);
    let widget =
        widgets::find_by_code(as_conn(&mut client.app.conn().await), "neighbour").await.unwrap().unwrap();
    let changes = Changes { uses_flycoins: Some(true), ..Changes::default() };
    widgets::update(as_conn(&mut client.app.conn().await), widget.id, &changes, client.app.clock.now())
        .await
        .unwrap();
    let charge = client.charge(60).await.text("transaction_id");
    let mut hold = seconds_of(60);
    hold["expires_in_s"] = json!(600);
    let held = client.write("/holds", hold.clone()).await.text("hold_id");
    let lines = json!({ "lines": seconds_of(1)["lines"] });
    let refund = json!({ "account_id": ACCOUNT, "transaction_id": charge, "all": true });
    for (path, body, problem) in [
        ("/estimate".to_owned(), seconds_of(1), "install_not_found"),
        ("/charges".to_owned(), seconds_of(1), "install_not_found"),
        ("/holds".to_owned(), hold, "install_not_found"),
        ("/refunds".to_owned(), refund.clone(), "install_not_found"),
        (format!("/holds/{held}/capture"), lines, "unknown_hold"),
        (format!("/holds/{held}/release"), json!({}), "unknown_hold"),
    ] {
        let refused = client.send(&theirs, Some("theirs"), &path, body).await;
        assert_eq!(refused.problem(), (404, problem), "{path}");
    }
    let key = ("X-Project-Token", theirs.as_str());
    for path in [format!("{FLYCOINS}/holds/{held}"), format!("{FLYCOINS}/balance?account_id={ACCOUNT}")] {
        assert_eq!(client.app.ask(Method::GET, &path, key, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // After its own install it has a separate wallet, which does not contain our charge.
    client.app.amocrm.state.install(OTHER_CLIENT_ID, ACCOUNT, None).await.unwrap();
    client.app.run_due_jobs().await;
    assert_eq!(
        client.send(&theirs, Some("theirs"), "/refunds", refund).await.problem(),
        (404, "unknown_charge")
    );
    assert_eq!(
        client.send(&theirs, Some("theirs"), "/charges", seconds_of(1)).await.problem(),
        (400, "unknown_service")
    );
    let shape = flysk_simulators::amocrm::WidgetTokenShape::default();
    let token = client.app.amocrm.state.widget_token(OTHER_CLIENT_ID, ACCOUNT, ADMIN, &shape).unwrap();
    let (_, wallet) =
        client.app.ask(Method::GET, "/v1/flycoins/wallet", ("X-Auth-Token", &token), None).await;
    assert_eq!(wallet["available_micro"], 0, "{wallet}");
    let path = "/v1/flycoins/transactions";
    let (_, page) = client.app.ask(Method::GET, path, ("X-Auth-Token", &token), None).await;
    assert_eq!(page["items"], json!([]), "{page}");
    assert_eq!(client.balance().await, (BONUS - 5_000_000, 2_500_000));
    client.close().await;
}
