//! Payment updates: the bank's data about a payment, from the client's response to the stored row.

use secrecy::SecretString;

use super::PurchaseState;
use crate::money::Kopecks;
use crate::platform::tbank::PaymentStatus;

/// How the bank's data reached us, which decides how far it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateSource {
    /// A notification: authentic, but possibly outdated.
    Notification,
    /// The bank's response to a status query: authoritative.
    StatusQuery,
}

/// The bank's data about a payment.
#[derive(Debug, Clone)]
pub struct PaymentUpdate {
    /// Source of the data.
    pub source: UpdateSource,
    /// The bank's payment id.
    pub payment_id: String,
    /// T-Bank's word for the state of the payment.
    pub status: PaymentStatus,
    /// Amount of the payment; after a refund, the rest.
    pub amount: Option<Kopecks>,
    /// `Success` of a notification; always `true` for status queries, where the status suffices.
    pub success: bool,
    /// The bank's error code; `0` means no error.
    pub error_code: Option<String>,
    /// Our own reason why it was not paid, if we caused that.
    pub reason: Option<&'static str>,
    /// Masked card number.
    pub pan: Option<String>,
    /// Rebill id, with which the same card can be charged later.
    pub rebill_id: Option<SecretString>,
}

impl PaymentUpdate {
    /// An update with only source, payment id and status.
    pub fn new(source: UpdateSource, payment_id: impl Into<String>, status: PaymentStatus) -> Self {
        Self {
            source,
            payment_id: payment_id.into(),
            status,
            amount: None,
            success: true,
            error_code: None,
            reason: None,
            pan: None,
            rebill_id: None,
        }
    }

    /// Error code stored for a failed purchase: our reason, the bank's code, or a code of ours for statuses without one. `None`
    /// unless `state` is failed.
    pub fn failure_code(&self, state: PurchaseState) -> Option<&str> {
        if state != PurchaseState::Failed {
            return None;
        }
        self.reason.or(match self.status {
            PaymentStatus::DeadlineExpired | PaymentStatus::AttemptsExpired => Some("link_expired"),
            PaymentStatus::Canceled | PaymentStatus::Reversed | PaymentStatus::Refunded => Some("cancelled"),
            _ => self.error_code.as_deref().filter(|code| !code.is_empty() && *code != "0"),
        })
    }
}

/// Fields that distinguish a new notification of the bank from a repeated one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationKey {
    /// The bank's payment id.
    pub payment_id: String,
    /// Our order number.
    pub order_id: String,
    /// Status of the payment, or the identity of the receipt.
    pub status: String,
    /// Amount of the payment.
    pub amount: Kopecks,
    /// Error code; `0` means no error.
    pub error_code: String,
}

impl NotificationKey {
    /// Maximum length of a stored status, in characters.
    pub const MAX_STATUS_LEN: usize = 32;

    /// Whether all texts are ASCII and within the bank's limits, as for our orders. Others come from another system that
    /// uses the same terminal.
    pub fn looks_like_ours(&self) -> bool {
        let fits = |text: &str, most: usize| text.is_ascii() && text.len() <= most;
        fits(&self.payment_id, 20)
            && fits(&self.order_id, 50)
            && fits(&self.status, Self::MAX_STATUS_LEN)
            && fits(&self.error_code, 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_under_our_reason_the_status_or_the_banks_code() {
        let update = |status, code: &str, reason| PaymentUpdate {
            error_code: Some(code.to_owned()),
            reason,
            ..PaymentUpdate::new(UpdateSource::StatusQuery, "1", status)
        };
        for (status, code, reason, kept) in [
            (PaymentStatus::Rejected, "1051", None, Some("1051")),
            (PaymentStatus::Rejected, "0", None, None),
            (PaymentStatus::Rejected, "1051", Some("form_lost"), Some("form_lost")),
            (PaymentStatus::DeadlineExpired, "0", None, Some("link_expired")),
            (PaymentStatus::Canceled, "0", None, Some("cancelled")),
        ] {
            let update = update(status, code, reason);
            assert_eq!(update.failure_code(PurchaseState::Failed), kept, "{update:?}");
            assert_eq!(update.failure_code(PurchaseState::Awaiting), None);
        }
    }
}
