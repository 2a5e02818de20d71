//! Token pairs and the account's current domain.

use std::time::Duration;

use flysk_domain::id::AccountId;
use flysk_domain::serde_lenient;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::super::claims::AccessClaims;

/// A token pair. amoCRM does not return it again, so a pair that is not stored is lost.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// Token for API requests.
    pub access_token: SecretString,
    /// Token for the next pair; works once.
    pub refresh_token: SecretString,
    /// Remaining lifetime of the access token.
    pub expires_in: Duration,
    /// Claims of the access token, unverified.
    pub claims: AccessClaims,
}

/// The documented response. Only the tokens are required, so that a missing lifetime does not lose the pair.
#[derive(Deserialize)]
pub(in crate::amocrm) struct TokenBody {
    pub(in crate::amocrm) access_token: SecretString,
    pub(in crate::amocrm) refresh_token: SecretString,
    #[serde(default, deserialize_with = "serde_lenient::optional_u64")]
    pub(in crate::amocrm) expires_in: Option<u64>,
}

/// Current domain of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CurrentDomain {
    /// The account that the token belongs to.
    #[serde(deserialize_with = "account_id")]
    pub id: AccountId,
    /// First label of the host.
    pub subdomain: String,
    /// The whole host, not yet checked against the trusted suffixes.
    pub domain: String,
}

fn account_id<'de, D: Deserializer<'de>>(from: D) -> Result<AccountId, D::Error> {
    serde_lenient::required_u64(from).map(AccountId)
}
