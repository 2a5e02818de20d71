//! Sealed tokens for clients: sessions, tickets, links of hosted pages.
//!
//! Every page view creates one, far more than there are secrets at rest. So they have a separate key, and a cipher whose
//! random 24-byte nonces are safe for any number of tokens. Source: draft-irtf-cfrg-xchacha, 2.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, AeadCore, OsRng, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::{Keyring, KeyringError, build_aad, derive_key, split_sealed};

/// Label that derives the key of sealed tokens.
const KEY_LABEL: &[u8] = b"flysk.sealed_token.v1";
/// Version of the sealed format.
const VERSION: &str = "s1";
const NONCE_BYTES: usize = 24;

impl Keyring {
    /// Encrypts a token as `s1.<key id>.<base64 of nonce and ciphertext>`, valid only for `purpose`.
    pub fn seal_token(&self, token: &SecretString, purpose: &str) -> Result<String, KeyringError> {
        let key = &self.current;
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let aad = build_aad(VERSION, &key.id, purpose);
        let payload = Payload { msg: token.expose_secret().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = key.token_cipher.encrypt(&nonce, payload).map_err(|_| KeyringError::TooLong)?;
        let bytes = [nonce.as_slice(), &ciphertext].concat();
        Ok(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts a token that [`Keyring::seal_token`] encrypted for the same purpose.
    pub fn open_token(&self, sealed: &str, purpose: &str) -> Result<SecretString, KeyringError> {
        let (id, body) = split_sealed(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        let key = self.find(id)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| KeyringError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let aad = build_aad(VERSION, &key.id, purpose);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plaintext = key
            .token_cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| KeyringError::Refused)?;
        let plaintext = Zeroizing::new(plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| KeyringError::Malformed)?;
        Ok(SecretString::from(text))
    }
}

/// The cipher of sealed tokens, with a key derived from a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(&*derive_key(key, KEY_LABEL)?).ok()
}
