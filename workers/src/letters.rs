//! Letters, and handing them over to the mail server, the same for every kind of notices.

use chrono::{DateTime, Utc};
use flysk_clients::mail::{Mailer, Message, ReplyCode};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::mail::MailState;
use flysk_domain::platform::purchases::Email;
use flysk_queue::JobError;
use url::Url;

use crate::job_error::job_error;

/// A letter in its final form.
pub(crate) struct Written {
    /// Unique among all letters: `Message-ID` is made of it.
    pub(crate) id: String,
    pub(crate) address: Email,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// Link that switches such letters off; `None`: they cannot be.
    pub(crate) unsubscribe: Option<Url>,
}

impl Written {
    /// The letter as the mail server gets it.
    pub(crate) fn message(&self, date: DateTime<Utc>) -> Message<'_> {
        Message {
            id: &self.id,
            subject: &self.subject,
            text: &self.text,
            html: &self.html,
            unsubscribe: self.unsubscribe.as_ref(),
            date,
        }
    }
}

/// Result of handing a letter to the mail server.
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
    /// Certainly not accepted: after this error the next attempt sends the letter again.
    Again(JobError),
}

impl Handover {
    /// The state that the letter ends in; an error if it was certainly not accepted.
    pub(crate) fn ended(self) -> Result<MailState, JobError> {
        match self {
            Self::Accepted => Ok(MailState::Sent),
            Self::Unknown => Ok(MailState::Unknown),
            Self::Refused => Ok(MailState::Refused),
            Self::BadAddress(_) => Ok(MailState::BadAddress),
            Self::Again(error) => Err(error),
        }
    }
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
