//! Token pairs and the account's present domain.

use std::time::Duration;

use flysk_domain::id::AccountId;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::super::claims::AccessClaims;
use crate::lenient;

/// A token pair. Until it is stored, it exists nowhere else.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// For API calls.
    pub access_token: SecretString,
    /// For the next pair; works once.
    pub refresh_token: SecretString,
    /// How long the access token lives from now.
    pub expires_in: Duration,
    /// What the access token says about itself.
    pub claims: AccessClaims,
}

/// The documented answer. Only the tokens are required: a pair must not be lost over a missing number.
#[derive(Deserialize)]
pub(in crate::amocrm) struct TokenBody {
    pub(in crate::amocrm) access_token: SecretString,
    pub(in crate::amocrm) refresh_token: SecretString,
    #[serde(default, deserialize_with = "lenient::optional_u64")]
    pub(in crate::amocrm) expires_in: Option<u64>,
}

/// Where an account lives now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CurrentDomain {
    /// The account.
    #[serde(deserialize_with = "account_id")]
    pub id: AccountId,
    /// The account's part of the host.
    pub subdomain: String,
    /// The whole host, not yet checked against the suffixes we trust.
    pub domain: String,
}

fn account_id<'de, D: Deserializer<'de>>(from: D) -> Result<AccountId, D::Error> {
    lenient::required_u64(from).map(AccountId)
}
