//! Pages of signing in to the panel. Checks and writes are those of [`crate::sign_in`].

pub(crate) mod by_code;
pub(crate) mod by_passkey;

pub(crate) use by_code::{Setup, after_sign_in};
