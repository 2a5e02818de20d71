//! Re-encryption of bindings with the current key.

use flysk_crypto::{Keyring, aad};
use flysk_domain::id::BindingId;
use flysk_store::Conn;
use flysk_store::contact_hashes::NOTHING_TO_FIND;
use flysk_store::flysense::activation::bindings::{self, SealedBinding};
use secrecy::ExposeSecret as _;

use super::ActivationError;

/// Rows read per query.
const PAGE_SIZE: u32 = 200;

/// Result of a re-encryption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReencryptedBindings {
    /// Rows read, whether or not they needed another key.
    pub scanned: u64,
    /// Bindings re-encrypted with the current key.
    pub reencrypted: u64,
    /// Bindings changed by others meanwhile; run it again.
    pub skipped: u64,
}

/// Re-encrypts phone numbers and e-mail addresses that are sealed with a previous key. Links and updates need no
/// re-encryption: they are deleted within two days.
pub async fn reencrypt_bindings(
    conn: &mut Conn,
    keyring: &Keyring,
) -> Result<ReencryptedBindings, ActivationError> {
    let (mut after, mut report): (Option<BindingId>, _) = (None, ReencryptedBindings::default());
    loop {
        let page = bindings::list_sealed(conn, after, PAGE_SIZE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after = Some(last.id);
        for binding in &page {
            report.scanned += 1;
            let sealed = [Some(&binding.phone_sealed), binding.email_sealed.as_ref()];
            if sealed.into_iter().flatten().all(|sealed| keyring.is_current(sealed)) {
                continue;
            }
            let (fresh, phone_hash, email_hash) = reseal(keyring, binding)?;
            let hashes = (phone_hash.as_slice(), email_hash.as_slice());
            if bindings::replace_sealed(conn, binding, &fresh, hashes).await? {
                report.reencrypted += 1;
            } else {
                report.skipped += 1;
            }
        }
    }
}

/// The columns under the current key, with the hashes of phone number and e-mail address.
fn reseal(
    keyring: &Keyring,
    binding: &SealedBinding,
) -> Result<(SealedBinding, Vec<u8>, Vec<u8>), ActivationError> {
    let associated_data = aad::binding_phone(binding.id);
    let number = keyring.open(&binding.phone_sealed, &associated_data)?;
    let phone = keyring.seal_phone(number.expose_secret(), &associated_data)?;
    let associated_data = aad::binding_email(binding.id);
    let email = match &binding.email_sealed {
        Some(sealed) => {
            let email = keyring.open(sealed, &associated_data)?;
            Some(keyring.seal_email(email.expose_secret(), &associated_data)?)
        }
        None => None,
    };
    let email_hash =
        email.as_ref().map_or(NOTHING_TO_FIND, |email| email.index.as_bytes().as_slice()).to_vec();
    let email_sealed = email.map(|email| email.sealed);
    let fresh = SealedBinding { id: binding.id, phone_sealed: phone.sealed, email_sealed };
    Ok((fresh, phone.index.as_bytes().to_vec(), email_hash))
}
