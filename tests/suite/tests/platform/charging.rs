//! A widget that uses Flycoins, and its backend as an API client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flysk_domain::Clock;
use flysk_domain::id::{LotId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_store::Pool;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletRow};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::harness::{TestApp, as_conn};

/// Welcome bonus: 100 Flycoins for 30 days, in micro-Flycoins.
pub(crate) const BONUS: i64 = 100_000_000;
/// Path prefix of the Flycoins operations.
pub(crate) const FLYCOINS: &str = "/v1/backend/flycoins";

/// Response to a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
}

impl Written {
    /// Status and code of the problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or("no problem"))
    }

    /// A numeric field of the body.
    pub(crate) fn micro(&self, field: &str) -> i64 {
        self.body[field].as_i64().unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    /// A string field of the body.
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }
}

/// A client of the Flycoins API.
#[derive(Clone)]
pub(crate) struct WalletClient {
    pub(crate) app: Arc<TestApp>,
    keys: Arc<AtomicU64>,
}

impl WalletClient {
    /// A widget with Flycoins and a welcome bonus, installed in the account.
    pub(crate) async fn open(pool: Pool) -> Self {
        Self::open_in(TestApp::build(pool).await).await
    }

    /// The same for a platform without the install.
    pub(crate) async fn open_in(app: TestApp) -> Self {
        use_flycoins(&app).await;
        app.install().await;
        Self::at(app)
    }

    pub(crate) fn at(app: TestApp) -> Self {
        Self { app: Arc::new(app), keys: Arc::default() }
    }

    /// A write with a new idempotency key.
    pub(crate) async fn write(&self, path: &str, body: Value) -> Written {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.write_as(&key, path, body).await
    }

    /// A write with this idempotency key.
    pub(crate) async fn write_as(&self, key: &str, path: &str, body: Value) -> Written {
        self.send(&self.app.project_token, Some(key), path, body).await
    }

    /// A write with this project token.
    pub(crate) async fn send(&self, token: &str, key: Option<&str>, path: &str, body: Value) -> Written {
        let url = format!("{}{FLYCOINS}{path}", self.app.api_url);
        let mut request = self.app.http.post(url).header("X-Project-Token", token).json(&body);
        if let Some(key) = key {
            // As bytes: a key may have other characters than ASCII.
            request = request.header("Idempotency-Key", key.as_bytes());
        }
        let answer = request.send().await.unwrap();
        let replayed = answer.headers().get("Idempotency-Replayed").is_some_and(|value| value == "true");
        let (status, body) = super::harness::read(answer).await;
        Written { status, body, replayed }
    }

    /// Charges `seconds` seconds of recognition.
    pub(crate) async fn charge(&self, seconds: u64) -> Written {
        self.write("/charges", seconds_of(seconds)).await
    }

    /// Available and held amounts in the API's response.
    pub(crate) async fn balance(&self) -> (i64, i64) {
        let path = format!("{FLYCOINS}/balance?account_id={ACCOUNT}");
        let (status, body) = self.app.backend(Method::GET, &path, None).await;
        assert_eq!((status, &body["account_id"]), (StatusCode::OK, &json!(ACCOUNT)), "{body}");
        (body["available_micro"].as_i64().unwrap(), body["held_micro"].as_i64().unwrap())
    }

    /// The account's wallet in the database.
    pub(crate) async fn wallet(&self) -> WalletRow {
        let install = self.app.install_id().await;
        let mut conn = self.app.conn().await;
        ledger::find_wallet_of_install(as_conn(&mut conn), install)
            .await
            .unwrap()
            .expect("the install has a wallet")
    }

    /// Credits coins from another source.
    pub(crate) async fn credit(&self, amount: i64, lives: Option<chrono::Duration>) {
        let clock = &self.app.clock;
        let command = Command::Credit {
            lot: LotId::generate(clock),
            origin: Origin::Package,
            amount: MicroCoins(amount),
            expires_at: lives.map(|lives| clock.now() + lives),
        };
        let instruction = LedgerCommand::new(TransactionId::generate(clock), command);
        let wallet = self.wallet().await.id;
        let mut tx = self.app.pool.begin().await.unwrap();
        let outcomes = ledger::apply(&mut tx, wallet, &[instruction], clock).await.unwrap();
        assert!(matches!(outcomes[..], [CommandOutcome::Done(_)]), "{outcomes:?}");
        tx.commit().await.unwrap();
    }

    /// Checks at the end of a test that the ledger is consistent.
    pub(crate) async fn close(&self) {
        let proof = ledger::verify(as_conn(&mut self.app.conn().await), 20).await.unwrap();
        assert_eq!(proof.discrepancies, []);
        assert!(proof.wallets > 0);
    }
}

/// Enables Flycoins for the widget, with a bonus.
pub(crate) async fn use_flycoins(app: &TestApp) {
    let billing = json!({ "flycoins": { "welcome_bonus": { "amount_micro": BONUS, "lives_days": 30 } } });
    let changes = Changes { uses_flycoins: Some(true), billing: Some(Some(billing)), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
}

/// Body of a charge for `quantity` seconds of recognition.
pub(crate) fn seconds_of(quantity: u64) -> Value {
    json!({ "account_id": ACCOUNT, "lines": [{ "service": "flysense.recognition", "quantity": quantity }] })
}
