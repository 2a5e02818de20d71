//! Wallets: opened with the install, begun with a bonus, looked at by the account's people.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::stand::{ACCOUNT, ADMIN, CLIENT_ID};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::doors::{NEIGHBOUR, add_neighbour};
use super::house::{House, on};
use super::till::{BONUS, FLYCOINS, Till, seconds_of, use_flycoins};

async fn ask(till: &Till, path: &str) -> Value {
    let (status, body) = till.house.admin(Method::GET, path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn credits(till: &Till) -> i64 {
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'credit'");
    count.fetch_one(&till.house.pool).await.unwrap()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_bonus_is_given_once_however_often_the_widget_is_installed_anew(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let wallet = till.wallet().await;
    assert_eq!(wallet.available.0, BONUS);
    till.charge(60).await;
    for _ in 0..3 {
        till.house.advance(TimeDelta::minutes(1));
        till.house.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
        for _ in 0..6 {
            till.house.run_due_jobs().await;
            till.house.advance(TimeDelta::minutes(1));
        }
        assert_eq!(till.house.status().await, "uninstalled");
        till.house.install().await;
        assert_eq!(till.house.status().await, "active");
    }
    assert_eq!((till.wallet().await.id, till.balance().await), (wallet.id, (BONUS - 2_500_000, 0)));
    assert_eq!(credits(&till).await, 1);
    // It is spent within its time or not at all.
    till.house.advance(TimeDelta::days(31));
    assert_eq!(till.balance().await, (0, 0));
    till.close().await;
}

/// An install that is older than its widget's use of Flycoins: everybody who comes first opens its wallet.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_wallet_that_is_opened_late_is_opened_once(pool: MySqlPool) {
    let till = Till::at(House::installed(pool).await);
    use_flycoins(&till.house).await;
    let mut racers = JoinSet::new();
    for number in 0..12 {
        let till = till.clone();
        racers.spawn(async move {
            match number % 3 {
                0 => assert_eq!(till.balance().await.0, BONUS),
                1 => assert_eq!(ask(&till, "/v1/flycoins/wallet").await["available_micro"], BONUS),
                _ => {
                    let (_, shaken) = till.house.admin(Method::POST, "/v1/handshake", None).await;
                    assert_eq!(shaken["wallet"]["available_micro"], BONUS, "{shaken}");
                }
            }
        });
    }
    while let Some(racer) = racers.join_next().await {
        racer.unwrap();
    }
    assert_eq!(credits(&till).await, 1);
    till.close().await;
}

/// A vendor's mistake keeps nobody from installing, and is made good by the next activation.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn billing_settings_that_cannot_be_read_give_no_bonus_yet(pool: MySqlPool) {
    let house = House::build(pool).await;
    let widget = house.widget().await;
    let billing = Some(Some(json!({ "welcome": 100 })));
    let changes = Changes { uses_flycoins: Some(true), billing, ..Changes::default() };
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
    house.install().await;
    let till = Till::at(house);
    assert_eq!((till.house.status().await, till.balance().await), ("active", (0, 0)));
    use_flycoins(&till.house).await;
    for on in [false, true, false, true] {
        till.house.advance(TimeDelta::seconds(1));
        let body = json!({ "account_id": ACCOUNT, "on": on });
        till.house.backend(Method::PUT, "/v1/backend/switch", Some(body)).await;
    }
    assert_eq!(till.balance().await, (BONUS, 0));
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_wallet_tells_what_there_is_and_how_long_it_lasts(pool: MySqlPool) {
    let till = Till::open(pool).await;
    till.credit(863_000_000, None).await;
    let wallet = ask(&till, "/v1/flycoins/wallet").await;
    assert_eq!(wallet["available_micro"], 963_000_000);
    assert_eq!(
        (&wallet["forecast"], &wallet["forecast_minutes"]),
        (&json!("≈ 6 ч 25 мин работы"), &json!(385))
    );
    let expiring = wallet["expiring"].as_array().unwrap();
    assert_eq!((expiring.len(), &expiring[0]["label"]), (1, &json!("Бонус")));
    assert_eq!(expiring[0]["amount_micro"], BONUS);
    let (_, shaken) = till.house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["wallet"], json!({ "available_micro": 963_000_000, "held_micro": 0 }));
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_widget_without_flycoins_has_no_wallet_to_show(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let (_, shaken) = house.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["wallet"], Value::Null);
    for path in ["wallet", "transactions", "statistics"] {
        let (status, problem) = house.admin(Method::GET, &format!("/v1/flycoins/{path}"), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("flycoins_not_used")), "{path}");
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn transactions_come_in_pages_and_say_what_for(pool: MySqlPool) {
    let till = Till::open(pool).await;
    for number in 1..=5 {
        till.house.advance(TimeDelta::seconds(number % 2));
        let mut body = seconds_of(60);
        body["reference"] = json!(format!("Звонок {number}"));
        till.write("/charges", body).await;
    }
    let mut hold = seconds_of(60);
    hold["expires_in_s"] = json!(60);
    till.house.advance(TimeDelta::seconds(1));
    let held = till.write("/holds", hold).await.text("hold_id");
    let lines = json!({ "lines": seconds_of(30)["lines"] });
    till.write(&format!("/holds/{held}/capture"), lines).await;
    let (mut seen, mut path) = (Vec::new(), "/v1/flycoins/transactions?limit=3".to_owned());
    loop {
        let page = ask(&till, &path).await;
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/flycoins/transactions?limit=3&after={next}");
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
    let charges = ask(&till, "/v1/flycoins/transactions?kinds=charge").await;
    assert_eq!(charges["items"].as_array().unwrap().len(), 5);
    let later = (till.house.clock.now() + TimeDelta::seconds(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let none = ask(&till, &format!("/v1/flycoins/transactions?from={later}")).await;
    assert_eq!((none["items"].as_array().unwrap().len(), &none["next"]), (0, &Value::Null));
    for wrong in ["kinds=coins", "after=1.2", "limit=0", "limit=101", "from=yesterday"] {
        let path = format!("/v1/flycoins/transactions?{wrong}");
        let (status, problem) = till.house.admin(Method::GET, &path, None).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{wrong}"
        );
    }
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn statistics_tell_what_was_spent_on_what(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let today = (till.house.clock.now() + TimeDelta::hours(3)).date_naive();
    let mut body = seconds_of(60);
    body["lines"].as_array_mut().unwrap().push(json!({ "service": "flysense.summary", "quantity": 2 }));
    let charge = till.write("/charges", body).await.text("transaction_id");
    till.charge(60).await;
    let refund = json!({ "account_id": ACCOUNT, "transaction_id": charge, "amount_micro": 500_000 });
    till.write("/refunds", refund).await;
    let told = ask(&till, "/v1/flycoins/statistics").await;
    assert_eq!(
        told["items"],
        json!([
            { "begins": today, "service": "flysense.recognition", "paid_micro": 5_000_000, "returned_micro": 0, "charges": 2 },
            { "begins": today, "service": "flysense.summary", "paid_micro": 2_000_000, "returned_micro": 500_000, "charges": 1 },
        ])
    );
    assert_eq!(
        (&told["paid_micro"], &told["returned_micro"], &told["charges"], &told["until"]),
        (&json!(7_000_000), &json!(500_000), &json!(3), &json!(today))
    );
    let month = ask(&till, &format!("/v1/flycoins/statistics?period=month&from={today}&until={today}")).await;
    assert_eq!(month["items"][0]["begins"], json!(today.format("%Y-%m-01").to_string()));
    for wrong in [
        "period=year",
        "from=2026-13-01",
        "from=2026-02-02&until=2026-02-01",
        "from=2024-01-01&until=2026-01-01",
        "utc_offset_min=900",
    ] {
        let (status, problem) =
            till.house.admin(Method::GET, &format!("/v1/flycoins/statistics?{wrong}"), None).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request")),
            "{wrong}"
        );
    }
    till.close().await;
}

/// Another widget, in the same account: nothing of ours is there for it, and its own services are its own.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_neighbour_sees_and_moves_none_of_our_coins(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let theirs = till.house.register("neighbour", NEIGHBOUR).await;
    add_neighbour(&till.house);
    let widget = widgets::find_by_code(on(&mut till.house.conn().await), "neighbour").await.unwrap().unwrap();
    let changes = Changes { uses_flycoins: Some(true), ..Changes::default() };
    widgets::update(on(&mut till.house.conn().await), widget.id, &changes, till.house.clock.now())
        .await
        .unwrap();
    let charge = till.charge(60).await.text("transaction_id");
    let mut hold = seconds_of(60);
    hold["expires_in_s"] = json!(600);
    let held = till.write("/holds", hold.clone()).await.text("hold_id");
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
        let refused = till.send(&theirs, Some("theirs"), &path, body).await;
        assert_eq!(refused.problem(), (404, problem), "{path}");
    }
    let key = ("X-Project-Token", theirs.as_str());
    for path in [format!("{FLYCOINS}/holds/{held}"), format!("{FLYCOINS}/balance?account_id={ACCOUNT}")] {
        assert_eq!(till.house.ask(Method::GET, &path, key, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // Installed as well, it has a wallet of its own, and our charge is not in it.
    till.house.amocrm.state.install(NEIGHBOUR, ACCOUNT, None).await.unwrap();
    till.house.run_due_jobs().await;
    assert_eq!(
        till.send(&theirs, Some("theirs"), "/refunds", refund).await.problem(),
        (404, "unknown_charge")
    );
    assert_eq!(
        till.send(&theirs, Some("theirs"), "/charges", seconds_of(1)).await.problem(),
        (400, "unknown_service")
    );
    let shape = flysk_simulators::amocrm::WidgetTokenShape::default();
    let token = till.house.amocrm.state.widget_token(NEIGHBOUR, ACCOUNT, ADMIN, &shape).unwrap();
    let (_, wallet) =
        till.house.ask(Method::GET, "/v1/flycoins/wallet", ("X-Auth-Token", &token), None).await;
    assert_eq!(wallet["available_micro"], 0, "{wallet}");
    let path = "/v1/flycoins/transactions";
    let (_, page) = till.house.ask(Method::GET, path, ("X-Auth-Token", &token), None).await;
    assert_eq!(page["items"], json!([]), "{page}");
    assert_eq!(till.balance().await, (BONUS - 5_000_000, 2_500_000));
    till.close().await;
}
