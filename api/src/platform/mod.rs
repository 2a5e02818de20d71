//! What every vendor gets.

pub(crate) mod oauth;
pub(crate) mod pauth;
