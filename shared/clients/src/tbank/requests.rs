//! What we send. Each request is checked against the bank's limits before it leaves: a mistake of ours must
//! not look like a payment that failed.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use flysk_domain::money::Kopecks;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use url::Url;

use super::receipt::{InvalidReceipt, Receipt};

/// One stage or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PayType {
    /// The money is taken at once.
    #[serde(rename = "O")]
    OneStage,
    /// The money is held until `Confirm`, at most 7 days.
    #[serde(rename = "T")]
    TwoStage,
}

/// The form's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

/// Who started the operation (`DATA.OperationInitiatorType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitiatorType {
    /// The customer pays and nothing is saved.
    Customer,
    /// The customer pays and saves the card: the parent of later charges.
    CustomerSavesCard,
    /// The customer pays with a saved card.
    CustomerSavedCard,
    /// We charge a saved card, on no fixed schedule; what an ordinary terminal allows for subscriptions.
    MerchantRecurring,
    /// We charge a saved card by a schedule; not on ordinary (ECOM) terminals.
    MerchantInstallment,
}

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

/// Opens a payment session.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InitRequest {
    /// Unique per attempt, at most 36 characters.
    pub order_id: String,
    /// At most 10 digits; equals the receipt's sum.
    pub amount: Kopecks,
    /// Shown on the form, at most 140 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Our number of the payer, at most 36 characters; needed to save a card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_key: Option<String>,
    /// Save the card: this payment becomes a parent.
    #[serde(rename = "Recurrent", serialize_with = "yes", skip_serializing_if = "is_false")]
    pub save_card: bool,
    /// Overrides the terminal's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_type: Option<PayType>,
    /// The form's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Where payment notices go; other kinds go to the terminal's address.
    #[serde(rename = "NotificationURL", skip_serializing_if = "Option::is_none")]
    pub notification_url: Option<Url>,
    /// Where the payer is led after success. Being led there proves nothing.
    #[serde(rename = "SuccessURL", skip_serializing_if = "Option::is_none")]
    pub success_url: Option<Url>,
    /// Where the payer is led after failure.
    #[serde(rename = "FailURL", skip_serializing_if = "Option::is_none")]
    pub fail_url: Option<Url>,
    /// Until when the link works: 1 minute to 90 days.
    #[serde(
        rename = "RedirectDueDate",
        serialize_with = "due_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub due: Option<DateTime<Utc>>,
    /// Who started it.
    #[serde(rename = "DATA", serialize_with = "data", skip_serializing_if = "Option::is_none")]
    pub initiator: Option<InitiatorType>,
    /// Needed when a cash register is linked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl InitRequest {
    /// A one-stage payment with nothing optional.
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
        length("OrderId", &self.order_id, 36)?;
        if !(1..=9_999_999_999).contains(&self.amount.0) {
            return Err(InvalidRequest::Amount);
        }
        if let Some(description) = &self.description {
            length("Description", description, 140)?;
        }
        match &self.customer_key {
            Some(key) => length("CustomerKey", key, 36)?,
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

/// Charges a saved card.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChargeRequest {
    /// The payment that `Init` opened.
    pub payment_id: String,
    /// The saved card.
    #[serde(serialize_with = "exposed")]
    pub rebill_id: SecretString,
}

impl ChargeRequest {
    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        length("PaymentId", &self.payment_id, 20)?;
        length("RebillId", self.rebill_id.expose_secret(), 64)
    }
}

/// Takes the money a two-stage payment holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfirmRequest {
    /// Which payment.
    pub payment_id: String,
    /// At most what is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Kopecks>,
    /// Replaces the one of `Init`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl ConfirmRequest {
    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        length("PaymentId", &self.payment_id, 20)?;
        match (&self.receipt, self.amount) {
            (Some(receipt), Some(amount)) => Ok(receipt.check(amount)?),
            _ => Ok(()),
        }
    }
}

/// Cancels, reverses or refunds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CancelRequest {
    /// Which payment.
    pub payment_id: String,
    /// Always named: the bank's default is the whole payment, also after a partial refund.
    pub amount: Kopecks,
    /// Makes the refund repeatable (not for SBP); ours, at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_request_id: Option<String>,
    /// The refunded lines of a partial refund; none for a full one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl CancelRequest {
    pub(super) fn is_repeatable(&self) -> bool {
        self.external_request_id.as_ref().is_some_and(|id| !id.trim().is_empty())
    }

    pub(super) fn check(&self) -> Result<(), InvalidRequest> {
        length("PaymentId", &self.payment_id, 20)?;
        if !self.amount.is_positive() {
            return Err(InvalidRequest::Amount);
        }
        if let Some(id) = &self.external_request_id {
            length("ExternalRequestId", id, 256)?;
        }
        self.receipt.as_ref().map_or(Ok(()), |receipt| Ok(receipt.check(self.amount)?))
    }
}

/// Names a payment.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfPayment<'a> {
    pub(super) payment_id: &'a str,
}

/// Names an order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfOrder<'a> {
    pub(super) order_id: &'a str,
}

/// A request that the bank would refuse; it was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// A text is missing or too long.
    #[error("`{0}` is empty or too long")]
    Field(&'static str),
    /// Not a positive number of at most 10 digits.
    #[error("the amount is not a positive number of at most 10 digits")]
    Amount,
    /// A card is saved exactly when the customer saves it (error 1126).
    #[error("the initiator does not fit whether the card is saved")]
    Initiator,
    /// The receipt.
    #[error(transparent)]
    Receipt(#[from] InvalidReceipt),
}

fn length(name: &'static str, text: &str, most: usize) -> Result<(), InvalidRequest> {
    let count = text.chars().count();
    if (1..=most).contains(&count) { Ok(()) } else { Err(InvalidRequest::Field(name)) }
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

/// Whole seconds and a numeric offset: with fractions or `Z` the bank fails `Init` with 9999.
#[expect(clippy::ref_option, reason = "serde passes references")]
fn due_date<S: Serializer>(due: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    const MOSCOW_S: i32 = 3 * 3600;
    let moscow =
        FixedOffset::east_opt(MOSCOW_S).ok_or_else(|| serde::ser::Error::custom("no such offset"))?;
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
        let nameless = InitRequest { customer_key: None, ..parent.clone() };
        assert_eq!(nameless.check(), Err(InvalidRequest::Field("CustomerKey")));
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
