//! Errors of T-Bank's API and what the caller may do.

use std::fmt;
use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::tbank::{ErrorClass, class_of};
use flysk_domain::serde_lenient;
use serde_json::Value;

use super::redact::redact_message;
use super::requests::InvalidRequest;
use super::responses::Payment;
use crate::http::{Idempotency, ReadError};

/// A request to T-Bank failed or was not sent.
#[derive(Debug, thiserror::Error)]
pub enum TBankError {
    /// T-Bank would refuse the request; it was not sent.
    #[error("T-Bank: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The request could not be serialized; it was not sent.
    #[error("T-Bank: cannot serialize the request")]
    Unwritable,
    /// No complete response.
    #[error("T-Bank: no complete response")]
    NoAnswer {
        /// The error while sending or reading.
        source: ReadError,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// T-Bank refused the request.
    #[error("T-Bank: {0}")]
    Refused(Box<Rejection>),
    /// Rate limit exceeded; it is not documented whether this request was executed.
    #[error("T-Bank: too many requests")]
    TooMany {
        /// Delay from `Retry-After`, if present.
        after: Option<Duration>,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
    /// The response does not match the documentation: HTML, or a success without required fields.
    #[error("T-Bank: unreadable response with status {status}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// Whether the request may be repeated.
        idempotency: Idempotency,
    },
}

/// A response with `Success: false` or a non-zero error code.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// T-Bank's error code.
    pub code: String,
    /// Class of the error code, which decides the next step.
    pub class: ErrorClass,
    /// T-Bank's message for logs and operators, with e-mail addresses and long numbers redacted.
    pub message: String,
    /// State of the payment, if the response contains it.
    pub payment: Option<Payment>,
    idempotency: Idempotency,
}

impl TBankError {
    /// Action that the caller may take. After [`FailureAction::Unknown`], query `check_order` or `state` first.
    pub fn outcome(&self) -> FailureAction {
        let lost = |idempotency: Idempotency| match idempotency {
            Idempotency::Safe => FailureAction::RETRY,
            Idempotency::NotSafe => FailureAction::Unknown,
        };
        match self {
            // HTML with 4xx comes from T-Bank's frontend (IP address not allowed): the request was not executed.
            Self::Invalid(_)
            | Self::Unwritable
            | Self::Unreadable { status: 400..=499, idempotency: Idempotency::Safe } => FailureAction::GiveUp,
            Self::NoAnswer { source: ReadError::Transport(transport), idempotency } => {
                transport.outcome(*idempotency == Idempotency::Safe)
            }
            Self::TooMany { after, idempotency: Idempotency::Safe } => FailureAction::Wait { after: *after },
            Self::NoAnswer { idempotency, .. }
            | Self::TooMany { idempotency, .. }
            | Self::Unreadable { idempotency, .. } => lost(*idempotency),
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    /// The refusal; `None` for other errors.
    pub fn refusal(&self) -> Option<&Rejection> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Rejection {
    /// Parses a response; `None` if it is a success.
    pub(super) fn from_response(answer: &Value, idempotency: Idempotency) -> Option<Self> {
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(serde_lenient::value_to_text)
                .filter(|text| !text.is_empty() && text != "None")
        };
        let success = match answer.get("Success") {
            Some(Value::Bool(success)) => *success,
            Some(Value::String(success)) => success == "true",
            _ => false,
        };
        let code = text("ErrorCode");
        let class = code.as_deref().and_then(class_of);
        if success && class.is_none() {
            return None;
        }
        let said = [text("Message"), text("Details")].into_iter().flatten().collect::<Vec<_>>().join(": ");
        Some(Self {
            code: code.unwrap_or_default(),
            // `Success: false` without an error code, or with the code of success, is contradictory.
            class: class.unwrap_or(ErrorClass::Unknown),
            message: redact_message(&said),
            payment: Payment::from_response(answer),
            idempotency,
        })
    }

    /// Action that the caller may take after the failure.
    pub fn outcome(&self) -> FailureAction {
        let certain = self.class.is_decline() || self.class == ErrorClass::Config;
        match self.idempotency {
            _ if certain => FailureAction::GiveUp,
            Idempotency::Safe if self.class == ErrorClass::State => FailureAction::GiveUp,
            Idempotency::Safe => FailureAction::RETRY,
            Idempotency::NotSafe => FailureAction::Unknown,
        }
    }

    /// The payment that a refusing response contains.
    pub(super) fn into_payment(self: Box<Self>) -> Result<Payment, Box<Self>> {
        match self.payment {
            Some(payment) => Ok(payment),
            None => Err(self),
        }
    }
}

impl Payment {
    /// Parses a payment; `None` without payment id or status.
    fn from_response(answer: &Value) -> Option<Self> {
        serde_json::from_value(answer.clone()).ok()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {} ({})", self.code, self.class)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(answer: &Value, idempotency: Idempotency) -> FailureAction {
        Rejection::from_response(answer, idempotency).unwrap().outcome()
    }

    #[test]
    fn a_decline_ends_the_attempt_and_doubt_does_not() {
        let answer =
            |code: &str| json!({"Success": false, "ErrorCode": code, "Message": "нет", "Details": "None"});
        for (code, once, repeatable) in [
            ("1051", FailureAction::GiveUp, FailureAction::GiveUp),
            ("1041", FailureAction::GiveUp, FailureAction::GiveUp),
            ("204", FailureAction::GiveUp, FailureAction::GiveUp),
            ("4", FailureAction::Unknown, FailureAction::GiveUp),
            ("20", FailureAction::Unknown, FailureAction::GiveUp),
            ("9999", FailureAction::Unknown, FailureAction::RETRY),
            ("54321", FailureAction::Unknown, FailureAction::RETRY),
        ] {
            assert_eq!(outcome(&answer(code), Idempotency::NotSafe), once, "{code}");
            assert_eq!(outcome(&answer(code), Idempotency::Safe), repeatable, "{code}");
        }
    }

    #[test]
    fn success_needs_both_the_flag_and_the_code() {
        for answer in [json!({"Success": true, "ErrorCode": "0"}), json!({"Success": "true", "ErrorCode": 0})]
        {
            assert!(Rejection::from_response(&answer, Idempotency::NotSafe).is_none(), "{answer}");
        }
        for answer in [
            json!({"Success": false, "ErrorCode": "0"}),
            json!({"Success": true, "ErrorCode": "1051"}),
            json!({}),
            json!({"Success": 1}),
        ] {
            assert!(Rejection::from_response(&answer, Idempotency::NotSafe).is_some(), "{answer}");
        }
        assert_eq!(outcome(&json!({}), Idempotency::NotSafe), FailureAction::Unknown);
    }

    #[test]
    fn a_decline_tells_the_payments_state() {
        let answer = json!({"Success": false, "ErrorCode": "1051", "Status": "REJECTED", "PaymentId": "111"});
        let refusal = Rejection::from_response(&answer, Idempotency::NotSafe).unwrap();
        assert_eq!(refusal.payment.as_ref().unwrap().status.name(), "REJECTED");
        assert_eq!(refusal.to_string(), "refused with 1051 (funds)");
    }
}
