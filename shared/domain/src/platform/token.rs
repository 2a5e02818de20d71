//! What a failed token request of amoCRM means.
//!
//! A refresh token works once and a pair that is lost can only be replaced by the customer's hand, so
//! the difference between "refused for good" and "we do not know" decides whether a customer is
//! disturbed. Only a definite refusal of the grant itself may move an install to `reconnect`.
//!
//! Sources: amoCRM docs, oauth/step-by-step and oauth/account-subdomain-info; issues 123, 235, 269,
//! 315, 414, 434 and 563 of `amocrm/amocrm-api-php` for the hints.

use std::time::Duration;

use super::outcome::Outcome;

/// What was traded for a token pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// An authorization code: lives 20 minutes, works once.
    Code,
    /// A refresh token: dies after three months without use, works once.
    Refresh,
}

/// An answer of the token endpoint that was not a token pair.
#[derive(Debug, Clone, Copy)]
pub struct TokenAnswer<'a> {
    /// What we sent.
    pub grant: Grant,
    /// The HTTP status.
    pub status: u16,
    /// The body is JSON; a blocked address gets a page of nginx instead.
    pub is_json: bool,
    /// The English `hint` of the body. `title` and `detail` are localized, so nothing is read from them.
    pub hint: Option<&'a str>,
}

/// Why a grant is dead for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The code is older than 20 minutes.
    #[error("the authorization code has expired")]
    CodeExpired,
    /// The code was used before.
    #[error("the authorization code was used before")]
    CodeUsed,
    /// Not a code at all.
    #[error("the authorization code is not readable")]
    CodeUnreadable,
    /// The code was issued to another integration.
    #[error("the authorization code belongs to another integration")]
    CodeNotOurs,
    /// The grant belongs to an account with another host.
    #[error("the grant belongs to another account")]
    WrongAccount,
    /// The refresh token was used before, or access was withdrawn.
    #[error("the refresh token was revoked")]
    Revoked,
    /// The refresh token was issued to another integration.
    #[error("the refresh token belongs to another integration")]
    NotLinked,
    /// The refresh token was not used for three months.
    #[error("the refresh token has expired")]
    Expired,
    /// Not a refresh token at all.
    #[error("the refresh token is not readable")]
    Unreadable,
    /// A definite 401 whose hint we do not know.
    #[error("the grant was refused for an unknown reason")]
    Unrecognised,
}

/// What to do after a token request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFailure {
    /// The grant may be spent and its answer lost: try the same grant a few times more.
    #[error("the outcome is unknown")]
    Ambiguous,
    /// The host may not be the account's any more: ask for the current one, retry once if it differs,
    /// and otherwise go on with [`TokenFailure::if_not_renamed`].
    #[error("the account may have been renamed")]
    MaybeRenamed {
        /// What the answer means if the host is right.
        refusal: Option<Refusal>,
    },
    /// The grant is dead: the customer has to give access again.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Our client id, secret or redirect URI is not accepted: alert, and leave the customer alone.
    #[error("our own configuration is not accepted")]
    OurConfiguration,
    /// A page of nginx: our address or the account is shut out, and asking on prolongs it. The grant is untouched.
    #[error("amoCRM shuts us out")]
    Blocked,
    /// There is no account at this host at present: deleted, or renamed to where nobody can tell. No refusal of the grant.
    #[error("there is no such account at present")]
    NoAccount,
    /// We are limited or not connected; the grant is untouched.
    #[error("not now")]
    BackOff,
    /// The account is unpaid: keep the tokens and keep refreshing.
    #[error("the account is unpaid")]
    Unpaid,
}

impl TokenFailure {
    /// What is left of it once the account turned out to have the same host as before.
    #[must_use]
    pub fn if_not_renamed(self) -> Self {
        match self {
            Self::MaybeRenamed { refusal: Some(refusal) } => Self::Refused(refusal),
            Self::MaybeRenamed { refusal: None } => Self::NoAccount,
            other => other,
        }
    }

    /// What it means for the job.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Ambiguous => Outcome::Unknown,
            Self::MaybeRenamed { .. } | Self::OurConfiguration => Outcome::RETRY,
            Self::Refused(_) => Outcome::GiveUp,
            Self::BackOff | Self::Unpaid | Self::Blocked | Self::NoAccount => Outcome::WAIT,
        }
    }

    /// How long nobody asks for the grant again, whoever wants its token. `asked` is what amoCRM asked for itself.
    pub fn pause(self, asked: Option<Duration>) -> Duration {
        /// What amoCRM asks for is believed up to this: a pair must not be forgotten for a mistake.
        const LONGEST: Duration = Duration::from_hours(6);
        let own = match self {
            Self::Ambiguous | Self::BackOff | Self::MaybeRenamed { .. } => Duration::from_secs(10),
            Self::OurConfiguration => Duration::from_mins(5),
            Self::Blocked | Self::NoAccount => Duration::from_hours(1),
            Self::Unpaid => LONGEST,
            Self::Refused(_) => Duration::ZERO,
        };
        asked.map_or(own, |asked| own.max(asked).min(LONGEST))
    }
}

/// Reads a failed answer of the token endpoint.
///
/// A timeout or a connection that broke after the request was sent has no answer to read: it is
/// [`TokenFailure::Ambiguous`]. One that never connected is [`TokenFailure::BackOff`].
pub fn classify(answer: TokenAnswer<'_>) -> TokenFailure {
    match (answer.status, answer.is_json) {
        (400, true) => classify_bad_request(answer),
        (401, true) => classify_unauthorized(answer),
        (402, _) => TokenFailure::Unpaid,
        (403, false) => TokenFailure::Blocked,
        // A page instead of JSON is a proxy or a firewall in between, not amoCRM's opinion of the grant.
        (400, false) | (403 | 429, _) => TokenFailure::BackOff,
        (300..=399 | 404, _) | (401, false) => TokenFailure::MaybeRenamed { refusal: None },
        (405..=407 | 409..=424 | 426..=428 | 430..=499, _) => TokenFailure::OurConfiguration,
        _ => TokenFailure::Ambiguous,
    }
}

fn classify_bad_request(answer: TokenAnswer<'_>) -> TokenFailure {
    match (answer.hint.and_then(refusal_named_by), answer.grant) {
        (Some(Refusal::WrongAccount), Grant::Refresh) => {
            TokenFailure::MaybeRenamed { refusal: Some(Refusal::WrongAccount) }
        }
        (Some(refusal), _) => TokenFailure::Refused(refusal),
        // "Check the `client_id` parameter", "Redirect URI is not associated with client", and whatever
        // amoCRM may object to in our request tomorrow: no reason to disturb every customer.
        (None, _) => TokenFailure::OurConfiguration,
    }
}

fn classify_unauthorized(answer: TokenAnswer<'_>) -> TokenFailure {
    // Without a hint it says that client authentication failed: id or secret, not the grant.
    let Some(hint) = answer.hint else { return TokenFailure::OurConfiguration };
    if mentions(hint, "client authentication") {
        return TokenFailure::OurConfiguration;
    }
    let refusal = refusal_named_by(hint).unwrap_or(Refusal::Unrecognised);
    match answer.grant {
        Grant::Code => TokenFailure::Refused(refusal),
        // amoCRM's own library takes any 401 on refresh for a possible change of domain.
        Grant::Refresh => TokenFailure::MaybeRenamed { refusal: Some(refusal) },
    }
}

fn refusal_named_by(hint: &str) -> Option<Refusal> {
    const HINTS: [(&str, Refusal); 9] = [
        ("authorization code has expired", Refusal::CodeExpired),
        ("authorization code has been revoked", Refusal::CodeUsed),
        ("cannot decrypt the authorization code", Refusal::CodeUnreadable),
        // The wording of the PHP league's oauth2-server, which amoCRM's other hints are from.
        ("authorization code was not issued to this client", Refusal::CodeNotOurs),
        ("invalid account", Refusal::WrongAccount),
        ("token has been revoked", Refusal::Revoked),
        ("token is not linked to client", Refusal::NotLinked),
        ("token has expired", Refusal::Expired),
        ("cannot decrypt the refresh token", Refusal::Unreadable),
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

    fn maybe_renamed(refusal: Refusal) -> TokenFailure {
        TokenFailure::MaybeRenamed { refusal: Some(refusal) }
    }

    #[test]
    fn a_dead_code_is_refused() {
        for (hint, refusal) in [
            ("Authorization code has expired", Refusal::CodeExpired),
            ("Authorization code has been revoked", Refusal::CodeUsed),
            ("Cannot decrypt the authorization code", Refusal::CodeUnreadable),
            ("Authorization code was not issued to this client", Refusal::CodeNotOurs),
            ("Invalid account", Refusal::WrongAccount),
        ] {
            assert_eq!(json(Code, 400, Some(hint)), TokenFailure::Refused(refusal), "{hint}");
        }
    }

    #[test]
    fn a_dead_refresh_token_is_refused_once_the_domain_was_asked_for() {
        for (hint, refusal) in [
            ("Token has been revoked", Refusal::Revoked),
            ("Token is not linked to client", Refusal::NotLinked),
            ("Token has expired", Refusal::Expired),
            ("Cannot decrypt the refresh token", Refusal::Unreadable),
            ("Something amoCRM will say in 2030", Refusal::Unrecognised),
        ] {
            let failure = json(Refresh, 401, Some(hint));
            assert_eq!(failure, maybe_renamed(refusal), "{hint}");
            assert_eq!(failure.if_not_renamed(), TokenFailure::Refused(refusal), "{hint}");
        }
        assert_eq!(json(Refresh, 400, Some("Token has expired")), TokenFailure::Refused(Refusal::Expired));
        assert_eq!(json(Refresh, 400, Some("Invalid account")), maybe_renamed(Refusal::WrongAccount));
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
            assert_eq!(failure.outcome(), Outcome::WAIT);
        }
        assert_eq!(page(Refresh, 403), TokenFailure::Blocked);
        assert_eq!(TokenFailure::Blocked.outcome(), Outcome::WAIT);
        assert_eq!(json(Refresh, 402, None), TokenFailure::Unpaid);
        assert_eq!(TokenFailure::Unpaid.outcome(), Outcome::WAIT);
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
            assert_eq!(json(Code, status, None).outcome(), Outcome::Unknown, "{status}");
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
