//! What widgets ask for, who may, and what they are told.

use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::billing::MOST_OPEN;
use flysk_store::purchases as store;
use flysk_suite::stand::{ADMIN, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, PRICE, Shop};

const PURCHASES: &str = "/v1/flycoins/purchases";

fn code(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap_or_default())
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn packages_on_offer_are_listed_and_a_changed_one_is_a_new_version(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (_, listed) = shop.get("/v1/flycoins/packages").await;
    let package = &listed[0];
    assert_eq!((&package["code"], &package["version"]), (&json!("start"), &json!(1)));
    assert_eq!((&package["price_kopecks"], &package["coins_micro"]), (&json!(PRICE), &json!(COINS)));
    assert_eq!((&package["bonus_micro"], &package["bonus_days"]), (&json!(BONUS), &json!(90)));
    let old = shop.package().await;
    assert_eq!(shop.offer(PRICE, COINS, BONUS).await.id, old.id, "the same terms are the same version");
    let new = shop.offer(PRICE, COINS, 0).await;
    assert_eq!((new.version, new.terms.bonus_days), (2, None));
    let (_, listed) = shop.get("/v1/flycoins/packages").await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &json!(new.id)));
    let body = json!({ "package_id": old.id, "email": "buh@example.test" });
    let refused = shop.ask_as(ADMIN, Method::POST, PURCHASES, Some("old"), Some(body)).await;
    assert_eq!(code(&refused), (409, "package_not_on_offer"));
    let widget = shop.widget().await.id;
    let code = "start".parse().unwrap();
    assert!(store::retire_package(&mut *shop.conn().await, widget, &code).await.unwrap());
    assert_eq!(shop.get("/v1/flycoins/packages").await.1, json!([]));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn one_key_is_one_purchase(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let first = shop.order("key", false).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    shop.run_due_jobs().await;
    let second = shop.order("key", false).await;
    assert_eq!(first, second, "the same answer, although it stands elsewhere by now");
    let another = shop.order("key", true).await;
    assert_eq!(code(&another), (422, "idempotency_key_reused"));
    let all = (0..10).map(|_| shop.order("race", false));
    let answers = futures::future::join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let (_, page) = shop.get(PURCHASES).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn only_administrators_buy_and_look(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.begin().await;
    let body = json!({ "package_id": shop.package().await.id, "email": "buh@example.test" });
    let refused = shop.ask_as(USER, Method::POST, PURCHASES, Some("k"), Some(body)).await;
    assert_eq!(code(&refused), (403, "admin_only"));
    for path in [PURCHASES.to_owned(), format!("{PURCHASES}/{id}")] {
        let refused = shop.ask_as(USER, Method::GET, &path, None, None).await;
        assert_eq!(code(&refused), (403, "admin_only"));
    }
    assert_eq!(shop.ask_as(USER, Method::GET, "/v1/flycoins/packages", None, None).await.0, StatusCode::OK);
    let unknown = shop.get(&format!("{PURCHASES}/pur_01J00000000000000000000000")).await;
    assert_eq!(code(&unknown), (404, "not_found"));
    assert_eq!(code(&shop.get(&format!("{PURCHASES}/nonsense")).await), (404, "not_found"));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_cannot_be_bought_is_refused_in_words(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let package = shop.package().await.id;
    let good = || json!({ "package_id": package, "email": "buh@example.test" });
    let ask = async |key: Option<&str>, body: Value| {
        shop.ask_as(ADMIN, Method::POST, PURCHASES, key, Some(body)).await
    };
    assert_eq!(code(&ask(None, good()).await), (400, "idempotency_key_missing"));
    assert_eq!(code(&ask(Some("a b"), good()).await), (400, "idempotency_key_missing"));
    assert_eq!(code(&ask(Some(&"x".repeat(121)), good()).await), (400, "idempotency_key_missing"));
    for email in ["", "nobody", "a@b"] {
        let body = json!({ "package_id": package, "email": email });
        assert_eq!(code(&ask(Some("k"), body).await), (422, "invalid"), "{email}");
    }
    let body = json!({ "package_id": "nonsense", "email": "buh@example.test" });
    assert_eq!(code(&ask(Some("k"), body).await), (422, "invalid"));
    let body = json!({ "package_id": "pkg_01J00000000000000000000000", "email": "buh@example.test" });
    assert_eq!(code(&ask(Some("k"), body).await), (409, "package_not_on_offer"));
    let stored: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(stored, 0);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn without_a_terminal_nothing_is_sold(pool: MySqlPool) {
    let without = |env: flysk_runtime::config::Env| {
        env.without("FLYSK_TBANK_TERMINAL_KEY").without("FLYSK_TBANK_PASSWORD")
    };
    let shop = Shop::open_with(pool, without).await;
    assert_eq!(code(&shop.order("k", false).await), (409, "purchases_unavailable"));
    let hook = shop.http.post(format!("{}/hooks/tbank", shop.url)).body("{}").send().await.unwrap();
    assert_eq!(hook.status(), StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn purchases_are_listed_in_pages_the_youngest_first(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.begin().await.to_string());
        shop.clock.advance(chrono::Duration::milliseconds(5));
    }
    ids.reverse();
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let (status, page) = shop.get(&format!("{PURCHASES}?limit=2{next}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&before={cursor}");
    }
    assert_eq!(seen, ids);
    assert_eq!(code(&shop.get(&format!("{PURCHASES}?limit=0")).await), (400, "bad_request"));
    assert_eq!(code(&shop.get(&format!("{PURCHASES}?before=x")).await), (400, "bad_request"));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn forms_are_not_piled_up_without_end(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    for _ in 0..MOST_OPEN {
        shop.begin().await;
    }
    assert_eq!(code(&shop.order("one-more", false).await), (429, "too_many_requests"));
    shop.clock.advance(chrono::Duration::hours(4));
    assert_eq!(shop.order("later", false).await.0, StatusCode::ACCEPTED);
}

/// Of one buyer's purchases only that buyer's wallet gets coins, whoever's package it was.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_purchase_keeps_the_terms_it_was_begun_under(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let id = shop.opened().await;
    shop.offer(PRICE * 2, COINS * 2, 0).await;
    shop.pay(id, super::house::GOOD_CARD);
    shop.hear(2).await;
    assert_eq!(shop.find(id).await.state, PurchaseState::Paid);
    assert_eq!(shop.balance().await, COINS + BONUS);
}
