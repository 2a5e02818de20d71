//! API for buying Flycoins: packages, purchases, permissions, errors.

use flysk_domain::platform::purchases::PurchaseState;
use flysk_services::purchases::MAX_OPEN_PURCHASES;
use flysk_store::platform::purchases as store;
use flysk_suite::environment::{ADMIN, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, PRICE, TestApp, read};
use super::transfer_page::take_transfers;

const PURCHASES: &str = "/v1/flycoins/purchases";

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or_default())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn packages_on_offer_are_listed_and_a_changed_one_is_a_new_version(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (_, listed) = app.get("/v1/flycoins/packages").await;
    let package = &listed["items"][0];
    assert_eq!((&package["code"], &package["version"]), (&json!("start"), &json!(1)));
    assert_eq!((&package["price_kopecks"], &package["coins_micro"]), (&json!(PRICE), &json!(COINS)));
    assert_eq!((&package["bonus_micro"], &package["bonus_days"]), (&json!(BONUS), &json!(90)));
    let old = app.package().await;
    assert_eq!(app.offer(PRICE, COINS, BONUS).await.id, old.id, "the same terms are the same version");
    let new = app.offer(PRICE, COINS, 0).await;
    assert_eq!((new.version, new.terms.bonus_days), (2, None));
    let (_, listed) = app.get("/v1/flycoins/packages").await;
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["id"]), (1, &json!(new.id)));
    let body = json!({ "package_id": old.id, "email": "buh@example.test" });
    let refused = app.ask_as(ADMIN, Method::POST, PURCHASES, Some("old"), Some(body)).await;
    assert_eq!(code(&refused), (409, "package_not_on_offer"));
    let widget = app.widget().await.id;
    let code = "start".parse().unwrap();
    assert!(store::retire_package(&mut *app.conn().await, widget, &code).await.unwrap());
    assert_eq!(app.get("/v1/flycoins/packages").await.1, json!({ "items": [], "next": null }));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn one_key_is_one_purchase(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let first = app.order("key", false).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    app.run_due_jobs().await;
    let second = app.order("key", false).await;
    assert_eq!(first, second, "the same response, although the state has changed");
    let another = app.order("key", true).await;
    assert_eq!(code(&another), (422, "idempotency_key_reused"));
    let all = (0..10).map(|_| app.order("race", false));
    let answers = futures::future::join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let (_, page) = app.get(PURCHASES).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

/// By a session, whose install is read anew for each request.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_order_gets_its_purchase_after_the_widget_was_switched_off(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    take_transfers(&app).await;
    let (_, shaken) = app.ask_as(ADMIN, Method::POST, "/v1/handshake", None, None).await;
    let session = shaken["session"]["token"].as_str().unwrap();
    let order = async |path: &str, key: &str, body: &Value| {
        let request = app.http.post(format!("{}{path}", app.url)).bearer_auth(session);
        read(request.header("Idempotency-Key", key).json(body).send().await.unwrap()).await
    };
    let payer = json!({ "name": "ООО «Ромашка»", "inn": "7707083893", "kpp": "770701001",
        "email": "buh@example.test" });
    let orders = [
        (PURCHASES, json!({ "package_id": app.package().await.id, "email": "buh@example.test" })),
        ("/v1/flycoins/transfer_invoices", json!({ "amount_kopecks": 100_000, "payer": payer })),
    ];
    for (number, (path, body)) in orders.into_iter().enumerate() {
        let key = format!("key-{number}");
        let (status, made) = order(path, &key, &body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{made}");
        sqlx::query("UPDATE installs SET status = 'inactive'").execute(&app.pool).await.unwrap();
        let (status, again) = order(path, &key, &body).await;
        assert_eq!((status, &again["id"]), (StatusCode::ACCEPTED, &made["id"]), "{again}");
        let mut another = body.clone();
        another["amount_kopecks"] = json!(150_000);
        another.as_object_mut().unwrap().remove("package_id");
        assert_eq!(code(&order(path, &key, &another).await), (422, "idempotency_key_reused"));
        assert_eq!(code(&order(path, "new", &body).await), (403, "install_not_active"));
        sqlx::query("UPDATE installs SET status = 'active'").execute(&app.pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_administrators_can_buy_and_see_purchases(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.begin().await;
    let body = json!({ "package_id": app.package().await.id, "email": "buh@example.test" });
    let refused = app.ask_as(USER, Method::POST, PURCHASES, Some("k"), Some(body)).await;
    assert_eq!(code(&refused), (403, "admin_only"));
    for path in [PURCHASES.to_owned(), format!("{PURCHASES}/{id}")] {
        let refused = app.ask_as(USER, Method::GET, &path, None, None).await;
        assert_eq!(code(&refused), (403, "admin_only"));
    }
    assert_eq!(app.ask_as(USER, Method::GET, "/v1/flycoins/packages", None, None).await.0, StatusCode::OK);
    let unknown = app.get(&format!("{PURCHASES}/pur_01J00000000000000000000000")).await;
    assert_eq!(code(&unknown), (404, "not_found"));
    assert_eq!(code(&app.get(&format!("{PURCHASES}/nonsense")).await), (404, "not_found"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invalid_purchases_are_rejected_with_a_reason(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let package = app.package().await.id;
    let good = || json!({ "package_id": package, "email": "buh@example.test" });
    let ask = async |key: Option<&str>, body: Value| {
        app.ask_as(ADMIN, Method::POST, PURCHASES, key, Some(body)).await
    };
    assert_eq!(code(&ask(None, good()).await), (400, "idempotency_key_missing"));
    for wrong in ["a b", "заказ-1", &"x".repeat(121)] {
        let refused = ask(Some(wrong), good()).await;
        assert_eq!(code(&refused), (400, "invalid_request"), "{wrong}");
        assert!(refused.1["detail"].as_str().unwrap().contains("visible ASCII characters"), "{refused:?}");
    }
    for email in ["", "nobody", "a@b"] {
        let body = json!({ "package_id": package, "email": email });
        assert_eq!(code(&ask(Some("k"), body).await), (422, "invalid"), "{email}");
    }
    let body = json!({ "package_id": "nonsense", "email": "buh@example.test" });
    assert_eq!(code(&ask(Some("k"), body).await), (422, "invalid"));
    let body = json!({ "package_id": "pkg_01J00000000000000000000000", "email": "buh@example.test" });
    assert_eq!(code(&ask(Some("k"), body).await), (409, "package_not_on_offer"));
    let stored: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases").fetch_one(&app.pool).await.unwrap();
    assert_eq!(stored, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn purchases_are_unavailable_without_a_terminal(pool: MySqlPool) {
    let without =
        |env: flysk_config::Env| env.without("FLYSK_TBANK_TERMINAL_KEY").without("FLYSK_TBANK_PASSWORD");
    let app = TestApp::open_with(pool, without).await;
    assert_eq!(code(&app.order("k", false).await), (409, "purchases_unavailable"));
    let hook = app.http.post(format!("{}/hooks/tbank", app.url)).body("{}").send().await.unwrap();
    assert_eq!(hook.status(), StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn purchases_are_listed_in_pages_newest_first(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(app.begin().await.to_string());
        app.clock.advance(chrono::Duration::milliseconds(5));
    }
    ids.reverse();
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = app.get(&format!("{PURCHASES}?limit=2{next}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, ids);
    assert_eq!(code(&app.get(&format!("{PURCHASES}?limit=0")).await), (400, "bad_request"));
    assert_eq!(code(&app.get(&format!("{PURCHASES}?cursor=x")).await), (400, "bad_request"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_number_of_open_forms_is_limited(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    for _ in 0..MAX_OPEN_PURCHASES {
        app.begin().await;
    }
    assert_eq!(code(&app.order("one-more", false).await), (429, "too_many_requests"));
    app.clock.advance(chrono::Duration::hours(4));
    assert_eq!(app.order("later", false).await.0, StatusCode::ACCEPTED);
}

/// Orders at the same time count each other.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_number_of_open_forms_is_limited_for_orders_at_the_same_time(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let keys: Vec<String> = (0..2 * MAX_OPEN_PURCHASES).map(|number| format!("race-{number}")).collect();
    let orders = futures::future::join_all(keys.iter().map(|key| app.order(key, false))).await;
    let accepted = orders.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
    let refused = orders.iter().filter(|(status, _)| *status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((i64::try_from(accepted).unwrap(), accepted + refused), (MAX_OPEN_PURCHASES, keys.len()));
}

/// A purchase credits the buyer's wallet under the terms at its creation, even if the package changes afterwards.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_purchase_keeps_the_terms_of_its_creation(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let id = app.opened().await;
    app.offer(PRICE * 2, COINS * 2, 0).await;
    app.pay(id, super::harness::GOOD_CARD);
    app.apply_notifications(2).await;
    assert_eq!(app.find(id).await.state, PurchaseState::Paid);
    assert_eq!(app.balance().await, COINS + BONUS);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn any_sum_within_the_limits_can_be_bought(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (_, limits) = app.get("/v1/flycoins/top-up").await;
    assert_eq!((&limits["min_kopecks"], &limits["coin_price_kopecks"]), (&json!(10_000), &json!(100)));
    let ask = async |key, mut body: Value| {
        body["email"] = json!("buh@example.test");
        app.ask_as(ADMIN, Method::POST, PURCHASES, Some(key), Some(body)).await
    };
    let bought = ask("sum", json!({ "amount_kopecks": 1_000_000 })).await;
    assert_eq!(bought.0, StatusCode::ACCEPTED, "{bought:?}");
    let told = (&bought.1["price_kopecks"], &bought.1["coins_micro"], &bought.1["bonus_micro"]);
    assert_eq!(told, (&json!(1_000_000), &json!(10_000_000_000_i64), &json!(0)));
    assert_eq!(ask("sum", json!({ "amount_kopecks": 1_000_000 })).await, bought, "the same purchase");
    let reused = ask("sum", json!({ "amount_kopecks": 1_000_100 })).await;
    assert_eq!(code(&reused), (422, "idempotency_key_reused"));
    let again = ask("again", json!({ "amount_kopecks": 1_000_000 })).await;
    assert_eq!(again.1["package_id"], bought.1["package_id"], "a sum is one package");
    let package = app.package().await.id;
    for wrong in [
        json!({ "amount_kopecks": 9_900 }),
        json!({ "amount_kopecks": 10_050 }),
        json!({ "amount_kopecks": 100_000_100 }),
        json!({ "amount_kopecks": -10_000 }),
        json!({ "amount_kopecks": 10_000, "package_id": package }),
        json!({}),
    ] {
        let refused = ask("wrong", wrong.clone()).await;
        assert_eq!(code(&refused), (422, "invalid"), "{wrong}");
    }
}
