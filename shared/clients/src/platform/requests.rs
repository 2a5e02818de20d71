//! What a backend asks.

use flysk_domain::id::{AccountId, TransactionId};
use secrecy::{ExposeSecret, SecretString};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// On whose behalf.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The user whose page sent this one-time token (`X-Auth-Token`).
    Widget(SecretString),
    /// Nobody: work in the background for an account.
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

/// So much of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `<widget code>.<service>`.
    pub service: String,
    /// Seconds or pieces, as the service's price counts.
    pub quantity: u64,
}

/// The caller's name for a write, unique per widget: repeated under it, a write that was carried out gives its
/// first answer and moves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 120 visible ASCII characters")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// A key of 1 to 120 visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        let fits = (1..=120).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(InvalidKey) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What would work cost?
#[derive(Debug, Clone, Serialize)]
pub struct EstimateRequest {
    /// Who would pay.
    pub account_id: AccountId,
    /// For what.
    pub lines: Vec<Line>,
}

/// Take coins at once.
#[derive(Debug, Clone, Serialize)]
pub struct ChargeRequest {
    /// Who pays.
    pub account_id: AccountId,
    /// For what.
    pub lines: Vec<Line>,
    /// What the account's people read beside it, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// How many coins to set aside.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldSize {
    /// The price of this.
    Lines(Vec<Line>),
    /// Exactly so many, millionths of a Flycoin.
    AmountMicro(i64),
}

/// Set coins aside.
#[derive(Debug, Clone, Serialize)]
pub struct HoldRequest {
    /// Whose.
    pub account_id: AccountId,
    /// How many.
    #[serde(flatten)]
    pub size: HoldSize,
    /// For how long: 60 s to 7 days. Then the hold frees itself.
    pub expires_in_s: u32,
    /// What the account's people read beside it, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Take what was set aside.
#[derive(Debug, Clone, Serialize)]
pub struct CaptureRequest {
    /// For what, as it came to be.
    pub lines: Vec<Line>,
    /// What the account's people read beside it, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// How much of a charge is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundSize {
    /// So many, millionths of a Flycoin.
    Part(i64),
    /// All that is left of it.
    All,
}

/// As the platform takes it: `{"amount_micro": …}` or `{"all": true}`.
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

/// Give coins back.
#[derive(Debug, Clone, Serialize)]
pub struct RefundRequest {
    /// To whom.
    pub account_id: AccountId,
    /// Of which charge or capture.
    pub transaction_id: TransactionId,
    /// How many.
    #[serde(flatten)]
    pub size: RefundSize,
    /// What the account's people read beside it, up to 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}
