//! Handing letters over to the mail server, the same for every kind of notices.

use flysk_clients::mail::{Mailer, Message, ReplyCode};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::purchases::Email;
use flysk_queue::JobError;

use crate::job_error::job_error;

/// What became of a letter.
#[derive(Debug)]
pub(crate) enum Handover {
    /// The server has accepted it.
    Accepted,
    /// The server may have accepted it: it must not be sent again.
    Unknown,
    /// The address does not exist.
    BadAddress(ReplyCode),
    /// The server refused it for another reason.
    Refused,
    /// It was certainly not accepted: after this error the next attempt sends it again.
    Again(JobError),
}

/// Hands a letter over once. SMTP has no idempotency keys, so the caller has stored the intent, and stores the outcome.
pub(crate) async fn hand_over(mailer: &Mailer, address: &Email, letter: &Message<'_>) -> Handover {
    let Err(error) = mailer.send(address, letter).await else { return Handover::Accepted };
    match error.outcome() {
        FailureAction::Unknown => {
            tracing::warn!(letter.id = %letter.id, %error, "it is unknown whether a letter was accepted");
            Handover::Unknown
        }
        FailureAction::GiveUp => {
            let Some(code) = error.bad_address() else {
                tracing::error!(letter.id = %letter.id, %error, "a letter was refused");
                return Handover::Refused;
            };
            tracing::warn!(letter.id = %letter.id, %error, "an address does not exist");
            Handover::BadAddress(code)
        }
        action @ (FailureAction::Retry { .. } | FailureAction::Wait { .. }) => {
            Handover::Again(job_error(action, error))
        }
    }
}
