//! Tests that the simulated amoCRM's token endpoint rejects what the real one rejects.

use crate::amo::{ACCOUNT, ADMIN, Amo, CLIENT_ID, MANAGER, REDIRECT, answer, exchange, integration, refresh};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use flysk_simulators::amocrm::{Behaviour, WidgetTokenShape};
use flysk_simulators::{Act, Control, Script, vendor};
use serde_json::{Value, json};

/// Status and hint of the response to a request body.
async fn refused(amo: &Amo, body: Value) -> (u16, String) {
    let (status, problem) = amo.token(&body).await;
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], "https://developers.amocrm.ru/v3/errors/OAuthProblemJson");
    (status, problem["hint"].as_str().unwrap_or("none").to_owned())
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[tokio::test]
async fn a_code_works_once_within_20_minutes() {
    let amo = Amo::start().await;
    let code = amo.sim.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    amo.sim.control.clock().advance(Duration::minutes(19));
    assert_eq!(amo.token(&exchange(&code)).await.0, 200);
    assert_eq!(refused(&amo, exchange(&code)).await, (400, "Authorization code has been revoked".into()));

    let late = amo.sim.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    amo.sim.control.clock().advance(Duration::minutes(21));
    assert_eq!(refused(&amo, exchange(&late)).await, (400, "Authorization code has expired".into()));
    assert_eq!(refused(&amo, exchange("junk")).await, (400, "Cannot decrypt the authorization code".into()));
}

#[tokio::test]
async fn a_refresh_token_works_once() {
    let amo = Amo::start().await;
    let (_, first) = amo.connect(ADMIN).await;
    let (status, pair) = amo.token(&refresh(&first)).await;
    assert_eq!((status, pair["expires_in"].as_i64()), (200, Some(86_400)));
    assert_eq!(refused(&amo, refresh(&first)).await, (401, "Token has been revoked".into()));
    let second = pair["refresh_token"].as_str().unwrap();
    assert_eq!(amo.token(&refresh(second)).await.0, 200);
}

#[tokio::test]
async fn a_refresh_token_expires_after_three_months() {
    let amo = Amo::start().await;
    let (_, token) = amo.connect(ADMIN).await;
    amo.sim.control.clock().advance(Duration::days(91));
    assert_eq!(refused(&amo, refresh(&token)).await, (401, "Token has expired".into()));
    assert_eq!(refused(&amo, refresh("junk")).await, (401, "Cannot decrypt the refresh token".into()));
    amo.sim.state.set_behaviour(Behaviour { bad_refresh_status: 400, ..Behaviour::default() });
    assert_eq!(refused(&amo, refresh("junk")).await.0, 400);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let amo = Amo::start().await;
    let good = exchange(&amo.sim.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap());
    let cases = [
        ("client_id", json!("x"), 400, "Check the `client_id` parameter"),
        ("client_id", json!(7), 400, "Check the `client_id` parameter"),
        ("client_id", json!("11111111-2222-4333-8444-000000000000"), 401, "none"),
        ("client_secret", json!("other"), 401, "none"),
        ("client_secret", json!(""), 400, "Check the `client_secret` parameter"),
        ("redirect_uri", json!(format!("{REDIRECT}/")), 400, "Redirect URI is not associated with client"),
        ("grant_type", json!("password"), 400, "Check the `grant_type` parameter"),
        ("redirect_url", json!(REDIRECT), 400, "Check the `redirect_url` parameter"),
    ];
    for (field, value, status, hint) in cases {
        assert_eq!(refused(&amo, with(good.clone(), field, value)).await, (status, hint.into()), "{field}");
    }
    assert_eq!(amo.token(&good).await.0, 200, "refusals must not spend the code");
}

#[tokio::test]
async fn tokens_are_bound_to_client_and_account_host() {
    let amo = Amo::start().await;
    let other_id = "99999999-2222-4333-8444-555555555555";
    amo.sim.state.add_integration(flysk_simulators::amocrm::Integration {
        client_id: other_id.into(),
        ..integration()
    });
    let (_, token) = amo.connect(ADMIN).await;
    let stolen = with(refresh(&token), "client_id", json!(other_id));
    assert_eq!(refused(&amo, stolen).await, (401, "Token is not linked to client".into()));

    let neighbour =
        flysk_simulators::amocrm::Account { id: 2, subdomain: "other".into(), ..crate::amo::account() };
    amo.sim.state.add_account(neighbour).unwrap();
    let post = |host| answer(amo.request("POST", host, "/oauth2/access_token").json(&refresh(&token)));
    assert_eq!(post("other.amocrm.ru").await.1["hint"], "Invalid account");
    assert_eq!(post("www.amocrm.ru").await.1["hint"], "Invalid account");
    assert_eq!(post("nobody.amocrm.ru").await.0, 404);
    assert_eq!(post("demo.amocrm.ru").await.0, 200);
}

#[tokio::test]
async fn only_json_and_forms_are_accepted() {
    let amo = Amo::start().await;
    let code = amo.sim.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    let body = exchange(&code);
    let post = || amo.request("POST", "demo.amocrm.ru", "/oauth2/access_token");
    let plain = post().header("content-type", "text/plain").body(body.to_string());
    assert_eq!(answer(plain).await.0, 400);
    let form: Vec<(String, String)> = body
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(answer(post().form(&form)).await.0, 200);
}

#[tokio::test]
async fn an_access_token_is_a_signed_jwt_with_the_known_claims() {
    let amo = Amo::start().await;
    let (access, _) = amo.connect(ADMIN).await;
    let parts: Vec<&str> = access.split('.').collect();
    let json =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(json(parts[0])["alg"], "RS256");
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);
    let claims = json(parts[1]);
    assert_eq!(claims["account_id"], ACCOUNT);
    assert_eq!(claims["sub"], ADMIN.to_string());
    assert_eq!(claims["base_domain"], "amocrm.ru");
    assert_eq!(claims["api_domain"], "api-b.amocrm.ru");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
}

#[tokio::test]
async fn a_renamed_account_is_found_by_its_refresh_token() {
    let amo = Amo::start().await;
    let (access, token) = amo.connect(ADMIN).await;
    amo.sim.state.rename(ACCOUNT, "newname").unwrap();
    assert_eq!(amo.token(&refresh(&token)).await.0, 404);
    assert_eq!(amo.api(&access, "GET", "/account", None).await.0, 404);
    let ask = |token: &str| {
        let path = "/oauth2/account/current/subdomain";
        answer(amo.request("GET", "api-b.amocrm.ru", path).header("x-refresh-token", token))
    };
    let known = json!({"id": ACCOUNT, "subdomain": "newname", "domain": "newname.amocrm.ru",
                       "top_level_domain": "ru"});
    assert_eq!(ask(&token).await, (200, known));
    assert_eq!(ask("junk").await.0, 401);
    let renewed = amo.request("POST", "newname.amocrm.ru", "/oauth2/access_token").json(&refresh(&token));
    assert_eq!(answer(renewed).await.0, 200, "asking does not spend the token");
}

#[tokio::test]
async fn installing_calls_the_redirect_uri_once_and_ignores_the_response() {
    let amo = Amo::start().await;
    let app = vendor::start(None, None, Control::default()).await.unwrap();
    amo.sim.state.route("https://app.example.com", &app.url);
    app.control.script(Script::next(
        "/amo/callback",
        Act::Answer { status: 500, headers: vec![], body: String::new() },
    ));
    let outcome = amo.sim.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(outcome.status, Some(500));
    let calls = app.control.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].header("host"), Some("app.example.com"));
    let query: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(calls[0].query.as_bytes()).into_owned().collect();
    assert_eq!(query["referer"], "demo.amocrm.ru");
    assert_eq!(query["from_widget"], "1");
    assert_eq!(query["platform"], "1");
    assert_eq!(query["client_id"], CLIENT_ID);
    assert!(!query.contains_key("state"));
    assert_eq!(amo.token(&exchange(&query["code"])).await.0, 200);
    assert!(amo.sim.state.install(CLIENT_ID, ACCOUNT, Some(MANAGER)).await.is_err());
}

#[tokio::test]
async fn the_oauth_page_grants_and_refuses() {
    let amo = Amo::start().await;
    let get = |path: &str| amo.request("GET", "www.amocrm.ru", path);
    let (status, page) =
        answer(get(&format!("/oauth?client_id={CLIENT_ID}&state=s1&mode=post_message"))).await;
    let page = page.as_str().unwrap().to_owned();
    assert_eq!(status, 200);
    assert!(page.contains("demo.amocrm.ru") && page.contains("value=\"12345678:501\""));
    assert!(!page.contains(":502"), "only administrators grant first");

    let location = async |action: &str| {
        let path =
            format!("/oauth/answer?client_id={CLIENT_ID}&state=s1&who={ACCOUNT}:{ADMIN}&action={action}");
        let response = get(&path).send().await.unwrap();
        assert_eq!(response.status(), 302);
        response.headers()["location"].to_str().unwrap().to_owned()
    };
    let granted = location("grant").await;
    assert!(
        granted.starts_with(&format!("{REDIRECT}?code="))
            && granted.contains("&state=s1&referer=demo.amocrm.ru")
    );
    assert_eq!(location("refuse").await, format!("{REDIRECT}?error=access_denied&state=s1"));
    assert_eq!(answer(get("/oauth?client_id=nobody")).await.0, 400);
}

#[tokio::test]
async fn disabling_revokes_tokens_and_calls_the_signed_hook() {
    let amo = Amo::start().await;
    let app = vendor::start(None, None, Control::default()).await.unwrap();
    amo.sim.state.route("https://app.example.com", &app.url);
    let (access, token) = amo.connect(ADMIN).await;
    amo.sim.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    let call = &app.control.calls_to("GET", "/amo/disconnect")[0];
    assert_eq!(
        call.query,
        "account_id=12345678&client_uuid=11111111-2222-4333-8444-555555555555\
         &signature=9e6053f2bd3709730b206b2bf1d8ac4892cd16a9813d12cff19dab5f1c397452"
    );
    assert_eq!(amo.api(&access, "GET", "/account", None).await.0, 401);
    assert_eq!(refused(&amo, refresh(&token)).await, (401, "Token has been revoked".into()));
}

#[tokio::test]
async fn a_lost_response_spends_the_refresh_token() {
    let amo = Amo::start().await;
    let (_, token) = amo.connect(ADMIN).await;
    amo.sim.control.script(Script::next("/oauth2/access_token", Act::ServeThenCut));
    let lost =
        amo.request("POST", "demo.amocrm.ru", "/oauth2/access_token").json(&refresh(&token)).send().await;
    assert!(lost.is_err());
    assert_eq!(refused(&amo, refresh(&token)).await, (401, "Token has been revoked".into()));

    let (_, unspent) = amo.connect(ADMIN).await;
    amo.sim.control.script(Script::next("/oauth2/access_token", Act::Cut));
    let cut =
        amo.request("POST", "demo.amocrm.ru", "/oauth2/access_token").json(&refresh(&unspent)).send().await;
    assert!(cut.is_err());
    assert_eq!(amo.token(&refresh(&unspent)).await.0, 200, "a request that never arrived spends nothing");
}

#[tokio::test]
async fn widget_tokens_verify_with_the_integrations_secret_only() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let amo = Amo::start().await;
    let shape = WidgetTokenShape::default();
    let token = amo.sim.state.widget_token(CLIENT_ID, ACCOUNT, MANAGER, &shape).unwrap();
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_audience(&["https://app.example.com"]);
    rules.set_issuer(&["https://demo.amocrm.ru"]);
    let verify = |secret: &str| decode::<Value>(&token, &DecodingKey::from_secret(secret.as_bytes()), &rules);
    let claims = verify(crate::amo::SECRET).unwrap().claims;
    assert_eq!((claims["account_id"].as_u64(), claims["user_id"].as_u64()), (Some(ACCOUNT), Some(MANAGER)));
    assert_eq!((&claims["is_admin"], &claims["client_uuid"]), (&json!(false), &json!(CLIENT_ID)));
    assert!(verify("another-secret").is_err());
}
