//! Decides what a failed exchange of an unvouched code means. A forged code gets one try; a genuine one must not be
//! lost because amoCRM or the network is down.

use std::time::Duration;

use flysk_domain::failure_action::FailureAction;
use flysk_tokens::VaultError;

/// Tries at the host of a known account before amoCRM's answer that there is no account is trusted.
const MAX_ATTEMPTS_AT_KNOWN_HOST: i32 = 3;
/// First retry delay; it doubles.
const INITIAL_RETRY_DELAY: Duration = Duration::from_secs(10);
/// Maximum retry delay; a code is valid for 20 minutes.
const MAX_RETRY_DELAY: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy)]
pub(super) struct FailureContext {
    /// Number of tries, including this one.
    pub(super) looks: i32,
    /// An account had this host when it was last read.
    pub(super) is_host_known: bool,
    /// amoCRM's own site is reachable, so neither amoCRM nor the network is down.
    pub(super) does_site_answer: bool,
}

/// Further use of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeDisposition {
    /// amoCRM refused the code.
    Refused,
    /// There is no account at the host, so all its codes are dead.
    NoAccount,
    /// Try again after this delay.
    RetryAfter(Duration),
}

impl FailureContext {
    /// Decides by the error and its context.
    pub(super) fn classify(self, error: &VaultError) -> CodeDisposition {
        let is_outage = self.is_host_known || !self.does_site_answer;
        match error {
            VaultError::UnknownHost(_) if !self.is_host_known || self.looks >= MAX_ATTEMPTS_AT_KNOWN_HOST => {
                CodeDisposition::NoAccount
            }
            VaultError::NotAmocrm(_) if !self.is_host_known => CodeDisposition::NoAccount,
            VaultError::Unreachable(_) if !is_outage => CodeDisposition::NoAccount,
            VaultError::OurConfiguration(_) | VaultError::Keyring(_) => {
                CodeDisposition::RetryAfter(self.retry_delay(None))
            }
            error => match error.outcome() {
                FailureAction::GiveUp => CodeDisposition::Refused,
                FailureAction::Wait { after } | FailureAction::Retry { after } => {
                    CodeDisposition::RetryAfter(self.retry_delay(after))
                }
                FailureAction::Unknown => CodeDisposition::RetryAfter(self.retry_delay(None)),
            },
        }
    }

    /// Delay until the next try, at least `asked`, the delay that amoCRM requested.
    pub(super) fn retry_delay(self, asked: Option<Duration>) -> Duration {
        let doubled = u32::try_from(self.looks - 1).unwrap_or_default().min(8);
        let own = INITIAL_RETRY_DELAY.saturating_mul(1 << doubled).min(MAX_RETRY_DELAY);
        asked.map_or(own, |asked| own.max(asked))
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::platform::token::GrantRefusal;

    use super::*;

    const UNKNOWN_HOST: FailureContext =
        FailureContext { looks: 1, is_host_known: false, does_site_answer: true };

    fn text() -> String {
        "status 0".to_owned()
    }

    #[test]
    fn a_host_that_is_no_account_gets_one_look() {
        for error in
            [VaultError::UnknownHost(text()), VaultError::NotAmocrm(text()), VaultError::Unreachable(text())]
        {
            assert_eq!(UNKNOWN_HOST.classify(&error), CodeDisposition::NoAccount, "{error}");
        }
    }

    #[test]
    fn a_code_is_not_lost_while_amocrm_or_the_way_there_is_away() {
        let outage = FailureContext { does_site_answer: false, ..UNKNOWN_HOST };
        assert!(matches!(outage.classify(&VaultError::Unreachable(text())), CodeDisposition::RetryAfter(_)));
        for error in [
            VaultError::InDoubt(text()),
            VaultError::NotNow { reason: text(), after: None },
            VaultError::OurConfiguration(text()),
            VaultError::CutOff,
        ] {
            assert!(matches!(UNKNOWN_HOST.classify(&error), CodeDisposition::RetryAfter(_)), "{error}");
        }
    }

    #[test]
    fn a_known_account_is_looked_for_more_than_once() {
        let known = FailureContext { is_host_known: true, ..UNKNOWN_HOST };
        for error in
            [VaultError::UnknownHost(text()), VaultError::NotAmocrm(text()), VaultError::Unreachable(text())]
        {
            assert!(matches!(known.classify(&error), CodeDisposition::RetryAfter(_)), "{error}");
        }
        let often = FailureContext { looks: 3, ..known };
        assert_eq!(often.classify(&VaultError::UnknownHost(text())), CodeDisposition::NoAccount);
    }

    #[test]
    fn a_definite_refusal_is_believed_at_once() {
        let known = FailureContext { is_host_known: true, ..UNKNOWN_HOST };
        for refusal in [GrantRefusal::CodeUnreadable, GrantRefusal::CodeNotOurs, GrantRefusal::CodeUsed] {
            assert_eq!(known.classify(&VaultError::Refused(refusal)), CodeDisposition::Refused);
        }
    }

    #[test]
    fn looks_become_rarer_and_amocrms_own_wish_is_kept() {
        let pauses: Vec<u64> = [1, 2, 3, 4, 90]
            .map(|looks| FailureContext { looks, ..UNKNOWN_HOST }.retry_delay(None).as_secs())
            .into();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        assert_eq!(UNKNOWN_HOST.retry_delay(Some(Duration::from_mins(5))), Duration::from_mins(5));
        assert_eq!(UNKNOWN_HOST.retry_delay(Some(Duration::from_secs(1))), Duration::from_secs(10));
    }
}
