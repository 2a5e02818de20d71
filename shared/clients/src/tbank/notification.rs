//! Notifications from T-Bank.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{NotificationKey, PaymentUpdate, UpdateSource};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_domain::serde_lenient;
use secrecy::SecretString;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::Terminal;
use super::token::RootScalars;

/// A notification with a valid signature. Answer it with 200 and the body `OK` within 10 s.
///
/// Only root-level scalars are signed, so values of nested objects are left out.
#[derive(Debug, Clone)]
pub enum Notification {
    /// A payment changed its status.
    Payment(PaymentNotification),
    /// Result of binding a card.
    CardBound(CardBound),
    /// Result of binding an SBP account.
    AccountBound(AccountBound),
    /// Result of the cash register.
    Fiscalized(Fiscalized),
}

impl Notification {
    /// Parses a body that [`NotificationVerifier::verify`] accepted before. Does not check its token again, because the
    /// password may have changed since.
    pub fn read_verified(body: &[u8]) -> Result<Self, NotificationError> {
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| NotificationError::Malformed)?;
        Fields(&fields).notification()
    }

    /// Key that identifies the notification; `None` if it is not about a payment.
    pub fn key(&self) -> Option<NotificationKey> {
        Some(match self {
            Self::Payment(PaymentNotification { order_id, update }) => NotificationKey {
                payment_id: update.payment_id.clone(),
                order_id: order_id.clone(),
                status: update.status.name().to_owned(),
                amount: update.amount.unwrap_or_default(),
                error_code: update.error_code.clone().unwrap_or_default(),
            },
            Self::Fiscalized(receipt) => receipt.key(),
            Self::CardBound(_) | Self::AccountBound(_) => return None,
        })
    }
}

/// A payment changed its status. Notifications may arrive twice, in any order, and up to a month late.
#[derive(Debug, Clone)]
pub struct PaymentNotification {
    /// Our id of the order.
    pub order_id: String,
    /// State of the payment according to the notification.
    pub update: PaymentUpdate,
}

/// A card was bound without a purchase.
#[derive(Debug, Clone)]
pub struct CardBound {
    /// Id of the binding session.
    pub request_id: String,
    /// Our id of the payer.
    pub customer_key: Option<String>,
    /// `COMPLETED` or `REJECTED`.
    pub status: PaymentStatus,
    /// Id for charges of the card; `None` if it was bound without a check.
    pub rebill_id: Option<SecretString>,
    /// Masked card number.
    pub pan: Option<String>,
    /// Expiry of the card, `MMYY`.
    pub expires: Option<String>,
}

/// An SBP account was bound.
#[derive(Debug, Clone)]
pub struct AccountBound {
    /// Id of the binding session.
    pub request_id: String,
    /// `ACTIVE` or `INACTIVE`.
    pub status: PaymentStatus,
    /// Token for charges of the account.
    pub account_token: Option<SecretString>,
}

/// A receipt was registered (54-FZ), about ten minutes after the cash register's result.
#[derive(Debug, Clone)]
pub struct Fiscalized {
    /// T-Bank's id of the receipt's payment.
    pub payment_id: String,
    /// Our id of the order.
    pub order_id: String,
    /// Whether the receipt was registered.
    pub success: bool,
    /// Error code; `0` for success.
    pub error_code: String,
    /// Amount of the payment in kopecks, if present.
    pub amount: Option<Kopecks>,
    /// Type of the receipt: `Income`, `IncomeReturn`, …
    pub kind: Option<String>,
    /// Number of the document in the fiscal storage; `None` for a failed receipt.
    pub document: Option<String>,
    /// URL of the receipt for people.
    pub url: Option<String>,
}

impl Fiscalized {
    /// A payment has a receipt when it is paid and one for each refund, and any of them may fail: each is news.
    fn key(&self) -> NotificationKey {
        let words = [Some("RECEIPT"), self.kind.as_deref(), self.document.as_deref()];
        let status = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let error_code = match (self.success, self.error_code.as_str()) {
            (true, _) => "0",
            (false, "0") => "failed",
            (false, code) => code,
        };
        NotificationKey {
            payment_id: self.payment_id.clone(),
            order_id: self.order_id.clone(),
            status: status.chars().take(NotificationKey::MAX_STATUS_LEN).collect(),
            amount: self.amount.unwrap_or_default(),
            error_code: error_code.to_owned(),
        }
    }
}

/// A body that is not a notification of ours. Nothing of it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Not a JSON object with unique fields.
    #[error("the notification is not a JSON object with unique fields")]
    Malformed,
    /// The signature is missing or invalid.
    #[error("the notification's token is invalid")]
    WrongToken,
    /// Signed with our password, but for another terminal.
    #[error("the notification is for another terminal")]
    ForeignTerminal,
    /// Signed and for this terminal, but a required field is missing or invalid.
    #[error("the notification has no valid `{0}`")]
    Incomplete(&'static str),
}

/// Verifies notifications for one terminal by their raw bytes.
#[derive(Debug, Clone)]
pub struct NotificationVerifier {
    terminal: Terminal,
}

impl NotificationVerifier {
    /// A verifier that uses the terminal's password.
    pub fn new(terminal: Terminal) -> Self {
        Self { terminal }
    }

    /// Verifies the signature and parses a notification.
    pub fn verify(&self, body: &[u8]) -> Result<Notification, NotificationError> {
        let scalars = RootScalars::read(body).map_err(|_| NotificationError::Malformed)?;
        if !scalars.is_signed_with(&self.terminal.password) {
            return Err(NotificationError::WrongToken);
        }
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| NotificationError::Malformed)?;
        let fields = Fields(&fields);
        let ours = fields.text("TerminalKey").unwrap_or_default();
        if !bool::from(ours.as_bytes().ct_eq(self.terminal.key.as_bytes())) {
            return Err(NotificationError::ForeignTerminal);
        }
        fields.notification()
    }
}

/// Whether the text is a masked card number: digits, asterisks, digits, as in `220138******0013`.
fn is_masked_card(pan: &str) -> bool {
    const MAX_PAN_LEN: usize = 32;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ends = pan.find('*').zip(pan.rfind('*'));
    pan.len() <= MAX_PAN_LEN
        && ends.is_some_and(|(first, last)| {
            digits(&pan[..first])
                && digits(&pan[last + 1..])
                && pan[first..=last].bytes().all(|byte| byte == b'*')
        })
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn notification(&self) -> Result<Notification, NotificationError> {
        let kind = self.text("NotificationType");
        Ok(match kind.as_deref() {
            Some("LINKACCOUNT") => Notification::AccountBound(self.account_bound()?),
            Some("LINKCARD") => Notification::CardBound(self.card_bound()?),
            // The older schema has no `NotificationType`; only a card binding has `RequestKey`.
            _ if self.0.contains_key("RequestKey") => Notification::CardBound(self.card_bound()?),
            _ if self.text("Status").as_deref() == Some("RECEIPT") => {
                Notification::Fiscalized(self.fiscalized()?)
            }
            _ => Notification::Payment(self.payment()?),
        })
    }

    fn payment(&self) -> Result<PaymentNotification, NotificationError> {
        let payment_id = self.required("PaymentId")?;
        let order_id = self.required("OrderId")?;
        let status = self.required("Status")?;
        let amount = self.amount().ok_or(NotificationError::Incomplete("Amount"))?;
        let update = PaymentUpdate {
            amount: Some(amount),
            success: self.truth("Success"),
            error_code: Some(self.error_code()),
            pan: self.card(),
            rebill_id: self.secret("RebillId"),
            ..PaymentUpdate::new(UpdateSource::Notification, payment_id, status.into())
        };
        Ok(PaymentNotification { order_id, update })
    }

    fn card_bound(&self) -> Result<CardBound, NotificationError> {
        Ok(CardBound {
            request_id: self.required("RequestKey")?,
            customer_key: self.text("CustomerKey"),
            status: self.required("Status")?.into(),
            rebill_id: self.secret("RebillId"),
            pan: self.card(),
            expires: self.text("ExpDate"),
        })
    }

    fn account_bound(&self) -> Result<AccountBound, NotificationError> {
        Ok(AccountBound {
            request_id: self.required("RequestKey")?,
            status: self.required("Status")?.into(),
            account_token: self.secret("AccountToken"),
        })
    }

    fn fiscalized(&self) -> Result<Fiscalized, NotificationError> {
        Ok(Fiscalized {
            payment_id: self.required("PaymentId")?,
            order_id: self.required("OrderId")?,
            success: self.truth("Success"),
            error_code: self.error_code(),
            amount: self.amount(),
            kind: self.text("Type"),
            document: self.text("FiscalDocumentNumber"),
            url: self.text("Url"),
        })
    }

    fn amount(&self) -> Option<Kopecks> {
        let sum = self.0.get("Amount").and_then(serde_lenient::value_to_u64)?;
        i64::try_from(sum).ok().map(Kopecks)
    }

    fn error_code(&self) -> String {
        self.text("ErrorCode").unwrap_or_else(|| "0".to_owned())
    }

    fn card(&self) -> Option<String> {
        self.text("Pan").filter(|pan| is_masked_card(pan))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(serde_lenient::value_to_text).filter(|text| !text.is_empty())
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    fn truth(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Bool(true))) || self.text(name).as_deref() == Some("true")
    }

    fn required(&self, name: &'static str) -> Result<String, NotificationError> {
        self.text(name).ok_or(NotificationError::Incomplete(name))
    }
}

#[cfg(test)]
mod tests;
