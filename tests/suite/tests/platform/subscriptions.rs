//! Subscriptions over the API: trial with the install, quotes, access in handshake and PAuth.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Currency, PeriodLength, PlanTerms};
use flysk_queue::Outbox;
use flysk_services::subscriptions::{Actor, Settlement, settle_invoice};
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use std::sync::Arc;

use super::harness::{TestApp, read, trace};

/// Lets the widget sell subscriptions with a trial of 14 days; returns the id of its plan.
pub(crate) async fn sell(app: &TestApp) -> String {
    let widget = app.widget().await;
    let mut conn = app.conn().await;
    let changes = Changes { uses_subscriptions: Some(true), trial_days: Some(14), ..Changes::default() };
    widgets::update(&mut conn, widget.id, &changes, app.clock.now()).await.unwrap();
    let terms = PlanTerms {
        title: "Про".to_owned(),
        prices: [(PeriodLength::Month, Kopecks(49_900))].into(),
        min_seats: 1,
        max_seats: Some(100),
        currency: Currency::Rub,
        features: json!({ "reports": true }),
    };
    let id = PlanId::generate(&app.clock);
    let code = "pro".parse().unwrap();
    subscriptions::set_plan(&mut conn, id, widget.id, &code, &terms, app.clock.now()).await.unwrap();
    id.to_string()
}

async fn quote(app: &TestApp, request: Value) -> (StatusCode, Value) {
    app.admin(Method::POST, "/v1/subscription/quotes", Some(request)).await
}

async fn apply(app: &TestApp, quote: &str, key: &str) -> (StatusCode, Value) {
    let url = format!("{}/v1/subscription/quotes/{quote}/apply", app.api_url);
    let token = app.token(flysk_suite::environment::ADMIN);
    let request = app.http.post(url).header("X-Auth-Token", token).header("Idempotency-Key", key);
    read(request.send().await.unwrap()).await
}

/// The bank took the money of an invoice.
async fn pay_invoice(app: &TestApp, invoice: &Value) {
    let outbox = Outbox::new(app.pool.clone(), None, Arc::new(app.clock.clone()));
    let mut unit = outbox.begin(trace()).await.unwrap();
    let invoice = invoice.as_str().unwrap().parse().unwrap();
    let settlement = Settlement { paid_at: app.clock.now(), means: "form", actor: Actor::Bank };
    settle_invoice(&mut unit, &app.clock, invoice, settlement).await.unwrap();
    unit.commit().await.unwrap();
}

/// Buys a month of a plan.
pub(crate) async fn buy(app: &TestApp, plan: &str, seats: u32) {
    let (_, told) =
        quote(app, json!({ "change": "start", "plan_id": plan, "seats": seats, "months": 1 })).await;
    let (_, applied) = apply(app, told["id"].as_str().unwrap(), "first-period").await;
    pay_invoice(app, &applied["invoice"]["id"]).await;
}

/// By a session, whose install is read anew for each request.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_quote_that_was_applied_is_answered_again_after_the_widget_was_removed(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    let session = shaken["session"]["token"].as_str().unwrap();
    let start = json!({ "change": "start", "plan_id": plan, "seats": 3, "months": 1 });
    let (_, told) = quote(&app, start).await;
    let id = told["id"].as_str().unwrap();
    let (status, applied) = apply(&app, id, "first-period").await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    sqlx::query("UPDATE installs SET status = 'uninstalled'").execute(&app.pool).await.unwrap();
    let again = async |key: &str| {
        let url = format!("{}/v1/subscription/quotes/{id}/apply", app.api_url);
        read(app.http.post(url).bearer_auth(session).header("Idempotency-Key", key).send().await.unwrap())
            .await
    };
    let (status, repeated) = again("first-period").await;
    assert_eq!(
        (status, &repeated["invoice"]["id"]),
        (StatusCode::OK, &applied["invoice"]["id"]),
        "{repeated}"
    );
    let (status, refused) = again("another").await;
    assert_eq!((status.as_u16(), &refused["code"]), (403, &json!("install_not_active")));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_trial_starts_with_the_install_and_everybody_sees_the_same_access(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    sell(&app).await;
    app.install().await;
    let created: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM subscriptions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(created, 1, "in the transaction of the install");
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    let access = &shaken["subscription"]["access"];
    assert_eq!((&access["level"], &access["reason"]), (&json!("allowed"), &json!("trial")), "{shaken}");
    assert_eq!(shaken["plans"][0]["prices"][0]["seat_price_kopecks"], 49_900);
    let (_, pauth) = app.pauth().await;
    let path = format!("/v1/backend/subscription?account_id={ACCOUNT}");
    let (_, told) = app.backend(Method::GET, &path, None).await;
    assert_eq!((&pauth["subscription"], &told["access"]), (access, access));
    let (_, seen) = app.ask(Method::GET, "/v1/subscription", ("X-Auth-Token", &app.token(USER)), None).await;
    assert_eq!(seen["state"], "trialing", "{seen}");

    app.advance(TimeDelta::days(16));
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["subscription"]["access"]["level"], "off", "no job has run: {shaken}");
    let (_, told) = app.backend(Method::GET, &path, None).await;
    assert_eq!(told["access"]["reason"], "trial_ended");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_without_subscriptions_is_not_touched(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!((&shaken["subscription"], &shaken["plans"]), (&Value::Null, &json!([])));
    assert_eq!(app.pauth().await.1["subscription"], Value::Null);
    let (status, problem) = app.admin(Method::GET, "/v1/subscription", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("subscriptions_not_used")));
    let created: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM subscriptions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(created, 0);
}

/// Whatever still tells access after the sale has stopped says what handshake and `PAuth` mean by saying nothing: it is free.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn access_is_the_same_everywhere_after_the_sale_has_stopped(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    buy(&app, &plan, 1).await;
    assert_eq!(app.pauth().await.1["subscription"]["reason"], "paid");
    let widget = app.widget().await.id;
    let stops = Changes { uses_subscriptions: Some(false), ..Changes::default() };
    widgets::update(&mut *app.conn().await, widget, &stops, app.clock.now()).await.unwrap();
    assert_eq!(app.pauth().await.1["subscription"], Value::Null);
    app.advance(TimeDelta::days(40));
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["subscription"], Value::Null, "{shaken}");
    let (status, cancelled) = app.admin(Method::POST, "/v1/subscription/cancel", None).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("cancelled")), "{cancelled}");
    let free = json!({ "level": "allowed", "reason": "not_sold", "notice": null, "until": null });
    assert_eq!((&cancelled["access"], &cancelled["notices"]), (&free, &json!([])), "{cancelled}");
    sell(&app).await;
    let (_, shaken) = app.admin(Method::POST, "/v1/handshake", None).await;
    let access = &shaken["subscription"]["access"];
    assert_eq!((&access["level"], &access["reason"]), (&json!("off"), &json!("cancelled")), "{shaken}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_purchase_goes_from_quote_to_active_and_bad_input_is_told_apart(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    let start = |seats: Value| json!({ "change": "start", "plan_id": plan, "seats": seats, "months": 1 });
    for (request, status, code) in [
        (start(json!(1.5)), 400, "bad_request"),
        (start(json!(-1)), 400, "bad_request"),
        (start(json!(0)), 409, "change_not_possible"),
        (start(json!(101)), 409, "change_not_possible"),
        (start(json!(99_999_999_999_i64)), 400, "bad_request"),
        (json!({ "change": "start", "plan_id": plan, "seats": 1, "months": 2 }), 422, "invalid"),
        (json!({ "change": "start", "plan_id": plan, "seats": 1, "months": 12 }), 409, "change_not_possible"),
        (json!({ "change": "start", "plan_id": "pln_x", "seats": 1, "months": 1 }), 422, "invalid"),
        (json!({ "change": "seats", "seats": 2, "months": 1 }), 422, "invalid"),
        (json!({ "change": "seats" }), 422, "invalid"),
        (json!({ "change": "seats", "seats": 2 }), 409, "change_not_possible"),
    ] {
        let (got, problem) = quote(&app, request.clone()).await;
        assert_eq!((got.as_u16(), &problem["code"]), (status, &json!(code)), "{request}: {problem}");
    }
    let request = Some(start(json!(3)));
    let (status, problem) =
        app.ask(Method::POST, "/v1/subscription/quotes", ("X-Auth-Token", &app.token(USER)), request).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("admin_only")));

    let (status, told) = quote(&app, start(json!(3))).await;
    assert_eq!((status, &told["total_kopecks"]), (StatusCode::CREATED, &json!(149_700)), "{told}");
    let id = told["id"].as_str().unwrap();
    let (status, applied) = apply(&app, id, "order-1").await;
    assert_eq!(status, StatusCode::OK, "{applied}");
    assert_eq!(applied["invoice"]["lines"], told["lines"]);
    let (_, again) = apply(&app, id, "order-1").await;
    assert_eq!(again["invoice"]["id"], applied["invoice"]["id"]);
    let invoice = applied["invoice"]["id"].as_str().unwrap();
    let path = format!("/v1/subscription/invoices/{invoice}/renewal_offer");
    let (status, unnamed) = app.admin(Method::GET, &path, None).await;
    assert_eq!((status, &unnamed["code"]), (StatusCode::CONFLICT, &json!("wrong_state")), "{unnamed}");
    let named = "UPDATE vendors SET legal_name = 'ООО «Акме»', inn = '7707083893'";
    sqlx::query(named).execute(&app.pool).await.unwrap();
    let (_, offer) = app.admin(Method::GET, &path, None).await;
    assert!(offer["text"].as_str().unwrap().contains("раз в месяц"), "{offer}");
    for (body, code) in [
        (json!({ "email": "nobody" }), "invalid"),
        (json!({ "email": "buh@example.test", "consent_version": "1999" }), "invalid"),
        (json!({ "email": "buh@example.test" }), "purchases_unavailable"),
    ] {
        let path = format!("/v1/subscription/invoices/{invoice}/payments");
        let (_, problem) = app.admin(Method::POST, &path, Some(body.clone())).await;
        assert_eq!(problem["code"], code, "{body}: {problem}");
    }
    assert_eq!(app.admin(Method::GET, "/v1/subscription/card", None).await.1, json!({ "card": null }));
    let (status, _) = app.admin(Method::DELETE, "/v1/subscription/card", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Another quote of the same state cannot be applied as well: the answer names a new one.
    let (_, stale) = quote(&app, start(json!(2))).await;
    app.advance(TimeDelta::days(1));
    let (status, problem) = apply(&app, stale["id"].as_str().unwrap(), "order-2").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("quote_changed")), "{problem}");
    let renewed = problem["quote_id"].as_str().unwrap();
    let (_, renewed) = app.admin(Method::GET, &format!("/v1/subscription/quotes/{renewed}"), None).await;
    assert_eq!(renewed["total_kopecks"], 99_800);

    pay_invoice(&app, &applied["invoice"]["id"]).await;
    let (_, active) = app.admin(Method::GET, "/v1/subscription", None).await;
    assert_eq!((&active["state"], &active["seats"]), (&json!("active"), &json!(3)), "{active}");
    let (_, cancelled) = app.admin(Method::POST, "/v1/subscription/cancel", None).await;
    assert_eq!((&cancelled["state"], &cancelled["cancels"]), (&json!("active"), &json!(true)));
    let (status, restored) = app.admin(Method::POST, "/v1/subscription/restore", None).await;
    assert_eq!((status, &restored["cancels"]), (StatusCode::OK, &json!(false)));
    let (status, _) = app.admin(Method::POST, "/v1/subscription/restore", None).await;
    assert_eq!(status, StatusCode::CONFLICT);
}
