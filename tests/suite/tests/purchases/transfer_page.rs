//! «Оплатить по счёту»: a firm buys Flycoins on the hosted page and by the API.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_services::transfers::set_t_api_access;
use flysk_store::platform::vendors;
use flysk_suite::environment::{ADMIN, USER};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::browser::Browser;
use super::harness::TestApp;
use super::page::{Visit, link, value_of};

const INN: &str = "7707083893";
const KPP: &str = "770701001";
const ACCOUNT_NUMBER: &str = "40702810900000000001";

/// Lets the seller take transfers.
pub(crate) async fn take_transfers(app: &TestApp) {
    let widget = app.widget().await.id;
    let mut conn = app.conn().await;
    let vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().unwrap();
    let token = "t-api-token".into();
    let keyring = &app.executor.app().keyring;
    let access = Some((ACCOUNT_NUMBER, &token));
    set_t_api_access(&mut conn, keyring, vendor.id, access, app.clock.now()).await.unwrap();
}

/// A visit with the fields of a form that orders 1,000 roubles.
struct Order {
    visit: Visit,
    token: String,
    key: String,
}

impl Order {
    async fn begin(app: &TestApp) -> Self {
        let visit = Visit::of(app).await;
        let (_, page) = visit.get(app, &visit.path).await;
        let (token, key) = (value_of(&page, "token"), value_of(&page, "key"));
        Self { visit, token, key }
    }

    async fn post(&self, app: &TestApp, rest: &str, fields: &[(&str, &str)]) -> Response {
        let known = [("token", self.token.as_str()), ("key", self.key.as_str())];
        let all: Vec<_> = known.into_iter().chain(fields.iter().copied()).collect();
        let url = format!("{}{}{rest}", app.url, self.visit.path);
        self.visit.send(app, app.http.post(url).form(&all)).await
    }

    async fn issue(&self, app: &TestApp, (inn, kpp): (&str, &str)) -> Response {
        let fields = [
            ("package", "sum"),
            ("sum", "1000"),
            ("inn", inn),
            ("kpp", kpp),
            ("name", "ООО «Ромашка»"),
            ("email", "buh@example.test"),
        ];
        self.post(app, "/transfers", &fields).await
    }
}

/// The address of a link with this id.
fn href_of(page: &str, id: &str) -> String {
    let from =
        page.split(&format!("id=\"{id}\" href=\"")).nth(1).unwrap_or_else(|| panic!("no {id} in {page}"));
    from.split('"').next().unwrap().to_owned()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_gets_an_invoice_with_a_pdf_of_ours_and_cancels_it(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    take_transfers(&app).await;
    let order = Order::begin(&app).await;
    let chosen = [("package", "sum"), ("sum", "1000"), ("email", "buh@example.test")];
    let asked = order.post(&app, "/transfers/new", &chosen).await;
    assert_eq!(asked.status(), StatusCode::OK);
    let form = asked.text().await.unwrap().replace('\u{a0}', " ");
    for text in ["Счёт для организации", "1000 Flycoins, 1 000 ₽", "Выставить счёт на 1 000 ₽"]
    {
        assert!(form.contains(text), "no {text} in {form}");
    }
    let issued = order.issue(&app, (INN, KPP)).await;
    assert_eq!(issued.status(), StatusCode::SEE_OTHER);
    let path = issued.headers()[LOCATION].to_str().unwrap().to_owned();
    let again = order.issue(&app, (INN, KPP)).await;
    assert_eq!(again.headers()[LOCATION], path.as_str(), "a form that is sent twice asks once");

    let (status, page) = order.visit.get(&app, &path).await;
    assert_eq!(status, StatusCode::OK);
    for text in
        ["Готовится", "ООО «Ромашка», ИНН 7707083893, КПП 770701001", ACCOUNT_NUMBER, "Оплата по счету № "]
    {
        assert!(page.contains(text), "no {text} in {page}");
    }
    let address = href_of(&page, "pdf");
    let file = app.http.get(&address).send().await.unwrap();
    assert_eq!(file.headers()[CONTENT_TYPE], "application/pdf");
    assert!(file.bytes().await.unwrap().starts_with(b"%PDF-"));
    app.clock.advance(TimeDelta::minutes(16));
    assert_eq!(app.http.get(&address).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let rest = path.strip_prefix(&order.visit.path).unwrap();
    let cancel = format!("{}{}{rest}/cancel", app.url, order.visit.path);
    let sent = order.visit.send(&app, app.http.post(cancel).form(&[("token", order.token.as_str())])).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let (_, page) = order.visit.get(&app, &path).await;
    assert!(page.contains("Отменён") && !page.contains("cancel-transfer"), "{page}");
    let (_, shop) = order.visit.get(&app, &order.visit.path).await;
    assert!(shop.contains("Счета для организаций") && shop.contains("id=\"by-transfer\""), "{shop}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn mistakes_in_requisites_are_told_at_their_field(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    take_transfers(&app).await;
    let order = Order::begin(&app).await;
    for (requisites, text) in [
        (("7707083894", KPP), "контрольная цифра не сходится"),
        ((INN, ""), "9 цифр"),
        (("500100732259", KPP), "нет КПП"),
    ] {
        let answer = order.issue(&app, requisites).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = answer.text().await.unwrap();
        assert!(page.contains(text) && page.contains("aria-invalid"), "{page}");
        assert!(page.contains("ООО «Ромашка»"), "what was typed is kept");
    }
    let stored: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM coin_purchases").fetch_one(&app.pool).await.unwrap();
    assert_eq!(stored, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_seller_that_takes_no_transfers_offers_none(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let order = Order::begin(&app).await;
    let (_, shop) = order.visit.get(&app, &order.visit.path).await;
    assert!(!shop.contains("by-transfer"), "{shop}");
    let (_, limits) = app.ask_as(ADMIN, Method::GET, "/v1/flycoins/top-up", None, None).await;
    assert_eq!(limits["transfer_available"], false);
    assert_eq!(order.issue(&app, (INN, KPP)).await.status(), StatusCode::CONFLICT);
    take_transfers(&app).await;
    let (_, limits) = app.ask_as(ADMIN, Method::GET, "/v1/flycoins/top-up", None, None).await;
    assert_eq!(limits["transfer_available"], true);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_api_buys_lists_and_cancels_for_administrators(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    take_transfers(&app).await;
    let payer = json!({"name": "ООО «Ромашка»", "inn": INN, "kpp": KPP, "email": "buh@example.test"});
    let body = json!({"amount_kopecks": 100_000, "payer": payer});
    let path = "/v1/flycoins/transfer_invoices";
    let (status, made) = app.ask_as(ADMIN, Method::POST, path, Some("firm-1"), Some(body.clone())).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{made}");
    assert_eq!((&made["state"], &made["amount_kopecks"]), (&json!("sending"), &json!(100_000)));
    let (_, again) = app.ask_as(ADMIN, Method::POST, path, Some("firm-1"), Some(body)).await;
    assert_eq!(again["id"], made["id"]);
    let (status, _) = app.ask_as(USER, Method::GET, "/v1/transfer_invoices", None, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, listed) = app.ask_as(ADMIN, Method::GET, "/v1/transfer_invoices", None, None).await;
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["next"]), (1, &json!(null)));
    let one = format!("/v1/transfer_invoices/{}", made["id"].as_str().unwrap());
    let (status, cancelled) = app.ask_as(ADMIN, Method::DELETE, &one, None, None).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &json!("void")));
    let (status, _) = app.ask_as(ADMIN, Method::DELETE, &one, None, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let wrong = json!({"amount_kopecks": 100_000, "payer": {"name": "ООО", "inn": "1", "kpp": null, "email": "a@b.ru"}});
    let (status, _) = app.ask_as(ADMIN, Method::POST, path, Some("firm-2"), Some(wrong)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_asks_for_its_invoice_in_a_browser(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    take_transfers(&app).await;
    let browser = Browser::start().await;
    browser.client.goto(&link(&app, ADMIN).await.unwrap()).await.unwrap();
    browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
    browser.click("#by-transfer").await;
    for (field, text) in [("#inn", "7707083894"), ("#kpp", KPP), ("#name", "ООО «Ромашка»")] {
        browser.wait(field).await.send_keys(text).await.unwrap();
    }
    browser.picture("transfer-form").await;
    browser.click("#issue").await;
    assert!(browser.text("#error").await.contains("контрольная цифра не сходится"));
    // Chromium complains of the status of the refused form.
    browser.complaints().await;
    let inn = browser.wait("#inn[aria-invalid]").await;
    inn.clear().await.unwrap();
    inn.send_keys(INN).await.unwrap();
    browser.click("#issue").await;
    assert_eq!(browser.text("#label").await, "Готовится");
    assert_eq!(browser.text("#amount").await, "500 ₽");
    browser.picture("transfer-issued").await;
    browser.click("#back").await;
    browser.wait("#transfers").await;
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
}
