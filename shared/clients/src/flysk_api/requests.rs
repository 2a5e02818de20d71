//! Request bodies of the platform's API.

use flysk_domain::id::{AccountId, TransactionId};
use secrecy::{ExposeSecret, SecretString};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// On whose behalf a request is sent.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A user of the widget, identified by the one-time token of the widget's page (`X-Auth-Token`).
    Widget(SecretString),
    /// An account without a user, for background work.
    Account(AccountId),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PauthBody<'a> {
    Token(&'a str),
    AccountId(AccountId),
}

impl<'a> From<&'a Caller> for PauthBody<'a> {
    fn from(caller: &'a Caller) -> Self {
        match caller {
            Caller::Widget(token) => Self::Token(token.expose_secret()),
            Caller::Account(id) => Self::AccountId(*id),
        }
    }
}

/// Body of a question after amoCRM refused an access token.
#[derive(Serialize)]
pub(super) struct RefusalBody<'a> {
    #[serde(flatten)]
    caller: PauthBody<'a>,
    refused_token_sha256: String,
}

impl<'a> RefusalBody<'a> {
    /// Names the refused token by its hash.
    pub(super) fn new(caller: &'a Caller, refused: &SecretString) -> Self {
        let hash = Sha256::digest(refused.expose_secret().as_bytes());
        Self { caller: caller.into(), refused_token_sha256: hex::encode(hash) }
    }
}

/// A quantity of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Code of the service: `<widget code>.<service>`.
    pub service: String,
    /// Seconds or pieces, according to the service's price.
    pub quantity: u64,
}

/// Idempotency key of a write, unique per widget. A repeated write with the same key returns the first response and
/// moves no coins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is not a valid idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 120 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Validates a key of 1 to 120 visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let fits = (1..=120).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(InvalidKey) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Body of `POST /v1/backend/flycoins/estimate`.
#[derive(Debug, Clone, Serialize)]
pub struct EstimateRequest {
    /// Account that would pay.
    pub account_id: AccountId,
    /// Services and quantities.
    pub lines: Vec<Line>,
}

/// Body of `POST /v1/backend/flycoins/charges`.
#[derive(Debug, Clone, Serialize)]
pub struct ChargeRequest {
    /// Account that pays.
    pub account_id: AccountId,
    /// Services and quantities.
    pub lines: Vec<Line>,
    /// Comment that users see in the history, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Amount of a hold.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldSize {
    /// The price of these services and quantities.
    Lines(Vec<Line>),
    /// An exact amount in micro-Flycoins.
    AmountMicro(i64),
}

/// Body of `POST /v1/backend/flycoins/holds`.
#[derive(Debug, Clone, Serialize)]
pub struct HoldRequest {
    /// Account whose coins are held.
    pub account_id: AccountId,
    /// Amount of the hold.
    #[serde(flatten)]
    pub size: HoldSize,
    /// Lifetime in seconds, 60 s to 7 days. Then the hold expires.
    pub expires_in_s: u32,
    /// Comment that users see in the history, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Body of `POST /v1/backend/flycoins/holds/{hold_id}/capture`.
#[derive(Debug, Clone, Serialize)]
pub struct CaptureRequest {
    /// Services and actual quantities.
    pub lines: Vec<Line>,
    /// Comment that users see in the history, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Amount of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundSize {
    /// A part, in micro-Flycoins.
    Part(i64),
    /// Everything that is not refunded yet.
    All,
}

/// JSON of the platform's API: `{"amount_micro": …}` or `{"all": true}`.
impl Serialize for RefundSize {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1))?;
        match self {
            Self::Part(amount_micro) => map.serialize_entry("amount_micro", amount_micro)?,
            Self::All => map.serialize_entry("all", &true)?,
        }
        map.end()
    }
}

/// Body of `POST /v1/backend/flycoins/refunds`.
#[derive(Debug, Clone, Serialize)]
pub struct RefundRequest {
    /// Account that gets the coins.
    pub account_id: AccountId,
    /// Transaction of the charge or capture.
    pub transaction_id: TransactionId,
    /// Amount of the refund.
    #[serde(flatten)]
    pub size: RefundSize,
    /// Comment that users see in the history, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
