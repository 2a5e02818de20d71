//! Two accounts with purchases of their own, and each with the other's ids.

use flysk_domain::id::{AccountId, InstallId, PurchaseId};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::platform::installs;
use flysk_suite::stand::{ADMIN, CLIENT_ID, account_next_door};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{Shop, read};

const PURCHASES: &str = "/v1/flycoins/purchases";
const NEIGHBOUR: u64 = 41_000_001;
const NEIGHBOURS_ADMIN: u64 = 41_000_002;

/// The same widget in another account, with an administrator who begins a purchase there.
struct Neighbour<'a> {
    shop: &'a Shop,
    install: InstallId,
    purchase: PurchaseId,
}

impl<'a> Neighbour<'a> {
    async fn moves_in(shop: &'a Shop) -> Self {
        let account = account_next_door(NEIGHBOUR, "neighbour", NEIGHBOURS_ADMIN);
        shop.amocrm.state.add_account(account).unwrap();
        let outcome = shop.amocrm.state.install(CLIENT_ID, NEIGHBOUR, None).await.unwrap();
        assert_eq!(outcome.status, Some(200));
        shop.run_due_jobs().await;
        let widget = shop.widget().await;
        let found = installs::find_in_account(&mut *shop.conn().await, widget.id, AccountId(NEIGHBOUR)).await;
        let install = found.unwrap().expect("the widget is installed").id;
        let body = json!({ "package_id": shop.package().await.id, "email": "vera@example.test" });
        let (status, begun) = ask(shop, Method::POST, PURCHASES, Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
        shop.run_due_jobs().await;
        Self { shop, install, purchase: begun["id"].as_str().unwrap().parse().unwrap() }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        ask(self.shop, Method::GET, path, None).await
    }
}

/// A request of the neighbour's widget. Both accounts use the same key for what they buy.
async fn ask(shop: &Shop, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
    let shape = WidgetTokenShape::default();
    let token = shop.amocrm.state.widget_token(CLIENT_ID, NEIGHBOUR, NEIGHBOURS_ADMIN, &shape).unwrap();
    let mut request = shop.http.request(method, format!("{}{path}", shop.url)).header("X-Auth-Token", token);
    if let Some(body) = body {
        request = request.header("Idempotency-Key", "order-1").json(&body);
    }
    read(request.send().await.unwrap()).await
}

/// Enters the hosted page by the link of a handshake; its path and cookie.
async fn enter(shop: &Shop, handshake: &Value) -> (String, String) {
    let link = handshake["billing_urls"]["flycoins"].as_str().expect("administrators get a link");
    let entered = shop.http.get(link).send().await.unwrap();
    let header = |name| entered.headers()[name].to_str().unwrap().to_owned();
    let (path, cookie) = (header(LOCATION), header(SET_COOKIE));
    (path, cookie.split(';').next().unwrap().to_owned())
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_neighbours_purchase_is_found_by_nobody_else(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let (status, begun) = shop.order("order-1", false).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    shop.run_due_jobs().await;
    let ours: PurchaseId = begun["id"].as_str().unwrap().parse().unwrap();
    let neighbour = Neighbour::moves_in(&shop).await;
    let theirs = neighbour.purchase;
    assert_ne!(ours, theirs, "one key is two purchases in two wallets");

    assert_eq!(shop.get(&format!("{PURCHASES}/{ours}")).await.0, StatusCode::OK);
    assert_eq!(neighbour.get(&format!("{PURCHASES}/{theirs}")).await.0, StatusCode::OK);
    for (status, problem) in [
        shop.get(&format!("{PURCHASES}/{theirs}")).await,
        neighbour.get(&format!("{PURCHASES}/{ours}")).await,
    ] {
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    }
    for cursor in ["", "&before=pur_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"] {
        let path = format!("{PURCHASES}?limit=10{cursor}");
        assert_eq!(ids(&shop.get(&path).await.1), [ours.to_string()]);
        assert_eq!(ids(&neighbour.get(&path).await.1), [theirs.to_string()]);
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_visit_sees_the_purchases_of_its_own_account_only(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let ours = shop.opened().await;
    let neighbour = Neighbour::moves_in(&shop).await;
    let theirs = neighbour.purchase;
    let (_, handshake) = shop.ask_as(ADMIN, Method::POST, "/v1/handshake", None, None).await;
    let our_visit = enter(&shop, &handshake).await;
    let (_, handshake) = ask(&shop, Method::POST, "/v1/handshake", None).await;
    let their_visit = enter(&shop, &handshake).await;
    assert!(their_visit.0.contains(&neighbour.install.to_string()), "{}", their_visit.0);

    let see = async |(_, cookie): &(String, String), path: String| {
        let request = shop.http.get(format!("{}{path}", shop.url)).header(COOKIE, cookie);
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
            assert!(!body.to_string().contains(&shop.bank.url), "{body}");
            let (status, body) = see(visit, format!("{others_page}/purchases/{other}{end}")).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "the other's page{end}");
            assert!(!body.to_string().contains(&shop.bank.url), "{body}");
        }
        let (_, list) = see(visit, page.clone()).await;
        assert!(!list.to_string().contains(&other.to_string()), "{list}");
    }
}
