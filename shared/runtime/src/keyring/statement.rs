//! Statements we hand out and take back: sessions, tickets, links of pages.
//!
//! There are as many of them as page views, far more than secrets at rest, so they have a key of their own, and each is
//! sealed under a key that is derived for it from half of its nonce: random nonces of 24 bytes never meet.
//! Source: XAES-256-GCM (C2SP) does the same with CMAC.

use aes_gcm::aead::{Aead, AeadCore, OsRng, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::{Keyring, KeyringError, NONCE_BYTES, bound, derived, split};

/// Separates the key of statements from the others of the same key of the ring.
const LABEL: &[u8] = b"flysk.statement.v1";
/// Version of the sealed form.
const VERSION: &str = "s1";

impl Keyring {
    /// Encrypts a statement as `s1.<key id>.<base64 of salt, nonce and ciphertext>`; `purpose` is what it is good for.
    pub fn seal_statement(&self, statement: &SecretString, purpose: &str) -> Result<String, KeyringError> {
        let key = &self.current;
        let (salt, nonce) = (Aes256Gcm::generate_nonce(&mut OsRng), Aes256Gcm::generate_nonce(&mut OsRng));
        let aad = bound(VERSION, &key.id, purpose);
        let payload = Payload { msg: statement.expose_secret().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = cipher(&key.statements, &salt)
            .ok_or(KeyringError::TooLong)?
            .encrypt(&nonce, payload)
            .map_err(|_| KeyringError::TooLong)?;
        let bytes = [salt.as_slice(), nonce.as_slice(), &ciphertext].concat();
        Ok(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts what [`Keyring::seal_statement`] made for the same purpose.
    pub fn open_statement(&self, sealed: &str, purpose: &str) -> Result<SecretString, KeyringError> {
        let (id, body) = split(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        let key = self.find(id)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| KeyringError::Malformed)?;
        let (salt, rest) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let aad = bound(VERSION, &key.id, purpose);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let cipher = cipher(&key.statements, salt).ok_or(KeyringError::Refused)?;
        let plaintext =
            cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| KeyringError::Refused)?;
        let plaintext = Zeroizing::new(plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| KeyringError::Malformed)?;
        Ok(SecretString::from(text))
    }
}

/// What keys of statements are derived with, from a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<Hmac<Sha256>> {
    derived(key, LABEL)
}

/// The cipher of one statement.
fn cipher(statements: &Hmac<Sha256>, salt: &[u8]) -> Option<Aes256Gcm> {
    let mut derivation = statements.clone();
    derivation.update(salt);
    Aes256Gcm::new_from_slice(&derivation.finalize().into_bytes()).ok()
}
