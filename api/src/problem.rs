//! The one error body: `application/problem+json` (RFC 9457) with a stable `code`.

use flysk_store::{Contention, StoreError};
use poem::Response;
use poem::error::ResponseError;
use poem::http::StatusCode;
use poem_openapi::Object;
use poem_openapi::error::ParseParamError;

/// The header that names a write.
pub(crate) const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)+) => {
        /// What went wrong, for machines; never renamed. Listed in `docs/errors.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemCode { $($(#[$doc])* $name,)+ }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What it means.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

problem_codes! {
    /// Not what the operation takes.
    BadRequest = "bad_request", 400, "The request cannot be read";
    /// Not what an operation on Flycoins takes.
    InvalidRequest = "invalid_request", 400, "The request is not what the operation takes";
    /// Without one a repeated request would move coins twice.
    IdempotencyKeyMissing = "idempotency_key_missing", 400, "Send an Idempotency-Key of your own with every write";
    /// Not the widget's, or without a price.
    UnknownService = "unknown_service", 400, "The widget has no service of this name";
    /// No credential, or a wrong one.
    Unauthorized = "unauthorized", 401, "The credential is missing or not accepted";
    /// A credential that was good once.
    TokenExpired = "token_expired", 401, "The token has expired: ask the page for a fresh one";
    /// More than there is.
    InsufficientBalance = "insufficient_balance", 402, "There are not enough Flycoins";
    /// The widget is not installed where the token says.
    NotInstalled = "install_not_found", 403, "The widget is not installed in this account";
    /// Switched off.
    InstallInactive = "install_not_active", 403, "The widget is not active in this account";
    /// The grant was lost.
    ReconnectRequired = "reconnect_required", 403, "An administrator of the account has to grant access again";
    /// Only for administrators.
    AdminOnly = "admin_only", 403, "Only an administrator of the account may do this";
    /// Not there, or not yours.
    NotFound = "not_found", 404, "There is no such thing here";
    /// A backend names an account that is not its widget's customer.
    NoSuchInstall = "install_not_found", 404, "This account has not installed the widget";
    /// Not there, or another widget's.
    UnknownHold = "unknown_hold", 404, "There is no such hold";
    /// Not there, or another account's.
    UnknownCharge = "unknown_charge", 404, "There is no such charge";
    /// Not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "The address does not take this method";
    /// Somebody else was faster.
    VersionConflict = "version_conflict", 409, "It was changed meanwhile: read it again";
    /// The state does not allow it.
    WrongState = "wrong_state", 409, "Its state does not allow this";
    /// A backend wants to charge where its widget may not work.
    InstallAsleep = "install_not_active", 409, "The widget is not active in this account: nothing new can be charged";
    /// Captured, released or expired.
    HoldEnded = "hold_ended", 409, "The hold has ended: captured, released or expired";
    /// Less is left of the charge.
    MoreThanCharged = "more_than_charged", 409, "More than was charged cannot be refunded";
    /// Sold otherwise, or free.
    FlycoinsNotUsed = "flycoins_not_used", 409, "The widget does not use Flycoins";
    /// T-Bank is not configured.
    NothingForSale = "purchases_unavailable", 409, "Nothing can be bought here right now";
    /// An old version, or another widget's.
    NotOnOffer = "package_not_on_offer", 409, "The package is not on offer (any more): read the list again";
    /// Too long.
    TooLarge = "too_large", 413, "The request is too long";
    /// Not this type of body.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body has a type that is not taken here";
    /// Readable, but wrong.
    Invalid = "invalid", 422, "A value is not acceptable";
    /// The key says it is a repetition, the body says it is not.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key was used with another request";
    /// Too many.
    TooManyRequests = "too_many_requests", 429, "Too many requests: wait a little";
    /// A call was started as often as it may be.
    TooManyRuns = "too_many_runs", 429, "The call was started too often today: try again later";
    /// A defect of ours.
    Internal = "internal", 500, "Something went wrong on our side";
    /// amoCRM is away or says no for now.
    UpstreamUnavailable = "upstream_unavailable", 502, "amoCRM cannot be reached right now";
    /// The host of a recording is away or says no.
    RecordingUnavailable = "recording_unavailable", 502, "The telephony does not give the recording";
    /// The request was too long to be repeated by us.
    TokenRenewed = "token_renewed", 503, "The access token was renewed meanwhile: send the request again";
    /// A part of ours is away.
    Unavailable = "unavailable", 503, "A part of the service is away: try again";
}

/// An error as callers get it.
#[derive(Debug, Clone, Object)]
pub struct Problem {
    /// Where the code is explained.
    #[oai(rename = "type")]
    pub(crate) kind: String,
    /// What the code means.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What exactly is wrong with this request.
    pub(crate) detail: String,
    /// Stable, for machines.
    pub(crate) code: String,
    #[oai(skip)]
    which: Option<ProblemCode>,
    /// Sent as `Retry-After`, where the response has headers of its own.
    #[oai(skip)]
    pub(crate) retry_after_s: Option<u32>,
    /// The database rolled the transaction back: it may be run again.
    #[oai(skip)]
    contended: bool,
}

impl Problem {
    /// With what exactly is wrong.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs/errors#{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            which: Some(code),
            retry_after_s: None,
            contended: false,
        }
    }

    /// The same, to be tried again after so many seconds.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The value of the header that says when to try again.
    pub(crate) fn seconds_of(&self, header: &str) -> Option<u32> {
        self.retry_after_s.filter(|_| header.eq_ignore_ascii_case("retry-after"))
    }

    /// Which code it is.
    pub(crate) fn problem_code(&self) -> ProblemCode {
        self.which.unwrap_or(ProblemCode::Internal)
    }

    /// The HTTP response.
    pub(crate) fn response(&self) -> Response {
        let body = serde_json::json!({
            "type": self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        });
        Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .content_type("application/problem+json")
            .body(body.to_string())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn as_response(&self) -> Response {
        self.response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale { .. } => Self::new(ProblemCode::VersionConflict, "it was changed meanwhile"),
            StoreError::Contended(_) => {
                let problem = Self::new(ProblemCode::Unavailable, "too much at once, try again");
                Self { contended: true, ..problem }
            }
            StoreError::Database(_) => {
                tracing::error!(error = %error, "the database failed");
                Self::new(ProblemCode::Unavailable, "the database is away")
            }
            StoreError::Taken { .. } | StoreError::Corrupt { .. } | StoreError::Defect(_) => {
                tracing::error!(error = %error, "the store refused");
                Self::new(ProblemCode::Internal, "told to our operators")
            }
        }
    }
}

impl Contention for Problem {
    fn is_contended(&self) -> bool {
        self.contended
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// Turns whatever poem says (no route, unreadable body, a panic) into a problem.
pub(crate) fn of_poem(error: poem::Error) -> Response {
    if error.is::<Problem>() {
        return error.into_response();
    }
    let status = error.status();
    let code = match status.as_u16() {
        401 => ProblemCode::Unauthorized,
        404 => ProblemCode::NotFound,
        405 => ProblemCode::MethodNotAllowed,
        413 => ProblemCode::TooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        422 => ProblemCode::Invalid,
        429 => ProblemCode::TooManyRequests,
        503 => ProblemCode::Unavailable,
        400..=499 => ProblemCode::BadRequest,
        _ => ProblemCode::Internal,
    };
    if code == ProblemCode::Internal {
        tracing::error!(error = %error, "a request failed");
        return Problem::new(code, "told to our operators").response();
    }
    Problem::new(code, error.to_string()).response()
}

/// What poem-openapi says of a request it cannot read; `code` unless it is something more exact.
pub(crate) fn of_unreadable(error: &poem::Error, code: ProblemCode) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    let missing_key =
        error.downcast_ref::<ParseParamError>().is_some_and(|parameter| parameter.name == IDEMPOTENCY_KEY);
    let code = match error.status().as_u16() {
        _ if missing_key => ProblemCode::IdempotencyKeyMissing,
        401 => ProblemCode::Unauthorized,
        413 => ProblemCode::TooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        _ => code,
    };
    Problem::new(code, error.to_string())
}

/// An operation's answers: what it gives, and exactly the problems it can have.
///
/// A problem that is not listed becomes the operation's `Internal`, so that no status goes undocumented.
/// `problems (Code) {…}` names what an unreadable request is told, if it is not `bad_request`. A problem with `after "Retry-After"`
/// says there when to try again.
macro_rules! answers {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$ok_doc:meta])* $ok_status:literal => $ok:ident
              $(($body:ty $(, header $header:literal $header_ty:ty)*))?
              $({ $(header $alone:literal $alone_ty:ty),+ })?,)+
        }
        problems $(($unreadable:ident))? { $($(#[$problem_doc:meta])* $status:literal => $problem:ident $(after $after:literal)?,)+ }
    ) => {
        $(#[$doc])*
        #[derive(poem_openapi::ApiResponse)]
        #[oai(bad_request_handler = "Self::unreadable")]
        pub(crate) enum $name {
            $($(#[$ok_doc])* #[oai(status = $ok_status)]
              $ok $(($body $(, #[oai(header = $header)] $header_ty)*))?
              $(($(#[oai(header = $alone)] $alone_ty),+))?,)+
            $($(#[$problem_doc])* #[oai(status = $status, content_type = "application/problem+json")]
              $problem(poem_openapi::payload::Json<$crate::problem::Problem> $(, #[oai(header = $after)] Option<u32>)?),)+
        }

        impl $name {
            /// What poem-openapi says of a request it cannot read, or of a credential.
            fn unreadable(error: poem::Error) -> Self {
                let code = [
                    $($crate::problem::ProblemCode::$unreadable,)?
                    $crate::problem::ProblemCode::BadRequest,
                ][0];
                $crate::problem::of_unreadable(&error, code).into()
            }
        }

        impl From<$crate::problem::Problem> for $name {
            fn from(problem: $crate::problem::Problem) -> Self {
                match problem.problem_code().status() {
                    $($status => Self::$problem(
                        poem_openapi::payload::Json(problem.clone())
                        $(, problem.seconds_of($after))?
                    ),)+
                    status => {
                        tracing::error!(status, problem = %problem, "an undocumented problem");
                        Self::from($crate::problem::Problem::new(
                            $crate::problem::ProblemCode::Internal,
                            "told to our operators",
                        ))
                    }
                }
            }
        }
    };
}
pub(crate) use answers;

#[cfg(test)]
mod tests {
    use super::ProblemCode;

    /// `docs/errors.md` is what integrators read.
    #[test]
    fn every_code_is_listed_in_the_documentation() {
        let page = include_str!("../../docs/errors.md");
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
}
