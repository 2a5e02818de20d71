//! The amoCRM API of an account, through us.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_store::platform::token_reads;
use flysk_suite::stand::ACCOUNT;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{House, on, read};

async fn call(house: &House, method: Method, path: &str, body: Option<serde_json::Value>) -> Response {
    call_at(&house.api_url, house, method, path, body).await
}

async fn call_at(
    api: &str,
    house: &House,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> Response {
    let mut request = house
        .http
        .request(method, format!("{api}/v1/amocrm{path}"))
        .header("X-Project-Token", &house.project_token)
        .header("X-Account-Id", ACCOUNT.to_string());
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_call_is_passed_on_with_the_accounts_token_and_noted(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let answer = call(&house, Method::GET, "/api/v4/account?with=datetime_settings", None).await;
    assert_eq!(answer.headers()["x-flysk-answer"], "amocrm");
    let (status, account) = read(answer).await;
    assert_eq!((status, &account["id"]), (StatusCode::OK, &json!(ACCOUNT)), "{account}");
    let reads =
        token_reads::list_latest(on(&mut house.conn().await), house.install_id().await, 10).await.unwrap();
    assert_eq!(
        (reads[0].reader.as_str(), reads[0].purpose.as_str()),
        ("gateway:flysense", "GET /api/v4/account")
    );
    let logged = house.amocrm.control.calls_to("GET", "/api/v4/account");
    assert!(logged.iter().all(|call| call.header("x-project-token").is_none()), "our token went along");
}

/// amoCRM's own status and body come back as they are, and are told from ours.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn amocrms_errors_are_told_from_ours(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let theirs = call(&house, Method::POST, "/api/v4/leads/notes", Some(json!([{ "entity_id": 1 }]))).await;
    assert_eq!(theirs.headers()["x-flysk-answer"], "amocrm");
    assert_eq!(theirs.status(), StatusCode::BAD_REQUEST);
    for path in ["/oauth2/access_token", "/api/v4/", "/api/v4/%2e%2e/oauth2", "/api/v2/leads"] {
        let ours = call(&house, Method::GET, path, None).await;
        assert_eq!(ours.headers()["x-flysk-answer"], "flysk", "{path}");
        assert_eq!(ours.status(), StatusCode::BAD_REQUEST, "{path}");
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_token_amocrm_does_not_take_is_renewed_once(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(11));
    house.amocrm.control.clear_calls();
    let refuse = Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401,"detail":"…"}"#.to_owned(),
    };
    house.amocrm.control.script(Script::next("/api/v4/account", refuse.clone()));
    let (status, _) = read(call(&house, Method::GET, "/api/v4/account", None).await).await;
    assert_eq!((status, house.token_requests()), (StatusCode::OK, 1));
    house.advance(TimeDelta::minutes(11));
    house.amocrm.control.script(Script::next("/api/v4/account", refuse).times(20));
    for _ in 0..9 {
        let answer = call(&house, Method::GET, "/api/v4/account", None).await;
        assert_eq!((answer.status(), house.token_requests()), (StatusCode::UNAUTHORIZED, 2));
        house.advance(TimeDelta::minutes(1));
    }
    assert_eq!(house.status().await, "active");
}

/// The first answer of the former host leads to the new one, which costs no token; what keeps looking so is asked seldom.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renamed_account_is_called_at_its_new_host(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    let get = async || read(call(&house, Method::GET, "/api/v4/account", None).await).await.0;
    let look_ups = || house.amocrm.control.calls_to("GET", "/oauth2/account/current/subdomain").len();
    house.amocrm.state.rename(ACCOUNT, "newname").unwrap();
    assert_eq!((get().await, house.token_requests(), look_ups()), (StatusCode::OK, 0, 1));
    assert_eq!(house.pauth().await.1["base_domain"], "newname.amocrm.ru");
    house.amocrm.state.rename(ACCOUNT, "third").unwrap();
    for _ in 0..3 {
        assert_eq!((get().await, look_ups()), (StatusCode::NOT_FOUND, 1));
    }
    house.advance(TimeDelta::minutes(6));
    let body = json!({ "token": house.token(flysk_suite::stand::ADMIN) });
    let (_, access) = house.backend(Method::POST, "/v1/pauth", Some(body)).await;
    assert_eq!(access["base_domain"], "third.amocrm.ru", "the page's token names it");
    assert_eq!((get().await, house.token_requests(), look_ups()), (StatusCode::OK, 0, 2));
}

/// nginx shuts our address out: the account is left alone, and nobody is taken for disconnected.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_block_is_remembered_and_not_hammered(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let page = Act::Answer {
        status: 403,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>403 Forbidden</html>".to_owned(),
    };
    house.amocrm.control.script(Script::next("/api/v4/account", page).times(9));
    house.amocrm.control.clear_calls();
    for _ in 0..3 {
        let answer = call(&house, Method::GET, "/api/v4/account", None).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }
    assert_eq!(house.amocrm.control.calls_to("GET", "/api/v4/account").len(), 1);
    assert_eq!(house.status().await, "active");
}

/// Callers that give up do not stand before those who come after them.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn callers_that_went_away_hold_nobody_up(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::seconds(2));
    let calls = |number| (0..number).map(|_| call(&house, Method::GET, "/api/v4/account", None));
    futures::future::join_all(calls(7)).await;
    let impatient = futures::future::join_all(calls(10));
    assert!(tokio::time::timeout(Duration::from_millis(300), impatient).await.is_err());
    let asked = Instant::now();
    let answer = call(&house, Method::GET, "/api/v4/account", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

/// Seven a second and no more, whoever asks and whichever process is asked; who stands in line too long is told when to come back.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_accounts_limit_is_kept_by_standing_in_line(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::seconds(2));
    let processes = [house.api_url.clone(), house.remembering_api().await];
    let calls = (0..60).map(|n| call_at(&processes[n % 2], &house, Method::GET, "/api/v4/account", None));
    let statuses: Vec<StatusCode> =
        futures::future::join_all(calls).await.iter().map(Response::status).collect();
    let passed = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let turned_away = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(passed + turned_away, 60, "{statuses:?}");
    assert!((28..60).contains(&passed), "{passed} passed");
    let calls = house.amocrm.control.calls_to("GET", "/api/v4/account");
    assert!(calls.iter().all(|call| call.status != Some(429)), "amoCRM itself had to refuse");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_account_without_access_is_refused_before_amocrm_hears_of_it(pool: MySqlPool) {
    let house = House::build(pool).await;
    let answer = call(&house, Method::GET, "/api/v4/account", None).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let nobody = house.http.get(format!("{}/v1/amocrm/api/v4/account", house.api_url)).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert!(house.amocrm.control.calls_to("GET", "/api/v4/account").is_empty());
}
