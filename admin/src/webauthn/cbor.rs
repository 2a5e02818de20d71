//! CBOR (RFC 8949) as authenticators write it (CTAP 2.1, section 8): definite lengths, no tags.

/// Largest nesting. Attestation objects have four levels.
const MAX_DEPTH: u8 = 8;

/// An item. What no caller reads is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A number.
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// Pairs of key and value in their order.
    Map(Vec<(Item<'a>, Item<'a>)>),
    /// Anything else: list, boolean, null, fraction.
    Other,
}

impl<'a> Item<'a> {
    /// Reads the first item; returns it with the bytes after it. `None` if there is no valid one.
    pub(super) fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        read_nested(input, MAX_DEPTH)
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &Self) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The bytes of a key of a map.
    pub(super) fn bytes(&self, key: &Self) -> Option<&'a [u8]> {
        match self.get(key)? {
            Self::Bytes(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// The number of a key of a map.
    pub(super) fn integer(&self, key: &Self) -> Option<i64> {
        match self.get(key)? {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

fn read_nested(input: &[u8], depth: u8) -> Option<(Item<'_>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (head, rest) = input.split_first()?;
    let (argument, rest) = read_argument(head & 0x1f, rest)?;
    match head >> 5 {
        0 => Some((Item::Integer(i64::try_from(argument).ok()?), rest)),
        1 => Some((Item::Integer(-1 - i64::try_from(argument).ok()?), rest)),
        2 => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Item::Bytes(bytes), rest))
        }
        3 => {
            let (bytes, rest) = rest.split_at_checked(usize::try_from(argument).ok()?)?;
            Some((Item::Text(std::str::from_utf8(bytes).ok()?), rest))
        }
        4 => {
            let mut rest = rest;
            for _ in 0..argument {
                (_, rest) = read_nested(rest, depth)?;
            }
            Some((Item::Other, rest))
        }
        5 => read_map(argument, rest, depth),
        7 => Some((Item::Other, rest)),
        _ => None,
    }
}

fn read_map(pairs: u64, input: &[u8], depth: u8) -> Option<(Item<'_>, &[u8])> {
    // The number is the sender's: nothing is reserved for it, and each pair takes bytes of the input.
    let (mut map, mut rest) = (Vec::new(), input);
    for _ in 0..pairs {
        let (key, after_key) = read_nested(rest, depth)?;
        let (value, after_value) = read_nested(after_key, depth)?;
        map.push((key, value));
        rest = after_value;
    }
    Some((Item::Map(map), rest))
}

/// The number behind the head of an item: a value, or a length.
fn read_argument(info: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let size = match info {
        0..=23 => return Some((u64::from(info), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(size)?;
    let number = bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_those_of_the_standard() {
        // RFC 8949, appendix A.
        let items: [(&[u8], Item<'_>); 9] = [
            (b"\x17", Item::Integer(23)),
            (b"\x18\x64", Item::Integer(100)),
            (b"\x1a\x00\x0f\x42\x40", Item::Integer(1_000_000)),
            (b"\x39\x01\x00", Item::Integer(-257)),
            (b"\x44\x01\x02\x03\x04", Item::Bytes(&[1, 2, 3, 4])),
            (b"\x64IETF", Item::Text("IETF")),
            (b"\x83\x01\x02\x03", Item::Other),
            (b"\xf5", Item::Other),
            (b"\xa0", Item::Map(Vec::new())),
        ];
        for (bytes, item) in items {
            assert_eq!(Item::read(bytes), Some((item, b"".as_slice())), "{bytes:?}");
        }
        let (map, rest) = Item::read(b"\xa2\x01\x02\x03\x04\xff").unwrap();
        assert_eq!((map.integer(&Item::Integer(3)), rest), (Some(4), &b"\xff"[..]));
        assert_eq!(map.bytes(&Item::Integer(3)), None);
    }

    #[test]
    fn broken_and_hostile_bytes_are_refused() {
        let deep = [0x81; 100];
        for bytes in [
            &b""[..],
            b"\x18",                                 // no argument
            b"\x44\x01",                             // fewer bytes than announced
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", // a huge list
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", // a huge map
            b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", // beyond 64 bits
            b"\x5f\x41\x00\xff",                     // an indefinite length
            b"\xc1\x00",                             // a tag
            b"\x61\xff",                             // no UTF-8
            &deep,
        ] {
            assert_eq!(Item::read(bytes), None, "{bytes:?}");
        }
    }
}
