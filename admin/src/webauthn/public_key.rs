//! Public keys of credentials (`COSE_Key`, RFC 9052 and 9053), and their signatures.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::cbor::Item;

/// COSE identifiers of the accepted algorithms, the preferred one first: ES256, `EdDSA`, RS256. Windows Hello needs the last.
pub(super) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// Labels of a key's parameters.
const KEY_TYPE: Item<'static> = Item::Integer(1);
const ALGORITHM: Item<'static> = Item::Integer(3);
const FIRST: Item<'static> = Item::Integer(-1);
const SECOND: Item<'static> = Item::Integer(-2);
const THIRD: Item<'static> = Item::Integer(-3);

/// Size of a coordinate of P-256, and of a key of Ed25519, in bytes.
const COORDINATE_BYTES: usize = 32;
/// Head of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
pub(super) enum PublicKey<'a> {
    /// ECDSA with P-256 and SHA-256: an uncompressed point.
    Es256(Vec<u8>),
    /// Ed25519.
    Ed25519(&'a [u8]),
    /// RSA (PKCS #1 v1.5) with SHA-256: modulus and exponent.
    Rs256(&'a [u8], &'a [u8]),
}

impl<'a> PublicKey<'a> {
    /// Reads a key of an accepted algorithm.
    pub(super) fn read(cose: &'a [u8]) -> Option<Self> {
        let (key, rest) = Item::read(cose)?;
        if !rest.is_empty() {
            return None;
        }
        match (key.integer(&ALGORITHM)?, key.integer(&KEY_TYPE)?, key.integer(&FIRST)) {
            (ES256, 2, Some(1)) => {
                let (x, y) = (coordinate(&key, &SECOND)?, coordinate(&key, &THIRD)?);
                Some(Self::Es256([&[UNCOMPRESSED][..], x, y].concat()))
            }
            (EDDSA, 1, Some(6)) => coordinate(&key, &SECOND).map(Self::Ed25519),
            (RS256, 3, None) => Some(Self::Rs256(key.bytes(&FIRST)?, key.bytes(&SECOND)?)),
            _ => None,
        }
    }

    /// Whether the key's owner has signed the message.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256(n, e) => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.is_ok()
    }
}

fn coordinate<'a>(key: &Item<'a>, label: &Item<'a>) -> Option<&'a [u8]> {
    key.bytes(label).filter(|bytes| bytes.len() == COORDINATE_BYTES)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    };

    use super::*;

    const MESSAGE: &[u8] = b"authenticator data and hash";

    fn is_checked(cose: &[u8], signature: &[u8]) {
        let key = PublicKey::read(cose).unwrap();
        assert!(key.verifies(MESSAGE, signature));
        assert!(!key.verifies(b"another message", signature));
        assert!(!key.verifies(MESSAGE, &signature[1..]) && !key.verifies(MESSAGE, &[]));
        assert!(PublicKey::read(&[cose, &[0][..]].concat()).is_none(), "bytes follow");
    }

    #[test]
    fn signatures_of_each_accepted_algorithm_are_checked() {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point: &[u8] = key.public_key().as_ref();
        let cose =
            [&b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..], &point[1..33], b"\x22\x58\x20", &point[33..]];
        is_checked(&cose.concat(), key.sign(&random, MESSAGE).unwrap().as_ref());
        let key = Ed25519KeyPair::generate().unwrap();
        let cose = [&b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"[..], key.public_key().as_ref()];
        is_checked(&cose.concat(), key.sign(MESSAGE).as_ref());
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (n, e) = (key.public_key().modulus(), key.public_key().exponent());
        let cose = [
            &b"\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00"[..],
            n.big_endian_without_leading_zero(),
            b"\x21\x43",
            e.big_endian_without_leading_zero(),
        ];
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &random, MESSAGE, &mut signature).unwrap();
        is_checked(&cose.concat(), &signature);
    }

    #[test]
    fn other_keys_are_refused() {
        for cose in [
            &b""[..],
            b"\xa0",
            b"\xa3\x01\x02\x03\x26\x20\x01",                 // no coordinates
            b"\xa4\x01\x01\x03\x27\x20\x06\x21\x42\x01\x02", // a short key
            b"\xa3\x01\x04\x03\x05\x20\x41\x00",             // a symmetric key
        ] {
            assert!(PublicKey::read(cose).is_none(), "{cose:?}");
        }
    }
}
