//! Blind indexes of e-mail addresses and phone numbers, by which the search box finds rows whose contacts are encrypted.
//!
//! Contacts can be guessed, so whoever has the key can test a guess; but whoever has the key can decrypt the contacts as well.
//! Without the key the hashes tell only which rows have the same contact.
//!
//! The hash of a row is always under the key that encrypted the row's contact. So re-encryption under another key replaces both, and
//! rows of both keys are found meanwhile.

use flysk_domain::ContactTerm;
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::Sha256;

use super::blind_index::{BlindIndex, compute};
use super::{Keyring, KeyringError, VERSION, derive_key, split_sealed};

/// Label that derives the key, so that it differs from those of the cipher and of other blind indexes.
const KEY_LABEL: &[u8] = b"flysk.contact_lookup.v1";

/// An encrypted contact and the hash that finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedContact {
    /// The contact, as by [`Keyring::seal`].
    pub sealed: String,
    /// The hash, to store in the same row.
    pub index: BlindIndex,
}

impl Keyring {
    /// Encrypts an e-mail address for a row, and computes the hash that finds it.
    ///
    /// # Errors
    ///
    /// As [`Keyring::seal`].
    pub fn seal_email(&self, email: &str, associated_data: &str) -> Result<SealedContact, KeyringError> {
        self.seal_contact(email, &ContactTerm::of_email(email), associated_data)
    }

    /// The same for a phone number.
    ///
    /// # Errors
    ///
    /// As [`Keyring::seal`].
    pub fn seal_phone(&self, phone: &str, associated_data: &str) -> Result<SealedContact, KeyringError> {
        self.seal_contact(phone, &ContactTerm::of_phone(phone), associated_data)
    }

    /// The hash of a contact under the key that encrypted `sealed`, to be stored beside it.
    ///
    /// # Errors
    ///
    /// [`KeyringError::Malformed`] if the text is not a sealed value, [`KeyringError::UnknownKey`] if its key is not in the ring.
    pub fn contact_index(&self, sealed: &str, term: &ContactTerm) -> Result<BlindIndex, KeyringError> {
        let (id, _) = split_sealed(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        Ok(compute(&self.find(id)?.contact_mac, term.as_str()))
    }

    /// The possible hashes of a contact, one per key, newest first. Query for any of them.
    pub fn contact_indexes(&self, term: &ContactTerm) -> Vec<BlindIndex> {
        self.keys().map(|key| compute(&key.contact_mac, term.as_str())).collect()
    }

    fn seal_contact(
        &self,
        text: &str,
        term: &ContactTerm,
        associated_data: &str,
    ) -> Result<SealedContact, KeyringError> {
        let sealed = self.seal(&SecretString::from(text), associated_data)?;
        Ok(SealedContact { sealed, index: compute(&self.current.contact_mac, term.as_str()) })
    }
}

/// The MAC of contacts, with a key derived from a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as Mac>::new_from_slice(&*derive_key(key, KEY_LABEL)?).ok()
}
