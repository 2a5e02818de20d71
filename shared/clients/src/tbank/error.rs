//! What goes wrong with the bank, and what it means.

use std::fmt;
use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::tbank::{ErrorClass, class_of};
use serde_json::Value;

use super::requests::InvalidRequest;
use super::responses::Payment;
use super::send::Effect;
use super::wording::nameless;
use crate::http::ReadError;
use crate::lenient;

/// A call of the bank failed, or was not made.
#[derive(Debug, thiserror::Error)]
#[expect(private_interfaces, reason = "whether a call may be repeated is told by `outcome`")]
pub enum TBankError {
    /// The bank would refuse this; nothing was sent.
    #[error("T-Bank: {0}")]
    Invalid(#[from] InvalidRequest),
    /// The request could not be written down; nothing was sent.
    #[error("T-Bank: the request cannot be written")]
    Unwritable,
    /// No whole answer.
    #[error("T-Bank: no whole answer")]
    NoAnswer {
        /// What happened.
        source: ReadError,
        /// What a second call would do.
        effect: Effect,
    },
    /// The bank said no.
    #[error("T-Bank: {0}")]
    Refused(Box<Refusal>),
    /// Too many requests; whether this one was carried out is not documented.
    #[error("T-Bank: too many requests")]
    TooMany {
        /// If the bank says so.
        after: Option<Duration>,
        /// What a second call would do.
        effect: Effect,
    },
    /// An answer that is not what is documented: a page, or a success without its fields.
    #[error("T-Bank: unreadable answer with status {status}")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// What a second call would do.
        effect: Effect,
    },
}

/// `Success: false`, or an error code that is not zero.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The bank's code.
    pub code: String,
    /// What it means for the next step.
    pub class: ErrorClass,
    /// The bank's words, for logs and operators, without addresses and long numbers.
    pub message: String,
    /// Where the payment stands, if the answer told it.
    pub payment: Option<Payment>,
    effect: Effect,
}

impl TBankError {
    /// What the caller may do. [`Outcome::Unknown`]: ask with `check_order` or `state` before anything else.
    pub fn outcome(&self) -> Outcome {
        let lost = |effect: Effect| match effect {
            Effect::Repeatable => Outcome::RETRY,
            Effect::Once => Outcome::Unknown,
        };
        match self {
            // A page for 4xx comes from the bank's front (an address not on its list): the call never got in.
            Self::Invalid(_)
            | Self::Unwritable
            | Self::Unreadable { status: 400..=499, effect: Effect::Repeatable } => Outcome::GiveUp,
            Self::NoAnswer { source: ReadError::Transport(transport), effect } => {
                transport.outcome(*effect == Effect::Repeatable)
            }
            Self::TooMany { after, effect: Effect::Repeatable } => Outcome::Wait { after: *after },
            Self::NoAnswer { effect, .. }
            | Self::TooMany { effect, .. }
            | Self::Unreadable { effect, .. } => lost(*effect),
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    /// The bank's refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl Refusal {
    /// What an answer says, if it says no.
    pub(super) fn of(answer: &Value, effect: Effect) -> Option<Self> {
        let text = |name: &str| {
            answer.get(name).and_then(lenient::text).filter(|text| !text.is_empty() && text != "None")
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
            // No code, or that of success, beside `Success: false`: not certain.
            class: class.unwrap_or(ErrorClass::Unknown),
            message: nameless(&said),
            payment: Payment::of(answer),
            effect,
        })
    }

    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        let certain = self.class.is_decline() || self.class == ErrorClass::Config;
        match self.effect {
            _ if certain => Outcome::GiveUp,
            Effect::Repeatable if self.class == ErrorClass::State => Outcome::GiveUp,
            Effect::Repeatable => Outcome::RETRY,
            Effect::Once => Outcome::Unknown,
        }
    }

    /// The payment an answer told of although it said no.
    pub(super) fn into_payment(self: Box<Self>) -> Result<Payment, Box<Self>> {
        match self.payment {
            Some(payment) => Ok(payment),
            None => Err(self),
        }
    }
}

impl Payment {
    /// Only with a number and a status of its own is it the state of a payment.
    fn of(answer: &Value) -> Option<Self> {
        serde_json::from_value(answer.clone()).ok()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {} ({})", self.code, self.class)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(answer: &Value, effect: Effect) -> Outcome {
        Refusal::of(answer, effect).unwrap().outcome()
    }

    #[test]
    fn a_decline_ends_the_attempt_and_doubt_does_not() {
        let answer =
            |code: &str| json!({"Success": false, "ErrorCode": code, "Message": "нет", "Details": "None"});
        for (code, once, repeatable) in [
            ("1051", Outcome::GiveUp, Outcome::GiveUp),
            ("1041", Outcome::GiveUp, Outcome::GiveUp),
            ("204", Outcome::GiveUp, Outcome::GiveUp),
            ("4", Outcome::Unknown, Outcome::GiveUp),
            ("20", Outcome::Unknown, Outcome::GiveUp),
            ("9999", Outcome::Unknown, Outcome::RETRY),
            ("54321", Outcome::Unknown, Outcome::RETRY),
        ] {
            assert_eq!(outcome(&answer(code), Effect::Once), once, "{code}");
            assert_eq!(outcome(&answer(code), Effect::Repeatable), repeatable, "{code}");
        }
    }

    #[test]
    fn success_needs_both_the_flag_and_the_code() {
        for answer in [json!({"Success": true, "ErrorCode": "0"}), json!({"Success": "true", "ErrorCode": 0})]
        {
            assert!(Refusal::of(&answer, Effect::Once).is_none(), "{answer}");
        }
        for answer in [
            json!({"Success": false, "ErrorCode": "0"}),
            json!({"Success": true, "ErrorCode": "1051"}),
            json!({}),
            json!({"Success": 1}),
        ] {
            assert!(Refusal::of(&answer, Effect::Once).is_some(), "{answer}");
        }
        assert_eq!(outcome(&json!({}), Effect::Once), Outcome::Unknown);
    }

    #[test]
    fn a_decline_tells_the_payments_state() {
        let answer = json!({"Success": false, "ErrorCode": "1051", "Status": "REJECTED", "PaymentId": "111"});
        let refusal = Refusal::of(&answer, Effect::Once).unwrap();
        assert_eq!(refusal.payment.as_ref().unwrap().status.name(), "REJECTED");
        assert_eq!(refusal.to_string(), "refused with 1051 (funds)");
    }
}
