//! A vendor's access to the bank's T-API.

use chrono::{DateTime, Utc};
use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_domain::id::VendorId;
use flysk_store::platform::transfers;
use flysk_store::{Conn, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

/// Digits of an account's number. Source: T-API, `accountNumber` of statements.
const ACCOUNT_LEN: usize = 20;

/// An access cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Not an account's number.
    #[error("an account's number has {ACCOUNT_LEN} digits")]
    Account,
    /// No token, or one with blanks or line breaks.
    #[error("the token is empty or has characters that no token has")]
    Token,
    /// The token cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a vendor an account that is paid to and the token with which its invoices are sent and its statement is read, which is
/// sealed; or takes both away: then transfers are offered no more, and what arrives is not read.
///
/// # Errors
///
/// Account or token is invalid.
pub async fn set_t_api_access(
    conn: &mut Conn,
    keyring: &Keyring,
    vendor: VendorId,
    access: Option<(&str, &SecretString)>,
    now: DateTime<Utc>,
) -> Result<(), AccessError> {
    let Some((account, token)) = access else {
        return Ok(transfers::set_access(conn, vendor, None, now).await?);
    };
    if account.len() != ACCOUNT_LEN || !account.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(AccessError::Account);
    }
    let text = token.expose_secret();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AccessError::Token);
    }
    let sealed = keyring.seal(token, &aad::t_api_token(vendor))?;
    Ok(transfers::set_access(conn, vendor, Some((account, &sealed)), now).await?)
}
