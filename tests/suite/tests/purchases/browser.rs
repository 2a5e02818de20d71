//! A purchase in a real browser, from the package to the balance, including a bank that stops responding.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wait::Wait;
use fantoccini::{Client, ClientBuilder, Locator};
use flysk_config::Env;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::ADMIN;
use flysk_suite::ports::quiet_port;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, TestApp};
use super::page::link;

const WAIT_TIMEOUT: Duration = Duration::from_mins(2);
/// Interval of looking for an element that is not there yet.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Chromium and its driver; both are stopped on drop.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    url: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Path of a program: from a variable, or the default path.
fn program(variable: &str, usual: &str) -> PathBuf {
    let named = Env::from_process().secret_named(variable);
    let named = named.map(|path| PathBuf::from(secrecy::ExposeSecret::expose_secret(&path)));
    let path = named.unwrap_or_else(|| PathBuf::from(usual));
    assert!(path.is_file(), "{} is not there: set {variable}, or run `cargo xtask test`", path.display());
    path
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = quiet_port().unwrap();
        let driver = Command::new(program("FLYSK_CHROMEDRIVER", "/usr/bin/chromedriver"))
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let options = json!({
            "binary": program("FLYSK_CHROMIUM", "/usr/bin/chromium"),
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=ru", "--window-size=900,900",
                format!("--user-data-dir={}", profile.path().display()),
            ],
        });
        // All browser messages, including violations of the pages' content security policy.
        let logging = json!({ "browser": "ALL" });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let wanted = [("goog:chromeOptions".to_owned(), options), ("goog:loggingPrefs".to_owned(), logging)];
        builder.capabilities(wanted.into_iter().collect());
        let url = format!("http://127.0.0.1:{port}");
        let deadline = tokio::time::Instant::now() + WAIT_TIMEOUT;
        let client = loop {
            match builder.connect(&url).await {
                Ok(client) => break client,
                Err(error) if tokio::time::Instant::now() > deadline => panic!("no browser: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        Self { client, driver, url, _profile: profile }
    }

    /// Waits until something is on the page, or for two minutes.
    pub(crate) fn waiting(&self) -> Wait<'_> {
        self.client.wait().at_most(WAIT_TIMEOUT).every(POLL_INTERVAL)
    }

    pub(crate) async fn wait(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self.waiting().for_element(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                panic!("no {selector}: {error}\n{}", self.client.source().await.unwrap_or_default())
            }
        }
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        self.wait(selector).await.text().await.unwrap().replace('\u{a0}', " ")
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.wait(selector).await.click().await.unwrap();
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        let session = self.client.session_id().await.unwrap().expect("a session is open");
        let asked = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = asked.post(format!("{}/session/{session}/goog/cdp/execute", self.url));
        let sent = asked.json(&json!({ "cmd": command, "params": parameters })).send().await.unwrap();
        assert!(sent.status().is_success(), "{command}: {}", sent.text().await.unwrap());
    }

    /// Browser messages since the last call, one line each, with the page or source.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let session = self.client.session_id().await.unwrap().expect("a session is open");
        let asked = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = asked.post(format!("{}/session/{session}/se/log", self.url));
        let answer: Value =
            asked.json(&json!({ "type": "browser" })).send().await.unwrap().json().await.unwrap();
        let entries = answer["value"].as_array().unwrap_or_else(|| panic!("no log: {answer}")).clone();
        let told = |entry: &Value| format!("{}: {}", entry["level"], entry["message"]);
        entries.iter().map(told).collect()
    }

    /// Checks that the current page causes no browser messages.
    pub(crate) async fn is_content(&self) {
        let page = self.client.current_url().await.unwrap();
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "on {page}: {complaints:#?}");
    }

    /// Checks the page and saves a screenshot in the directory `FLYSK_SCREENSHOTS`, if set.
    pub(crate) async fn picture(&self, name: &str) {
        self.is_content().await;
        let png = self.client.screenshot().await.unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        if let Some(folder) = Env::from_process().secret_named("FLYSK_SCREENSHOTS") {
            let folder = Path::new(secrecy::ExposeSecret::expose_secret(&folder)).to_owned();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
        }
    }
}

/// Runs jobs in the background, as a worker does.
async fn work(app: &TestApp) {
    loop {
        app.run_due_jobs().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_purchase_in_a_browser_goes_from_the_package_to_the_balance(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let browser = Browser::start().await;
    tokio::select! {
        () = work(&app) => unreachable!("workers work for ever"),
        () = buy(&app, &browser) => {}
    }
    browser.client.clone().close().await.unwrap();
    assert_eq!(app.balance().await, COINS + BONUS);
    assert_eq!(app.calls("Init"), 1);
}

async fn buy(app: &TestApp, browser: &Browser) {
    browser.client.goto(&link(app, ADMIN).await.unwrap()).await.unwrap();
    assert_eq!(browser.text("#balance").await, "На балансе 0 FC");
    let here = browser.client.current_url().await.unwrap();
    assert!(here.query().is_none(), "no secret stays in the address: {here}");
    browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
    browser.picture("flycoins-packages").await;
    browser.click("#pay").await;
    // The page waits for the form and redirects by itself, without sending a `Referer` to the bank.
    assert_eq!(browser.text("#amount").await, "500,00 ₽");
    let call = app.bank.control.calls_to("GET", "/pay/*").pop().unwrap();
    assert_eq!(call.header("referer"), None);
    browser.is_content().await;
    // The notifications are slow: the buyer returns before they arrive.
    app.bank
        .state
        .behave(flysk_simulators::tbank::Behaviour { notification_copies: 0, ..Default::default() });
    browser.click("button#pay").await;
    assert_eq!(browser.text("#label").await, "Ждём подтверждение банка");
    browser.picture("flycoins-waiting").await;
    app.clock.advance(chrono::Duration::minutes(2));
    app.enqueue(&flysk_jobs::platform::billing::ReconcileDue {}).await;
    assert_eq!(browser.text("#label[data-code=paid]").await, "Готово!");
    assert_eq!(browser.text("#balance").await, "На балансе 550 FC");
    browser.picture("flycoins-paid").await;
    browser.click("#back").await;
    browser.wait(".purchases").await;
    browser.picture("flycoins-again").await;
    refuses_what_is_from_elsewhere(browser).await;
}

/// Violations of the content security policy appear in the browser log, which was empty before.
async fn refuses_what_is_from_elsewhere(browser: &Browser) {
    let inject = "const image = new Image(); image.onerror = () => document.body.append(image); \
                  image.id = 'refused'; image.src = 'https://elsewhere.example.test/pixel.png';";
    browser.client.execute(inject, Vec::new()).await.unwrap();
    browser.wait("#refused").await;
    let complaints = browser.complaints().await.join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}

/// The bank does not open the form: the page reports it, nothing is charged, and the next attempt works.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unresponsive_bank_is_reported_and_the_buyer_can_retry(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let browser = Browser::start().await;
    app.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    let tries = async {
        browser.client.goto(&link(&app, ADMIN).await.unwrap()).await.unwrap();
        browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
        browser.click("#pay").await;
        browser.wait("#label[data-code=opening], #label[data-code=created]").await;
        app.clock.advance(chrono::Duration::seconds(10));
        browser.wait("#label[data-code=failed]").await;
        assert!(browser.text(".result").await.contains("Деньги не списаны"));
        browser.picture("flycoins-failed").await;
        browser.click("#back").await;
        browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
        browser.click("#pay").await;
        browser.wait("#card option[value='2200000000000012']").await.click().await.unwrap();
        browser.is_content().await;
        browser.click("button#pay").await;
        browser.wait("#label[data-code=failed]").await;
        assert!(browser.text(".result").await.contains("недостаточно средств"));
        browser.is_content().await;
    };
    tokio::select! {
        () = work(&app) => unreachable!("workers work for ever"),
        () = tries => {}
    }
    browser.client.clone().close().await.unwrap();
    assert_eq!((app.balance().await, app.bank.state.payments().len()), (0, 2));
}
