//! Encryption at rest under a ring of keys, hashes to look secrets up by, and statements that are handed out.
//!
//! The first key of the ring encrypts, every key decrypts. To rotate: put a new key in front, seal again
//! what is not [`Keyring::is_current`], drop the old key when nothing is left under it.

mod lookup;
mod statement;

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

pub use lookup::{LookupHash, same_secret};

/// Version of the sealed form.
const VERSION: &str = "v1";
/// Bytes of an AES-256 key.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce (NIST SP 800-38D: 96 bits). Random ones are safe for some 2^32 texts under one key.
const NONCE_BYTES: usize = 12;

/// Why a ring cannot be made, or a sealed text not be opened. Carries no key and no plaintext.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no key at all.
    #[error("no key")]
    NoKey,
    /// An entry is not `id:base64`, or its id is not 1 to 32 of `a-z`, `0-9`, `_`, `-`.
    #[error("entry {position} is not `id:base64`, the id 1 to 32 of a-z, 0-9, `_`, `-`")]
    NotAnEntry {
        /// Which entry, from 1.
        position: usize,
    },
    /// A key is not base64 of 32 bytes.
    #[error("key `{id}` is not base64 of 32 bytes")]
    NotAKey {
        /// The key's id.
        id: String,
    },
    /// Two keys share an id.
    #[error("key `{id}` is given twice")]
    Twice {
        /// The id.
        id: String,
    },
    /// The text was not made by [`Keyring::seal`].
    #[error("not a sealed text")]
    Malformed,
    /// The text was sealed under a key that is not in the ring.
    #[error("sealed under key `{id}`, which is not in the ring")]
    UnknownKey {
        /// The key's id.
        id: String,
    },
    /// The text was changed, or belongs to another row.
    #[error("the sealed text was changed, or belongs to another row")]
    Refused,
    /// The cipher refused to encrypt (the text is larger than AES-GCM allows).
    #[error("the text is too long to seal")]
    TooLong,
}

#[derive(Clone)]
struct RingKey {
    id: String,
    cipher: Aes256Gcm,
    lookup: Hmac<Sha256>,
    statements: XChaCha20Poly1305,
}

/// Keys of encryption at rest, newest first.
#[derive(Clone)]
pub struct Keyring {
    current: RingKey,
    former: Vec<RingKey>,
}

impl Keyring {
    /// Reads `id:base64 of 32 bytes` entries separated by commas; the first encrypts.
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
        Ok(Self { current, former: keys.collect() })
    }

    /// Encrypts a secret as `v1.<key id>.<base64 of nonce and ciphertext>`.
    ///
    /// `associated` names the place the text will live in (`table.column:row id`); it opens nowhere else.
    pub fn seal(&self, plaintext: &SecretString, associated: &str) -> Result<String, KeyringError> {
        let key = &self.current;
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let aad = bound(VERSION, &key.id, associated);
        let payload = Payload { msg: plaintext.expose_secret().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = key.cipher.encrypt(&nonce, payload).map_err(|_| KeyringError::TooLong)?;
        let mut bytes = nonce.to_vec();
        bytes.extend(ciphertext);
        Ok(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts what [`Keyring::seal`] made for the same place.
    pub fn open(&self, sealed: &str, associated: &str) -> Result<SecretString, KeyringError> {
        let (id, body) = split(VERSION, sealed).ok_or(KeyringError::Malformed)?;
        let key = self.find(id)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| KeyringError::Malformed)?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or(KeyringError::Malformed)?;
        let aad = bound(VERSION, &key.id, associated);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plaintext =
            key.cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| KeyringError::Refused)?;
        let plaintext = Zeroizing::new(plaintext);
        let text = std::str::from_utf8(&plaintext).map_err(|_| KeyringError::Malformed)?;
        Ok(SecretString::from(text))
    }

    /// Id of the key that encrypts and signs now.
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// Whether the text is under the key that encrypts now; if not, open it and seal it again.
    pub fn is_current(&self, sealed: &str) -> bool {
        split(VERSION, sealed).is_some_and(|(id, _)| id == self.current.id)
    }

    fn find(&self, id: &str) -> Result<&RingKey, KeyringError> {
        self.keys().find(|key| key.id == id).ok_or_else(|| KeyringError::UnknownKey { id: id.to_owned() })
    }

    fn keys(&self) -> impl Iterator<Item = &RingKey> {
        std::iter::once(&self.current).chain(&self.former)
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
        let lookup = lookup::derive(&bytes).ok_or_else(not_a_key)?;
        let statements = statement::derive(&bytes).ok_or_else(not_a_key)?;
        let cipher = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&bytes));
        Ok(Self { id: id.to_owned(), cipher, lookup, statements })
    }
}

/// A key derived from a key of the ring for what `label` names.
fn derived(key: &[u8], label: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut derivation = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    derivation.update(label);
    Some(Zeroizing::new(derivation.finalize().into_bytes().into()))
}

/// What a ciphertext is bound to: version and key too, so that no part of the sealed form can be swapped.
fn bound(version: &str, key_id: &str, associated: &str) -> String {
    format!("flysk.{version}.{key_id}:{associated}")
}

fn split<'a>(version: &str, sealed: &'a str) -> Option<(&'a str, &'a str)> {
    sealed.strip_prefix(version)?.strip_prefix('.')?.split_once('.')
}

/// Ids only.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys().map(|key| &key.id)).finish()
    }
}
