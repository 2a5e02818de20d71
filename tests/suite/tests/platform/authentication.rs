//! Every documented operation without credentials and with invalid ones. Valid credentials of other tenants are
//! in `cross_tenant.rs`.

use std::collections::BTreeSet;

use flysk_domain::Clock as _;
use flysk_simulators::amocrm::{Integration, Platform, WidgetTokenShape};
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, HOST, PUBLIC_ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::TestApp;

pub(crate) const OTHER_CLIENT_ID: &str = "22222222-2222-4333-8444-555555555555";

/// An operation and its credentials.
struct Endpoint {
    method: Method,
    path: String,
    schemes: BTreeSet<String>,
    statuses: BTreeSet<String>,
}

/// All operations of the OpenAPI document, so that new operations are tested automatically.
fn endpoints() -> Vec<Endpoint> {
    let document: Value = serde_json::from_str(&flysk_api::routes::specification()).unwrap();
    let mut endpoints = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schemes = operation["security"].as_array().into_iter().flatten();
            endpoints.push(Endpoint {
                method: method.to_uppercase().parse().unwrap(),
                path: fill(path),
                schemes: schemes.flat_map(|scheme| scheme.as_object().unwrap().keys().cloned()).collect(),
                statuses: operation["responses"].as_object().unwrap().keys().cloned().collect(),
            });
        }
    }
    endpoints
}

/// The path with parameters that exist nowhere.
fn fill(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn header_of(scheme: &str) -> &'static str {
    match scheme {
        "WidgetToken" => "X-Auth-Token",
        "ProjectToken" => "X-Project-Token",
        "Session" => "Authorization",
        other => panic!("an unknown scheme: {other}"),
    }
}

async fn probe(app: &TestApp, endpoint: &Endpoint, authority: Option<(&str, &str)>) -> (StatusCode, Value) {
    let body = (endpoint.method != Method::GET).then(|| json!({}));
    let (status, answer) =
        app.ask(endpoint.method.clone(), &endpoint.path, authority.unwrap_or(("X-Nobody", "1")), body).await;
    let told = status.as_u16().to_string();
    assert!(
        endpoint.statuses.contains(&told) || endpoint.statuses.contains("default"),
        "{} {}: {told} is not documented: {answer}",
        endpoint.method,
        endpoint.path
    );
    assert!(!status.is_server_error(), "{} {}: {answer}", endpoint.method, endpoint.path);
    (status, answer)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_operation_succeeds_without_valid_credentials(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let endpoints = endpoints();
    assert!(endpoints.len() >= 25, "the document is short: {}", endpoints.len());
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.schemes.is_empty()) {
        let (status, problem) = probe(&app, endpoint, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {}", endpoint.method, endpoint.path);
        assert_eq!(problem["status"], 401, "{} {}: {problem}", endpoint.method, endpoint.path);
        for scheme in &endpoint.schemes {
            for wrong in ["", "x", "Bearer x", "Bearer fss_x", "eyJ.eyJ.x", &"x".repeat(5_000)] {
                let (status, _) = probe(&app, endpoint, Some((header_of(scheme), wrong))).await;
                assert_eq!(
                    status,
                    StatusCode::UNAUTHORIZED,
                    "{} {} with {wrong:.20}",
                    endpoint.method,
                    endpoint.path
                );
            }
        }
    }
    let open: Vec<&str> = endpoints
        .iter()
        .filter(|endpoint| endpoint.schemes.is_empty())
        .map(|endpoint| endpoint.path.as_str())
        .collect();
    // An `<audio>` element sends no header: the secret is in the address, see `createAudioLink`.
    let has_own_secret = |path: &&str| path.starts_with("/oauth/") || *path == "/v1/flysense/audio";
    assert!(open.iter().all(has_own_secret), "{open:?}");
}

/// Every claim of a one-time token of amoCRM is verified.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_claim_of_a_one_time_token_is_verified(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let shaped =
        |shape: WidgetTokenShape| app.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape).unwrap();
    let ask = async |token: &str| app.ask(Method::GET, "/v1/settings", ("X-Auth-Token", token), None).await;
    let good = [
        shaped(WidgetTokenShape::default()),
        shaped(WidgetTokenShape { bare: true, ..WidgetTokenShape::default() }),
        shaped(WidgetTokenShape { ids_as_text: true, ..WidgetTokenShape::default() }),
        shaped(WidgetTokenShape { shift_s: 50, ..WidgetTokenShape::default() }),
        shaped(WidgetTokenShape { shift_s: -1_830, ..WidgetTokenShape::default() }),
    ];
    for token in &good {
        let (status, answer) = ask(token).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let early = shaped(WidgetTokenShape { shift_s: 90, ..WidgetTokenShape::default() });
    let late = shaped(WidgetTokenShape { shift_s: -1_900, ..WidgetTokenShape::default() });
    assert_eq!(ask(&early).await.1["code"], "unauthorized");
    assert_eq!(ask(&late).await.1["code"], "token_expired");
    for token in forged(&good[0]) {
        let (status, answer) = ask(&token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    }
}

/// Tokens with another key, another algorithm or none, another audience, or another issuer.
fn forged(good: &str) -> Vec<String> {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(good).unwrap().claims;
    let sign = |algorithm, secret: &str, claims: &Value| {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        sign(Algorithm::HS256, CLIENT_SECRET, &claims)
    };
    let body = good.split('.').nth(1).unwrap();
    vec![
        sign(Algorithm::HS256, "another-secret", &claims),
        sign(Algorithm::HS512, CLIENT_SECRET, &claims),
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}."),
        with("aud", json!("https://evil.example")),
        with("aud", json!(format!("{PUBLIC_ORIGIN}:443"))),
        with("iss", json!("https://evil.example")),
        with("iss", json!("http://demo.amocrm.ru")),
        with("client_uuid", json!(OTHER_CLIENT_ID)),
        with("account_id", json!("all")),
    ]
}

/// Names that no column can store are unknown names, not internal errors.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_name_in_another_alphabet_is_unknown(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    for (path, expected) in [
        ("/oauth/amocrm/disconnect?account_id=1&client_uuid=%C3%AC&signature=x", StatusCode::UNAUTHORIZED),
        ("/oauth/amocrm/connect?widget=%C3%AC", StatusCode::NOT_FOUND),
        ("/oauth/amocrm/callback?code=c&referer=demo.amocrm.ru&client_id=%C3%AC", StatusCode::NOT_FOUND),
        ("/oauth/amocrm/callback/%C3%AC?code=c&referer=demo.amocrm.ru", StatusCode::NOT_FOUND),
    ] {
        let answer = app.http.get(format!("{}{path}", app.api_url)).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{path}");
    }
}

/// CORS: pages of amoCRM may read every response, errors included; other origins may not.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_pages_of_amocrm_may_read_responses(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let url = format!("{}/v1/settings", app.api_url);
    for (origin, allowed) in [
        ("https://demo.amocrm.ru", true),
        ("https://new.kommo.com", true),
        ("https://evil.example", false),
        ("http://demo.amocrm.ru", false),
    ] {
        let asked = app.http.request(Method::OPTIONS, &url).header("Origin", origin);
        let asked = asked.header("Access-Control-Request-Method", "GET").send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::NO_CONTENT);
        let refused = app.http.get(&url).header("Origin", origin).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        for answer in [asked, refused] {
            let header = answer.headers().get("access-control-allow-origin");
            assert_eq!(header.map(|value| value.to_str().unwrap()), allowed.then_some(origin));
            assert_eq!(answer.headers()["vary"], "Origin");
        }
    }
}

/// RFC 7519 allows times with a fraction and a list of audiences.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn tokens_with_fractional_times_and_several_audiences_are_valid(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let now = app.clock.now().timestamp();
    let token = |audience: Value, expires_in_s: i64| {
        let second = |offset: i64| json!(format!("{}.25", now + offset).parse::<f64>().unwrap());
        let claims = json!({ "iss": format!("https://{HOST}"), "aud": audience, "iat": second(0), "nbf": second(0),
            "exp": second(expires_in_s), "account_id": ACCOUNT, "user_id": ADMIN, "client_uuid": CLIENT_ID });
        let key = jsonwebtoken::EncodingKey::from_secret(CLIENT_SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let several = json!(["https://other.example.test", PUBLIC_ORIGIN]);
    for audience in [json!(PUBLIC_ORIGIN), several.clone()] {
        let token = token(audience, 1_800);
        let (status, answer) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("active")), "{answer}");
        let (status, answer) = app.backend(Method::POST, "/v1/pauth", Some(json!({ "token": token }))).await;
        assert_eq!((status, &answer["user_id"]), (StatusCode::OK, &json!(ADMIN)), "{answer}");
    }
    for (audience, expires_in_s, code) in [
        (several, -62, "token_expired"),
        (json!(["https://other.example.test"]), 1_800, "unauthorized"),
        (json!([]), 1_800, "unauthorized"),
    ] {
        let token = token(audience, expires_in_s);
        let (status, problem) = app.ask(Method::POST, "/v1/handshake", ("X-Auth-Token", &token), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!(code)));
    }
}

/// CORS headers are present on every kind of failure, at any stage of the request.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_amocrm_may_read_every_failure(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let put = async |body: String| {
        let request =
            app.http.put(format!("{}/v1/settings", app.api_url)).header("Origin", "https://demo.amocrm.ru");
        let request =
            request.header("X-Auth-Token", app.token(ADMIN)).header("Content-Type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let headers = answer.headers();
        let allowed = headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap());
        assert_eq!(allowed, Some("https://demo.amocrm.ru"), "{}", answer.status());
        assert_eq!(headers["cache-control"], "no-store");
        answer.status().as_u16()
    };
    let change = |settings: Value| json!({ "version": 0, "settings": settings }).to_string();
    assert_eq!(put("{".to_owned()).await, 400);
    assert_eq!(put(change(json!(1))).await, 422);
    assert_eq!(put(" ".repeat(3_000_000)).await, 413);
    assert_eq!(put(change(json!({}))).await, 200);
    assert_eq!(put(change(json!({}))).await, 409);
    sqlx::query("RENAME TABLE widgets TO widgets_away").execute(&app.pool).await.unwrap();
    let away = put(change(json!({}))).await;
    assert!(away >= 500, "{away}");
}

pub(crate) fn add_other_widget(app: &TestApp) {
    add_integration(app, OTHER_CLIENT_ID, "neighbour");
}

/// Adds an integration of another widget to amoCRM.
pub(crate) fn add_integration(app: &TestApp, client_id: &str, code: &str) {
    app.amocrm.state.add_integration(Integration {
        client_id: client_id.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        disconnect_url: None,
        code: code.to_owned(),
        scopes: vec!["crm".to_owned()],
        platform: Platform::Amocrm,
        only_account: None,
    });
}
