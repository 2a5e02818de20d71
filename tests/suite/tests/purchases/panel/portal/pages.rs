//! The portal in a real browser: invitation, sign-in, a widget, its secret, a test event, its delivery; axe over all pages.

use std::time::Duration;

use chrono::Days;
use fantoccini::Locator;
use flysk_admin::{Access, routes};
use flysk_domain::Clock as _;
use flysk_domain::admin::WidgetFigure;
use flysk_domain::id::WidgetId;
use flysk_jobs::platform::upkeep::RollUpWidgets;
use flysk_store::portal::figures;
use flysk_suite::environment::ACCOUNT;
use poem::http::Method;
use serde_json::json;
use sqlx::MySqlPool;

use super::super::pages::{fill, open, violations};
use super::harness::{PASSWORD, Portal};
use crate::browser::Browser;
use crate::harness::WAIT_TIMEOUT;

/// Request of the charge that the wallet does not cover.
const REFUSED_CHARGE: &str = "romashka-1044";

/// Accepts an invitation and sets up the second factor through the forms.
async fn sign_in(browser: &Browser, portal: &Portal, link: &str) {
    open(browser, &portal.panel, link).await;
    browser.picture("portal-invitation").await;
    fill(browser, "input[name=name]", "Вера Ромашкина").await;
    fill(browser, "input[name=password]", PASSWORD).await;
    fill(browser, "input[name=password_again]", PASSWORD).await;
    browser.click("#accept").await;
    let secret = browser.text("#secret").await;
    browser.is_content().await;
    fill(browser, "input[name=code]", &portal.panel.code(&secret)).await;
    browser.click("#confirm").await;
    browser.wait("#codes").await;
    assert_eq!(browser.client.find_all(Locator::Css("#codes li")).await.unwrap().len(), 10);
    browser.click("#continue").await;
    assert_eq!(browser.text("h1").await, "Виджеты");
    portal.panel.next_step();
}

/// Registers a widget of another code than the installed one.
async fn register(browser: &Browser) {
    browser.click("[data-act=register] summary").await;
    for (name, text) in [
        ("code", "chamomile"),
        ("name", "Ромашка для сделок"),
        ("client_uuid", "aaaaaaaa-2222-4333-8444-555555555555"),
        ("client_secret", "integration-secret-key"),
        ("redirect_uri", "https://flysk.example/oauth/amocrm/callback/chamomile"),
    ] {
        fill(browser, &format!("[data-act=register] [name={name}]"), text).await;
    }
    browser.picture("portal-register").await;
    browser.click("[data-act=register] form button:last-child").await;
    browser.wait("section.block > code").await;
    browser.is_content().await;
}

/// Figures of the last 90 days of a widget that grows, as the job leaves them.
async fn write_usage(portal: &Portal, widget: WidgetId) {
    let now = portal.panel.app.clock.now();
    let mut tx = portal.panel.app.pool.begin().await.unwrap();
    for ago in 0..90 {
        let day = now.date_naive() - Days::new(ago);
        let number = 90 - i64::try_from(ago).unwrap();
        for figure in WidgetFigure::ALL {
            let amount = match figure {
                WidgetFigure::InstallsNew => 1 + number % 3,
                WidgetFigure::InstallsActive => 40 + number,
                WidgetFigure::SubscriptionsActive => 25 + number * 2 / 3,
                WidgetFigure::SubscriptionRevenue => (1 + number % 4) * 149_700,
                WidgetFigure::SubscriptionRefunds => i64::from(number % 40 == 7) * 149_700,
                WidgetFigure::CoinRevenue => (2 + number % 5) * 50_000,
                WidgetFigure::CoinRefunds => i64::from(number % 45 == 11) * 50_000,
                WidgetFigure::CoinsSpent => (800 + number * 9) * 1_000_000,
            };
            figures::write(&mut tx, *figure, day, &[(widget.to_string(), amount)], now).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

/// Calls of the vendor's backend: for an account without the widget, and for more than the wallet has.
async fn call_api(portal: &Portal, token: &str) {
    let app = &portal.panel.app;
    let (http, backend) = (&app.http, format!("{}/v1/backend", app.url));
    let lines = json!([{ "service": "flysense.recognition", "quantity": 36_000 }]);
    let charge = http.post(format!("{backend}/flycoins/charges")).header("Idempotency-Key", "call-264193077");
    for (request, id, is_refused) in [
        (http.get(format!("{backend}/installs")), "romashka-1041", false),
        (http.get(format!("{backend}/flycoins/balance?account_id={ACCOUNT}")), "romashka-1042", false),
        (http.get(format!("{backend}/settings?account_id=31999999")), "romashka-1043", true),
        (charge.json(&json!({ "account_id": ACCOUNT, "lines": lines })), REFUSED_CHARGE, true),
    ] {
        let request = request.header("X-Project-Token", token).header("X-Request-Id", id);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let told = answer.text().await.unwrap();
        assert_eq!(status.is_client_error(), is_refused, "{id}: {status} {told}");
    }
}

/// Opens the page of these calls. The API writes an error and the number of calls one after the other, some seconds later.
async fn open_api_calls(browser: &Browser, portal: &Portal, path: &str) {
    let deadline = tokio::time::Instant::now() + WAIT_TIMEOUT;
    loop {
        open(browser, &portal.panel, path).await;
        let page = browser.text("main").await;
        if page.contains(REFUSED_CHARGE) && page.matches("chargeFlycoins").count() > 1 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_works_in_a_browser(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    portal.panel.app.paid().await;
    let installed = portal.give_widget(vendor).await;
    portal.panel.app.enqueue(&RollUpWidgets {}).await;
    portal.invite(vendor, "vera@romashka.example").await;
    let link = portal.link().await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    sign_in(&browser, &portal, &link).await;
    browser.picture("portal-widgets").await;
    register(&browser).await;
    let page = format!("/portal/widgets/{installed}");
    open(&browser, &portal.panel, &page).await;
    browser.click("[data-act=update] summary").await;
    let address = format!("{}/hooks", portal.backend.url);
    fill(&browser, "[data-act=update] [name=event_url]", &address).await;
    browser.click("[data-act=update] form button").await;
    assert!(browser.text("#notice").await.contains("Параметры сохранены"));
    browser.picture("portal-widget").await;
    browser.click("[data-act=rotate-token] summary").await;
    browser.click("[data-act=rotate-token] form button").await;
    let token = browser.text("section.block > code").await;
    assert!(token.starts_with("fpt_"));
    open(&browser, &portal.panel, &page).await;
    browser.click("[data-act=test-event] summary").await;
    browser.click("[data-act=test-event] form button").await;
    assert!(browser.text("#notice").await.contains("Событие отправляется"));
    portal.panel.app.run_due_jobs().await;
    assert_eq!(portal.backend.state.received().len(), 1);
    browser.client.refresh().await.unwrap();
    assert!(browser.text("main").await.contains("204"));
    browser.picture("portal-event").await;
    open(&browser, &portal.panel, &format!("/portal/deliveries?widget={installed}")).await;
    assert!(browser.text("#list table").await.contains("проверочное событие"));
    browser.picture("portal-deliveries").await;
    // The keyboard opens a row, as in the panel.
    browser.wait("body").await.send_keys("j").await.unwrap();
    browser.wait("tr.cursor").await;
    browser.wait("body").await.send_keys("\u{e007}").await.unwrap();
    browser.wait(".facts").await;
    write_usage(&portal, installed).await;
    open(&browser, &portal.panel, &format!("/portal/usage?widget={installed}")).await;
    browser.picture("portal-usage").await;
    call_api(&portal, &token).await;
    open_api_calls(&browser, &portal, &format!("/portal/api-calls?widget={installed}")).await;
    browser.picture("portal-api-calls").await;
    shows_hints_below_their_fields(&browser, &portal).await;
    fits_a_phone(&browser, &portal).await;
    browser.client.clone().close().await.unwrap();
}

/// Pages of the portal without parameters.
fn pages() -> Vec<&'static str> {
    let all = routes::table();
    let shown = all.iter().filter(|route| route.method == Method::GET && route.access == Access::Vendor);
    shown.map(|route| route.path).filter(|path| !path.contains(':')).collect()
}

/// A hint elsewhere is taken for that of another field.
async fn shows_hints_below_their_fields(browser: &Browser, portal: &Portal) {
    open(browser, &portal.panel, "/portal/plans").await;
    browser.click("details.act summary").await;
    let lefts = "return [...document.querySelectorAll('details[open] form .hint')]\
        .map((hint) => [hint, hint.previousElementSibling].map((part) => part.getBoundingClientRect().left))";
    let lefts = browser.client.execute(lefts, Vec::new()).await.unwrap();
    let lefts = lefts.as_array().unwrap();
    assert!(lefts.len() > 1 && lefts.iter().all(|pair| pair[0] == pair[1]), "{lefts:?}");
}

async fn fits_a_phone(browser: &Browser, portal: &Portal) {
    browser.client.set_window_size(500, 900).await.unwrap();
    for path in pages() {
        open(browser, &portal.panel, path).await;
        let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
        let is_wider = browser.client.execute(wider, Vec::new()).await.unwrap();
        assert_eq!(is_wider, json!(false), "{path} is wider than the window");
    }
    browser.client.set_window_size(1_360, 900).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn axe_finds_nothing_on_any_page_of_the_portal(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    portal.invite(vendor, "vera@romashka.example").await;
    let link = portal.link().await;
    let installed = portal.give_widget(vendor).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    let mut found = Vec::new();
    for path in ["/portal/sign-in", link.as_str()] {
        open(&browser, &portal.panel, path).await;
        found.push((path.to_owned(), violations(&browser).await));
    }
    sign_in(&browser, &portal, &link).await;
    let paths: Vec<String> = pages().into_iter().map(str::to_owned).collect();
    assert!(paths.len() >= 8, "{paths:?}");
    for path in paths.into_iter().chain([format!("/portal/widgets/{installed}")]) {
        open(&browser, &portal.panel, &path).await;
        // Closed forms are checked too.
        let unfold = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";
        browser.client.execute(unfold, Vec::new()).await.unwrap();
        found.push((path, violations(&browser).await));
    }
    browser.client.clone().close().await.unwrap();
    found.retain(|(_, violations)| !violations.is_empty());
    assert!(found.is_empty(), "{found:#?}");
}
