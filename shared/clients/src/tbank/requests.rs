//! Request bodies. Each request is checked against T-Bank's limits before sending, so that an invalid request is not
//! mistaken for a failed payment.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use flysk_domain::money::Kopecks;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use url::Url;

use super::receipt::{InvalidReceipt, Receipt};

/// Whether a payment has one stage or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PayType {
    /// The money is charged at once.
    #[serde(rename = "O")]
    OneStage,
    /// The money is held until `Confirm`, at most 7 days.
    #[serde(rename = "T")]
    TwoStage,
}

/// Language of the payment form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

/// Initiator of an operation (`DATA.OperationInitiatorType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitiatorType {
    /// The customer pays; the card is not saved.
    Customer,
    /// The customer pays and saves the card; this payment is the parent of later charges.
    CustomerSavesCard,
    /// The customer pays with a saved card.
    CustomerSavedCard,
    /// The merchant charges a saved card without a fixed schedule; an ordinary terminal allows it for subscriptions.
    MerchantRecurring,
    /// The merchant charges a saved card on a schedule; not allowed on ordinary (ECOM) terminals.
    MerchantInstallment,
}

impl FromStr for InitiatorType {
    type Err = UnknownInitiator;

    /// Parses T-Bank's code: `0`, `1`, `2`, `R` or `I`.
    fn from_str(code: &str) -> Result<Self, UnknownInitiator> {
        [
            Self::Customer,
            Self::CustomerSavesCard,
            Self::CustomerSavedCard,
            Self::MerchantRecurring,
            Self::MerchantInstallment,
        ]
        .into_iter()
        .find(|known| known.code() == code)
        .ok_or(UnknownInitiator)
    }
}

/// Not a code of `OperationInitiatorType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one of 0, 1, 2, R, I")]
pub struct UnknownInitiator;

impl InitiatorType {
    const fn code(self) -> &'static str {
        match self {
            Self::Customer => "0",
            Self::CustomerSavesCard => "1",
            Self::CustomerSavedCard => "2",
            Self::MerchantRecurring => "R",
            Self::MerchantInstallment => "I",
        }
    }
}

/// Body of `Init`, which opens a payment session.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InitRequest {
    /// Our id of the order, unique per attempt, at most 36 characters.
    pub order_id: String,
    /// Amount in kopecks, at most 10 digits; equals the receipt's sum.
    pub amount: Kopecks,
    /// Description on the payment form, at most 140 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Our id of the payer, at most 36 characters; required to save a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<String>,
    /// Whether to save the card. This payment then becomes a parent.
    #[serde(rename = "Recurrent", serialize_with = "yes", skip_serializing_if = "is_false")]
    pub save_card: bool,
    /// Stages; overrides the terminal's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_type: Option<PayType>,
    /// Language of the payment form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// URL for payment notifications; other kinds are sent to the terminal's URL.
    #[serde(rename = "NotificationURL", skip_serializing_if = "Option::is_none")]
    pub notification_url: Option<Url>,
    /// Redirect URL after success. A redirect does not prove a payment.
    #[serde(rename = "SuccessURL", skip_serializing_if = "Option::is_none")]
    pub success_url: Option<Url>,
    /// Redirect URL after failure.
    #[serde(rename = "FailURL", skip_serializing_if = "Option::is_none")]
    pub fail_url: Option<Url>,
    /// Expiry of the payment link: in 1 minute to 90 days.
    #[serde(
        rename = "RedirectDueDate",
        serialize_with = "due_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub due: Option<DateTime<Utc>>,
    /// Initiator of the operation.
    #[serde(rename = "DATA", serialize_with = "data", skip_serializing_if = "Option::is_none")]
    pub initiator: Option<InitiatorType>,
    /// Receipt; required if a cash register is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl InitRequest {
    /// A one-stage payment without optional fields.
    pub fn new(order_id: impl Into<String>, amount: Kopecks) -> Self {
        Self {
            order_id: order_id.into(),
            amount,
            description: None,
            customer_key: None,
            save_card: false,
            pay_type: Some(PayType::OneStage),
            language: None,
            notification_url: None,
            success_url: None,
            fail_url: None,
            due: None,
            initiator: None,
            receipt: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        check_length("OrderId", &self.order_id, 36)?;
        if !(1..=9_999_999_999).contains(&self.amount.0) {
            return Err(InvalidRequest::Amount);
        }
        if let Some(description) = &self.description {
            check_length("Description", description, 140)?;
        }
        match &self.customer_key {
            Some(key) => check_length("CustomerKey", key, 36)?,
            None if self.save_card => return Err(InvalidRequest::Field("CustomerKey")),
            None => {}
        }
        let saves = self.initiator == Some(InitiatorType::CustomerSavesCard);
        if saves != self.save_card {
            return Err(InvalidRequest::Initiator);
        }
        self.receipt.as_ref().map_or(Ok(()), |receipt| Ok(receipt.check(self.amount)?))
    }
}

/// Body of `Charge`, which charges a saved card.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChargeRequest {
    /// T-Bank's id of the payment that `Init` opened.
    pub payment_id: String,
    /// Id of the saved card.
    #[serde(serialize_with = "exposed")]
    pub rebill_id: SecretString,
}

impl ChargeRequest {
    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        check_length("PaymentId", &self.payment_id, 20)?;
        check_length("RebillId", self.rebill_id.expose_secret(), 64)
    }
}

/// Cancels, reverses or refunds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelRequest {
    /// T-Bank's id of the payment.
    pub payment_id: String,
    /// Amount in kopecks. Never omitted, because T-Bank's default is the whole payment, even after a partial refund.
    pub amount: Kopecks,
    /// Our id of the request, at most 256 characters: the idempotency key of the refund (not for SBP).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_request_id: Option<String>,
    /// Refunded lines of a partial refund; `None` for a full refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl CancelRequest {
    pub(super) fn is_repeatable(&self) -> bool {
        self.external_request_id.as_ref().is_some_and(|id| !id.trim().is_empty())
    }

    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        check_length("PaymentId", &self.payment_id, 20)?;
        if !self.amount.is_positive() {
            return Err(InvalidRequest::Amount);
        }
        if let Some(id) = &self.external_request_id {
            check_length("ExternalRequestId", id, 256)?;
        }
        self.receipt.as_ref().map_or(Ok(()), |receipt| Ok(receipt.check(self.amount)?))
    }
}

/// Body of `SendClosingReceipt`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClosingReceiptRequest {
    /// T-Bank's id of the prepaid payment, which must be confirmed and have a receipt with a prepaid line.
    pub payment_id: String,
    /// Lines with the payment method [`full_payment`](super::PaymentMethod::FullPayment).
    pub receipt: Receipt,
}

impl ClosingReceiptRequest {
    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        check_length("PaymentId", &self.payment_id, 20)?;
        let total = Kopecks::total(self.receipt.items.iter().map(|item| item.amount));
        let total = total.map_err(|_| InvalidRequest::Amount)?;
        Ok(self.receipt.check(total)?)
    }
}

/// Body of requests about one payment.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PaymentQuery<'a> {
    pub(super) payment_id: &'a str,
}

/// Body of requests about one order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OrderQuery<'a> {
    pub(super) order_id: &'a str,
}

/// T-Bank would refuse the request; it was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// A text is missing or too long.
    #[error("`{0}` is empty or too long")]
    Field(&'static str),
    /// The amount is not a positive number of at most 10 digits.
    #[error("the amount is not a positive number of at most 10 digits")]
    Amount,
    /// `CustomerSavesCard` and `save_card` require each other (error 1126).
    #[error("the initiator does not match whether the card is saved")]
    Initiator,
    /// A line or the sum of the receipt breaks a rule of T-Bank.
    #[error(transparent)]
    Receipt(#[from] InvalidReceipt),
}

fn check_length(name: &'static str, text: &str, max_chars: usize) -> Result<(), InvalidRequest> {
    let count = text.chars().count();
    if (1..=max_chars).contains(&count) { Ok(()) } else { Err(InvalidRequest::Field(name)) }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(truth: &bool) -> bool {
    !truth
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn yes<S: Serializer>(_: &bool, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str("Y")
}

fn exposed<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn data<S: Serializer>(initiator: &Option<InitiatorType>, to: S) -> Result<S::Ok, S::Error> {
    let pairs: BTreeMap<_, _> =
        initiator.iter().map(|initiator| ("OperationInitiatorType", initiator.code())).collect();
    pairs.serialize(to)
}

/// Serializes with whole seconds and a numeric offset: T-Bank fails `Init` with 9999 on fractions or `Z`.
#[expect(clippy::ref_option, reason = "serde passes references")]
fn due_date<S: Serializer>(due: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    const MOSCOW_OFFSET_S: i32 = 3 * 3600;
    let moscow =
        FixedOffset::east_opt(MOSCOW_OFFSET_S).ok_or_else(|| serde::ser::Error::custom("no such offset"))?;
    match due {
        Some(due) => {
            to.serialize_str(&due.with_timezone(&moscow).to_rfc3339_opts(SecondsFormat::Secs, false))
        }
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_date_has_whole_seconds_and_a_numeric_offset() {
        let due = DateTime::from_timestamp_micros(1_793_480_399_123_456);
        let request = InitRequest { due, ..InitRequest::new("o", Kopecks(100)) };
        let body = serde_json::to_value(&request).unwrap();
        assert_eq!(body["RedirectDueDate"], "2026-10-31T23:59:59+03:00");
        assert_eq!(body["Amount"], 100);
        assert!(body.get("Recurrent").is_none() && body.get("DATA").is_none());
    }

    #[test]
    fn a_parent_names_its_payer_and_its_initiator() {
        let parent = InitRequest {
            save_card: true,
            customer_key: Some("cust".to_owned()),
            initiator: Some(InitiatorType::CustomerSavesCard),
            ..InitRequest::new("o", Kopecks(100))
        };
        assert_eq!(parent.check(), Ok(()));
        let body = serde_json::to_value(&parent).unwrap();
        assert_eq!((&body["Recurrent"], &body["DATA"]["OperationInitiatorType"]), (&"Y".into(), &"1".into()));
        let redact_message = InitRequest { customer_key: None, ..parent.clone() };
        assert_eq!(redact_message.check(), Err(InvalidRequest::Field("CustomerKey")));
        let child = InitRequest { initiator: Some(InitiatorType::MerchantRecurring), ..parent };
        assert_eq!(child.check(), Err(InvalidRequest::Initiator));
    }

    #[test]
    fn what_the_bank_would_refuse_is_not_sent() {
        let long = "x".repeat(37);
        assert_eq!(InitRequest::new(long, Kopecks(100)).check(), Err(InvalidRequest::Field("OrderId")));
        for amount in [0, -1, 10_000_000_000] {
            assert_eq!(
                InitRequest::new("o", Kopecks(amount)).check(),
                Err(InvalidRequest::Amount),
                "{amount}"
            );
        }
    }

    #[test]
    fn a_rebill_id_is_sent_and_never_shown() {
        let charge = ChargeRequest { payment_id: "1".to_owned(), rebill_id: "145919".into() };
        assert_eq!(serde_json::to_value(&charge).unwrap()["RebillId"], "145919");
        assert!(!format!("{charge:?}").contains("145919"));
    }
}
