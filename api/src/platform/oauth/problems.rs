//! Problems of OAuth requests.

use crate::problem::{Problem, ProblemCode};

/// A malformed request.
pub(super) fn bad_request(why: &str) -> Problem {
    Problem::new(ProblemCode::BadRequest, why)
}
