//! Data of an authenticator about itself, its user and its credential (Web Authentication, level 3, section 6.1).

use sha2::{Digest as _, Sha256};

use super::Invalid;
use super::cbor::Item;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const HAS_EXTENSIONS: u8 = 0x80;

/// Size of a SHA-256, in bytes.
const HASH_BYTES: usize = 32;
/// Size of the identifier of a model of authenticators, in bytes.
const AAGUID_BYTES: usize = 16;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct AuthenticatorData<'a> {
    rp_id_hash: &'a [u8],
    flags: u8,
    /// Signature counter; 0 if the authenticator counts nothing.
    pub(super) sign_count: u32,
    /// The new credential; only in answers to a registration.
    pub(super) credential: Option<AttestedCredential<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct AttestedCredential<'a> {
    pub(super) id: &'a [u8],
    /// Public key, as a `COSE_Key`.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads authenticator data; `None` if it is not valid, or followed by other bytes.
    pub(super) fn read(data: &'a [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = data.split_at_checked(HASH_BYTES)?;
        let (flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (read, after) = AttestedCredential::read(rest)?;
            (credential, rest) = (Some(read), after);
        }
        if flags & HAS_EXTENSIONS != 0 {
            let (extensions, after) = Item::read(rest)?;
            if !matches!(extensions, Item::Map(_)) {
                return None;
            }
            rest = after;
        }
        let sign_count = u32::from_be_bytes(*count);
        rest.is_empty().then_some(Self { rp_id_hash, flags: *flags, sign_count, credential })
    }

    /// Checks that the data is meant for this relying party, and that the authenticator has verified its user.
    pub(super) fn check(&self, rp_id: &str) -> Result<(), Invalid> {
        if self.rp_id_hash != Sha256::digest(rp_id.as_bytes()).as_slice() {
            return Err(Invalid::RelyingParty);
        }
        if !self.has(USER_PRESENT) || !self.has(USER_VERIFIED) {
            return Err(Invalid::User);
        }
        if self.has(BACKED_UP) && !self.has(BACKUP_ELIGIBLE) {
            return Err(Invalid::Flags);
        }
        Ok(())
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl<'a> AttestedCredential<'a> {
    fn read(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (_, rest) = data.split_at_checked(AAGUID_BYTES)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (_, after) = Item::read(rest)?;
        let (public_key, after) = rest.split_at_checked(rest.len().checked_sub(after.len())?)?;
        Some((Self { id, public_key }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "admin.flysk.example";

    fn data(flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut data = Sha256::digest(HOST.as_bytes()).to_vec();
        data.push(flags);
        data.extend(7_u32.to_be_bytes());
        data.extend(rest);
        data
    }

    fn checked(flags: u8, host: &str) -> Result<(), Invalid> {
        AuthenticatorData::read(&data(flags, &[])).unwrap().check(host)
    }

    #[test]
    fn user_and_host_are_checked() {
        assert_eq!(checked(USER_PRESENT | USER_VERIFIED, HOST), Ok(()));
        assert_eq!(checked(USER_PRESENT | USER_VERIFIED, "flysk.example"), Err(Invalid::RelyingParty));
        assert_eq!(checked(USER_PRESENT, HOST), Err(Invalid::User));
        assert_eq!(checked(USER_VERIFIED, HOST), Err(Invalid::User));
        assert_eq!(checked(USER_PRESENT | USER_VERIFIED | BACKED_UP, HOST), Err(Invalid::Flags));
    }

    #[test]
    fn a_credential_and_extensions_are_read_and_nothing_may_follow() {
        let mut rest = vec![0; AAGUID_BYTES];
        rest.extend(b"\x00\x03abc\xa1\x01\x02\xa1\x61x\xf5");
        let bytes = data(HAS_CREDENTIAL | HAS_EXTENSIONS, &rest);
        let read = AuthenticatorData::read(&bytes).unwrap();
        assert_eq!(read.sign_count, 7);
        assert_eq!(read.credential, Some(AttestedCredential { id: b"abc", public_key: b"\xa1\x01\x02" }));
        for length in 0..bytes.len() {
            assert_eq!(AuthenticatorData::read(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(AuthenticatorData::read(&data(HAS_CREDENTIAL, &rest)), None, "bytes follow");
        assert_eq!(AuthenticatorData::read(&data(HAS_EXTENSIONS, b"\x01")), None, "no map");
    }
}
