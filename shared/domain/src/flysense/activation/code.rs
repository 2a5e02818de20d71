//! Short codes, for people whose messenger lost the payload of the link.

use std::fmt;

use crate::{Randomness, random_bytes};

/// Crockford's base32: digits and letters without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Length of a code, characters of 5 bits.
const CODE_LEN: usize = 8;

/// A short code of 8 characters: 40 random bits. It lives 10 minutes and may be tried a few times only, because it can be
/// typed by anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct ShortCode(String);

impl ShortCode {
    /// Draws 40 bits from `randomness`. Codes are not unique by themselves.
    pub fn generate(randomness: &(impl Randomness + ?Sized)) -> Self {
        let bits =
            random_bytes::<5>(randomness).iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        let sign =
            |at: usize| char::from(ALPHABET[usize::try_from((bits >> (5 * at)) & 31).unwrap_or_default()]);
        Self((0..CODE_LEN).rev().map(sign).collect())
    }

    /// Reads a typed code: any case, with blanks and dashes, and with the letters that Crockford's base32 reads as digits.
    /// `None` if the text is not a code.
    pub fn parse(text: &str) -> Option<Self> {
        let signs = text.trim().chars().filter(|sign| !matches!(sign, ' ' | '-'));
        let code: String = signs
            .map(|sign| match sign.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                sign => sign,
            })
            .collect();
        let fits = code.len() == CODE_LEN && code.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then_some(Self(code))
    }

    /// The code as the bot expects it: `7K3M9QXD`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code as people read it: `7K3M-9QXD`.
    pub fn grouped(&self) -> String {
        let (left, right) = self.0.split_at(CODE_LEN / 2);
        format!("{left}-{right}")
    }
}

/// A secret: not shown.
impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandomness;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for text in ["7K3M9QXD", " 7k3m-9qxd ", "7K3M 9QXD"] {
            assert_eq!(ShortCode::parse(text).unwrap().as_str(), "7K3M9QXD", "{text}");
        }
        assert_eq!(ShortCode::parse("oIl00000").unwrap().as_str(), "01100000");
        for text in ["", "7K3M9QX", "7K3M9QXDD", "7K3M9QXU", "привет!!", "/status"] {
            assert_eq!(ShortCode::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_new_code_is_read_again_and_differs_from_the_next() {
        let codes: Vec<ShortCode> = (0..1_000).map(|_| ShortCode::generate(&SystemRandomness)).collect();
        assert!(codes.iter().all(|code| ShortCode::parse(&code.grouped()).as_ref() == Some(code)));
        let distinct: std::collections::BTreeSet<&str> = codes.iter().map(ShortCode::as_str).collect();
        assert_eq!(distinct.len(), 1_000);
        assert_eq!(format!("{:?}", codes[0]), "ShortCode(…)");
    }
}
