//! What the panel's script adds in a real browser: filters that take the links of the list with them, errors and ended sessions that are
//! shown, and forms that are sent once.

use chrono::Duration;
use fantoccini::Locator;
use serde_json::json;
use sqlx::MySqlPool;

use super::bulk;
use super::harness::Panel;
use super::pages::{fill, open, sign_in};
use crate::browser::Browser;

/// Types a value into a filter and leaves the field, which asks for the list once, without loading the page.
async fn filter(browser: &Browser, selector: &str, value: &str) {
    browser.client.execute("window.kept = true", Vec::new()).await.unwrap();
    fill(browser, selector, value).await;
    browser.client.execute("document.activeElement.blur()", Vec::new()).await.unwrap();
}

/// Whether the page was loaded since the last [`filter`].
async fn is_loaded_anew(browser: &Browser) -> bool {
    browser.client.execute("return window.kept !== true", Vec::new()).await.unwrap() == json!(true)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_bulk_act_takes_the_filter_that_the_page_shows(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    bulk::insert_dead(&panel, 3).await;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_360, 900).await.unwrap();
    sign_in(&browser, &panel).await;
    open(&browser, &panel, "/jobs").await;
    filter(&browser, "input[name=correlation]", "copies").await;
    let link = "#bulk a[href*='action=job.replay'][href*='correlation%3Dcopies']";
    browser.wait(link).await;
    assert!(!is_loaded_anew(&browser).await);
    assert_eq!(browser.client.find_all(Locator::Css(".heading a")).await.unwrap().len(), 0);
    browser.is_content().await;
    browser.click(link).await;
    browser.wait("[data-act=start]").await;
    let facts = browser.text(".facts").await;
    assert!(facts.contains("Запрос: copies") && facts.contains("Строк\n3"), "{facts}");
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_error_and_the_end_of_the_session_open_their_pages(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let browser = Browser::start().await;
    sign_in(&browser, &panel).await;
    open(&browser, &panel, "/events").await;
    filter(&browser, "input[name=install]", "nothing").await;
    assert!(browser.text("#error").await.contains("Установка"));
    assert!(is_loaded_anew(&browser).await);
    let address = browser.client.current_url().await.unwrap();
    assert_eq!(address.path(), "/events");
    assert!(address.query().unwrap().contains("install=nothing"), "{address}");
    // The browser and htmx report the refused requests.
    browser.complaints().await;

    open(&browser, &panel, "/jobs").await;
    panel.app.clock.advance(Duration::hours(2));
    filter(&browser, "input[name=correlation]", "copies").await;
    browser.wait("input[name=login]").await;
    assert!(is_loaded_anew(&browser).await);
    let address = browser.client.current_url().await.unwrap();
    assert_eq!(address.path(), "/sign-in");
    let mut parameters = address.query_pairs();
    let (_, next) = parameters.find(|(name, _)| name == "next").expect("where to go after signing in");
    assert!(next.starts_with("/jobs?") && next.contains("correlation=copies"), "{next}");
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_form_is_sent_once_and_can_be_used_again_after_returning(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let browser = Browser::start().await;
    sign_in(&browser, &panel).await;
    open(&browser, &panel, "/operators").await;
    browser.click("[data-act=create] summary").await;
    fill(&browser, "[data-act=create] input[name=login]", "boris").await;
    fill(&browser, "[data-act=create] input[name=name]", "Борис").await;
    fill(&browser, "[data-act=create] input[name=reason]", "Новый сотрудник").await;
    let twice = "const form = document.querySelector('[data-act=create] form');
        form.requestSubmit();
        form.requestSubmit();";
    browser.client.execute(twice, Vec::new()).await.unwrap();
    // The answer to a second one would be that the login is taken.
    let password = browser.text("pre").await;
    assert!(!password.is_empty());
    assert_eq!(browser.text("h1").await, "Оператор boris добавлен");
    browser.is_content().await;
    browser.client.back().await.unwrap();
    assert_eq!(browser.text("h1").await, "Операторы");
    browser.wait("[data-act=create] button:not([disabled])").await;
    browser.client.clone().close().await.unwrap();
}
