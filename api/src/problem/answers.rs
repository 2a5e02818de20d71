//! Declaration of the responses of an operation.

use std::fmt;
use std::marker::PhantomData;

use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde_json::json;

use super::codes::{codes_in, codes_of_response, contains};
use super::{Problem, ProblemCode};

/// The responses of an operation that are problems.
pub(crate) trait ProblemResponses {
    /// Each status once.
    const PROBLEMS: &'static [ProblemResponse];
    /// Code for a request that cannot be parsed.
    const UNREADABLE: ProblemCode;
}

/// The documented response with the problems of one status.
#[derive(Debug)]
pub(crate) struct ProblemResponse {
    pub(crate) status: u16,
    /// Lines of the description, as in the source.
    pub(crate) description: &'static [&'static str],
    /// The codes; the ordinary code of the status if there is none, see [`codes_of_response`].
    pub(crate) codes: &'static [ProblemCode],
}

/// The body of an error response of an operation. All its statuses are one response of poem-openapi, whose schema lists them:
/// [`crate::openapi`] makes a response of each. A variant of each status would multiply the code that is generated for operations.
pub(crate) struct ProblemBody<T> {
    problem: Problem,
    operation: PhantomData<fn() -> T>,
}

impl<T: ProblemResponses> ProblemBody<T> {
    /// The status and the body for this problem. A problem that is not documented is a defect of the declaration: it is
    /// logged. With another status it becomes `internal`, with another code only in debug builds, so that tests find it.
    pub(crate) fn documented(problem: Problem) -> (StatusCode, Self) {
        let problem = documented(problem, T::PROBLEMS, T::UNREADABLE);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Self { problem, operation: PhantomData })
    }
}

fn documented(problem: Problem, listed: &[ProblemResponse], unreadable: ProblemCode) -> Problem {
    let code = problem.problem_code();
    let Some(response) = listed.iter().find(|response| response.status == code.status()) else {
        let status = code.status();
        tracing::error!(status, problem = %problem, "problem with a status that the operation does not document");
        return Problem::new(ProblemCode::Internal, "quote X-Request-Id to support");
    };
    if contains(codes_of_response(response.status, unreadable, response.codes), code) {
        return problem;
    }
    tracing::error!(problem = %problem, "problem with a code that the operation does not document");
    if cfg!(debug_assertions) {
        return Problem::new(ProblemCode::Internal, format!("undocumented code: {problem}"));
    }
    problem
}

impl<T> fmt::Debug for ProblemBody<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProblemBody").field(&self.problem).finish()
    }
}

impl<T: ProblemResponses> Payload for ProblemBody<T> {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    /// A reference to the schema, with the documented responses in `enum`: their statuses, descriptions and the markers of
    /// their codes. [`crate::openapi`] turns them into responses and examples.
    fn schema_ref() -> MetaSchemaRef {
        let listed = T::PROBLEMS.iter().map(|response| {
            let lines: Vec<&str> = response.description.iter().map(|line| line.trim()).collect();
            let codes = codes_in(codes_of_response(response.status, T::UNREADABLE, response.codes));
            json!({
                "status": response.status.to_string(),
                "description": lines.join("\n"),
                "codes": codes.map(ProblemCode::marker).collect::<Vec<_>>(),
            })
        });
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            all_of: vec![Problem::schema_ref()],
            enum_items: listed.collect(),
            ..MetaSchema::ANY
        }))
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

impl<T> IntoResponse for ProblemBody<T> {
    fn into_response(self) -> Response {
        self.problem.response()
    }
}

/// Declares the responses of an operation: its successes, and all statuses of its problems.
///
/// A problem with a status that is not listed is logged and becomes `Internal`, so every status is documented. A line may
/// list its codes: `404 => NotFound [NotFound, UnknownHold],`; without a list it has the ordinary code of its status, see
/// [`codes_of_response`](super::codes::codes_of_response). The name before the list is for readers. `problems (Code) {…}` sets
/// the code for a request that cannot be parsed; the default is `bad_request`.
macro_rules! answers {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$ok_doc:meta])* $ok_status:literal => $ok:ident
              $(($body:ty $(, header $header:literal $header_ty:ty)*))?
              $({ $(header $alone:literal $alone_ty:ty),+ })?,)+
        }
        problems ($unreadable:ident) {
            $($(#[doc = $problem_doc:literal])+ $status:literal => $problem:ident $([$($code:ident),+ $(,)?])?,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(poem_openapi::ApiResponse)]
        #[oai(bad_request_handler = "Self::unreadable")]
        pub(crate) enum $name {
            $($(#[$ok_doc])* #[oai(status = $ok_status)]
              $ok $(($body $(, #[oai(header = $header)] $header_ty)*))?
              $(($(#[oai(header = $alone)] $alone_ty),+))?,)+
            /// A problem with any documented status.
            #[oai(status_range = "4XX")]
            Problem(poem::http::StatusCode, $crate::problem::ProblemBody<$name>),
        }

        impl $crate::problem::ProblemResponses for $name {
            const PROBLEMS: &'static [$crate::problem::ProblemResponse] = &[
                $($crate::problem::ProblemResponse {
                    status: $status,
                    description: &[$($problem_doc),+],
                    codes: &[$($($crate::problem::ProblemCode::$code),+)?],
                },)+
            ];
            const UNREADABLE: $crate::problem::ProblemCode = $crate::problem::ProblemCode::$unreadable;
        }

        impl $name {
            /// The response to a request that poem-openapi cannot parse, or to invalid credentials.
            fn unreadable(error: poem::Error) -> Self {
                $crate::problem::from_unreadable_request(&error, $crate::problem::ProblemCode::$unreadable).into()
            }
        }

        impl From<$crate::problem::Problem> for $name {
            fn from(problem: $crate::problem::Problem) -> Self {
                let (status, body) = $crate::problem::ProblemBody::documented(problem);
                Self::Problem(status, body)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident { $($ok:tt)* } problems { $($problems:tt)* }) => {
        $crate::problem::answers! {
            $(#[$doc])*
            $name { $($ok)* }
            problems (BadRequest) { $($problems)* }
        }
    };
}
pub(crate) use answers;

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: [ProblemResponse; 3] = [
        ProblemResponse { status: 400, description: &[" Malformed."], codes: &[ProblemCode::UnknownService] },
        ProblemResponse { status: 404, description: &[" Not found."], codes: &[ProblemCode::UnknownHold] },
        ProblemResponse { status: 500, description: &[" A defect."], codes: &[] },
    ];

    fn told(code: ProblemCode) -> String {
        documented(Problem::new(code, "why"), &LISTED, ProblemCode::InvalidRequest).to_string()
    }

    #[test]
    fn a_problem_that_is_not_documented_becomes_an_internal_error() {
        for code in [
            ProblemCode::UnknownService,
            ProblemCode::InvalidRequest,
            ProblemCode::UnknownHold,
            ProblemCode::Internal,
        ] {
            assert_eq!(told(code), format!("{}: why", code.as_str()));
        }
        assert_eq!(told(ProblemCode::NotFound), "internal: undocumented code: not_found: why");
        assert_eq!(told(ProblemCode::Unavailable), "internal: quote X-Request-Id to support");
    }
}
