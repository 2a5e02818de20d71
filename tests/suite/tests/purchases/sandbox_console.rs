//! The page of `flysk-sandbox` in Chromium: forms, what happens live, no complaints of the browser or of axe.

use fantoccini::Locator;
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::browser::Browser;
use super::panel::pages::violations;

/// Unfolds everything on the page.
const UNFOLD: &str = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";

/// Waits for an element that an `XPath` finds.
async fn wait_for(browser: &Browser, path: &str) {
    let found = browser.waiting().for_element(Locator::XPath(path)).await;
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
    browser.click("#account-31234568 .switch").await;
    wait_for_note(&browser, "Виджет установлен").await;
    assert_eq!(browser.text("#account-31234568 .status").await, "работает");
    works_in_an_account(&browser, "#account-31234568").await?;
    sends_events_elsewhere(&browser).await?;
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

    pays(&sandbox, &browser).await?;

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

/// Writes into a field of the page instead of what it has.
async fn fill(browser: &Browser, selector: &str, text: &str) -> anyhow::Result<()> {
    let field = browser.wait(selector).await;
    field.clear().await?;
    field.send_keys(text).await?;
    Ok(())
}

/// A payer is declined, and pays another order.
async fn pays(sandbox: &SandboxProcess, browser: &Browser) -> anyhow::Result<()> {
    sandbox.order_coins(ACCOUNT, ADMIN, "order-1").await?;
    browser.client.refresh().await?;
    browser.click(".payment .decline").await;
    wait_for_note(browser, "Банк отклонил платёж").await;
    wait_for_entry(browser, "500,00 ₽: отказ банка, можно повторить (1005)").await;
    sandbox.order_coins(ACCOUNT, ADMIN, "order-2").await?;
    browser.client.refresh().await?;
    browser.click(".payment .pay").await;
    wait_for_note(browser, "Платёж проведён").await;
    wait_for_entry(browser, "Пополнение: баланс +500 FC").await;
    Ok(())
}

/// A call, another name, another user, the end of access: the folded forms of an account.
async fn works_in_an_account(browser: &Browser, account: &str) -> anyhow::Result<()> {
    browser.client.execute(UNFOLD, Vec::new()).await?;
    browser.click(&format!("{account} .call")).await;
    wait_for_note(browser, "Заметка о звонке").await;
    browser.client.execute(UNFOLD, Vec::new()).await?;
    fill(browser, &format!("{account} [name=subdomain]"), "renamed").await?;
    browser.click(&format!("{account} .rename")).await;
    wait_for_note(browser, "Поддомен изменён").await;
    assert!(browser.text(&format!("{account} h3")).await.contains("renamed.amocrm.ru"));
    browser.client.execute(UNFOLD, Vec::new()).await?;
    fill(browser, &format!("{account} details [name=user]"), "777").await?;
    fill(browser, &format!("{account} [name=name]"), "Вера").await?;
    browser.click(&format!("{account} [name=is_admin]")).await;
    browser.click(&format!("{account} .add-user")).await;
    wait_for_note(browser, "Пользователь 777 добавлен").await;
    assert!(browser.text(&format!("{account} .users")).await.contains("Вера, 777, администратор"));
    browser.client.execute(UNFOLD, Vec::new()).await?;
    browser.click(&format!("{account} .revoke")).await;
    wait_for_note(browser, "Доступ отозван").await;
    Ok(())
}

/// The address of events is kept, and taken away again.
async fn sends_events_elsewhere(browser: &Browser) -> anyhow::Result<()> {
    let url = "http://127.0.0.1:9/events";
    fill(browser, "#event-url", url).await?;
    browser.click("#set-event-url").await;
    wait_for(browser, &format!("//input[@id='event-url'][@value='{url}']")).await;
    wait_for_note(browser, "Адрес событий сохранён").await;
    browser.wait("#event-url").await.clear().await?;
    browser.click("#set-event-url").await;
    wait_for(browser, "//input[@id='event-url'][@value='']").await;
    Ok(())
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
    browser.client.execute(UNFOLD, Vec::new()).await?;
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
