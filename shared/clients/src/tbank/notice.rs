//! What the bank posts to us.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::tbank::{ErrorClass, PaymentStatus, class_of};
use secrecy::SecretString;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::Terminal;
use super::token::RootScalars;
use crate::lenient;

/// A notice whose signature is right. Answer it with 200 and the body `OK`, within 10 s.
///
/// Only root-level scalars are signed: whatever came in nested objects is not here.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A payment changed its status.
    Payment(PaymentNotice),
    /// A card was bound, or not.
    CardBound(CardBound),
    /// An SBP account was bound, or not.
    AccountBound(AccountBound),
    /// The cash register's answer.
    Fiscalized(Fiscalized),
}

impl Notice {
    /// Reads a body that [`NoticeVerifier::verify`] took before: its token is not checked again, since the
    /// password may have been changed meanwhile.
    pub fn read_verified(body: &[u8]) -> Result<Self, NoticeError> {
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| NoticeError::Malformed)?;
        Fields(&fields).notice()
    }
}

/// A payment changed its status. Notices come doubled, in any order, and up to a month late.
#[derive(Debug, Clone)]
pub struct PaymentNotice {
    /// The bank's number of the payment.
    pub payment_id: String,
    /// Our number of the attempt.
    pub order_id: String,
    /// The new status.
    pub status: PaymentStatus,
    /// The bank says that nothing is wrong.
    pub success: bool,
    /// Why it was declined; `0` if it was not.
    pub error_code: String,
    /// The payment's present amount; the caller compares it with the expected one.
    pub amount: Kopecks,
    /// Charges the same card later; comes with a parent payment only.
    pub rebill_id: Option<SecretString>,
    /// The bank's number of the card.
    pub card_id: Option<String>,
    /// The card, masked. The bank also puts an SBP payer's phone here, and T-Pay's mark; those are left out.
    pub pan: Option<String>,
    /// `MMYY`.
    pub expires: Option<String>,
}

impl PaymentNotice {
    /// What the error code means; `None` for success.
    pub fn error_class(&self) -> Option<ErrorClass> {
        class_of(&self.error_code)
    }
}

/// A card was bound without a purchase.
#[derive(Debug, Clone)]
pub struct CardBound {
    /// The number of the binding's session.
    pub request_id: String,
    /// Our number of the payer.
    pub customer_key: Option<String>,
    /// `COMPLETED` or `REJECTED`.
    pub status: PaymentStatus,
    /// Charges the card; absent when it was bound without a check.
    pub rebill_id: Option<SecretString>,
    /// Masked.
    pub pan: Option<String>,
    /// `MMYY`.
    pub expires: Option<String>,
}

/// An SBP account was bound.
#[derive(Debug, Clone)]
pub struct AccountBound {
    /// The number of the binding's session.
    pub request_id: String,
    /// `ACTIVE` or `INACTIVE`.
    pub status: PaymentStatus,
    /// Charges the account.
    pub account_token: Option<SecretString>,
}

/// A receipt was printed (54-FZ), about ten minutes after the register's answer.
#[derive(Debug, Clone)]
pub struct Fiscalized {
    /// The payment it belongs to.
    pub payment_id: String,
    /// Our number of the attempt.
    pub order_id: String,
    /// It was.
    pub success: bool,
    /// Why it was not, if a code is told; `0` if it was.
    pub error_code: String,
    /// The payment's amount, if told.
    pub amount: Option<Kopecks>,
    /// `Income`, `IncomeReturn` and so on.
    pub kind: Option<String>,
    /// The document's number in the register's storage; a receipt that failed has none.
    pub document: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
}

/// A body that is not a notice of ours. Nothing of it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Not a JSON object with unique fields.
    #[error("the notice is not a JSON object with unique fields")]
    Malformed,
    /// The signature is missing or wrong.
    #[error("the notice's token is wrong")]
    WrongToken,
    /// Signed with our password, but for another terminal.
    #[error("the notice is for another terminal")]
    ForeignTerminal,
    /// Signed and ours, but a field it must have is missing or of a wrong kind.
    #[error("the notice has no usable `{0}`")]
    Incomplete(&'static str),
}

/// Checks notices for one terminal, over the raw bytes that came.
#[derive(Debug, Clone)]
pub struct NoticeVerifier {
    terminal: Terminal,
}

impl NoticeVerifier {
    /// For notices signed with the terminal's password.
    pub fn new(terminal: Terminal) -> Self {
        Self { terminal }
    }

    /// Reads a notice if it is genuine.
    pub fn verify(&self, body: &[u8]) -> Result<Notice, NoticeError> {
        let scalars = RootScalars::read(body).map_err(|_| NoticeError::Malformed)?;
        if !scalars.is_signed_with(&self.terminal.password) {
            return Err(NoticeError::WrongToken);
        }
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| NoticeError::Malformed)?;
        let fields = Fields(&fields);
        let ours = fields.text("TerminalKey").unwrap_or_default();
        if !bool::from(ours.as_bytes().ct_eq(self.terminal.key.as_bytes())) {
            return Err(NoticeError::ForeignTerminal);
        }
        fields.notice()
    }
}

/// Digits, asterisks, digits: `220138******0013`.
fn is_masked_card(pan: &str) -> bool {
    const LONGEST: usize = 32;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let ends = pan.find('*').zip(pan.rfind('*'));
    pan.len() <= LONGEST
        && ends.is_some_and(|(first, last)| {
            digits(&pan[..first])
                && digits(&pan[last + 1..])
                && pan[first..=last].bytes().all(|byte| byte == b'*')
        })
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn notice(&self) -> Result<Notice, NoticeError> {
        let kind = self.text("NotificationType");
        Ok(match kind.as_deref() {
            Some("LINKACCOUNT") => Notice::AccountBound(self.account_bound()?),
            Some("LINKCARD") => Notice::CardBound(self.card_bound()?),
            // The older schema names no kind, but only a binding has a RequestKey.
            _ if self.0.contains_key("RequestKey") => Notice::CardBound(self.card_bound()?),
            _ if self.text("Status").as_deref() == Some("RECEIPT") => Notice::Fiscalized(self.fiscalized()?),
            _ => Notice::Payment(self.payment()?),
        })
    }

    fn payment(&self) -> Result<PaymentNotice, NoticeError> {
        Ok(PaymentNotice {
            payment_id: self.required("PaymentId")?,
            order_id: self.required("OrderId")?,
            status: self.required("Status")?.into(),
            success: self.truth("Success"),
            error_code: self.error_code(),
            amount: self.amount().ok_or(NoticeError::Incomplete("Amount"))?,
            rebill_id: self.secret("RebillId"),
            card_id: self.text("CardId"),
            pan: self.card(),
            expires: self.text("ExpDate"),
        })
    }

    fn card_bound(&self) -> Result<CardBound, NoticeError> {
        Ok(CardBound {
            request_id: self.required("RequestKey")?,
            customer_key: self.text("CustomerKey"),
            status: self.required("Status")?.into(),
            rebill_id: self.secret("RebillId"),
            pan: self.card(),
            expires: self.text("ExpDate"),
        })
    }

    fn account_bound(&self) -> Result<AccountBound, NoticeError> {
        Ok(AccountBound {
            request_id: self.required("RequestKey")?,
            status: self.required("Status")?.into(),
            account_token: self.secret("AccountToken"),
        })
    }

    fn fiscalized(&self) -> Result<Fiscalized, NoticeError> {
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
        let sum = self.0.get("Amount").and_then(lenient::unsigned)?;
        i64::try_from(sum).ok().map(Kopecks)
    }

    fn error_code(&self) -> String {
        self.text("ErrorCode").unwrap_or_else(|| "0".to_owned())
    }

    fn card(&self) -> Option<String> {
        self.text("Pan").filter(|pan| is_masked_card(pan))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(lenient::text).filter(|text| !text.is_empty())
    }

    fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    fn truth(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Bool(true))) || self.text(name).as_deref() == Some("true")
    }

    fn required(&self, name: &'static str) -> Result<String, NoticeError> {
        self.text(name).ok_or(NoticeError::Incomplete(name))
    }
}

#[cfg(test)]
mod tests;
