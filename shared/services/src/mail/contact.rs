//! Addresses of receipts, sealed for the row that has them.

use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_store::platform::mail::{ContactSource, SealedContact};
use secrecy::SecretString;

/// The address of receipts in plain text.
///
/// # Errors
///
/// The key is gone, or the address was sealed for another row.
pub fn open_contact(keyring: &Keyring, contact: &SealedContact) -> Result<SecretString, KeyringError> {
    let associated_data = match contact.source {
        ContactSource::Invoice(id) => aad::invoice_contact(id),
        ContactSource::Purchase(id) => aad::purchase_contact(id),
    };
    keyring.open(&contact.sealed, &associated_data)
}
