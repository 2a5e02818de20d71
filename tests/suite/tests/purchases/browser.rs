//! A purchase in a real browser: from the package to the balance, with the bank going silent on the way.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use flysk_runtime::config::Env;
use flysk_simulators::{Act, Script};
use flysk_suite::stand::ADMIN;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{BONUS, COINS, Shop};
use super::page::link;

const SOON: Duration = Duration::from_secs(30);

/// Chromium behind its driver; both end with the test.
struct Browser {
    client: Client,
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

/// Where a program is: named by a variable, or in the usual place.
fn program(variable: &str, usual: &str) -> PathBuf {
    let named = Env::from_process().secret_named(variable);
    let named = named.map(|path| PathBuf::from(secrecy::ExposeSecret::expose_secret(&path)));
    let path = named.unwrap_or_else(|| PathBuf::from(usual));
    assert!(path.is_file(), "{} is not there: set {variable}, or run `cargo xtask test`", path.display());
    path
}

impl Browser {
    async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
        // Everything pages make the browser complain about, refused by their own policy included.
        let logging = json!({ "browser": "ALL" });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let wanted = [("goog:chromeOptions".to_owned(), options), ("goog:loggingPrefs".to_owned(), logging)];
        builder.capabilities(wanted.into_iter().collect());
        let url = format!("http://127.0.0.1:{port}");
        let deadline = tokio::time::Instant::now() + SOON;
        let client = loop {
            match builder.connect(&url).await {
                Ok(client) => break client,
                Err(error) if tokio::time::Instant::now() > deadline => panic!("no browser: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        Self { client, driver, url, _profile: profile }
    }

    async fn wait(&self, selector: &str) -> fantoccini::elements::Element {
        let found = self.client.wait().at_most(SOON).for_element(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                panic!("no {selector}: {error}\n{}", self.client.source().await.unwrap_or_default())
            }
        }
    }

    async fn text(&self, selector: &str) -> String {
        self.wait(selector).await.text().await.unwrap().replace('\u{a0}', " ")
    }

    async fn click(&self, selector: &str) {
        self.wait(selector).await.click().await.unwrap();
    }

    /// What the browser complained about since it was last asked: one line each, with the page or source it is about.
    async fn complaints(&self) -> Vec<String> {
        let session = self.client.session_id().await.unwrap().expect("a session is open");
        let asked = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = asked.post(format!("{}/session/{session}/se/log", self.url));
        let answer: Value =
            asked.json(&json!({ "type": "browser" })).send().await.unwrap().json().await.unwrap();
        let entries = answer["value"].as_array().unwrap_or_else(|| panic!("no log: {answer}")).clone();
        let told = |entry: &Value| format!("{}: {}", entry["level"], entry["message"]);
        entries.iter().map(told).collect()
    }

    /// The page, whichever it is, has nothing the browser refuses or complains about.
    async fn is_content(&self) {
        let page = self.client.current_url().await.unwrap();
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "on {page}: {complaints:#?}");
    }

    /// Sees that the page is content, and keeps a picture of it where `FLYSK_SCREENSHOTS` says, if it does.
    async fn picture(&self, name: &str) {
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

/// Performs jobs while somebody else acts, as a worker does.
async fn work(shop: &Shop) {
    loop {
        shop.run_due_jobs().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_purchase_in_a_browser_goes_from_the_package_to_the_balance(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let browser = Browser::start().await;
    tokio::select! {
        () = work(&shop) => unreachable!("workers work for ever"),
        () = buy(&shop, &browser) => {}
    }
    browser.client.clone().close().await.unwrap();
    assert_eq!(shop.balance().await, COINS + BONUS);
    assert_eq!(shop.calls("Init"), 1);
}

async fn buy(shop: &Shop, browser: &Browser) {
    browser.client.goto(&link(shop, ADMIN).await.unwrap()).await.unwrap();
    assert_eq!(browser.text("#balance").await, "На балансе 0 Flycoins");
    let here = browser.client.current_url().await.unwrap();
    assert!(here.query().is_none(), "no secret stays in the address: {here}");
    browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
    browser.picture("flycoins-packages").await;
    browser.click("#pay").await;
    // The page waits for the form and leads on by itself; `Referer` tells the bank nothing.
    assert_eq!(browser.text("#amount").await, "500,00 ₽");
    let call = shop.bank.control.calls_to("GET", "/pay/*").pop().unwrap();
    assert_eq!(call.header("referer"), None);
    browser.is_content().await;
    // The notices are slow: the buyer is back before they are.
    shop.bank.state.behave(flysk_simulators::tbank::Behaviour { notice_copies: 0, ..Default::default() });
    browser.click("button#pay").await;
    assert_eq!(browser.text("#label").await, "Ждём подтверждение банка");
    browser.picture("flycoins-waiting").await;
    shop.clock.advance(chrono::Duration::minutes(2));
    shop.enqueue(&flysk_jobs::billing::ReconcileDue {}).await;
    assert_eq!(browser.text("#label[data-code=paid]").await, "Готово!");
    assert_eq!(browser.text("#balance").await, "На балансе 550 Flycoins");
    browser.picture("flycoins-paid").await;
    browser.click("#back").await;
    browser.wait(".purchases").await;
    browser.picture("flycoins-again").await;
    refuses_what_is_from_elsewhere(browser).await;
}

/// What the page's policy forbids ends up in the log that was empty so far.
async fn refuses_what_is_from_elsewhere(browser: &Browser) {
    let inject = "const image = new Image(); image.onerror = () => document.body.append(image); \
                  image.id = 'refused'; image.src = 'https://elsewhere.example.test/pixel.png';";
    browser.client.execute(inject, Vec::new()).await.unwrap();
    browser.wait("#refused").await;
    let complaints = browser.complaints().await.join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}

/// The bank does not open the form: the page says so, nothing is charged, and the next try works.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_silent_bank_is_told_to_the_buyer_who_tries_again(pool: MySqlPool) {
    let shop = Shop::open(pool).await;
    let browser = Browser::start().await;
    shop.bank.control.script(Script::next("/v2/Init", Act::ServeThenCut));
    let tries = async {
        browser.client.goto(&link(&shop, ADMIN).await.unwrap()).await.unwrap();
        browser.wait("#email").await.send_keys("buh@example.test").await.unwrap();
        browser.click("#pay").await;
        browser.wait("#label[data-code=opening], #label[data-code=created]").await;
        shop.clock.advance(chrono::Duration::seconds(10));
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
        () = work(&shop) => unreachable!("workers work for ever"),
        () = tries => {}
    }
    browser.client.clone().close().await.unwrap();
    assert_eq!((shop.balance().await, shop.bank.state.payments().len()), (0, 2));
}
