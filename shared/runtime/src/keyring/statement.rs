//! Statements we hand out and take back: sessions, tickets, links of pages.
//!
//! There are as many of them as page views, far more than secrets at rest, so they have a key of their own, and a cipher
//! whose nonces of 24 bytes may be drawn at random however many there are. Source: draft-irtf-cfrg-xchacha, 2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, AeadCore, OsRng, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::{Keyring, KeyringError, bound, derived, split};

/// Separates the key of statements from the others of the same key of the ring.
const LABEL: &[u8] = b"flysk.statement.v1";
/// Version of the sealed form.
const VERSION: &str = "s1";
const NONCE_BYTES: usize = 24;

impl Keyring {
    /// Encrypts a statement as `s1.<key id>.<base64 of nonce and ciphertext>`; `purpose` is what it is good for.
    pub fn seal_statement(&self, statement: &SecretString, purpose: &str) -> Result<String, KeyringError> {
        let key = &self.current;
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let aad = bound(VERSION, &key.id, purpose);
        let payload = Payload { msg: statement.expose_secret().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = key.statements.encrypt(&nonce, payload).map_err(|_| KeyringError::TooLong)?;
        let bytes = [nonce.as_slice(), &ciphertext].concat();
        Ok(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts what [`Keyring::seal_statement`] made for the same purpose.
    pub fn open_statement(&self, sealed: &str, purpose: &str) -> Result<SecretString, KeyringError> {
        let (id, body) = split(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        let key = self.find(id)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| KeyringError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let aad = bound(VERSION, &key.id, purpose);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plaintext =
            key.statements.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| KeyringError::Refused)?;
        let plaintext = Zeroizing::new(plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| KeyringError::Malformed)?;
        Ok(SecretString::from(text))
    }
}

/// The cipher of statements under a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(&*derived(key, LABEL)?).ok()
}
