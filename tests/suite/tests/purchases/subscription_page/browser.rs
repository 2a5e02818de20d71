//! The page in Chromium: purchase, failed card, change of seats, unlink, cancel; light, dark and on a phone.

use std::time::Duration;

use flysk_suite::environment::ADMIN;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::TestPage;
use crate::browser::Browser;

/// Runs jobs in the background, as a worker does, while `visit` lasts.
async fn with_worker(page: &TestPage, visit: impl Future<Output = ()>) {
    let work = async {
        loop {
            page.sandbox.run_due().await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = work => unreachable!("workers work for ever"),
        () = visit => {}
    }
}

async fn fill(browser: &Browser, selector: &str, text: &str) {
    let field = browser.wait(selector).await;
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

/// Pays on the bank's form with a test card.
async fn pay(browser: &Browser, card: &str) {
    browser.click(&format!("#card option[value='{card}']")).await;
    browser.click("button#pay").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_subscription_is_bought_changed_and_cancelled_in_a_browser(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(900, 1_150).await.unwrap();
    browser.client.goto(&page.link(ADMIN).await).await.unwrap();
    with_worker(&page, buys(&browser)).await;
    page.advance_to("2027-02-14", "12:00:00").await;
    // The visit has ended with its four hours; the widget has a new link.
    browser.client.goto(&page.link(ADMIN).await).await.unwrap();
    with_worker(&page, changes(&browser)).await;
    looks_good_everywhere(&page, &browser).await;
    with_worker(&page, leaves(&browser)).await;
    browser.client.clone().close().await.unwrap();
    let subscription = page.row().await.unwrap();
    assert!(subscription.subscription.cancels && subscription.card_id.is_none());
    let paid: Vec<i64> = page.invoices().await.unwrap().iter().map(|invoice| invoice.total.0).collect();
    assert_eq!(paid, [297_000, 99_000]);
}

/// From the trial to the paid period, over a card that is declined.
async fn buys(browser: &Browser) {
    assert!(browser.text("#state").await.contains("Пробный период"));
    let here = browser.client.current_url().await.unwrap();
    assert!(here.query().is_none(), "no secret stays in the address: {here}");
    browser.picture("subscription-plans").await;
    fill(browser, ".plan:nth-of-type(1) input[name=seats]", "3").await;
    browser.click(".plan:nth-of-type(1) .calculate").await;
    assert_eq!(browser.text("#total").await, "2 970 ₽");
    browser.picture("subscription-quote").await;
    browser.click("#apply").await;
    let ticked = browser.wait("#consent").await.is_selected().await.unwrap();
    assert!(!ticked, "the consent is the payer's act");
    fill(browser, "#email", "buh@example.test").await;
    browser.click("#consent").await;
    browser.picture("subscription-invoice").await;
    browser.click("#pay").await;
    // The page waits for the form and goes there by itself.
    assert_eq!(browser.text("#amount").await, "2970,00 ₽");
    browser.is_content().await;
    pay(browser, "2200000000000012").await;
    browser.wait("#label[data-code=failed]").await;
    assert!(browser.text(".result").await.contains("недостаточно средств"));
    browser.picture("subscription-failed").await;
    browser.click("#again").await;
    fill(browser, "#email", "buh@example.test").await;
    browser.click("#consent").await;
    browser.click("#pay").await;
    pay(browser, "2200000000000004").await;
    browser.wait("#label[data-code=paid]").await;
    assert!(browser.text("#renewal").await.contains("•••• 0004"));
    browser.picture("subscription-paid").await;
    browser.click("#back").await;
    assert!(browser.text("#state").await.contains("Подписка активна"));
}

/// Two seats more at once, and one less with the next period.
async fn changes(browser: &Browser) {
    fill(browser, "#change-seats input[name=seats]", "5").await;
    browser.click("#change-seats button").await;
    assert_eq!(browser.text("#total").await, "990 ₽");
    browser.picture("subscription-seats").await;
    browser.click("#apply").await;
    fill(browser, "#email", "buh@example.test").await;
    browser.click("#pay").await;
    pay(browser, "2200000000000004").await;
    browser.wait("#label[data-code=paid]").await;
    browser.click("#back").await;
    assert!(browser.text("#terms").await.contains("5 мест"));
    fill(browser, "#change-seats input[name=seats]", "4").await;
    browser.click("#change-seats button").await;
    browser.click("#apply").await;
    assert!(browser.text("#pending").await.contains("5 → 4 места"));
    browser.wait("#notice").await;
}

/// The overview in light and dark, on a desktop and on a phone.
async fn looks_good_everywhere(page: &TestPage, browser: &Browser) {
    browser.client.goto(&page.link(ADMIN).await).await.unwrap();
    browser.wait("#state").await;
    browser.client.set_window_size(900, 1_650).await.unwrap();
    browser.picture("subscription-light").await;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", dark.clone()).await;
    browser.picture("subscription-dark").await;
    let phone = json!({ "width": 390, "height": 1_000, "deviceScaleFactor": 2, "mobile": true });
    for (name, media) in
        [("subscription-phone-dark", dark), ("subscription-phone", json!({ "features": [] }))]
    {
        browser.devtools("Emulation.setEmulatedMedia", media).await;
        browser.devtools("Emulation.setDeviceMetricsOverride", phone.clone()).await;
        let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
        assert_eq!(
            browser.client.execute(wider, Vec::new()).await.unwrap(),
            json!(false),
            "wider than a phone"
        );
        browser.picture(name).await;
    }
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    browser.client.set_window_size(900, 1_150).await.unwrap();
}

/// The pending change is withdrawn, the card unlinked, the subscription cancelled.
async fn leaves(browser: &Browser) {
    browser.click("#pending [data-kind=seats] button").await;
    assert!(browser.text("#notice").await.contains("Запланированное изменение отменено"));
    browser.click("#unlink summary").await;
    browser.click("#unlink button").await;
    // What only the next page has comes first: both pages have a notice.
    assert!(browser.text("#no-card").await.contains("Выключено"));
    assert!(browser.text("#notice").await.contains("Карта отвязана"));
    browser.click("#cancel summary").await;
    browser.click("#cancel button").await;
    browser.wait("#restore").await;
    assert!(browser.text("#state").await.contains("Подписка отменена, но ещё действует"));
    browser.picture("subscription-cancelled").await;
    browser.click("#restore button").await;
    browser.click("#cancel summary").await;
    assert!(browser.text("#notice").await.contains("возобновлена"));
    assert!(browser.text("#state").await.contains("Подписка активна"));
    browser.click("#cancel button").await;
    browser.wait("#restore").await;
    browser.is_content().await;
}
