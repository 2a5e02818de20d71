//! Declaration of the responses of an operation.

use poem::{IntoResponse, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;

use super::codes::{CodeSet, codes_in};
use super::{Problem, ProblemCode};

/// The body of an error response. `CODES` are the codes that it may have: the OpenAPI document has an example for each.
#[derive(Debug)]
pub(crate) struct ProblemBody<const CODES: CodeSet>(pub(crate) Problem);

impl<const CODES: CodeSet> ProblemBody<CODES> {
    /// The body with this problem. A problem whose code is not documented is a defect of the declaration: it is logged, and
    /// becomes `internal` in debug builds, so that tests find it.
    pub(crate) fn documented(problem: Problem) -> Self {
        let code = problem.problem_code();
        if super::codes::contains(CODES, code) {
            return Self(problem);
        }
        tracing::error!(problem = %problem, "problem with a code that the operation does not document");
        if cfg!(debug_assertions) {
            return Self(Problem::new(ProblemCode::Internal, format!("undocumented code: {problem}")));
        }
        Self(problem)
    }
}

impl<const CODES: CodeSet> Payload for ProblemBody<CODES> {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    /// A reference to the schema, with the markers of the codes in `enum`: [`crate::openapi`] turns them into examples.
    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            all_of: vec![Problem::schema_ref()],
            enum_items: codes_in(CODES).map(|code| code.marker().into()).collect(),
            ..MetaSchema::ANY
        }))
    }

    fn register(registry: &mut Registry) {
        Problem::register(registry);
    }
}

impl<const CODES: CodeSet> IntoResponse for ProblemBody<CODES> {
    fn into_response(self) -> Response {
        self.0.response()
    }
}

/// Declares the responses of an operation: its successes, and all statuses of its problems.
///
/// A problem with a status that is not listed is logged and becomes `Internal`, so every status is documented. A line may
/// list its codes: `404 => NotFound [NotFound, UnknownHold],`; without a list it has the ordinary code of its status, see
/// [`codes_of_response`](super::codes::codes_of_response). `problems (Code) {…}` sets the code for a request that cannot be
/// parsed; the default is `bad_request`.
macro_rules! answers {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$ok_doc:meta])* $ok_status:literal => $ok:ident
              $(($body:ty $(, header $header:literal $header_ty:ty)*))?
              $({ $(header $alone:literal $alone_ty:ty),+ })?,)+
        }
        problems ($unreadable:ident) { $($(#[$problem_doc:meta])* $status:literal => $problem:ident $([$($code:ident),+ $(,)?])?,)+ }
    ) => {
        $(#[$doc])*
        #[derive(poem_openapi::ApiResponse)]
        #[oai(bad_request_handler = "Self::unreadable")]
        pub(crate) enum $name {
            $($(#[$ok_doc])* #[oai(status = $ok_status)]
              $ok $(($body $(, #[oai(header = $header)] $header_ty)*))?
              $(($(#[oai(header = $alone)] $alone_ty),+))?,)+
            $($(#[$problem_doc])* #[oai(status = $status)]
              $problem($crate::problem::ProblemBody<{
                  $crate::problem::codes_of_response(
                      $status,
                      $crate::problem::ProblemCode::$unreadable,
                      &[$($($crate::problem::ProblemCode::$code),+)?],
                  )
              }>),)+
        }

        impl $name {
            /// The response to a request that poem-openapi cannot parse, or to invalid credentials.
            fn unreadable(error: poem::Error) -> Self {
                $crate::problem::from_unreadable_request(&error, $crate::problem::ProblemCode::$unreadable).into()
            }
        }

        impl From<$crate::problem::Problem> for $name {
            fn from(problem: $crate::problem::Problem) -> Self {
                match problem.problem_code().status() {
                    $($status => Self::$problem($crate::problem::ProblemBody::documented(problem)),)+
                    status => {
                        tracing::error!(status, problem = %problem, "problem with a status that the operation does not document");
                        Self::from($crate::problem::Problem::new(
                            $crate::problem::ProblemCode::Internal,
                            "quote X-Request-Id to support",
                        ))
                    }
                }
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
