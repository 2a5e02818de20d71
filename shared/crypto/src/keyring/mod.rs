//! Key ring: encryption at rest, blind indexes for lookups by secrets, and sealed tokens for clients.
//!
//! The first key of the ring encrypts, every key decrypts. Rotation: prepend a new key, re-encrypt every value that is not
//! [`Keyring::is_current`], then remove the previous key.

mod blind_index;
mod contact_index;
mod sealed_token;

use std::fmt;

use aes_gcm::aead::{Aead, OsRng, Payload};
use aes_gcm::{AeadCore, Aes256Gcm, Key, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::XChaCha20Poly1305;
use hmac::{Hmac, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

pub use blind_index::{BlindIndex, same_secret};
pub use contact_index::SealedContact;

/// Version of the sealed format.
const VERSION: &str = "v1";
/// Length of an AES-256 key in bytes.
const KEY_BYTES: usize = 32;
/// Length of a nonce in bytes (NIST SP 800-38D: 96 bits). Random nonces are safe for about 2^32 values per key.
const NONCE_BYTES: usize = 12;

/// Error of parsing a key ring, or of sealing or opening a value. Contains no key and no plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// The ring has no keys.
    #[error("no key")]
    NoKey,
    /// An entry is not `id:base64`, or its id is not 1 to 32 of `a-z`, `0-9`, `_`, `-`.
    #[error("entry {position} is not `id:base64` with an id of 1 to 32 characters of a-z, 0-9, `_`, `-`")]
    NotAnEntry {
        /// Position of the entry, from 1.
        position: usize,
    },
    /// A key is not base64 of 32 bytes.
    #[error("key `{id}` is not base64 of 32 bytes")]
    NotAKey {
        /// Id of the key.
        id: String,
    },
    /// Two keys share an id.
    #[error("duplicate key id `{id}`")]
    Twice {
        /// The duplicate id.
        id: String,
    },
    /// The text does not have the format of [`Keyring::seal`].
    #[error("not a sealed value")]
    Malformed,
    /// The value was sealed with a key that is not in the ring.
    #[error("sealed with key `{id}`, which is not in the ring")]
    UnknownKey {
        /// Id of the key.
        id: String,
    },
    /// Authentication failed: the value was changed, or belongs to another row.
    #[error("the sealed value was changed or belongs to another row")]
    Refused,
    /// The plaintext is longer than AES-GCM allows.
    #[error("the plaintext is too long")]
    TooLong,
}

#[derive(Clone)]
struct RingKey {
    id: String,
    cipher: Aes256Gcm,
    index_mac: Hmac<Sha256>,
    contact_mac: Hmac<Sha256>,
    token_cipher: XChaCha20Poly1305,
}

/// Keys of encryption at rest; the first encrypts, all decrypt.
#[derive(Clone)]
pub struct Keyring {
    current: RingKey,
    previous: Vec<RingKey>,
}

impl Keyring {
    /// Parses comma-separated entries `id:base64 of 32 bytes`; the first key encrypts.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<RingKey> = Vec::new();
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let key = RingKey::parse(entry, index + 1)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyringError::Twice { id: key.id });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(KeyringError::NoKey)?;
        Ok(Self { current, previous: keys.collect() })
    }

    /// Encrypts a secret as `v1.<key id>.<base64 of nonce and ciphertext>`.
    ///
    /// `associated_data` is the place of storage (`table.column:row id`); the value opens only with the same one.
    pub fn seal(&self, plaintext: &SecretString, associated_data: &str) -> Result<String, KeyringError> {
        let key = &self.current;
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let aad = build_aad(VERSION, &key.id, associated_data);
        let payload = Payload { msg: plaintext.expose_secret().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = key.cipher.encrypt(&nonce, payload).map_err(|_| KeyringError::TooLong)?;
        let mut bytes = nonce.to_vec();
        bytes.extend(ciphertext);
        Ok(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts a value that [`Keyring::seal`] encrypted with the same associated data.
    pub fn open(&self, sealed: &str, associated_data: &str) -> Result<SecretString, KeyringError> {
        let (id, body) = split_sealed(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        let key = self.find(id)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| KeyringError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let aad = build_aad(VERSION, &key.id, associated_data);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plaintext =
            key.cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| KeyringError::Refused)?;
        let plaintext = Zeroizing::new(plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| KeyringError::Malformed)?;
        Ok(SecretString::from(text))
    }

    /// Id of the current key, which encrypts and computes new blind indexes.
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// Whether the value is sealed with the current key. If not, open and seal it again.
    pub fn is_current(&self, sealed: &str) -> bool {
        split_sealed(VERSION, sealed).is_some_and(|(id, _)| id == self.current.id)
    }

    fn find(&self, id: &str) -> Result<&RingKey, KeyringError> {
        self.keys().find(|key| key.id == id).ok_or_else(|| KeyringError::UnknownKey { id: id.to_owned() })
    }

    fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl RingKey {
    fn parse(entry: &str, position: usize) -> Result<Self, KeyringError> {
        let (id, key) = entry.split_once(':').ok_or(KeyringError::NotAnEntry { position })?;
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        if !(1..=32).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(KeyringError::NotAnEntry { position });
        }
        let not_a_key = || KeyringError::NotAKey { id: id.to_owned() };
        let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| not_a_key())?);
        if bytes.len() != KEY_BYTES {
            return Err(not_a_key());
        }
        let index_mac = blind_index::derive(&bytes).ok_or_else(not_a_key)?;
        let contact_mac = contact_index::derive(&bytes).ok_or_else(not_a_key)?;
        let token_cipher = sealed_token::derive(&bytes).ok_or_else(not_a_key)?;
        let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&bytes));
        Ok(Self { id: id.to_owned(), cipher, index_mac, contact_mac, token_cipher })
    }
}

/// Derives a key for the purpose `label` from a key of the ring.
fn derive_key(key: &[u8], label: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut derivation = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    derivation.update(label);
    Some(Zeroizing::new(derivation.finalize().into_bytes().into()))
}

/// The AAD of a ciphertext. Includes version and key id, so that no part of the sealed value can be exchanged.
fn build_aad(version: &str, key_id: &str, associated_data: &str) -> String {
    format!("flysk.{version}.{key_id}:{associated_data}")
}

fn split_sealed<'a>(version: &str, sealed: &'a str) -> Option<(&'a str, &'a str)> {
    sealed.strip_prefix(version)?.strip_prefix('.')?.split_once('.')
}

/// Shows key ids only.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys().map(|key| &key.id)).finish()
    }
}
