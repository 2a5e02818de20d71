//! Failures of a mail server, step by step.

use std::error::Error as _;
use std::fmt;

use flysk_domain::failure_action::FailureAction;
use lettre::transport::smtp;

/// A step of the dialogue with the server.
#[derive(strum::Display, Debug, Clone, Copy, PartialEq, Eq)]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Connection, greeting, encryption.
    Connect,
    /// User and password.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`, before the content.
    Data,
    /// The content. Once it has been written, the server may have accepted it.
    Content,
}

/// The server's code, without its text: that quotes addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyCode {
    /// Three digits; 4xx may pass, 5xx will not.
    pub basic: u16,
    /// Enhanced code (RFC 3463), such as 5.1.1.
    pub enhanced: Option<(u16, u16, u16)>,
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.basic)?;
        self.enhanced.map_or(Ok(()), |(class, subject, detail)| write!(f, " {class}.{subject}.{detail}"))
    }
}

impl ReplyCode {
    /// Whether the refusal is for good.
    pub const fn is_permanent(self) -> bool {
        self.basic >= 500
    }

    /// Whether a refused recipient does not exist. A full mailbox (x.2.2), the address of the sender (x.1.7, x.1.8), which many
    /// servers refuse only at the recipient, and a policy (x.7.x) such as "relaying denied" say nothing about the address.
    /// Without an enhanced code only the replies that RFC 5321 has for mailboxes do.
    pub const fn is_bad_address(self) -> bool {
        let is_bad = match self.enhanced {
            Some((_, 1, 0 | 7 | 8) | (_, 2, 2) | (_, 3..=7, _)) => false,
            Some((_, 1 | 2, _)) => true,
            _ => matches!(self.basic, 550 | 551 | 553),
        };
        self.is_permanent() && is_bad
    }
}

/// A letter was not handed over. Contains no address and no text of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The letter cannot be written, for example because SMTP does not allow the address.
    #[error("mail: the letter is not a valid message")]
    Invalid,
    /// No complete answer.
    #[error("mail: no complete answer at {stage}: {reason}")]
    NoAnswer {
        /// Step of the dialogue that failed.
        stage: Stage,
        /// Cause of the missing answer.
        reason: &'static str,
    },
    /// The server refused a step.
    #[error("mail: refused at {stage} with {code}")]
    Refused {
        /// Step of the dialogue that failed.
        stage: Stage,
        /// The server's code.
        code: ReplyCode,
    },
}

impl MailError {
    /// The error of a step. The library's own text quotes the server's, so only its kind is kept.
    pub(super) fn of(stage: Stage, error: &smtp::Error) -> Self {
        let Some(basic) = error.status() else {
            let reason = match error {
                error if error.is_timeout() => "timeout",
                error if error.is_tls() => "TLS",
                error if error.is_client() => "a required extension is missing",
                error if error.is_response() => "the answer is not SMTP",
                _ => "connection",
            };
            return Self::NoAnswer { stage, reason };
        };
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        Self::Refused { stage, code: ReplyCode { basic: basic.into(), enhanced: enhanced_code(&text) } }
    }

    /// Action that the caller may take after the failure.
    pub const fn outcome(&self) -> FailureAction {
        match self {
            Self::Invalid => FailureAction::GiveUp,
            Self::NoAnswer { stage: Stage::Content, .. } => FailureAction::Unknown,
            Self::Refused { stage: Stage::Recipient | Stage::Data | Stage::Content, code }
                if code.is_permanent() =>
            {
                FailureAction::GiveUp
            }
            // Before the recipient, a refusal is the deployment's fault: an operator corrects user, password or sender, and
            // the letter is still worth sending.
            Self::NoAnswer { .. } | Self::Refused { .. } => FailureAction::RETRY,
        }
    }

    /// The server's code if it says that the recipient does not exist.
    pub const fn bad_address(&self) -> Option<ReplyCode> {
        match self {
            Self::Refused { stage: Stage::Recipient, code } if code.is_bad_address() => Some(*code),
            _ => None,
        }
    }
}

/// The enhanced code at the beginning of a server's text.
fn enhanced_code(text: &str) -> Option<(u16, u16, u16)> {
    let mut parts = text.split_whitespace().next()?.split('.').map(|part| part.parse().ok());
    let code = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && matches!(code.0, 4 | 5)).then_some(code)
}

/// The mail server's options are unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailBuildError {
    /// The sender is not an address.
    #[error("the sender is not an e-mail address")]
    Sender,
    /// A certificate is invalid, or the system has no root certificates.
    #[error("extra root certificates: not PEM, or the system has none")]
    Certificate,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(stage: Stage, basic: u16, text: &str) -> MailError {
        MailError::Refused { stage, code: ReplyCode { basic, enhanced: enhanced_code(text) } }
    }

    #[test]
    fn a_refused_recipient_is_bad_unless_the_code_says_otherwise() {
        for (basic, text, is_bad) in [
            (550, "5.1.1 <buh@example.test> unknown", true),
            (553, "no such user", true),
            (550, "", true),
            (551, "not local", true),
            (554, "no", false),
            (501, "syntax", false),
            (550, "5.1.0 sender rejected", false),
            (553, "5.1.7 the sender's address", false),
            (550, "5.1.8 the sender's domain", false),
            (550, "5.1.10 null MX", true),
            (550, "5.2.1 disabled", true),
            (552, "5.2.2 over quota", false),
            (550, "5.7.1 relaying denied", false),
            (554, "5.4.4 no route", false),
            (450, "4.1.1 try later", false),
        ] {
            assert_eq!(refused(Stage::Recipient, basic, text).bad_address().is_some(), is_bad, "{text}");
            assert!(refused(Stage::Sender, basic, text).bad_address().is_none(), "{text}");
        }
    }

    #[test]
    fn only_content_without_an_answer_is_in_doubt() {
        use FailureAction::{GiveUp, Unknown};
        const RETRY: FailureAction = FailureAction::RETRY;
        let lost = |stage| MailError::NoAnswer { stage, reason: "timeout" };
        let cases = [
            (lost(Stage::Data), RETRY),
            (lost(Stage::Content), Unknown),
            (refused(Stage::Login, 535, "5.7.8 wrong"), RETRY),
            (refused(Stage::Sender, 550, ""), RETRY),
            (refused(Stage::Recipient, 451, "4.7.1 greylisted"), RETRY),
            (refused(Stage::Recipient, 550, ""), GiveUp),
            (refused(Stage::Content, 452, ""), RETRY),
            (refused(Stage::Content, 554, "5.7.1 spam"), GiveUp),
        ];
        for (error, action) in cases {
            assert_eq!(error.outcome(), action, "{error}");
        }
    }

    #[test]
    fn nothing_of_the_servers_text_is_shown() {
        let error = refused(Stage::Recipient, 550, "5.1.1 <buh@example.test> unknown");
        assert_eq!(error.to_string(), "mail: refused at recipient with 550 5.1.1");
        assert_eq!(
            refused(Stage::Content, 554, "10.0.0.1 blocked").to_string(),
            "mail: refused at content with 554"
        );
    }
}
