//! Encryption of links, and of the cookies of the hosted pages.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Encrypts a link or a cookie for its purpose.
pub(crate) fn seal(deps: &Deps, what: &impl Serialize, aad: &str) -> Result<String, Problem> {
    let text = serde_json::to_string(what).map_err(|error| internal(&error))?;
    deps.keyring.seal_token(&SecretString::from(text), aad).map_err(|error| internal(&error))
}

/// The content of a link or a cookie; `None` if it was not made for this purpose.
pub(crate) fn open<T: DeserializeOwned>(deps: &Deps, sealed: &str, aad: &str) -> Option<T> {
    let text = deps.keyring.open_token(sealed, aad).ok()?;
    serde_json::from_str(text.expose_secret()).ok()
}

/// Logs an error that nobody outside can mend.
pub(super) fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(error = %error, "cannot create a link or session of the billing page");
    Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
}
