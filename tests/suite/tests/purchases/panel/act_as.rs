//! Seeing the pages of an account in its name: read-only, for half an hour, in one browser, with records.

use chrono::Duration;
use flysk_domain::admin::FRESH_PROOF;
use flysk_store::platform::purchases;
use flysk_suite::lock_waits::who_waits;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, cookie_of, value_of};
use super::subscriptions::sells_subscriptions;

const REASON: (&str, &str) = ("reason", "Обращение 31");

/// Sends a form that replaces the cookie of the session: the former one opens nothing any more. Returns the page that it leads to.
async fn replace_cookie(signed: &mut Signed<'_>, path: &str, fields: &[(&str, &str)]) -> String {
    let answer = signed.post(path, fields).await;
    assert_eq!(answer.status(), 303, "{path}");
    let former = std::mem::replace(&mut signed.cookie, cookie_of(&answer));
    assert_ne!(former, signed.cookie);
    let refused = signed.panel.get_as(&former, "/").await;
    assert!(refused.headers()[LOCATION].to_str().unwrap().starts_with("/sign-in"), "the former cookie");
    answer.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// Begins a view; returns the link of the hosted page of Flycoins.
async fn begin(signed: &mut Signed<'_>) -> String {
    let app = &signed.panel.app;
    let install = app.install().await.id;
    let path = replace_cookie(signed, &format!("/installs/{install}/act-as"), &[REASON]).await;
    assert_eq!(path, format!("/installs/{install}/as-customer"));
    let page = signed.page(&path).await;
    assert!(page.contains("Глазами клиента"), "{page}");
    let banner = page.split("<p class=\"banner\"").nth(1).unwrap_or_else(|| panic!("no banner: {page}"));
    assert!(banner.split("</p>").next().unwrap().contains("только чтение, до"), "{page}");
    let link = page.split(&format!("href=\"{}/billing/act-as?page=flycoins", app.url)).nth(1).unwrap();
    let query = link.split('"').next().unwrap().replace("&#38;", "&");
    format!("{}/billing/act-as?page=flycoins{query}", app.url)
}

async fn ask(panel: &Panel, method: Method, url: &str, cookie: Option<&str>) -> Response {
    let request = panel.app.http.request(method, url);
    let request = match cookie {
        Some(cookie) => request.header(COOKIE, cookie),
        None => request,
    };
    request.send().await.unwrap()
}

/// Opens a link in a browser; returns its cookie and the page that it leads to.
async fn open(panel: &Panel, link: &str) -> (String, String) {
    let opened = ask(panel, Method::GET, link, None).await;
    assert_eq!(opened.status(), 303);
    let cookie = opened.headers()[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("Path=/billing"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    (cookie, format!("{}{}", panel.app.url, opened.headers()[LOCATION].to_str().unwrap()))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_sees_the_pages_of_an_account_and_can_change_nothing(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.opened().await;
    let mut signed = panel.sign_in("anna", "support").await;
    let install = panel.app.install().await.id;
    signed.refused(&format!("/installs/{install}/act-as"), &[], 422).await;
    let link = begin(&mut signed).await;
    let (cookie, shop) = open(&panel, &link).await;
    for path in [shop.clone(), format!("{shop}/purchases/{purchase}")] {
        let answer = ask(&panel, Method::GET, &path, Some(&cookie)).await;
        assert_eq!(answer.status(), 200, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("id=\"act-as\"") && page.contains("demo.amocrm.ru: только чтение"), "{page}");
        for taken in ["<form", "name=\"token\"", "<script", "Перейти к оплате", "href=\"http"] {
            assert!(!page.contains(taken), "{path} contains {taken}: {page}");
        }
    }
    let flycoins = format!("{}/billing/flycoins/{install}", panel.app.url);
    let subscription = format!("{}/billing/subscription/{install}", panel.app.url);
    let writes = [
        format!("{flycoins}/purchases"),
        format!("{subscription}/quotes"),
        format!("{subscription}/quotes/quo_1/apply"),
        format!("{subscription}/invoices/inv_1/payments"),
        format!("{subscription}/invoices/inv_1/discard"),
        format!("{subscription}/card/unlink"),
        format!("{subscription}/cancel"),
        format!("{subscription}/restore"),
        format!("{subscription}/pending/seats/withdraw"),
    ];
    for path in &writes {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = ask(&panel, method.clone(), path, Some(&cookie)).await;
            assert_eq!(answer.status(), 403, "{method} {path}");
            assert!(answer.text().await.unwrap().contains("Только чтение"), "{method} {path}");
        }
    }
    let escaped = format!("{}/billing/flycoins/%69{}", panel.app.url, &install.to_string()[1..]);
    let page = ask(&panel, Method::GET, &escaped, Some(&cookie)).await.text().await.unwrap();
    assert!(!page.contains("<form"), "an escaped path leads past nothing: {page}");
    let state = format!("{flycoins}/purchases/{purchase}/state");
    assert_eq!(
        ask(&panel, Method::GET, &state, Some(&cookie)).await.status(),
        403,
        "it names the bank's form"
    );
    let bought =
        purchases::list_purchases(&mut *panel.app.conn().await, panel.app.wallet, None, 10).await.unwrap();
    assert_eq!(bought.len(), 1);
    let row = panel.record_of("install.act_as").await;
    assert_eq!((row.reason.as_str(), row.subject_id), ("Обращение 31", install.to_string()));
    assert!(row.state_after.unwrap().contains("\"until\""));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_of_a_subscription_is_shown_without_ways_to_change_it(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    sells_subscriptions(&panel).await;
    let mut signed = panel.sign_in("anna", "billing").await;
    let install = panel.app.install().await.id;
    signed.act(&format!("/installs/{install}/subscription"), &[REASON]).await;
    let link = begin(&mut signed).await.replace("page=flycoins", "page=subscription");
    let (cookie, path) = open(&panel, &link).await;
    assert!(path.ends_with(&format!("/billing/subscription/{install}")), "{path}");
    let answer = ask(&panel, Method::GET, &path, Some(&cookie)).await;
    assert_eq!(answer.status(), 200);
    let page = answer.text().await.unwrap();
    assert!(page.contains("id=\"act-as\"") && page.contains("Подписка на"), "{page}");
    assert!(
        !page.contains("<form") && !page.contains("name=\"token\"") && !page.contains("class=\"button"),
        "{page}"
    );
    let shown = signed.page(&format!("/installs/{install}/as-customer")).await;
    assert!(shown.contains("Пробный период"), "{shown}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_view_belongs_to_one_browser_and_to_its_install(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let mut signed = panel.sign_in("anna", "support").await;
    let link = begin(&mut signed).await;
    let (cookie, shop) = open(&panel, &link).await;
    let foreign = ask(&panel, Method::GET, &link, None).await;
    assert_eq!(foreign.status(), 401);
    assert!(foreign.text().await.unwrap().contains("другом браузере"));
    assert_eq!(ask(&panel, Method::GET, &link, Some(&cookie)).await.status(), 303, "its own browser");
    assert_eq!(ask(&panel, Method::GET, &shop, None).await.status(), 401);
    let other = format!("{}/billing/flycoins/ins_01KC0000000000000000000000", panel.app.url);
    assert_eq!(ask(&panel, Method::GET, &other, Some(&cookie)).await.status(), 401);
    let made_up = format!("{}/billing/act-as?page=flycoins&ticket=made-up", panel.app.url);
    assert_eq!(ask(&panel, Method::GET, &made_up, None).await.status(), 401);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_view_ends_after_half_an_hour_by_the_operator_and_with_the_session(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let install = panel.app.install().await.id;
    let customer = format!("/installs/{install}/as-customer");
    let mut anna = panel.sign_in("anna", "support").await;
    let (cookie, shop) = open(&panel, &begin(&mut anna).await).await;
    panel.app.clock.advance(Duration::minutes(29));
    assert_eq!(ask(&panel, Method::GET, &shop, Some(&cookie)).await.status(), 200);
    panel.app.clock.advance(Duration::minutes(2));
    assert_eq!(ask(&panel, Method::GET, &shop, Some(&cookie)).await.status(), 401, "its time is over");
    assert_eq!(panel.get_as(&anna.cookie, &customer).await.status(), 409);

    let mut boris = panel.sign_in("boris", "support").await;
    let link = begin(&mut boris).await;
    let (cookie, shop) = open(&panel, &link).await;
    replace_cookie(&mut boris, &format!("/installs/{install}/act-as-end"), &[]).await;
    assert_eq!(ask(&panel, Method::GET, &shop, Some(&cookie)).await.status(), 401, "it was ended");
    assert_eq!(ask(&panel, Method::GET, &link, Some(&cookie)).await.status(), 401);
    assert_eq!(panel.record_of("install.act_as_end").await.operator_login, "boris");

    let (cookie, shop) = open(&panel, &begin(&mut boris).await).await;
    assert_eq!(ask(&panel, Method::GET, &shop, Some(&cookie)).await.status(), 200);
    assert_eq!(boris.post("/sign-out", &[]).await.status(), 303);
    assert_eq!(ask(&panel, Method::GET, &shop, Some(&cookie)).await.status(), 401, "the session has ended");
}

/// The proof replaces the cookie, and so does the beginning of the view: the browser gets one that works.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_view_that_needs_a_new_code_sets_one_cookie(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let mut signed = panel.sign_in("anna", "support").await;
    panel.app.clock.advance(FRESH_PROOF);
    let install = panel.app.install().await.id;
    let path = format!("/installs/{install}/act-as");
    let page = signed.refused(&path, &[REASON], 403).await;
    let (csrf, code) = (value_of(&page, "csrf"), panel.code(&signed.credentials.secret));
    let fields = [("csrf", csrf.as_str()), ("proof_code", code.as_str()), REASON];
    let answer = panel.post_as(Some(&signed.cookie), &path, &fields).await;
    assert_eq!(answer.status(), 303);
    let set = answer.headers().get_all(SET_COOKIE).iter();
    let of_session = set.filter(|cookie| cookie.as_bytes().starts_with(b"flysk_admin="));
    assert_eq!(of_session.count(), 1);
    signed.cookie = cookie_of(&answer);
    assert!(signed.page(&format!("/installs/{install}/as-customer")).await.contains("Глазами клиента"));
}

/// As of a form that was sent twice: the second beginning ends the view of the first.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn of_two_views_that_begin_at_once_one_is_left(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let path = format!("/installs/{}/act-as", panel.app.install().await.id);
    let csrf = signed.csrf().await;
    let fields = [("csrf", csrf.as_str()), REASON];
    let mut held = panel.app.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM operator_sessions FOR UPDATE").fetch_all(&mut *held).await.unwrap();
    let send = || panel.post_as(Some(&signed.cookie), &path, &fields);
    let both_wait = async {
        while who_waits(&panel.app.pool).await.unwrap().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        held.rollback().await.unwrap();
    };
    let (one, other, ()) = tokio::join!(send(), send(), both_wait);
    assert_eq!((one.status().as_u16(), other.status().as_u16()), (303, 303));
    let live = "SELECT COUNT(*) FROM act_as_sessions WHERE ended_at IS NULL";
    let live: i64 = sqlx::query_scalar(live).fetch_one(&panel.app.pool).await.unwrap();
    assert_eq!(live, 1);
}
