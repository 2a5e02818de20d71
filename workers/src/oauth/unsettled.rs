//! What a failed exchange of a code that no state vouches for means: made-up codes get one look, and a genuine one must not
//! be lost because amoCRM, or the way there, is away for a while.

use std::time::Duration;

use flysk_domain::platform::outcome::Outcome;
use flysk_vault::VaultError;

/// Looks at a host where an account was known to live, before amoCRM is believed that there is none.
const MAX_LOOKS_AT_KNOWN_HOST: i32 = 3;
/// The first wait before another look; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Waits grow no longer than this: the code lives 20 minutes.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// What is known besides the failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// How often the code was looked at, this time included.
    pub(super) looks: i32,
    /// An account lived at its host when we last heard of it.
    pub(super) is_host_known: bool,
    /// The service's own site answers now, so neither amoCRM nor our way there is away.
    pub(super) does_site_answer: bool,
}

/// What becomes of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// amoCRM refused it.
    Refused,
    /// There is no account at its host: nothing will come of any other code from there.
    NoAccount,
    /// Another look after this time.
    Again(Duration),
}

impl Circumstances {
    /// What `error` means for the code.
    pub(super) fn judge(self, error: &VaultError) -> Fate {
        let is_outage = self.is_host_known || !self.does_site_answer;
        match error {
            VaultError::UnknownHost(_) if !self.is_host_known || self.looks >= MAX_LOOKS_AT_KNOWN_HOST => {
                Fate::NoAccount
            }
            VaultError::NotAmocrm(_) if !self.is_host_known => Fate::NoAccount,
            VaultError::Unreachable(_) if !is_outage => Fate::NoAccount,
            VaultError::OurConfiguration(_) | VaultError::Keyring(_) => Fate::Again(self.pause(None)),
            error => match error.outcome() {
                Outcome::GiveUp => Fate::Refused,
                Outcome::Wait { after } | Outcome::Retry { after } => Fate::Again(self.pause(after)),
                Outcome::Unknown => Fate::Again(self.pause(None)),
            },
        }
    }

    /// How long until the next look; `asked` is what amoCRM asked for, and is kept.
    pub(super) fn pause(self, asked: Option<Duration>) -> Duration {
        let doubled = u32::try_from(self.looks - 1).unwrap_or_default().min(8);
        let own = FIRST_PAUSE.saturating_mul(1 << doubled).min(MAX_PAUSE);
        asked.map_or(own, |asked| own.max(asked))
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::platform::token::Refusal;

    use super::*;

    const STRANGER: Circumstances = Circumstances { looks: 1, is_host_known: false, does_site_answer: true };

    fn text() -> String {
        "status 0".to_owned()
    }

    #[test]
    fn a_host_that_is_no_account_gets_one_look() {
        for error in
            [VaultError::UnknownHost(text()), VaultError::NotAmocrm(text()), VaultError::Unreachable(text())]
        {
            assert_eq!(STRANGER.judge(&error), Fate::NoAccount, "{error}");
        }
    }

    #[test]
    fn a_code_is_not_lost_while_amocrm_or_the_way_there_is_away() {
        let outage = Circumstances { does_site_answer: false, ..STRANGER };
        assert!(matches!(outage.judge(&VaultError::Unreachable(text())), Fate::Again(_)));
        for error in [
            VaultError::InDoubt(text()),
            VaultError::NotNow { reason: text(), after: None },
            VaultError::OurConfiguration(text()),
            VaultError::CutOff,
        ] {
            assert!(matches!(STRANGER.judge(&error), Fate::Again(_)), "{error}");
        }
    }

    #[test]
    fn a_known_account_is_looked_for_more_than_once() {
        let known = Circumstances { is_host_known: true, ..STRANGER };
        for error in
            [VaultError::UnknownHost(text()), VaultError::NotAmocrm(text()), VaultError::Unreachable(text())]
        {
            assert!(matches!(known.judge(&error), Fate::Again(_)), "{error}");
        }
        let often = Circumstances { looks: 3, ..known };
        assert_eq!(often.judge(&VaultError::UnknownHost(text())), Fate::NoAccount);
    }

    #[test]
    fn a_definite_refusal_is_believed_at_once() {
        let known = Circumstances { is_host_known: true, ..STRANGER };
        for refusal in [Refusal::CodeUnreadable, Refusal::CodeNotOurs, Refusal::CodeUsed] {
            assert_eq!(known.judge(&VaultError::Refused(refusal)), Fate::Refused);
        }
    }

    #[test]
    fn looks_become_rarer_and_amocrms_own_wish_is_kept() {
        let pauses: Vec<u64> =
            [1, 2, 3, 4, 90].map(|looks| Circumstances { looks, ..STRANGER }.pause(None).as_secs()).into();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        assert_eq!(STRANGER.pause(Some(Duration::from_mins(5))), Duration::from_mins(5));
        assert_eq!(STRANGER.pause(Some(Duration::from_secs(1))), Duration::from_secs(10));
    }
}
