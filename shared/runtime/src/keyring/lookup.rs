//! Finding a row by a secret without keeping the secret readable.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Keyring, derived};

/// Separates the lookup key from the cipher's key, though both come from one.
const LABEL: &[u8] = b"flysk.lookup.v1";

/// A secret's HMAC-SHA256, to store under a unique index and to find it by.
///
/// The secret must be random and long (a project token): a hash of a short one can be guessed by who has the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LookupHash([u8; 32]);

impl LookupHash {
    /// For a `BINARY(32)` column.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for LookupHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LookupHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupHash({self})")
    }
}

impl Keyring {
    /// The hash to store beside a token, under the ring's first key.
    ///
    /// To look a token up use [`Keyring::lookup_hashes`]: the row may have been written under a former key.
    pub fn lookup_hash(&self, token: &str) -> LookupHash {
        hash(&self.current.lookup, token)
    }

    /// The hashes a token may be stored under, one per key, newest first; ask for any of them.
    pub fn lookup_hashes(&self, token: &str) -> Vec<LookupHash> {
        self.keys().map(|key| hash(&key.lookup, token)).collect()
    }
}

/// The MAC of lookups under a key derived from a key of the ring.
pub(super) fn derive(key: &[u8]) -> Option<Hmac<Sha256>> {
    <Hmac<Sha256> as Mac>::new_from_slice(&*derived(key, LABEL)?).ok()
}

fn hash(mac: &Hmac<Sha256>, token: &str) -> LookupHash {
    let mut mac = mac.clone();
    mac.update(token.as_bytes());
    LookupHash(mac.finalize().into_bytes().into())
}

/// Whether two secrets or signatures are the same, in a time that tells nothing but their lengths.
pub fn same_secret(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
