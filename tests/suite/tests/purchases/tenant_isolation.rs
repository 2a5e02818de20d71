//! Isolation of tenants: two accounts with purchases, each using the other's ids.

use flysk_domain::id::{AccountId, InstallId, PurchaseId};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::platform::installs;
use flysk_suite::environment::{ADMIN, CLIENT_ID, another_account};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, read};

const PURCHASES: &str = "/v1/flycoins/purchases";
const OTHER_ACCOUNT: u64 = 41_000_001;
const OTHER_ADMIN: u64 = 41_000_002;

/// The same widget in another account, with an administrator who creates a purchase there.
struct OtherTenant<'a> {
    app: &'a TestApp,
    install: InstallId,
    purchase: PurchaseId,
}

impl<'a> OtherTenant<'a> {
    async fn install(app: &'a TestApp) -> Self {
        let account = another_account(OTHER_ACCOUNT, "other", OTHER_ADMIN);
        app.amocrm.state.add_account(account).unwrap();
        let outcome = app.amocrm.state.install(CLIENT_ID, OTHER_ACCOUNT, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        app.run_due_jobs().await;
        let widget = app.widget().await;
        let found =
            installs::find_in_account(&mut *app.conn().await, widget.id, AccountId(OTHER_ACCOUNT)).await;
        let install = found.unwrap().expect("the widget is installed").id;
        let body = json!({ "package_id": app.package().await.id, "email": "vera@example.test" });
        let (status, begun) = ask(app, Method::POST, PURCHASES, Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
        app.run_due_jobs().await;
        Self { app, install, purchase: begun["id"].as_str().unwrap().parse().unwrap() }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        ask(self.app, Method::GET, path, None).await
    }
}

/// A request of the other account's widget. Both accounts use the same idempotency key.
async fn ask(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let shape = WidgetTokenShape::default();
    let token = app.amocrm.state.widget_token(CLIENT_ID, OTHER_ACCOUNT, OTHER_ADMIN, &shape).unwrap();
    let mut request = app.http.request(method, format!("{}{path}", app.url)).header("X-Auth-Token", token);
    if let Some(body) = body {
        request = request.header("Idempotency-Key", "order-1").json(&body);
    }
    read(request.send().await.unwrap()).await
}

/// Opens the hosted page through the link of a handshake; returns its path and cookie.
async fn enter(app: &TestApp, handshake: &Value) -> (String, String) {
    let link = handshake["billing_urls"]["flycoins"].as_str().expect("administrators get a link");
    let entered = app.http.get(link).send().await.unwrap();
    let header = |name| entered.headers()[name].to_str().unwrap().to_owned();
    let (path, cookie) = (header(LOCATION), header(SET_COOKIE));
    (path, cookie.split(';').next().unwrap().to_owned())
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn purchases_of_another_account_are_not_found(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (status, begun) = app.order("order-1", false).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    app.run_due_jobs().await;
    let ours: PurchaseId = begun["id"].as_str().unwrap().parse().unwrap();
    let other = OtherTenant::install(&app).await;
    let theirs = other.purchase;
    assert_ne!(ours, theirs, "one key is two purchases in two wallets");

    assert_eq!(app.get(&format!("{PURCHASES}/{ours}")).await.0, StatusCode::OK);
    assert_eq!(other.get(&format!("{PURCHASES}/{theirs}")).await.0, StatusCode::OK);
    for (status, problem) in
        [app.get(&format!("{PURCHASES}/{theirs}")).await, other.get(&format!("{PURCHASES}/{ours}")).await]
    {
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    }
    for cursor in ["", "&cursor=pur_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"] {
        let path = format!("{PURCHASES}?limit=10{cursor}");
        assert_eq!(ids(&app.get(&path).await.1), [ours.to_string()]);
        assert_eq!(ids(&other.get(&path).await.1), [theirs.to_string()]);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_shows_purchases_of_its_own_account_only(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let ours = app.opened().await;
    let other = OtherTenant::install(&app).await;
    let theirs = other.purchase;
    let (_, handshake) = app.ask_as(ADMIN, Method::POST, "/v1/handshake", None, None).await;
    let our_visit = enter(&app, &handshake).await;
    let (_, handshake) = ask(&app, Method::POST, "/v1/handshake", None).await;
    let their_visit = enter(&app, &handshake).await;
    assert!(their_visit.0.contains(&other.install.to_string()), "{}", their_visit.0);

    let see = async |(_, cookie): &(String, String), path: String| {
        let request = app.http.get(format!("{}{path}", app.url)).header(COOKIE, cookie);
        read(request.send().await.unwrap()).await
    };
    for (visit, own, other, others_page) in
        [(&our_visit, ours, theirs, &their_visit.0), (&their_visit, theirs, ours, &our_visit.0)]
    {
        let page = &visit.0;
        for end in ["", "/state"] {
            let seen = see(visit, format!("{page}/purchases/{own}{end}")).await;
            assert_eq!(seen.0, StatusCode::OK);
            let (status, body) = see(visit, format!("{page}/purchases/{other}{end}")).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "the other's purchase on one's own page{end}");
            assert!(!body.to_string().contains(&app.bank.url), "{body}");
            let (status, body) = see(visit, format!("{others_page}/purchases/{other}{end}")).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "the other's page{end}");
            assert!(!body.to_string().contains(&app.bank.url), "{body}");
        }
        let (_, list) = see(visit, page.clone()).await;
        assert!(!list.to_string().contains(&other.to_string()), "{list}");
    }
}
