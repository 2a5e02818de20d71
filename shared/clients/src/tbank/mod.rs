//! Client of T-Bank internet acquiring (API v2): payments, charges of a saved card, refunds, notifications.
//!
//! T-Bank has no idempotency keys: a second `Init` is a second payment. So every error says whether the request may have
//! been executed, and the client never retries. The caller stores its intent before `init` and `charge`, and queries
//! `check_order` and `state` if a response is lost.
//!
//! Sources: T-Bank docs, "Приём платежей" (OpenAPI 1.80) and developer.tbank.ru/eacq.

mod cards;
mod error;
mod notification;
mod receipt;
mod redact;
mod requests;
mod responses;
mod send;
pub mod t_api;
mod token;

use reqwest::Client;
use secrecy::SecretString;
use url::Url;

use crate::http::{self, BuildError, HttpOptions, Idempotency};

pub use cards::{SavedCard, SavedCardStatus};
pub use error::{Rejection, TBankError};
pub use notification::{
    AccountBound, CardBound, Fiscalized, Notification, NotificationError, NotificationVerifier,
    PaymentNotification,
};
pub use receipt::{
    FfdVersion, InvalidReceipt, PaymentMethod, PaymentObject, Receipt, ReceiptItem, Taxation, Vat,
};
pub use requests::{
    CancelRequest, ChargeRequest, ClosingReceiptRequest, InitRequest, InitiatorType, InvalidRequest,
    Language, PayType,
};
pub use responses::{Cancelled, OrderPayment, Payment, PaymentsOfOrder};
pub use token::{Unsignable, sign};

/// The merchant's terminal at T-Bank. Both values are case sensitive.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Terminal key, part of every request and notification.
    pub key: String,
    /// Password, which signs requests and notifications; never sent.
    pub password: SecretString,
}

/// URL, terminal and HTTP options.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL, `https://securepay.tinkoff.ru/v2/`; method names are appended to its path.
    pub base_url: Url,
    /// Terminal of the payments.
    pub terminal: Terminal,
    /// HTTP options, with the Russian national root certificate that T-Bank's certificates may require (`extra_roots`).
    /// Other clients of T-Bank use 30 s in total and 10 s to connect.
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
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let mut base_url = config.base_url;
        if !base_url.path().ends_with('/') {
            let path = format!("{}/", base_url.path());
            base_url.set_path(&path);
        }
        Ok(Self { client: http::client(&config.http)?, base_url, terminal: config.terminal })
    }

    /// Opens a payment session. Not idempotent: after a lost response query [`Self::check_order`], and repeat with the same
    /// `order_id` only if the order has no payment.
    pub async fn init(&self, request: &InitRequest) -> Result<Payment, TBankError> {
        request.check()?;
        self.call("Init", request, Idempotency::NotSafe).await
    }

    /// Reads the state of a payment, which is authoritative. Safe to repeat.
    ///
    /// A declined payment is a result, not an error, even with `Success: false`.
    pub async fn state(&self, payment_id: &str) -> Result<Payment, TBankError> {
        let answer = self.call("GetState", &requests::PaymentQuery { payment_id }, Idempotency::Safe).await;
        match answer {
            Err(TBankError::Refused(refusal)) => refusal.into_payment().map_err(TBankError::Refused),
            other => other,
        }
    }

    /// Lists the payments of an order with their decline codes; empty if the order does not exist. Safe to repeat.
    pub async fn check_order(&self, order_id: &str) -> Result<PaymentsOfOrder, TBankError> {
        const NO_SUCH_ORDER: &str = "335";
        let answer = self.call("CheckOrder", &requests::OrderQuery { order_id }, Idempotency::Safe).await;
        match answer {
            Err(TBankError::Refused(refusal)) if refusal.code == NO_SUCH_ORDER => {
                Ok(PaymentsOfOrder::default())
            }
            other => other,
        }
    }

    /// Charges a saved card for a payment that `init` opened. Not idempotent: store the intent before, and query
    /// [`Self::state`] if the response is lost.
    ///
    /// A decline is [`TBankError::Refused`] with its class. A success returns the payment with its status.
    pub async fn charge(&self, request: &ChargeRequest) -> Result<Payment, TBankError> {
        request.check()?;
        self.call("Charge", request, Idempotency::NotSafe).await
    }

    /// Cancels, reverses or refunds, depending on where the payment stands.
    ///
    /// Idempotent with the same `external_request_id`: T-Bank then returns the state of the first request. Not for SBP:
    /// compare the amounts of [`Self::state`] before repeating.
    pub async fn cancel(&self, request: &CancelRequest) -> Result<Cancelled, TBankError> {
        request.check()?;
        let idempotency = if request.is_repeatable() { Idempotency::Safe } else { Idempotency::NotSafe };
        self.call("Cancel", request, idempotency).await
    }

    /// Registers the receipt of the settlement after a prepayment (54-FZ). Not idempotent, and T-Bank has no query for
    /// it: after a lost response a person has to look at the cash register.
    pub async fn send_closing_receipt(&self, request: &ClosingReceiptRequest) -> Result<(), TBankError> {
        const METHOD: &str = "../cashbox/SendClosingReceipt";
        request.check()?;
        self.call::<serde::de::IgnoredAny>(METHOD, request, Idempotency::NotSafe).await.map(drop)
    }

    /// The verifier of T-Bank's notifications to this terminal.
    pub fn notifications(&self) -> NotificationVerifier {
        NotificationVerifier::new(self.terminal.clone())
    }
}
