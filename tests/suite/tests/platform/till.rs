//! A widget that sells by Flycoins, and its backend at the till.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flysk_domain::Clock;
use flysk_domain::id::{LotId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_store::Pool;
use flysk_store::ledger::{self, Instruction, Outcome, WalletRow};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::stand::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, on};

/// What an account is given at its first activation: 100 Flycoins for 30 days.
pub(crate) const BONUS: i64 = 100_000_000;
/// Where a backend's operations on Flycoins begin.
pub(crate) const FLYCOINS: &str = "/v1/backend/flycoins";

/// An answer to a write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
}

impl Written {
    /// The problem it is, with its status.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or("no problem"))
    }

    /// A number of its body.
    pub(crate) fn micro(&self, field: &str) -> i64 {
        self.body[field].as_i64().unwrap_or_else(|| panic!("no {field} in {}", self.body))
    }

    /// A text of its body.
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }
}

/// The till of a house.
#[derive(Clone)]
pub(crate) struct Till {
    pub(crate) house: Arc<House>,
    keys: Arc<AtomicU64>,
}

impl Till {
    /// A widget that uses Flycoins and gives a bonus, installed in the account.
    pub(crate) async fn open(pool: Pool) -> Self {
        Self::open_in(House::build(pool).await).await
    }

    /// The same in a platform that is not installed yet.
    pub(crate) async fn open_in(house: House) -> Self {
        use_flycoins(&house).await;
        house.install().await;
        Self::at(house)
    }

    pub(crate) fn at(house: House) -> Self {
        Self { house: Arc::new(house), keys: Arc::default() }
    }

    /// A write under a key of its own.
    pub(crate) async fn write(&self, path: &str, body: Value) -> Written {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.write_as(&key, path, body).await
    }

    /// A write under a key.
    pub(crate) async fn write_as(&self, key: &str, path: &str, body: Value) -> Written {
        self.send(&self.house.project_token, Some(key), path, body).await
    }

    /// A write of whoever has the token.
    pub(crate) async fn send(&self, token: &str, key: Option<&str>, path: &str, body: Value) -> Written {
        let url = format!("{}{FLYCOINS}{path}", self.house.api_url);
        let mut request = self.house.http.post(url).header("X-Project-Token", token).json(&body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.unwrap();
        let replayed = answer.headers().get("Idempotency-Replayed").is_some_and(|value| value == "true");
        let (status, body) = super::house::read(answer).await;
        Written { status, body, replayed }
    }

    /// A charge of so many seconds of recognition.
    pub(crate) async fn charge(&self, seconds: u64) -> Written {
        self.write("/charges", seconds_of(seconds)).await
    }

    /// Available and held, as the backend is told.
    pub(crate) async fn balance(&self) -> (i64, i64) {
        let path = format!("{FLYCOINS}/balance?account_id={ACCOUNT}");
        let (status, body) = self.house.backend(Method::GET, &path, None).await;
        assert_eq!((status, &body["account_id"]), (StatusCode::OK, &json!(ACCOUNT)), "{body}");
        (body["available_micro"].as_i64().unwrap(), body["held_micro"].as_i64().unwrap())
    }

    /// The account's wallet, as the database has it.
    pub(crate) async fn wallet(&self) -> WalletRow {
        let install = self.house.install_id().await;
        let mut conn = self.house.conn().await;
        ledger::find_wallet_of_install(on(&mut conn), install)
            .await
            .unwrap()
            .expect("the install has a wallet")
    }

    /// Coins from elsewhere.
    pub(crate) async fn credit(&self, amount: i64, lives: Option<chrono::Duration>) {
        let clock = &self.house.clock;
        let command = Command::Credit {
            lot: LotId::generate(clock),
            origin: Origin::Package,
            amount: MicroCoins(amount),
            expires_at: lives.map(|lives| clock.now() + lives),
        };
        let instruction = Instruction::new(TransactionId::generate(clock), command);
        let wallet = self.wallet().await.id;
        let mut tx = self.house.pool.begin().await.unwrap();
        let outcomes = ledger::apply(&mut tx, wallet, &[instruction], clock).await.unwrap();
        assert!(matches!(outcomes[..], [Outcome::Done(_)]), "{outcomes:?}");
        tx.commit().await.unwrap();
    }

    /// Every test ends with books that agree.
    pub(crate) async fn close(&self) {
        let proof = ledger::verify(on(&mut self.house.conn().await), 20).await.unwrap();
        assert_eq!(proof.discrepancies, []);
        assert!(proof.wallets > 0);
    }
}

/// Switches Flycoins on for the widget, with a bonus.
pub(crate) async fn use_flycoins(house: &House) {
    let billing = json!({ "flycoins": { "welcome_bonus": { "amount_micro": BONUS, "lives_days": 30 } } });
    let changes = Changes { uses_flycoins: Some(true), billing: Some(Some(billing)), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
}

/// The body of a charge of so many seconds of recognition.
pub(crate) fn seconds_of(quantity: u64) -> Value {
    json!({ "account_id": ACCOUNT, "lines": [{ "service": "flysense.recognition", "quantity": quantity }] })
}
