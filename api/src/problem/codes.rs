//! Error codes of the API.

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)+) => {
        /// Machine-readable error code. Codes are never renamed; `docs/errors.md` lists them all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemCode { $($(#[$doc])* $name,)+ }

        impl ProblemCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The code as it appears in `code`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status of responses with this code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Short description of the code: the `title` of a problem.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

problem_codes! {
    /// The request does not match the operation: path, query, headers or body.
    BadRequest = "bad_request", 400, "Malformed request";
    /// The same for operations on Flycoins; also a value that the ledger refuses.
    InvalidRequest = "invalid_request", 400, "Invalid request";
    /// A write has no idempotency key. Without a key, a repeated request would move coins twice.
    IdempotencyKeyMissing = "idempotency_key_missing", 400, "The Idempotency-Key header is required";
    /// The service belongs to another widget or has no price.
    UnknownService = "unknown_service", 400, "The widget has no priced service with this name";
    /// No credentials, or wrong ones.
    Unauthorized = "unauthorized", 401, "Missing or invalid credentials";
    /// The widget's token or session is valid but expired.
    TokenExpired = "token_expired", 401, "The token has expired: get a new one";
    /// The wallet has fewer available coins than the operation needs.
    InsufficientBalance = "insufficient_balance", 402, "Not enough Flycoins";
    /// The widget is not installed in the caller's account.
    NotInstalled = "install_not_found", 403, "The widget is not installed in this account";
    /// The install is not active: switched off, still installing, or uninstalled.
    InstallInactive = "install_not_active", 403, "The widget is not active in this account";
    /// The grant of the account is no longer valid.
    ReconnectRequired = "reconnect_required", 403, "An administrator of the account must grant access again";
    /// The user is not an administrator of the account.
    AdminOnly = "admin_only", 403, "Only administrators of the account may do this";
    /// The object does not exist or belongs to somebody else.
    NotFound = "not_found", 404, "Not found";
    /// A backend named an account that has not installed its widget.
    InstallNotFound = "install_not_found", 404, "The account has not installed the widget";
    /// The hold does not exist or belongs to another widget.
    UnknownHold = "unknown_hold", 404, "Hold not found";
    /// The charge does not exist or belongs to another account.
    UnknownCharge = "unknown_charge", 404, "Charge not found";
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The object has changed since the version that the request names.
    VersionConflict = "version_conflict", 409, "The object has changed: read it again";
    /// The state of the object does not allow the operation.
    WrongState = "wrong_state", 409, "The current state does not allow this operation";
    /// A backend charges an account where its widget is not active.
    InstallNotActive = "install_not_active", 409, "The widget is not active in the account: no new charges or holds";
    /// The hold was captured or released, or has expired.
    HoldEnded = "hold_ended", 409, "The hold has ended: captured, released or expired";
    /// The actual price exceeds the limit in the request. The hold stays open.
    PriceAboveLimit = "price_above_limit", 409, "The price exceeds at_most_micro: nothing was charged";
    /// No bot can be used for activation: none is configured, or none has answered yet.
    ActivationUnavailable = "activation_unavailable", 409, "Activation through a messenger is not available";
    /// The refund exceeds what is left of the charge.
    MoreThanCharged = "more_than_charged", 409, "The refund exceeds the remaining amount of the charge";
    /// The widget is registered without Flycoins.
    FlycoinsNotUsed = "flycoins_not_used", 409, "The widget does not use Flycoins";
    /// T-Bank is not configured.
    PurchasesUnavailable = "purchases_unavailable", 409, "Purchases are not available";
    /// The package is an old version, or belongs to another widget.
    PackageNotAvailable = "package_not_on_offer", 409, "The package is not on offer: read the list of packages again";
    /// The widget is registered without subscriptions.
    SubscriptionsNotUsed = "subscriptions_not_used", 409, "The widget sells no subscriptions";
    /// The plan is an old version, retired, or belongs to another widget.
    PlanNotAvailable = "plan_not_on_offer", 409, "The plan is not on offer: read the list of plans again";
    /// The subscription's state or the plan's terms do not allow the change.
    ChangeNotPossible = "change_not_possible", 409, "The subscription cannot be changed like this";
    /// The subscription, the plan or the day has changed since the quote.
    QuoteChanged = "quote_changed", 409, "The price has changed: apply the quote named by `quote_id`";
    /// The body exceeds the size limit.
    TooLarge = "too_large", 413, "The request body is too large";
    /// The operation does not accept this content type.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported content type";
    /// The request is well-formed, but a value is not valid.
    Invalid = "invalid", 422, "A value is not valid";
    /// The idempotency key is known, but the request differs from the first one.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key was already used with a different request";
    /// A rate limit or a limit of waiting work is reached.
    TooManyRequests = "too_many_requests", 429, "Too many requests: retry later";
    /// The daily limit of runs of this call is reached.
    TooManyRuns = "too_many_runs", 429, "The call was started too often today: retry later";
    /// A defect in Flysk.
    Internal = "internal", 500, "Internal error";
    /// amoCRM does not answer or refuses requests.
    UpstreamUnavailable = "upstream_unavailable", 502, "amoCRM is temporarily unavailable";
    /// The host of a recording does not answer or refuses the request.
    RecordingUnavailable = "recording_unavailable", 502, "The telephony provider does not return the recording";
    /// The token was renewed, but the request body was streamed and cannot be sent again.
    TokenRenewed = "token_renewed", 503, "The access token was renewed: repeat the request";
    /// The database, Redis or another dependency does not answer.
    Unavailable = "unavailable", 503, "Service temporarily unavailable: retry";
}

impl ProblemCode {
    /// The code in the schema of a response, until [`crate::openapi`] replaces it by an example. Contains the status, because
    /// two codes have two statuses.
    pub(crate) fn marker(self) -> String {
        format!("{} {}", self.status(), self.as_str())
    }

    /// `Retry-After` of a problem without a known delay, in seconds; every 429 and 503 has one.
    pub(crate) const fn default_retry_after_s(self) -> Option<u32> {
        match self {
            Self::TooManyRequests => Some(5),
            Self::TooManyRuns => Some(3_600),
            Self::TokenRenewed => Some(0),
            _ => match self.status() {
                429 => Some(60),
                503 => Some(2),
                _ => None,
            },
        }
    }
}

/// A set of codes: bit `n` is the code with the number `n`.
pub(crate) type CodeSet = u128;

/// The set of these codes.
pub(crate) const fn code_set(codes: &[ProblemCode]) -> CodeSet {
    let mut set = 0;
    let mut rest = codes;
    while let [code, others @ ..] = rest {
        set |= 1 << (*code as u32);
        rest = others;
    }
    set
}

/// The codes of a documented response: `listed`, or the ordinary code of the status. A 400 also has the code for requests
/// that cannot be parsed.
pub(crate) const fn codes_of_response(
    status: u16,
    unreadable: ProblemCode,
    listed: &[ProblemCode],
) -> CodeSet {
    let parsing = if status == 400 { code_set(&[unreadable]) } else { 0 };
    if !listed.is_empty() {
        return parsing | code_set(listed);
    }
    parsing
        | match status {
            401 => code_set(&[ProblemCode::Unauthorized]),
            402 => code_set(&[ProblemCode::InsufficientBalance]),
            404 => code_set(&[ProblemCode::NotFound]),
            409 => code_set(&[ProblemCode::WrongState]),
            413 => code_set(&[ProblemCode::TooLarge]),
            415 => code_set(&[ProblemCode::UnsupportedMediaType]),
            422 => code_set(&[ProblemCode::Invalid]),
            429 => code_set(&[ProblemCode::TooManyRequests]),
            500 => code_set(&[ProblemCode::Internal]),
            502 => code_set(&[ProblemCode::UpstreamUnavailable]),
            503 => code_set(&[ProblemCode::Unavailable]),
            _ => 0,
        }
}

/// The codes of a set, in the order of declaration.
pub(crate) fn codes_in(set: CodeSet) -> impl Iterator<Item = ProblemCode> {
    ProblemCode::ALL.iter().copied().filter(move |&code| contains(set, code))
}

/// Whether the set contains the code.
pub(crate) const fn contains(set: CodeSet, code: ProblemCode) -> bool {
    set & code_set(&[code]) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vendors read `docs/errors.md`.
    #[test]
    fn every_code_is_listed_in_the_documentation() {
        let page = include_str!("../../../docs/errors.md");
        for code in ProblemCode::ALL {
            let row = format!("| `{}` | {} | {} |", code.as_str(), code.status(), code.title());
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
        assert_eq!(
            page.matches("\n| `").count(),
            ProblemCode::ALL.len(),
            "docs/errors.md lists codes that are gone"
        );
    }

    #[test]
    fn a_set_has_exactly_its_codes_and_the_last_code_fits() {
        let listed = [ProblemCode::UnknownHold, ProblemCode::BadRequest];
        let set = code_set(&listed);
        assert_eq!(codes_in(set).collect::<Vec<_>>(), [ProblemCode::BadRequest, ProblemCode::UnknownHold]);
        assert_eq!(codes_in(CodeSet::MAX).count(), ProblemCode::ALL.len());
        assert!(ProblemCode::ALL.len() <= 128);
    }

    #[test]
    fn every_429_and_503_has_a_retry_after() {
        for code in ProblemCode::ALL {
            assert_eq!(
                code.default_retry_after_s().is_some(),
                matches!(code.status(), 429 | 503),
                "{code:?}"
            );
        }
    }
}
