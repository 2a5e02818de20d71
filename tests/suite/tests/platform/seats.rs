//! Seats that users occupy, over the API: handshakes take them, administrators free them, and only the excess is refused.

use std::time::Duration;

use chrono::{Days, TimeDelta};
use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_simulators::amocrm::{Account, User, WidgetTokenShape};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, USER, another_account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tokio::task::JoinSet;

use super::harness::{TestApp, WAIT_TIMEOUT, read};
use super::subscriptions::{buy, sell};

const SEATS: &str = "/v1/subscription/seats";

/// Users of an account who come at once.
const CROWD: u64 = 50;
/// An account with so many users.
const CROWDED_ACCOUNT: u64 = 39_999_998;

async fn give_seats_to_users(app: &TestApp) {
    let widget = app.widget().await;
    let billing = json!({ "subscriptions": { "seats_per_user": true } });
    let changes = Changes { billing: Some(Some(billing)), ..Changes::default() };
    widgets::update(&mut *app.conn().await, widget.id, &changes, app.clock.now()).await.unwrap();
}

/// An account that bought seats of a widget that gives them to users.
async fn with_seats(pool: MySqlPool, seats: u32) -> TestApp {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    give_seats_to_users(&app).await;
    app.install().await;
    buy(&app, &plan, seats).await;
    app
}

async fn call(app: &TestApp, url: &str, method: Method, path: &str, user: u64) -> (StatusCode, Value) {
    let request = app.http.request(method, format!("{url}{path}")).header("X-Auth-Token", app.token(user));
    read(request.send().await.unwrap()).await
}

/// The subscription in the handshake of a user.
async fn shake(app: &TestApp, url: &str, user: u64) -> Value {
    let (status, shaken) = call(app, url, Method::POST, "/v1/handshake", user).await;
    assert_eq!(status, StatusCode::OK, "{shaken}");
    shaken["subscription"].clone()
}

/// Level, reason, whether the user has a seat, and how many are taken.
fn seat_of(subscription: &Value) -> (&str, &str, Option<bool>, Option<u64>) {
    let access = &subscription["access"];
    let text = |name: &str| access[name].as_str().unwrap_or_default();
    let (has_seat, taken) = (subscription["has_seat"].as_bool(), subscription["seats_taken"].as_u64());
    (text("level"), text("reason"), has_seat, taken)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_the_user_without_a_seat_is_refused(pool: MySqlPool) {
    let app = with_seats(pool, 1).await;
    let url = app.api_url.clone();
    let (_, before) = call(&app, &url, Method::GET, "/v1/subscription", ADMIN).await;
    assert_eq!(seat_of(&before), ("allowed", "paid", Some(false), Some(0)), "reading takes no seat");
    let token = |user| json!({ "token": app.token(user) });
    let (_, pauth) = app.backend(Method::POST, "/v1/pauth", Some(token(ADMIN))).await;
    assert_eq!(pauth["subscription"]["reason"], "paid", "a seat is free: {pauth}");

    let seated = ("allowed", "paid", Some(true), Some(1));
    let refused = ("off", "no_seat", Some(false), Some(1));
    assert_eq!(seat_of(&shake(&app, &url, USER).await), seated);
    let told = shake(&app, &url, ADMIN).await;
    assert_eq!(seat_of(&told), refused);
    assert!(told["access"]["notice"].as_str().unwrap().contains("места подписки заняты"), "{told}");
    assert_eq!(seat_of(&shake(&app, &url, USER).await), seated, "a seat stays with its user");
    for (body, reason) in
        [(token(ADMIN), "no_seat"), (token(USER), "paid"), (json!({ "account_id": ACCOUNT }), "paid")]
    {
        let (_, pauth) = app.backend(Method::POST, "/v1/pauth", Some(body)).await;
        assert_eq!(pauth["subscription"]["reason"], reason, "{pauth}");
    }
    let (_, told) =
        app.backend(Method::GET, &format!("/v1/backend/subscription?account_id={ACCOUNT}"), None).await;
    assert_eq!(seat_of(&told), ("allowed", "paid", None, Some(1)), "the account's own access");
}

/// An account with [`CROWD`] users that has three seats; returns their tokens.
async fn crowd(app: &TestApp, plan: &str) -> Vec<String> {
    let mut account = another_account(CROWDED_ACCOUNT, "crowd", 1_000);
    let admin = account.users[0].clone();
    account.users.extend((1_001..1_000 + CROWD).map(|id| User { id, ..admin.clone() }));
    app.amocrm.state.add_account(account).unwrap();
    app.amocrm.state.install(CLIENT_ID, CROWDED_ACCOUNT, None).await.unwrap();
    app.run_due_jobs().await;
    let today = moscow_day(app.clock.now());
    let bought = sqlx::query(
        "UPDATE subscriptions SET state = 'active', plan_id = ?, seat_kopecks = 49900, seats = 3, months = 1,
             anchor_day = 1, period_no = 1, period_from = ?, period_until = ? WHERE account_id = ?",
    )
    .bind(plan)
    .bind(today)
    .bind(today + Days::new(30))
    .bind(CROWDED_ACCOUNT)
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(bought.rows_affected(), 1);
    let shape = WidgetTokenShape::default();
    let token = |user| app.amocrm.state.widget_token(CLIENT_ID, CROWDED_ACCOUNT, user, &shape).unwrap();
    (1_000..1_000 + CROWD).map(token).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_fifty_first_handshakes_at_once_three_get_the_three_seats(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    give_seats_to_users(&app).await;
    let mut racers = JoinSet::new();
    for token in crowd(&app, &plan).await {
        let request = app.http.post(format!("{}/v1/handshake", app.api_url)).header("X-Auth-Token", token);
        racers.spawn(async move { read(request.send().await.unwrap()).await });
    }
    let answers = racers.join_all().await;
    let mut outcomes: Vec<&str> = Vec::new();
    for (status, answer) in &answers {
        assert_eq!(*status, StatusCode::OK, "{answer}");
        outcomes.push(seat_of(&answer["subscription"]).1);
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [vec!["no_seat"; 47], vec!["paid"; 3]].concat());
    let numbers: Vec<u32> = sqlx::query_scalar("SELECT seat_no FROM subscription_seats ORDER BY seat_no")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(numbers, [1, 2, 3]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn administrators_free_seats_and_everybody_sees_who_sits(pool: MySqlPool) {
    let app = with_seats(pool, 1).await;
    let url = app.api_url.clone();
    shake(&app, &url, USER).await;
    app.advance(TimeDelta::hours(2));
    shake(&app, &url, USER).await;
    let (_, listed) = call(&app, &url, Method::GET, SEATS, USER).await;
    let seat = &listed["items"][0];
    assert_eq!((&seat["user_id"], &seat["lost_on"]), (&json!(USER), &Value::Null), "{listed}");
    assert_ne!(seat["taken_at"], seat["seen_at"], "the seat was used again: {listed}");
    let path = format!("/v1/backend/subscription/seats?account_id={ACCOUNT}");
    assert_eq!(app.backend(Method::GET, &path, None).await.1, listed);

    let own = format!("{SEATS}/{USER}");
    let (status, problem) = call(&app, &url, Method::DELETE, &own, USER).await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("admin_only")));
    let (status, left) = call(&app, &url, Method::DELETE, &own, ADMIN).await;
    assert_eq!((status, &left["items"]), (StatusCode::OK, &json!([])), "{left}");
    for path in [own.as_str(), "/v1/subscription/seats/nobody"] {
        let (status, _) = call(&app, &url, Method::DELETE, path, ADMIN).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(shake(&app, &url, ADMIN).await["has_seat"], true);
    assert_eq!(shake(&app, &url, USER).await["access"]["reason"], "no_seat");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_user_whom_the_account_has_blocked_does_not_count(pool: MySqlPool) {
    let app = with_seats(pool, 1).await;
    let url = app.api_url.clone();
    shake(&app, &url, USER).await;
    assert_eq!(shake(&app, &url, ADMIN).await["access"]["reason"], "no_seat");
    app.advance(TimeDelta::days(2));
    for blocks in [false, true] {
        if blocks {
            let block = |account: &mut Account| {
                account
                    .users
                    .iter_mut()
                    .filter(|user| user.id == USER)
                    .for_each(|user| user.is_active = false);
            };
            app.amocrm.state.change_account(ACCOUNT, block).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(shake(&app, &url, ADMIN).await["access"]["reason"], "no_seat");
        }
        app.advance(TimeDelta::minutes(10));
        app.run_due_jobs().await;
        let (_, listed) = call(&app, &url, Method::GET, SEATS, ADMIN).await;
        let left = listed["items"].as_array().unwrap().len();
        assert_eq!(left, usize::from(!blocks), "who was only absent keeps the seat: {listed}");
    }
    assert_eq!(shake(&app, &url, ADMIN).await["has_seat"], true);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_freed_seat_is_forgotten_in_the_memory_of_every_process(pool: MySqlPool) {
    let app = with_seats(pool, 1).await;
    let (here, there) = (app.remembering_api().await, app.remembering_api().await);
    // The first read of changes must complete before anything is cached.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..2 {
        assert_eq!(shake(&app, &here, USER).await["has_seat"], true);
    }
    let (status, _) = call(&app, &there, Method::DELETE, &format!("{SEATS}/{USER}"), ADMIN).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shake(&app, &there, ADMIN).await["has_seat"], true);
    let forgotten = async {
        while shake(&app, &here, USER).await["has_seat"] == true {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT_TIMEOUT, forgotten).await.expect("the cached seat is used no more");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_that_gives_no_seats_to_users_and_a_trial_refuse_nobody(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let plan = sell(&app).await;
    app.install().await;
    let url = app.api_url.clone();
    assert_eq!(seat_of(&shake(&app, &url, USER).await), ("allowed", "trial", None, None));
    buy(&app, &plan, 1).await;
    for user in [USER, ADMIN] {
        assert_eq!(seat_of(&shake(&app, &url, user).await), ("allowed", "paid", None, None));
    }
    let (status, listed) = call(&app, &url, Method::GET, SEATS, USER).await;
    assert_eq!((status, &listed["items"]), (StatusCode::OK, &json!([])));
    let (status, _) = call(&app, &url, Method::DELETE, &format!("{SEATS}/{USER}"), ADMIN).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn users_with_seats_get_their_names_and_keep_them_current(pool: MySqlPool) {
    let app = with_seats(pool, 2).await;
    let url = app.api_url.clone();
    shake(&app, &url, USER).await;
    let name = async || {
        let (_, listed) = call(&app, &url, Method::GET, SEATS, USER).await;
        let seats = listed["items"].as_array().unwrap().clone();
        seats.into_iter().find(|seat| seat["user_id"] == USER).unwrap()["user_name"].clone()
    };
    assert_eq!(name().await, Value::Null, "nobody has asked amoCRM yet");
    for (called, comes) in [("Анна Петрова", USER), ("Анна Сидорова", ADMIN)] {
        let rename = |account: &mut Account| {
            let user = account.users.iter_mut().find(|user| user.id == USER).unwrap();
            called.clone_into(&mut user.name);
        };
        app.amocrm.state.change_account(ACCOUNT, rename).unwrap();
        // Whoever takes a seat has the names of all read.
        shake(&app, &url, comes).await;
        app.advance(TimeDelta::minutes(10));
        app.run_due_jobs().await;
        assert_eq!(name().await, called);
    }
}

/// A freed seat is free for whoever comes first, and that may be its former user.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_freed_user_takes_a_seat_again_only_if_one_is_left(pool: MySqlPool) {
    let app = with_seats(pool, 1).await;
    let url = app.api_url.clone();
    let free = async || {
        let (status, _) = call(&app, &url, Method::DELETE, &format!("{SEATS}/{USER}"), ADMIN).await;
        assert_eq!(status, StatusCode::OK);
    };
    assert_eq!(shake(&app, &url, USER).await["has_seat"], true);
    free().await;
    assert_eq!(shake(&app, &url, USER).await["has_seat"], true, "nobody else has come");
    free().await;
    assert_eq!(shake(&app, &url, ADMIN).await["has_seat"], true);
    assert_eq!(shake(&app, &url, USER).await["access"]["reason"], "no_seat");
    let (_, listed) = call(&app, &url, Method::GET, SEATS, USER).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
}
