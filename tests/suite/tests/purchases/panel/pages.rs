//! The panel in a real browser: signing in, the main screens, an act, keyboard, phone width, dark theme.

use fantoccini::Locator;
use flysk_admin::{Access, Route, routes};
use flysk_jobs::platform::upkeep::RollUpFigures;
use poem::http::Method;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{Credentials, Panel};
use super::{bought, month};
use crate::browser::Browser;

/// The checker of web pages' accessibility (npm package axe-core 4.14.1, MPL-2.0).
const AXE: &str = include_str!("../../../../fixtures/axe-core/axe.min.js");

/// Height of a window that shows the whole start page.
const HOME_HEIGHT: u32 = 1_600;

pub(super) async fn fill(browser: &Browser, selector: &str, text: &str) {
    let field = browser.wait(selector).await;
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

pub(super) async fn open(browser: &Browser, panel: &Panel, path: &str) {
    browser.client.goto(&format!("{}{path}", panel.url)).await.unwrap();
    browser.wait("h1").await;
}

/// Signs in through the forms for the first time.
pub(super) async fn sign_in(browser: &Browser, panel: &Panel) -> Credentials {
    let password = panel.create_with("anna", "owner", &["export", "bulk", "listen", "erase"]).await;
    open(browser, panel, "/jobs?state=dead").await;
    browser.picture("admin-sign-in").await;
    fill(browser, "input[name=login]", "anna").await;
    fill(browser, "input[name=password]", &password).await;
    browser.click("#sign-in").await;
    let secret = browser.text("#secret").await;
    browser.picture("admin-second-factor").await;
    fill(browser, "input[name=code]", &panel.code(&secret)).await;
    browser.click("#confirm").await;
    browser.wait("#codes").await;
    assert_eq!(browser.client.find_all(Locator::Css("#codes li")).await.unwrap().len(), 10);
    browser.is_content().await;
    browser.click("#continue").await;
    assert_eq!(browser.text("h1").await, "Задания", "the page that was asked for at first");
    panel.next_step();
    Credentials { login: "anna".to_owned(), password, secret, recovery_codes: Vec::new() }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_works_in_a_browser(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for _ in 0..3 {
        panel.app.paid().await;
        panel.app.clock.advance(chrono::Duration::minutes(7));
    }
    let disputed = panel.app.opened().await;
    let dispute = "UPDATE coin_purchases SET state = 'review', discrepancy = 'other_amount' WHERE id = ?";
    sqlx::query(dispute).bind(disputed.to_string()).execute(&panel.app.pool).await.unwrap();
    panel.app.enqueue(&RollUpFigures {}).await;
    panel.app.run_due_jobs().await;
    month::write(&panel).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    let credentials = sign_in(&browser, &panel).await;
    assert!(!credentials.secret.is_empty());
    looks(&browser, &panel).await;
    sells(&browser, &panel).await;
    acts(&browser, &panel).await;
    uses_keyboard(&browser, &panel).await;
    ticks_rows(&browser, &panel).await;
    fits_a_phone(&browser, &panel).await;
    prints(&browser, &panel).await;
    browser.client.clone().close().await.unwrap();
}

/// Paths of the pages without parameters, and of some objects.
async fn all_pages(panel: &Panel) -> Vec<String> {
    let routes = routes::table();
    let signed_in = |route: &&Route| matches!(route.access, Access::Role(_) | Access::Right(_));
    let pages = routes.iter().filter(|route| route.method == Method::GET).filter(signed_in);
    let paths = pages.map(|route| route.path).filter(|path| !path.contains(':') && !path.contains("preview"));
    let install = panel.app.install().await;
    let job: String =
        sqlx::query_scalar("SELECT MIN(id) FROM jobs").fetch_one(&panel.app.pool).await.unwrap();
    let objects = [
        format!("/installs/{}", install.id),
        format!("/installs/{}/timeline", install.id),
        format!("/wallets/{}", panel.app.wallet),
        format!("/widgets/{}", install.widget_id),
        format!("/jobs/{job}"),
        "/bulk/preview?action=job.replay&list=/jobs&query=".to_owned(),
    ];
    paths.map(str::to_owned).chain(objects).collect()
}

/// What axe-core finds on the current page, one line for each rule.
pub(crate) async fn violations(browser: &Browser) -> Vec<String> {
    browser.client.execute(AXE, Vec::new()).await.unwrap();
    let run = "const done = arguments[arguments.length - 1];
        const line = (rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(' | ')}`;
        axe.run(document, { resultTypes: ['violations'] })
            .then((found) => done(found.violations.map(line)), (error) => done([String(error)]));";
    let found = browser.client.execute_async(run, Vec::new()).await.unwrap();
    serde_json::from_value(found).unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn axe_finds_nothing_on_any_page(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.paid().await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    open(&browser, &panel, "/sign-in").await;
    let mut found = vec![("/sign-in".to_owned(), violations(&browser).await)];
    sign_in(&browser, &panel).await;
    let paths = all_pages(&panel).await;
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        open(&browser, &panel, &path).await;
        // Closed forms are checked too.
        let unfold = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";
        browser.client.execute(unfold, Vec::new()).await.unwrap();
        found.push((path, violations(&browser).await));
    }
    browser.client.clone().close().await.unwrap();
    found.retain(|(_, violations)| !violations.is_empty());
    assert!(found.is_empty(), "{found:#?}");
}

/// The parts of each tile stand at the same height, whether its figure has a history or not.
async fn has_level_tiles(browser: &Browser) {
    let heights = "return [...document.querySelectorAll('.tile')].map((tile) => {
        const below = tile.querySelector('summary').getBoundingClientRect().top;
        return below - tile.getBoundingClientRect().top;
    })";
    let heights = browser.client.execute(heights, Vec::new()).await.unwrap();
    let heights: Vec<f64> = serde_json::from_value(heights).unwrap();
    let is_level = heights.iter().all(|height| (height - heights[0]).abs() < 1.0);
    assert!(heights.len() > 20 && is_level, "{heights:?}");
}

/// The main screens, without complaints of the browser.
async fn looks(browser: &Browser, panel: &Panel) {
    let (install, wallet) = (panel.app.install().await, panel.app.wallet);
    let job: String =
        sqlx::query_scalar("SELECT MIN(id) FROM jobs").fetch_one(&panel.app.pool).await.unwrap();
    browser.client.set_window_size(1_360, HOME_HEIGHT).await.unwrap();
    open(browser, panel, "/").await;
    has_level_tiles(browser).await;
    browser.picture("admin-home").await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    for (name, path) in [
        ("admin-purchases", "/purchases".to_owned()),
        ("admin-install", format!("/installs/{}", install.id)),
        ("admin-timeline", format!("/installs/{}/timeline", install.id)),
        ("admin-wallet", format!("/wallets/{wallet}")),
        ("admin-job", format!("/jobs/{job}")),
        ("admin-audit", "/audit".to_owned()),
        ("admin-widget", format!("/widgets/{}", install.widget_id)),
    ] {
        open(browser, panel, &path).await;
        browser.picture(name).await;
    }
    let media = |features| json!({ "features": features });
    let dark = media(json!([{ "name": "prefers-color-scheme", "value": "dark" }]));
    browser.devtools("Emulation.setEmulatedMedia", dark).await;
    open(browser, panel, "/").await;
    browser.picture("admin-dark").await;
    browser.devtools("Emulation.setEmulatedMedia", media(json!([]))).await;
}

/// The screens of what is sold and paid: vendors, plans, subscriptions, invoices, payments, receipts.
async fn sells(browser: &Browser, panel: &Panel) {
    let signed = panel.sign_in("olga", "owner").await;
    let vendor = [
        ("code", "romashka"),
        ("legal_name", "ООО «Ромашка»"),
        ("inn", "7707083893"),
        ("email", "help@romashka.example"),
        ("phone", "+74951234567"),
        ("charge_initiator", "R"),
        ("prepayment_receipts", "yes"),
        ("closing_receipts", "yes"),
        ("reason", "Новый партнёр"),
    ];
    let vendor = signed.act("/vendors/create", &vendor).await;
    let taxes = [("from", "2027-01-01"), ("taxation", "osn"), ("vat", "vat22"), ("reason", "С нового года")];
    signed.act(&format!("{vendor}/taxes"), &taxes).await;
    let (invoice, payment) = bought::paid(panel, &signed, "1").await;
    let (subscription, plan) = (bought::path(panel).await, bought::plan(panel).await.id);
    let seats = [("kind", "seats"), ("seats", "5")];
    let quote = signed.act(&format!("{subscription}/quote"), &seats).await;
    let widget = panel.app.widget().await.id;
    for (name, path, act) in [
        ("admin-vendors", "/vendors".to_owned(), None),
        ("admin-vendor", vendor, None),
        ("admin-plans", "/plans".to_owned(), None),
        ("admin-plan", format!("/plans/{plan}"), None),
        ("admin-invoices", "/invoices".to_owned(), None),
        ("admin-invoice", format!("/invoices/{invoice}"), Some("refund")),
        ("admin-payments", "/payments".to_owned(), None),
        ("admin-payment", format!("/payments/{payment}"), None),
        ("admin-receipts", "/receipts".to_owned(), None),
        ("admin-subscription", subscription, None),
        ("admin-quote", quote, Some("apply")),
        ("admin-widget-events", format!("/widgets/{widget}"), Some("events")),
    ] {
        open(browser, panel, &path).await;
        if let Some(act) = act {
            browser.click(&format!("[data-act={act}] summary")).await;
        }
        browser.picture(name).await;
    }
}

/// A compensation through its form, and a filter without reloading the page.
async fn acts(browser: &Browser, panel: &Panel) {
    open(browser, panel, &format!("/wallets/{}", panel.app.wallet)).await;
    browser.click("[data-act=credit] summary").await;
    fill(browser, "[data-act=credit] input[name=amount]", "25").await;
    fill(browser, "[data-act=credit] input[name=shown]", "Извините за сбой").await;
    fill(browser, "[data-act=credit] input[name=reason]", "Обращение 17").await;
    browser.picture("admin-act").await;
    let before = panel.app.balance().await;
    browser.click("[data-act=credit] button").await;
    assert!(browser.text("#notice").await.contains("Начислено 25 FC"));
    assert_eq!(panel.app.balance().await, before + 25_000_000);
    open(browser, panel, "/purchases").await;
    browser.client.execute("window.kept = true", Vec::new()).await.unwrap();
    browser.click("select[name=state] option[value=review]").await;
    let found = "return document.querySelector('#count')?.textContent.includes(': 1') === true";
    let deadline = tokio::time::Instant::now() + crate::harness::WAIT_TIMEOUT;
    while browser.client.execute(found, Vec::new()).await.unwrap() != json!(true) {
        assert!(tokio::time::Instant::now() < deadline, "{}", browser.client.source().await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let kept = browser.client.execute("return window.kept === true", Vec::new()).await.unwrap();
    assert_eq!(kept, json!(true), "the filter reloaded the whole page");
    let address = browser.client.current_url().await.unwrap();
    assert!(address.query().unwrap().contains("state=review"), "{address}");
    browser.is_content().await;
}

/// `j` and `k` mark a row, Enter opens it, `/` and Ctrl+K go to the search box, `n` and `p` turn pages, `?` lists the keys.
async fn uses_keyboard(browser: &Browser, panel: &Panel) {
    let press = async |keys: &str| browser.wait("body").await.send_keys(keys).await.unwrap();
    open(browser, panel, "/purchases").await;
    press("jj").await;
    browser.wait("tbody tr.cursor:nth-child(2)").await;
    press("k").await;
    browser.wait("tbody tr.cursor:first-child").await;
    press("\u{e007}").await;
    browser.wait(".facts").await;
    // Control stays pressed until the end of the keys.
    for keys in ["/", "\u{e009}k"] {
        browser.client.execute("document.activeElement.blur()", Vec::new()).await.unwrap();
        press(keys).await;
        browser.wait("#search:focus").await;
    }
    open(browser, panel, "/purchases?size=1").await;
    press("n").await;
    browser.wait("a[rel=prev]").await;
    press("p").await;
    browser.wait("main:not(:has(a[rel=prev])) a[rel=next]").await;
    press("?").await;
    browser.wait("#help[open]").await;
    browser.click("#help button").await;
    browser.wait("#help:not([open])").await;
}

/// A printed page has the content without navigation, filters and buttons.
async fn prints(browser: &Browser, panel: &Panel) {
    open(browser, panel, "/purchases?size=1").await;
    let visible =
        "return ['.top', '.side', '.filters', '.pager', 'footer', 'h1', 'tbody tr'].filter((part) =>
        [...document.querySelectorAll(part)].some((element) => element.checkVisibility()))";
    let of_screen = browser.client.execute(visible, Vec::new()).await.unwrap();
    assert_eq!(of_screen, json!([".top", ".side", ".filters", ".pager", "footer", "h1", "tbody tr"]));
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    let printed = browser.client.execute(visible, Vec::new()).await.unwrap();
    assert_eq!(printed, json!(["h1", "tbody tr"]));
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" })).await;
}

/// `x` ticks the row that `j` marked, also after a click on a check box; the ticked rows lead to a dry run, and rows become lower.
async fn ticks_rows(browser: &Browser, panel: &Panel) {
    open(browser, panel, "/jobs").await;
    let ticked = "return document.querySelectorAll('input[name=row]:checked').length";
    browser.wait("body").await.send_keys("x").await.unwrap();
    assert_eq!(browser.client.execute(ticked, Vec::new()).await.unwrap(), json!(0), "no row is marked");
    browser.click("tbody tr:nth-child(2) input[name=row]").await;
    let press = "for (const key of ['j', 'x']) {
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    }";
    browser.client.execute(press, Vec::new()).await.unwrap();
    browser.wait("tr.cursor input[name=row]:checked").await;
    assert_eq!(browser.client.execute(ticked, Vec::new()).await.unwrap(), json!(2));
    browser.picture("admin-ticked").await;
    browser.wait("body").await.send_keys("x").await.unwrap();
    browser.wait("tr.cursor input[name=row]:not(:checked)").await;
    browser.click("#ticked button").await;
    browser.wait(".facts").await;
    assert!(browser.text(".facts").await.contains("Строк\n1"), "{}", browser.text(".facts").await);
    open(browser, panel, "/jobs?state=done").await;
    let height = "return document.querySelector('tbody tr').getBoundingClientRect().height";
    let before = browser.client.execute(height, Vec::new()).await.unwrap().as_f64().unwrap();
    browser.click("#density").await;
    browser.wait("body.compact").await;
    let after = browser.client.execute(height, Vec::new()).await.unwrap().as_f64().unwrap();
    assert!(after < before, "{after} px are not less than {before} px");
    let address = browser.client.current_url().await.unwrap();
    assert_eq!((address.path(), address.query()), ("/jobs", Some("state=done")));
    browser.picture("admin-compact").await;
    browser.click("#density").await;
    browser.wait("body:not(.compact)").await;
}

/// No page is wider than a phone.
async fn fits_a_phone(browser: &Browser, panel: &Panel) {
    browser.client.set_window_size(500, 900).await.unwrap();
    for path in
        ["/", "/purchases", "/jobs", "/me", "/widgets", "/vendors", "/plans", "/invoices", "/payments"]
    {
        open(browser, panel, path).await;
        let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
        let is_wider = browser.client.execute(wider, Vec::new()).await.unwrap();
        assert_eq!(is_wider, json!(false), "{path} is wider than the window");
    }
    open(browser, panel, "/").await;
    has_level_tiles(browser).await;
    browser.picture("admin-phone").await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
}
