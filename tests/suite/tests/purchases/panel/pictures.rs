//! Screens that no other test opens in a browser: what they show is made by the product, each is clean and accessible, fits a phone,
//! and is pictured for `docs/admin.md`.

use chrono::Days;
use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::USER;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, value_of};
use super::pages::{fill, open, sign_in, violations};
use super::subscriptions::TEAM_PLAN;
use super::transfers::FIRM;
use super::{bought, bulk, finished_call, seats, transfers};
use crate::browser::Browser;
use crate::transfer_page::take_transfers;

/// Height of the window, and of one that shows the whole page of a finished call.
const HEIGHT: u32 = 1_000;
const CALL_HEIGHT: u32 = 1_660;

/// Screens that have an address of their own.
const PLAIN: [(&str, &str); 19] = [
    ("admin-letters", "/letters"),
    ("admin-letter", "/letters/trial_ending"),
    ("admin-accounts", "/accounts"),
    ("admin-installs", "/installs"),
    ("admin-widgets", "/widgets"),
    ("admin-subscriptions", "/subscriptions"),
    ("admin-wallets", "/wallets"),
    ("admin-packages", "/packages"),
    ("admin-prices", "/prices"),
    ("admin-transfer-invoices", "/transfer-invoices"),
    ("admin-notifications", "/notifications"),
    ("admin-discrepancies", "/discrepancies"),
    ("admin-events", "/events"),
    ("admin-api-errors", "/api-errors"),
    ("admin-calls", "/calls"),
    ("admin-jobs", "/jobs?state=dead"),
    ("admin-bulk-acts", "/bulk"),
    ("admin-operators", "/operators"),
    ("admin-me", "/me"),
];

/// A picture's name and the path of its screen.
type Screen = (&'static str, String);

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_other_screens_are_clean_and_accessible_and_fit_a_phone(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    panel.app.paid().await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, HEIGHT).await.unwrap();
    sign_in(&browser, &panel).await;
    let signed = panel.sign_in("olga", "owner").await;
    let mut screens = sold(&panel, &signed).await;
    screens.extend(waiting(&panel, &signed).await);
    screens.push(("admin-exports", exported(&browser, &panel).await));
    screens.extend(acted(&browser, &panel).await);
    let audio = listened(&browser, &panel, &screens).await;
    screens.push(("admin-audio", audio));
    screens.extend(single(&panel).await);
    screens.extend(PLAIN.map(|(name, path)| (name, path.to_owned())));
    let account = panel.app.install().await.account_id;
    screens.push(("admin-erasure", format!("/accounts/{account}/erasure")));
    screens.push(("admin-account", format!("/accounts/{account}")));
    for (name, path) in &screens {
        let height = if *name == "admin-call" { CALL_HEIGHT } else { HEIGHT };
        browser.client.set_window_size(1_360, height).await.unwrap();
        open(&browser, &panel, path).await;
        browser.picture(name).await;
        let found = violations(&browser).await;
        assert!(found.is_empty(), "{path}: {found:#?}");
    }
    browser.client.set_window_size(500, 900).await.unwrap();
    for (_, path) in &screens {
        open(&browser, &panel, path).await;
        let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
        let is_wider = browser.client.execute(wider, Vec::new()).await.unwrap();
        assert_eq!(is_wider, json!(false), "{path} is wider than the window");
    }
    browser.client.clone().close().await.unwrap();
}

/// A paid subscription whose users occupy seats, and a plan whose price changes for its customers.
async fn sold(panel: &Panel, signed: &Signed<'_>) -> Vec<Screen> {
    bought::paid(panel, signed, "1").await;
    let widget = panel.app.widget().await.id;
    let billing = json!({ "subscriptions": { "seats_per_user": true } });
    let changes = Changes { billing: Some(Some(billing)), ..Changes::default() };
    let now = panel.app.clock.now();
    widgets::update(&mut *panel.app.conn().await, widget, &changes, now).await.unwrap();
    seats::sit(panel, USER).await;
    let dearer = TEAM_PLAN.map(|(name, value)| (name, if name == "month" { "599" } else { value }));
    signed.act("/plans/offer", &dearer).await;
    let plans = subscriptions::list_all_plans(&mut *panel.app.conn().await, widget).await.unwrap();
    let (new, old) = (plans[0].id.to_string(), plans[1].id);
    let on = (moscow_day(now) + Days::new(40)).to_string();
    let check = format!("/plans/{old}/price-change?to={new}&on={on}");
    let fields = [("to", new.as_str()), ("on", &on), ("typed", "1"), ("reason", "Аренда подорожала")];
    signed.act(&format!("/plans/{old}/campaign"), &fields).await;
    let campaign = panel.record_of("campaign.start").await.subject_id;
    vec![
        ("admin-seats", bought::path(panel).await),
        ("admin-price-change", check),
        ("admin-campaign", format!("/campaigns/{campaign}")),
    ]
}

/// Money that waits for a person, a compensation that waits for a second operator, and a finished call.
async fn waiting(panel: &Panel, signed: &Signed<'_>) -> Vec<Screen> {
    let transfer = transfers::queued(panel, 12_345_600, "17").await;
    let wallet = format!("/wallets/{}", panel.app.wallet);
    let key = value_of(&signed.page(&wallet).await, "key");
    let fields = [
        ("amount", "20000"),
        ("shown", "Компенсация простоя"),
        ("days", ""),
        ("key", key.as_str()),
        ("reason", "Договорённость"),
    ];
    signed.act(&format!("{wallet}/credit"), &fields).await;
    let call = finished_call::insert(panel).await;
    vec![
        ("admin-transfers", "/transfers".to_owned()),
        ("admin-transfer", format!("/transfers/{transfer}")),
        ("admin-approvals", "/approvals".to_owned()),
        ("admin-call", format!("/calls/{call}")),
    ]
}

/// A form's act, with a reason.
async fn perform(browser: &Browser, act: &str) {
    browser.click(&format!("[data-act={act}] summary")).await;
    fill(browser, &format!("[data-act={act}] input[name=reason]"), "Обращение 17").await;
}

/// An export that an operator requests on the list, and the job writes.
async fn exported(browser: &Browser, panel: &Panel) -> String {
    open(browser, panel, "/purchases?state=paid").await;
    perform(browser, "export").await;
    browser.click("[data-act=export] button").await;
    assert_eq!(browser.text("#notice").await, "Выгрузка начата.");
    panel.app.run_due_jobs().await;
    "/exports".to_owned()
}

/// A bulk act from its dry run to its results, and the pages of an account in its name.
async fn acted(browser: &Browser, panel: &Panel) -> Vec<Screen> {
    bulk::insert_dead(panel, 12).await;
    let preview = "/bulk/preview?action=job.replay&list=/jobs&query=kind%3Dtest.copy";
    open(browser, panel, preview).await;
    browser.picture("admin-bulk-preview").await;
    perform(browser, "start").await;
    fill(browser, "[data-act=start] input[name=typed]", "12").await;
    browser.click("[data-act=start] button").await;
    assert_eq!(browser.text("#notice").await, "Массовое действие начато.");
    bulk::run_bulk_jobs(panel).await;
    let bulk = browser.client.current_url().await.unwrap().path().to_owned();

    let install = format!("/installs/{}", panel.app.install().await.id);
    open(browser, panel, &install).await;
    perform(browser, "act-as").await;
    browser.click("[data-act=act-as] button").await;
    assert!(browser.text("#notice").await.contains("Просмотр начат"));
    browser.click("a[href*='page=flycoins']").await;
    assert!(browser.text("#act-as").await.contains("только чтение"));
    browser.picture("admin-act-as-page").await;
    let results = format!("/bulk-results?act={}", bulk.trim_start_matches("/bulk/"));
    vec![
        ("admin-bulk", bulk),
        ("admin-bulk-results", results),
        ("admin-act-as", format!("{install}/as-customer")),
    ]
}

/// A recording that an operator asks for on the page of a call.
async fn listened(browser: &Browser, panel: &Panel, screens: &[Screen]) -> String {
    let (_, call) = screens.iter().find(|(name, _)| *name == "admin-call").expect("a call");
    open(browser, panel, call).await;
    perform(browser, "listen").await;
    browser.click("[data-act=listen] button").await;
    assert_eq!(browser.text("#notice").await, "Запрос записан в журнал.");
    let address = browser.client.current_url().await.unwrap();
    assert_eq!(address.path(), format!("{call}/audio"));
    assert!(browser.text("#live").await.contains("Запись готовится"));
    address.path().to_owned()
}

/// Pages of single objects, and results of the search box.
async fn single(panel: &Panel) -> Vec<Screen> {
    take_transfers(&panel.app).await;
    let invoice = panel.transfer_invoice(FIRM, "picture-1").await;
    let first = async |query: &'static str| -> String {
        sqlx::query_scalar(query).fetch_one(&panel.app.pool).await.unwrap()
    };
    let install = panel.app.install().await.id;
    vec![
        ("admin-transfer-invoice", format!("/transfer-invoices/{}", invoice.id)),
        ("admin-purchase", format!("/purchases/{}", first("SELECT MIN(id) FROM coin_purchases").await)),
        ("admin-event", format!("/events/{}", first("SELECT MIN(id) FROM lifecycle_events").await)),
        ("admin-record", format!("/audit/{}", first("SELECT MAX(id) FROM audit_log").await)),
        ("admin-operator", format!("/operators/{}", first("SELECT MAX(id) FROM operators").await)),
        ("admin-export", format!("/exports/{}", first("SELECT MIN(id) FROM list_exports").await)),
        ("admin-sent-letters", format!("/installs/{install}/letters")),
        ("admin-whole-timeline", format!("/installs/{install}/timeline?whole=yes")),
        ("admin-search", "/search?q=d".to_owned()),
        ("admin-nothing-found", "/search?q=nothing-like-this".to_owned()),
    ]
}
