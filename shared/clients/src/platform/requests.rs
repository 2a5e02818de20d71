//! What a backend asks.

use flysk_domain::id::AccountId;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// On whose behalf.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The user whose page sent this one-time token (`X-Auth-Token`).
    Widget(SecretString),
    /// Nobody: work in the background for an account.
    Account(AccountId),
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PauthBody<'a> {
    Token(&'a str),
    AccountId(AccountId),
}

impl<'a> From<&'a Caller> for PauthBody<'a> {
    fn from(caller: &'a Caller) -> Self {
        match caller {
            Caller::Widget(token) => Self::Token(token.expose_secret()),
            Caller::Account(id) => Self::AccountId(*id),
        }
    }
}
