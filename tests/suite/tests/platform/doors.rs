//! Every documented operation with no credential and with wrong ones; good ones of somebody else are in `strangers.rs`.

use std::collections::BTreeSet;

use flysk_simulators::amocrm::{Integration, Platform, WidgetTokenShape};
use flysk_suite::stand::{ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::House;

pub(crate) const NEIGHBOUR: &str = "22222222-2222-4333-8444-555555555555";

/// An operation and how it lets people in.
struct Door {
    method: Method,
    path: String,
    schemes: BTreeSet<String>,
    statuses: BTreeSet<String>,
}

/// From the document itself, so that a new operation is walked without anybody thinking of it.
fn doors() -> Vec<Door> {
    let document: Value = serde_json::from_str(&flysk_api::routes::specification()).unwrap();
    let mut doors = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schemes = operation["security"].as_array().into_iter().flatten();
            doors.push(Door {
                method: method.to_uppercase().parse().unwrap(),
                path: fill(path),
                schemes: schemes.flat_map(|scheme| scheme.as_object().unwrap().keys().cloned()).collect(),
                statuses: operation["responses"].as_object().unwrap().keys().cloned().collect(),
            });
        }
    }
    doors
}

/// Parameters of the path with values that exist nowhere.
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

async fn knock(house: &House, door: &Door, authority: Option<(&str, &str)>) -> (StatusCode, Value) {
    let body = (door.method != Method::GET).then(|| json!({}));
    let (status, answer) =
        house.ask(door.method.clone(), &door.path, authority.unwrap_or(("X-Nobody", "1")), body).await;
    let told = status.as_u16().to_string();
    assert!(
        door.statuses.contains(&told) || door.statuses.contains("default"),
        "{} {}: {told} is not documented: {answer}",
        door.method,
        door.path
    );
    assert!(!status.is_server_error(), "{} {}: {answer}", door.method, door.path);
    (status, answer)
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn no_door_opens_without_its_key(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let doors = doors();
    assert!(doors.len() >= 25, "the document is short: {}", doors.len());
    for door in doors.iter().filter(|door| !door.schemes.is_empty()) {
        let (status, problem) = knock(&house, door, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {}", door.method, door.path);
        assert_eq!(problem["status"], 401, "{} {}: {problem}", door.method, door.path);
        for scheme in &door.schemes {
            for wrong in ["", "x", "Bearer x", "Bearer fss_x", "eyJ.eyJ.x", &"x".repeat(5_000)] {
                let (status, _) = knock(&house, door, Some((header_of(scheme), wrong))).await;
                assert_eq!(
                    status,
                    StatusCode::UNAUTHORIZED,
                    "{} {} with {wrong:.20}",
                    door.method,
                    door.path
                );
            }
        }
    }
    let open: Vec<&str> =
        doors.iter().filter(|door| door.schemes.is_empty()).map(|door| door.path.as_str()).collect();
    assert!(open.iter().all(|path| path.starts_with("/oauth/")), "{open:?}");
}

/// The token of amoCRM's page: every part of it counts.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_widget_token_is_checked_in_every_part(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let shaped =
        |shape: WidgetTokenShape| house.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape).unwrap();
    let ask = async |token: &str| house.ask(Method::GET, "/v1/settings", ("X-Auth-Token", token), None).await;
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

/// Signed with another key, with another algorithm, with none; meant for another address, issued by others.
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
        with("client_uuid", json!(NEIGHBOUR)),
        with("account_id", json!("all")),
    ]
}

/// Names that no column can hold are names of nobody, not a failure of ours.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_name_in_another_alphabet_is_nobodys(pool: MySqlPool) {
    let house = House::build(pool).await;
    for (path, expected) in [
        ("/oauth/amocrm/disconnect?account_id=1&client_uuid=%C3%AC&signature=x", StatusCode::UNAUTHORIZED),
        ("/oauth/amocrm/connect?widget=%C3%AC", StatusCode::NOT_FOUND),
        ("/oauth/amocrm/callback?code=c&referer=demo.amocrm.ru&client_id=%C3%AC", StatusCode::NOT_FOUND),
        ("/oauth/amocrm/callback/%C3%AC?code=c&referer=demo.amocrm.ru", StatusCode::NOT_FOUND),
    ] {
        let answer = house.http.get(format!("{}{path}", house.api_url)).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{path}");
    }
}

/// CORS: amoCRM's pages may read every answer, errors included; nobody else's may.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn only_amocrms_pages_may_read_answers(pool: MySqlPool) {
    let house = House::build(pool).await;
    let url = format!("{}/v1/settings", house.api_url);
    for (origin, allowed) in [
        ("https://demo.amocrm.ru", true),
        ("https://new.kommo.com", true),
        ("https://evil.example", false),
        ("http://demo.amocrm.ru", false),
    ] {
        let asked = house.http.request(Method::OPTIONS, &url).header("Origin", origin);
        let asked = asked.header("Access-Control-Request-Method", "GET").send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::NO_CONTENT);
        let refused = house.http.get(&url).header("Origin", origin).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        for answer in [asked, refused] {
            let header = answer.headers().get("access-control-allow-origin");
            assert_eq!(header.map(|value| value.to_str().unwrap()), allowed.then_some(origin));
            assert_eq!(answer.headers()["vary"], "Origin");
        }
    }
}

/// The same of every kind of failure, wherever on its way the request failed.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn amocrms_pages_may_read_every_failure(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let put = async |body: String| {
        let request = house
            .http
            .put(format!("{}/v1/settings", house.api_url))
            .header("Origin", "https://demo.amocrm.ru");
        let request =
            request.header("X-Auth-Token", house.token(ADMIN)).header("Content-Type", "application/json");
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
    sqlx::query("RENAME TABLE widgets TO widgets_away").execute(&house.pool).await.unwrap();
    let away = put(change(json!({}))).await;
    assert!(away >= 500, "{away}");
}

pub(crate) fn add_neighbour(house: &House) {
    house.amocrm.state.add_integration(Integration {
        client_id: NEIGHBOUR.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        disconnect_url: None,
        code: "neighbour".to_owned(),
        scopes: vec!["crm".to_owned()],
        platform: Platform::Amocrm,
        only_account: None,
    });
}
