//! Classification of amoCRM's failed token requests.
//!
//! A refresh token works once, and a lost pair can only be replaced by the customer. Therefore "permanently refused"
//! must be distinguished from "outcome unknown": only a definite refusal of the grant itself may move an install to
//! `reconnect`.
//!
//! Sources: amoCRM docs, oauth/step-by-step and oauth/account-subdomain-info; issues 123, 235, 269,
//! 315, 414, 434 and 563 of `amocrm/amocrm-api-php` for the hints.

use std::time::Duration;

use crate::failure_action::FailureAction;

/// The credential that was exchanged for a token pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// An authorization code: valid for 20 minutes, works once.
    Code,
    /// A refresh token: expires after three months without use, works once.
    Refresh,
}

/// A response of the token endpoint without a token pair.
#[derive(Debug, Clone, Copy)]
pub struct TokenAnswer<'a> {
    /// The credential sent.
    pub grant: Grant,
    /// The HTTP status.
    pub status: u16,
    /// Whether the body is JSON; a blocked IP address gets an HTML page from nginx instead.
    pub is_json: bool,
    /// The English `hint` of the body. `title` and `detail` are localized and therefore ignored.
    pub hint: Option<&'a str>,
}

/// Why a grant was permanently refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// The code is older than 20 minutes.
    #[error("the authorization code has expired")]
    CodeExpired,
    /// The code was exchanged before.
    #[error("the authorization code was used before")]
    CodeUsed,
    /// The code cannot be decrypted.
    #[error("the authorization code is not readable")]
    CodeUnreadable,
    /// The code was issued to another integration.
    #[error("the authorization code belongs to another integration")]
    CodeNotOurs,
    /// The grant belongs to an account with another host.
    #[error("the grant belongs to another account")]
    WrongAccount,
    /// The refresh token was used before, or access was revoked.
    #[error("the refresh token was revoked")]
    Revoked,
    /// The refresh token was issued to another integration.
    #[error("the refresh token belongs to another integration")]
    NotLinked,
    /// The refresh token was not used for three months.
    #[error("the refresh token has expired")]
    Expired,
    /// The refresh token cannot be decrypted.
    #[error("the refresh token is not readable")]
    Unreadable,
    /// A definite 401 with an unrecognised hint.
    #[error("the grant was refused for an unknown reason")]
    Unrecognised,
}

/// Classified failure of a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFailure {
    /// The grant may be spent and the response lost: retry the same grant a few times.
    #[error("the outcome is unknown")]
    Ambiguous,
    /// The account may have another host now: look the host up, retry once if it changed, and otherwise continue with
    /// [`TokenFailure::if_not_renamed`].
    #[error("the account may have been renamed")]
    MaybeRenamed {
        /// Meaning of the response if the host is correct.
        refusal: Option<GrantRefusal>,
    },
    /// The grant was permanently refused: the customer must grant access again.
    #[error("refused: {0}")]
    Refused(GrantRefusal),
    /// Client id, secret or redirect URI is not accepted: alert operators; the customer is not affected.
    #[error("the client id, secret or redirect URI is not accepted")]
    OurConfiguration,
    /// An HTML page of nginx: our IP address or the account is blocked, and further requests prolong the block. The grant
    /// stays valid.
    #[error("amoCRM blocks our requests")]
    Blocked,
    /// No account exists at this host at present: it was deleted, or renamed to an unknown host. The grant is not refused.
    #[error("no account exists at this host at present")]
    NoAccount,
    /// Rate-limited or not connected; the grant stays valid.
    #[error("amoCRM is unavailable or limits requests")]
    BackOff,
    /// The account is unpaid: keep the tokens and continue to renew them.
    #[error("the account is unpaid")]
    Unpaid,
}

impl TokenFailure {
    /// The failure once the account's host turned out to be unchanged.
    #[must_use]
    pub fn if_not_renamed(self) -> Self {
        match self {
            Self::MaybeRenamed { refusal: Some(refusal) } => Self::Refused(refusal),
            Self::MaybeRenamed { refusal: None } => Self::NoAccount,
            other => other,
        }
    }

    /// The action that the job takes.
    pub fn outcome(self) -> FailureAction {
        match self {
            Self::Ambiguous => FailureAction::Unknown,
            Self::MaybeRenamed { .. } | Self::OurConfiguration => FailureAction::RETRY,
            Self::Refused(_) => FailureAction::GiveUp,
            Self::BackOff | Self::Unpaid | Self::Blocked | Self::NoAccount => FailureAction::WAIT,
        }
    }

    /// Minimum delay before anyone requests tokens with this grant again. `asked` is amoCRM's `Retry-After`.
    pub fn pause(self, asked: Option<Duration>) -> Duration {
        /// Upper bound of amoCRM's `Retry-After`, so that a wrong value does not let a pair expire.
        const MAX_PAUSE: Duration = Duration::from_hours(6);
        let own = match self {
            Self::Ambiguous | Self::BackOff | Self::MaybeRenamed { .. } => Duration::from_secs(10),
            Self::OurConfiguration => Duration::from_mins(5),
            Self::Blocked | Self::NoAccount => Duration::from_hours(1),
            Self::Unpaid => MAX_PAUSE,
            Self::Refused(_) => Duration::ZERO,
        };
        asked.map_or(own, |asked| own.max(asked).min(MAX_PAUSE))
    }
}

/// Classifies a failed response of the token endpoint.
///
/// Without a response, the caller decides: a timeout or a broken connection after the request was sent is
/// [`TokenFailure::Ambiguous`]; a failed connection attempt is [`TokenFailure::BackOff`].
pub fn classify(answer: TokenAnswer<'_>) -> TokenFailure {
    match (answer.status, answer.is_json) {
        (400, true) => classify_bad_request(answer),
        (401, true) => classify_unauthorized(answer),
        (402, _) => TokenFailure::Unpaid,
        (403, false) => TokenFailure::Blocked,
        // A page instead of JSON comes from a proxy or firewall and says nothing about the grant.
        (400, false) | (403 | 429, _) => TokenFailure::BackOff,
        (300..=399 | 404, _) | (401, false) => TokenFailure::MaybeRenamed { refusal: None },
        (405..=407 | 409..=424 | 426..=428 | 430..=499, _) => TokenFailure::OurConfiguration,
        _ => TokenFailure::Ambiguous,
    }
}

fn classify_bad_request(answer: TokenAnswer<'_>) -> TokenFailure {
    match (answer.hint.and_then(refusal_named_by), answer.grant) {
        (Some(GrantRefusal::WrongAccount), Grant::Refresh) => {
            TokenFailure::MaybeRenamed { refusal: Some(GrantRefusal::WrongAccount) }
        }
        (Some(refusal), _) => TokenFailure::Refused(refusal),
        // "Check the `client_id` parameter", "Redirect URI is not associated with client" and unknown objections to our
        // request: no reason to make every customer reconnect.
        (None, _) => TokenFailure::OurConfiguration,
    }
}

fn classify_unauthorized(answer: TokenAnswer<'_>) -> TokenFailure {
    // A missing hint means that client authentication failed: id or secret, not the grant.
    let Some(hint) = answer.hint else { return TokenFailure::OurConfiguration };
    if mentions(hint, "client authentication") {
        return TokenFailure::OurConfiguration;
    }
    let refusal = refusal_named_by(hint).unwrap_or(GrantRefusal::Unrecognised);
    match answer.grant {
        Grant::Code => TokenFailure::Refused(refusal),
        // amoCRM's own library treats any 401 on refresh as a possible change of domain.
        Grant::Refresh => TokenFailure::MaybeRenamed { refusal: Some(refusal) },
    }
}

fn refusal_named_by(hint: &str) -> Option<GrantRefusal> {
    const HINTS: [(&str, GrantRefusal); 9] = [
        ("authorization code has expired", GrantRefusal::CodeExpired),
        ("authorization code has been revoked", GrantRefusal::CodeUsed),
        ("cannot decrypt the authorization code", GrantRefusal::CodeUnreadable),
        // The wording of the PHP League's oauth2-server, the source of amoCRM's other hints.
        ("authorization code was not issued to this client", GrantRefusal::CodeNotOurs),
        ("invalid account", GrantRefusal::WrongAccount),
        ("token has been revoked", GrantRefusal::Revoked),
        ("token is not linked to client", GrantRefusal::NotLinked),
        ("token has expired", GrantRefusal::Expired),
        ("cannot decrypt the refresh token", GrantRefusal::Unreadable),
    ];
    HINTS.iter().find(|(text, _)| mentions(hint, text)).map(|(_, refusal)| *refusal)
}

fn mentions(hint: &str, text: &str) -> bool {
    hint.to_ascii_lowercase().contains(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Grant::{Code, Refresh};

    fn json(grant: Grant, status: u16, hint: Option<&str>) -> TokenFailure {
        classify(TokenAnswer { grant, status, is_json: true, hint })
    }

    fn page(grant: Grant, status: u16) -> TokenFailure {
        classify(TokenAnswer { grant, status, is_json: false, hint: None })
    }

    fn maybe_renamed(refusal: GrantRefusal) -> TokenFailure {
        TokenFailure::MaybeRenamed { refusal: Some(refusal) }
    }

    #[test]
    fn a_dead_code_is_refused() {
        for (hint, refusal) in [
            ("Authorization code has expired", GrantRefusal::CodeExpired),
            ("Authorization code has been revoked", GrantRefusal::CodeUsed),
            ("Cannot decrypt the authorization code", GrantRefusal::CodeUnreadable),
            ("Authorization code was not issued to this client", GrantRefusal::CodeNotOurs),
            ("Invalid account", GrantRefusal::WrongAccount),
        ] {
            assert_eq!(json(Code, 400, Some(hint)), TokenFailure::Refused(refusal), "{hint}");
        }
    }

    #[test]
    fn a_dead_refresh_token_is_refused_once_the_domain_was_asked_for() {
        for (hint, refusal) in [
            ("Token has been revoked", GrantRefusal::Revoked),
            ("Token is not linked to client", GrantRefusal::NotLinked),
            ("Token has expired", GrantRefusal::Expired),
            ("Cannot decrypt the refresh token", GrantRefusal::Unreadable),
            ("Something amoCRM will say in 2030", GrantRefusal::Unrecognised),
        ] {
            let failure = json(Refresh, 401, Some(hint));
            assert_eq!(failure, maybe_renamed(refusal), "{hint}");
            assert_eq!(failure.if_not_renamed(), TokenFailure::Refused(refusal), "{hint}");
        }
        assert_eq!(
            json(Refresh, 400, Some("Token has expired")),
            TokenFailure::Refused(GrantRefusal::Expired)
        );
        assert_eq!(json(Refresh, 400, Some("Invalid account")), maybe_renamed(GrantRefusal::WrongAccount));
    }

    #[test]
    fn our_own_mistakes_disturb_no_customer() {
        for (status, hint) in [
            (400, Some("Check the `client_id` parameter")),
            (400, Some("Check the `client_secret` parameter")),
            (400, Some("Redirect URI is not associated with client")),
            (400, Some("Something new")),
            (400, None),
            (401, None),
            (401, Some("Client authentication failed")),
            (405, None),
            (415, None),
            (422, None),
        ] {
            for grant in [Code, Refresh] {
                assert_eq!(json(grant, status, hint), TokenFailure::OurConfiguration, "{status} {hint:?}");
            }
        }
    }

    #[test]
    fn a_missing_host_may_be_a_renamed_account_and_is_never_a_refusal() {
        for failure in [json(Refresh, 404, None), page(Refresh, 404), page(Refresh, 302), page(Refresh, 401)]
        {
            assert_eq!(failure, TokenFailure::MaybeRenamed { refusal: None });
            assert_eq!(failure.if_not_renamed(), TokenFailure::NoAccount);
        }
    }

    #[test]
    fn blocks_and_limits_only_slow_us_down() {
        for failure in [json(Refresh, 403, None), page(Code, 429), page(Refresh, 400)] {
            assert_eq!(failure, TokenFailure::BackOff);
            assert_eq!(failure.outcome(), FailureAction::WAIT);
        }
        assert_eq!(page(Refresh, 403), TokenFailure::Blocked);
        assert_eq!(TokenFailure::Blocked.outcome(), FailureAction::WAIT);
        assert_eq!(json(Refresh, 402, None), TokenFailure::Unpaid);
        assert_eq!(TokenFailure::Unpaid.outcome(), FailureAction::WAIT);
    }

    #[test]
    fn a_pause_is_as_long_as_amocrm_asks_within_bounds() {
        let (minute, day) = (Duration::from_mins(1), Duration::from_hours(24));
        assert_eq!(TokenFailure::Ambiguous.pause(None), Duration::from_secs(10));
        assert_eq!(TokenFailure::BackOff.pause(Some(minute)), minute);
        assert_eq!(TokenFailure::BackOff.pause(Some(Duration::ZERO)), Duration::from_secs(10));
        assert_eq!(TokenFailure::Blocked.pause(Some(minute)), Duration::from_hours(1));
        assert_eq!(TokenFailure::BackOff.pause(Some(day)), Duration::from_hours(6));
    }

    #[test]
    fn a_lost_answer_may_have_spent_the_token() {
        for status in [200, 204, 408, 425, 500, 502, 503, 504, 599] {
            assert_eq!(page(Refresh, status), TokenFailure::Ambiguous, "{status}");
            assert_eq!(json(Code, status, None).outcome(), FailureAction::Unknown, "{status}");
        }
    }

    #[test]
    fn nothing_but_400_and_401_can_refuse() {
        for status in (100..600).filter(|status| ![400, 401].contains(status)) {
            let failure = json(Refresh, status, Some("Token has been revoked")).if_not_renamed();
            assert!(!matches!(failure, TokenFailure::Refused(_)), "{status}");
        }
    }
}
