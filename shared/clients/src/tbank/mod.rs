//! T-Bank's internet acquiring (API v2): payments, charges of a saved card, refunds, notices.
//!
//! The bank has no idempotency: a second `Init` is a second payment. So every error says whether the call
//! may have had its effect, and nothing here tries twice. Whoever calls stores its intent before `init` and
//! `charge`, and asks with `check_order` and `state` when an answer is lost.
//!
//! Sources: T-Bank docs, "Приём платежей" (OpenAPI 1.80) and developer.tbank.ru/eacq.

mod error;
mod notice;
mod receipt;
mod requests;
mod responses;
mod send;
mod token;
mod wording;

use reqwest::Client;
use secrecy::SecretString;
use url::Url;

use crate::http::{self, BuildError, HttpOptions};

pub use error::{Refusal, TBankError};
pub use notice::{AccountBound, CardBound, Fiscalized, Notice, NoticeError, NoticeVerifier, PaymentNotice};
pub use receipt::{
    FfdVersion, InvalidReceipt, PaymentMethod, PaymentObject, Receipt, ReceiptItem, Taxation, Vat,
};
pub use requests::{
    CancelRequest, ChargeRequest, ConfirmRequest, InitRequest, InitiatorType, InvalidRequest, Language,
    PayType,
};
pub use responses::{Cancelled, OrderPayment, Payment, PaymentsOfOrder};
pub use token::{Unsignable, sign};

/// The shop's terminal at the bank. Both texts are case sensitive.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Names the terminal in every request and notice.
    pub key: String,
    /// Signs requests and notices; never sent.
    pub password: SecretString,
}

/// Where and how the bank is called.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://securepay.tinkoff.ru/v2/`; method names are put after its path.
    pub base_url: Url,
    /// Whose payments these are.
    pub terminal: Terminal,
    /// Limits, and the Russian national root the bank's certificates hang on (`extra_roots`).
    /// Other clients of the bank allow 30 s in all and 10 s to connect.
    pub http: HttpOptions,
}

/// A client for one terminal; clones share connections.
#[derive(Debug, Clone)]
pub struct TBank {
    client: Client,
    base_url: Url,
    terminal: Terminal,
}

impl TBank {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut base_url = config.base_url;
        if !base_url.path().ends_with('/') {
            let path = format!("{}/", base_url.path());
            base_url.set_path(&path);
        }
        Ok(Self { client: http::client(&config.http)?, base_url, terminal: config.terminal })
    }

    /// Opens a payment session. Not repeatable: after a lost answer ask with [`Self::check_order`], and
    /// only if the order has no payment call again, with the same `order_id`.
    pub async fn init(&self, request: &InitRequest) -> Result<Payment, TBankError> {
        request.check()?;
        self.call("Init", request, send::Effect::Once).await
    }

    /// Where one payment stands. The authoritative answer; safe to repeat.
    ///
    /// A payment that was declined is an answer, not an error, whatever `Success` says about it.
    pub async fn state(&self, payment_id: &str) -> Result<Payment, TBankError> {
        let answer =
            self.call("GetState", &requests::OfPayment { payment_id }, send::Effect::Repeatable).await;
        match answer {
            Err(TBankError::Refused(refusal)) => refusal.into_payment().map_err(TBankError::Refused),
            other => other,
        }
    }

    /// All payments of an order, with the decline code of each; empty if the bank knows no such order.
    /// Safe to repeat.
    pub async fn check_order(&self, order_id: &str) -> Result<PaymentsOfOrder, TBankError> {
        const NO_SUCH_ORDER: &str = "335";
        let answer = self.call("CheckOrder", &requests::OfOrder { order_id }, send::Effect::Repeatable).await;
        match answer {
            Err(TBankError::Refused(refusal)) if refusal.code == NO_SUCH_ORDER => {
                Ok(PaymentsOfOrder::default())
            }
            other => other,
        }
    }

    /// Charges a saved card for a payment that `init` opened. Not repeatable: store "charge sent" before,
    /// and ask with [`Self::state`] when the answer is lost.
    ///
    /// A decline is [`TBankError::Refused`] with its class; success means the payment's status is told.
    pub async fn charge(&self, request: &ChargeRequest) -> Result<Payment, TBankError> {
        request.check()?;
        self.call("Charge", request, send::Effect::Once).await
    }

    /// Takes the money a two-stage payment holds. Not repeatable.
    pub async fn confirm(&self, request: &ConfirmRequest) -> Result<Payment, TBankError> {
        request.check()?;
        self.call("Confirm", request, send::Effect::Once).await
    }

    /// Cancels, reverses or refunds, depending on where the payment stands.
    ///
    /// Repeatable under the same `external_request_id`: the bank then answers with the state of the first
    /// call. That does not hold for SBP: there, compare the amounts of [`Self::state`] first.
    pub async fn cancel(&self, request: &CancelRequest) -> Result<Cancelled, TBankError> {
        request.check()?;
        let effect = if request.is_repeatable() { send::Effect::Repeatable } else { send::Effect::Once };
        self.call("Cancel", request, effect).await
    }

    /// Verifies what the bank posts to us.
    pub fn notices(&self) -> NoticeVerifier {
        NoticeVerifier::new(self.terminal.clone())
    }
}
