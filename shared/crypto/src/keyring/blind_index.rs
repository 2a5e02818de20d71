//! Blind indexes: keyed hashes to find a row by a secret without storing the secret in plaintext.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Keyring, derive_key};

/// Label that derives the key of blind indexes, so that it differs from the cipher's key.
const KEY_LABEL: &[u8] = b"flysk.lookup.v1";

/// HMAC-SHA256 of a secret, stored in an indexed column for lookups.
///
/// The secret must be random and long, such as a project token: whoever has the key can guess a short one by its hash. Contacts
/// are the exception, see [`Keyring::contact_indexes`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlindIndex([u8; 32]);

impl BlindIndex {
    /// The raw bytes, for a `BINARY(32)` column.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindIndex({self})")
    }
}

impl Keyring {
    /// The blind index of a token under the first key of the ring, to store with the row.
    ///
    /// For lookups use [`Keyring::blind_indexes`], because the row may have been written under a previous key.
    pub fn blind_index(&self, token: &str) -> BlindIndex {
        compute(&self.current.index_mac, token)
    }

    /// The possible blind indexes of a token, one per key, newest first. Query for any of them.
    pub fn blind_indexes(&self, token: &str) -> Vec<BlindIndex> {
        self.keys().map(|key| compute(&key.index_mac, token)).collect()
    }
}

/// The MAC of blind indexes, with a key derived from a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as Mac>::new_from_slice(&*derive_key(key, KEY_LABEL)?).ok()
}

pub(super) fn compute(mac: &Hmac<Sha256>, token: &str) -> BlindIndex {
    let mut mac = mac.clone();
    mac.update(token.as_bytes());
    BlindIndex(mac.finalize().into_bytes().into())
}

/// Constant-time comparison of two secrets or signatures. The time depends only on their lengths.
pub fn same_secret(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
