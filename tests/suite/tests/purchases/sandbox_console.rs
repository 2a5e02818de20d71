//! The page of `flysk-sandbox` in Chromium: forms, what happens live, no complaints of the browser or of axe.

use fantoccini::Locator;
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::browser::Browser;
use super::panel::pages::violations;

/// Waits for an element that an `XPath` finds.
async fn wait_for(browser: &Browser, path: &str) {
    let found = browser.client.wait().for_element(Locator::XPath(path)).await;
    if let Err(error) = found {
        panic!("no {path}: {error}\n{}", browser.client.source().await.unwrap_or_default());
    }
}

/// Waits for an entry of the timeline with this text.
async fn wait_for_entry(browser: &Browser, text: &str) {
    wait_for(browser, &format!("//ol[@id='entries']/li[contains(normalize-space(.), '{text}')]")).await;
}

/// Waits for the page after an act, which tells this.
async fn wait_for_note(browser: &Browser, text: &str) {
    wait_for(browser, &format!("//*[@id='note'][contains(normalize-space(.), '{text}')]")).await;
}

/// Waits until the page shows this time of its clock.
async fn wait_for_time(browser: &Browser, text: &str) {
    wait_for(browser, &format!("//*[@id='now'][normalize-space(.) = '{text}']")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_works_with_the_console_in_a_browser() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let sandbox = SandboxProcess::start(&options, &["--starts-at", "2027-01-31T09:00:00Z"])?;
    let browser = Browser::start().await;
    browser.client.set_window_size(1_280, 1_150).await?;
    browser.client.goto(sandbox.text("/console_url")).await?;
    wait_for_time(&browser, "31.01.2027 12:00:00 МСК").await;
    wait_for_entry(&browser, "activate → 204").await;

    browser.click("#add-account").await;
    wait_for_note(&browser, "31234568 создан").await;
    browser.click("#account-31234568 .switch").await;
    wait_for_note(&browser, "Виджет удалён").await;
    assert_eq!(browser.text("#account-31234568 .status").await, "удалён");
    browser.click(&format!("#account-{ACCOUNT} .token")).await;
    wait_for_note(&browser, "X-Auth-Token пользователя 501").await;
    let token = browser.text("#code").await;
    let (status, told) =
        sandbox.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", &token)], None).await?;
    assert_eq!(status, StatusCode::OK, "{told}");

    blocks_a_user(&browser).await;

    // Comes onto the page by itself.
    let refused = sandbox.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", "forged")], None).await?;
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED);
    wait_for_entry(&browser, "POST /v1/handshake → 401 unauthorized").await;

    sandbox.order_coins(ACCOUNT, ADMIN, "order-1").await?;
    browser.client.refresh().await?;
    browser.click(".payment .decline").await;
    wait_for_note(&browser, "Банк отклонил платёж").await;
    wait_for_entry(&browser, "500,00 ₽: отказ банка, можно повторить (1005)").await;

    browser.click("#lose").await;
    wait_for_note(&browser, "Будет потеряно: 1").await;
    browser.click(&format!("#account-{ACCOUNT} .switch")).await;
    wait_for_entry(&browser, "deactivate → потеряно").await;
    browser.click("#advance").await;
    wait_for_note(&browser, "Время переведено").await;
    wait_for_time(&browser, "01.02.2027 12:00:00 МСК").await;
    wait_for_entry(&browser, "deactivate → 204").await;

    // Last: Flysk asks amoCRM, too.
    browser.click("#fail").await;
    wait_for_note(&browser, "не удадутся: 1").await;
    looks_good(&browser).await?;
    refuses_other_pages(&sandbox).await?;
    browser.click("#reset").await;
    wait_for_note(&browser, "Песочница сброшена").await;
    wait_for_time(&browser, "31.01.2027 12:00:00 МСК").await;
    browser.is_content().await;
    browser.client.clone().close().await?;
    sandbox.stop()
}

/// A blocked user comes back.
async fn blocks_a_user(browser: &Browser) {
    browser.click(&format!("#account-{ACCOUNT} li:nth-child(2) .block")).await;
    wait_for_note(browser, "Пользователь 502 заблокирован").await;
    browser.click(&format!("#account-{ACCOUNT} .unblock")).await;
    wait_for_note(browser, "Пользователь 502 может войти").await;
}

/// In light and dark and on a phone, with everything unfolded.
async fn looks_good(browser: &Browser) -> anyhow::Result<()> {
    let unfold = "document.querySelector('#entries details').open = true";
    browser.client.execute(unfold, Vec::new()).await?;
    browser.picture("sandbox-console").await;
    let all = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";
    browser.client.execute(all, Vec::new()).await?;
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    for media in [json!({ "features": [] }), dark] {
        browser.devtools("Emulation.setEmulatedMedia", media).await;
        assert_eq!(violations(browser).await, Vec::<String>::new());
    }
    let phone = json!({ "width": 390, "height": 1_000, "deviceScaleFactor": 2, "mobile": true });
    browser.devtools("Emulation.setDeviceMetricsOverride", phone).await;
    let wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth + 1";
    assert_eq!(browser.client.execute(wider, Vec::new()).await?, json!(false), "wider than a phone");
    browser.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
    Ok(())
}

/// A page of somebody else cannot press the buttons.
async fn refuses_other_pages(sandbox: &SandboxProcess) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let form = http.post(format!("{}/console/reset", sandbox.text("/control_url")));
    let sent = form.header("Origin", "https://evil.example").form(&[("x", "1")]).send().await?;
    assert_eq!(sent.status(), StatusCode::FORBIDDEN);
    Ok(())
}
