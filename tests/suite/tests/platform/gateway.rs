//! The gateway to the amoCRM API.

use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_store::platform::token_audit;
use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::authentication::{OTHER_CLIENT_ID, add_integration};
use super::gateway_queue::GatewayQueue;
use super::harness::{TestApp, as_conn, read};

const THIRD_CLIENT_ID: &str = "0b8e3c52-7a7d-4f0e-9d4c-6f2b8f1d3a77";

async fn call(app: &TestApp, method: Method, path: &str, body: Option<serde_json::Value>) -> Response {
    call_at(&app.api_url, app, method, path, body).await
}

async fn call_at(
    api: &str,
    app: &TestApp,
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
) -> Response {
    let mut request = app
        .http
        .request(method, format!("{api}/v1/amocrm{path}"))
        .header("X-Project-Token", &app.project_token)
        .header("X-Account-Id", ACCOUNT.to_string());
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_request_is_forwarded_with_the_accounts_token_and_logged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let answer = call(&app, Method::GET, "/api/v4/account?with=datetime_settings", None).await;
    assert_eq!(answer.headers()["x-flysk-answer"], "amocrm");
    let (status, account) = read(answer).await;
    assert_eq!((status, &account["id"]), (StatusCode::OK, &json!(ACCOUNT)), "{account}");
    let reads =
        token_audit::list_latest(as_conn(&mut app.conn().await), app.install_id().await, 10).await.unwrap();
    assert_eq!(
        (reads[0].reader.as_str(), reads[0].purpose.as_str()),
        ("gateway:flysense", "GET /api/v4/account")
    );
    let logged = app.amocrm.control.calls_to("GET", "/api/v4/account");
    assert!(logged.iter().all(|call| call.header("x-project-token").is_none()), "our token went along");
}

/// amoCRM's status and body are returned unchanged, and can be distinguished from our errors.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn errors_of_amocrm_are_distinguished_from_ours(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let theirs = call(&app, Method::POST, "/api/v4/leads/notes", Some(json!([{ "entity_id": 1 }]))).await;
    assert_eq!(theirs.headers()["x-flysk-answer"], "amocrm");
    assert_eq!(theirs.status(), StatusCode::BAD_REQUEST);
    for path in ["/oauth2/access_token", "/api/v4/", "/api/v4/%2e%2e/oauth2", "/api/v2/leads"] {
        let ours = call(&app, Method::GET, path, None).await;
        assert_eq!(ours.headers()["x-flysk-answer"], "flysk", "{path}");
        assert_eq!(ours.status(), StatusCode::BAD_REQUEST, "{path}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_token_rejected_by_amocrm_is_renewed_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    let refuse = Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401,"detail":"…"}"#.to_owned(),
    };
    app.amocrm.control.script(Script::next("/api/v4/account", refuse.clone()));
    let (status, _) = read(call(&app, Method::GET, "/api/v4/account", None).await).await;
    assert_eq!((status, app.token_requests()), (StatusCode::OK, 1));
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.script(Script::next("/api/v4/account", refuse).times(20));
    for _ in 0..9 {
        let answer = call(&app, Method::GET, "/api/v4/account", None).await;
        assert_eq!((answer.status(), app.token_requests()), (StatusCode::UNAUTHORIZED, 2));
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.status().await, "active");
}

/// The first response of the former host leads to the new one, which costs no token. If such responses continue,
/// the look-up is repeated rarely.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renamed_account_is_called_at_its_new_host(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    let get = async || read(call(&app, Method::GET, "/api/v4/account", None).await).await.0;
    let look_ups = || app.amocrm.control.calls_to("GET", "/oauth2/account/current/subdomain").len();
    app.amocrm.state.rename(ACCOUNT, "newname").unwrap();
    assert_eq!((get().await, app.token_requests(), look_ups()), (StatusCode::OK, 0, 1));
    assert_eq!(app.pauth().await.1["base_domain"], "newname.amocrm.ru");
    app.amocrm.state.rename(ACCOUNT, "third").unwrap();
    for _ in 0..3 {
        assert_eq!((get().await, look_ups()), (StatusCode::NOT_FOUND, 1));
    }
    app.advance(TimeDelta::minutes(6));
    let body = json!({ "token": app.token(flysk_suite::environment::ADMIN) });
    let (_, access) = app.backend(Method::POST, "/v1/pauth", Some(body)).await;
    assert_eq!(access["base_domain"], "third.amocrm.ru", "the page's token names it");
    assert_eq!((get().await, app.token_requests(), look_ups()), (StatusCode::OK, 0, 2));
}

/// nginx blocks our address: requests to the account are suspended, and it does not count as disconnected.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_blocked_account_is_not_called_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let page = Act::Answer {
        status: 403,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>403 Forbidden</html>".to_owned(),
    };
    app.amocrm.control.script(Script::next("/api/v4/account", page).times(9));
    app.amocrm.control.clear_calls();
    for _ in 0..3 {
        let answer = call(&app, Method::GET, "/api/v4/account", None).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }
    assert_eq!(app.amocrm.control.calls_to("GET", "/api/v4/account").len(), 1);
    assert_eq!(app.status().await, "active");
}

/// amoCRM lists the webhooks of all integrations, and an address may contain a secret.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn webhooks_of_other_integrations_are_not_shown(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for destination in ["https://one.example.com/hook", "https://two.example.com/secret"] {
        let hook = json!({ "destination": destination, "settings": ["add_lead"] });
        let answer = call(&app, Method::POST, "/api/v4/webhooks", Some(hook)).await;
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    for path in
        ["/api/v4/webhooks", "/api/v4/webhooks?limit=250", "/api/v4/webhooks?filter%5Bdestination%5D="]
    {
        let answer = call(&app, Method::GET, path, None).await;
        assert_eq!(
            (answer.status(), &answer.headers()["x-flysk-answer"]),
            (StatusCode::BAD_REQUEST, &"flysk".parse().unwrap())
        );
    }
    let named = "/api/v4/webhooks?filter%5Bdestination%5D=https%3A%2F%2Fone.example.com%2Fhook";
    let (status, list) = read(call(&app, Method::GET, named, None).await).await;
    assert_eq!(status, StatusCode::OK);
    let shown: Vec<_> =
        list["_embedded"]["webhooks"].as_array().unwrap().iter().map(|hook| &hook["destination"]).collect();
    assert_eq!(shown, [&json!("https://one.example.com/hook")]);
}

/// A page may answer what one widget requests: it pauses that widget. When a second widget meets it, the account is paused.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_403_page_pauses_the_widget_that_met_it_and_the_second_one_pauses_the_account(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let mut tokens = vec![app.project_token.clone()];
    for (code, client_id) in [("neighbour", OTHER_CLIENT_ID), ("third", THIRD_CLIENT_ID)] {
        add_integration(&app, client_id, code);
        tokens.push(app.register(code, client_id).await);
        assert_eq!(app.amocrm.state.install(client_id, ACCOUNT, None).await.unwrap().status, Some(200));
    }
    app.run_due_jobs().await;
    let get = async |widget: usize, path: &str| {
        let request = app.http.get(format!("{}/v1/amocrm{path}", app.api_url));
        let request =
            request.header("X-Project-Token", &tokens[widget]).header("X-Account-Id", ACCOUNT.to_string());
        request.send().await.unwrap().status()
    };
    let page = Act::Answer {
        status: 403,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>403 Forbidden</html>".to_owned(),
    };
    app.amocrm.control.script(Script::next("/api/v4/leads", page).times(2));
    assert_eq!(get(0, "/api/v4/leads").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(0, "/api/v4/account").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(1, "/api/v4/account").await, StatusCode::OK);
    assert_eq!(get(1, "/api/v4/leads").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(2, "/api/v4/account").await, StatusCode::SERVICE_UNAVAILABLE, "two have met it");
}

/// Callers that have given up do not delay later ones.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn callers_that_gave_up_delay_no_others(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::seconds(2));
    let queue = GatewayQueue::of(&app).await;
    let impatient = (0..60).map(|_| call(&app, Method::GET, "/api/v4/account", None));
    tokio::select! {
        answers = futures::future::join_all(impatient) => panic!("none of {} waited", answers.len()),
        () = queue.until(|waiting| waiting > 0) => {}
    }
    queue.keep().await;
    queue.until(|waiting| waiting == 0).await;
    let answer = call(&app, Method::GET, "/api/v4/account", None).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// At most 7/s, for any caller and any process. A request that waits too long is told when to retry. The processes are allowed less,
/// because requests bunch up on a busy machine, but more than a third: processes with a limit each would exceed it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_accounts_rate_limit_is_enforced_by_queueing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::seconds(2));
    let process = || app.api_in(|env| env.with("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "3"));
    let processes = [process().await, process().await, process().await];
    let calls = (0..60).map(|n| call_at(&processes[n % 3], &app, Method::GET, "/api/v4/account", None));
    let statuses: Vec<StatusCode> =
        futures::future::join_all(calls).await.iter().map(Response::status).collect();
    let passed = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let turned_away = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(passed + turned_away, 60, "{statuses:?}");
    assert!((12..60).contains(&passed), "{passed} passed");
    let calls = app.amocrm.control.calls_to("GET", "/api/v4/account");
    assert!(calls.iter().all(|call| call.status != Some(429)), "amoCRM itself had to refuse");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_account_without_access_is_rejected_without_calling_amocrm(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let answer = call(&app, Method::GET, "/api/v4/account", None).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let nobody = app.http.get(format!("{}/v1/amocrm/api/v4/account", app.api_url)).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert!(app.amocrm.control.calls_to("GET", "/api/v4/account").is_empty());
}
