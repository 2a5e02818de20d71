//! JSON parsing as strict as protobuf's own.
//!
//! Field names are lowerCamelCase or as in the proto; an enum is its name or number; an `int64` or `double` is a
//! number or a string; `bytes` are base64 in either alphabet; `null` means "not set". Anything else is an error,
//! unknown fields in particular ("`ProtoJSON` format", protobuf.dev).

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// An `int64` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Int64(pub(crate) i64);

/// A `double` in a request; never NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Double(pub(crate) f64);

/// A `bytes` field in a request, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base64(pub(crate) Bytes);

impl<'de> Deserialize<'de> for Int64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Int64Visitor)
    }
}

struct Int64Visitor;

impl Visitor<'_> for Int64Visitor {
    type Value = Int64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an int64 as a number or a string")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Int64, E> {
        Ok(Int64(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Int64, E> {
        i64::try_from(value).map(Int64).map_err(|_| E::custom("int64 out of range"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Int64, E> {
        value.parse().map(Int64).map_err(|_| E::custom(format!("{value:?} is not an int64")))
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoubleVisitor)
    }
}

struct DoubleVisitor;

impl Visitor<'_> for DoubleVisitor {
    type Value = Double;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a finite number, or one in a string")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Double, E> {
        Ok(Double(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Double, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Double, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Double, E> {
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Double(number)),
            _ => Err(E::custom(format!("{value:?} is not a finite number"))),
        }
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = GeneralPurpose::new(alphabet, config).decode(text).map_err(de::Error::custom)?;
        Ok(Self(Bytes::from(bytes)))
    }
}

/// An enum whose values have a name and a number in the proto.
pub(crate) trait ProtoEnum: Copy + 'static {
    /// All values: name on the wire, number, variant.
    const VALUES: &'static [(&'static str, i64, Self)];
}

/// Parses `E` by name or number.
pub(crate) fn read_enum<'de, E: ProtoEnum, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    struct EnumVisitor<E>(std::marker::PhantomData<E>);

    impl<E: ProtoEnum> Visitor<'_> for EnumVisitor<E> {
        type Value = E;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            let names: Vec<&str> = E::VALUES.iter().map(|value| value.0).collect();
            write!(formatter, "one of {} or its number", names.join(", "))
        }

        fn visit_str<X: de::Error>(self, name: &str) -> Result<E, X> {
            let found = E::VALUES.iter().find(|value| value.0 == name);
            found.map(|value| value.2).ok_or_else(|| X::invalid_value(de::Unexpected::Str(name), &self))
        }

        fn visit_i64<X: de::Error>(self, number: i64) -> Result<E, X> {
            let found = E::VALUES.iter().find(|value| value.1 == number);
            found.map(|value| value.2).ok_or_else(|| X::invalid_value(de::Unexpected::Signed(number), &self))
        }

        fn visit_u64<X: de::Error>(self, number: u64) -> Result<E, X> {
            self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
        }
    }

    deserializer.deserialize_any(EnumVisitor(std::marker::PhantomData))
}

/// Declares a protobuf enum: `Variant = number "NAME"`.
macro_rules! proto_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal $wire:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)+ }

        impl $crate::yandex::proto_json::ProtoEnum for $name {
            const VALUES: &'static [(&'static str, i64, Self)] = &[$(($wire, $number, Self::$variant),)+];
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::yandex::proto_json::read_enum(deserializer)
            }
        }
    };
}

pub(crate) use proto_enum;

#[cfg(test)]
mod tests {
    use super::*;

    proto_enum! {
        /// Enum for the tests.
        Mode { Off = 0 "MODE_OFF", On = 1 "MODE_ON", }
    }

    #[test]
    fn numbers_may_be_quoted() {
        assert_eq!(serde_json::from_str::<Int64>("7").unwrap(), Int64(7));
        assert_eq!(serde_json::from_str::<Int64>("\"-7\"").unwrap(), Int64(-7));
        assert!(serde_json::from_str::<Int64>("7.5").is_err());
        assert!(serde_json::from_str::<Int64>("true").is_err());
        assert_eq!(serde_json::from_str::<Double>("1").unwrap(), Double(1.0));
        assert_eq!(serde_json::from_str::<Double>("\"0.5\"").unwrap(), Double(0.5));
        assert!(serde_json::from_str::<Double>("\"NaN\"").is_err());
    }

    #[test]
    fn enums_are_accepted_by_name_or_number_only() {
        assert_eq!(serde_json::from_str::<Mode>("\"MODE_ON\"").unwrap(), Mode::On);
        assert_eq!(serde_json::from_str::<Mode>("0").unwrap(), Mode::Off);
        assert!(serde_json::from_str::<Mode>("\"ON\"").is_err());
        assert!(serde_json::from_str::<Mode>("2").is_err());
    }

    #[test]
    fn bytes_are_accepted_in_both_alphabets_with_and_without_padding() {
        for text in ["\"+/8=\"", "\"+/8\"", "\"-_8=\"", "\"-_8\""] {
            assert_eq!(serde_json::from_str::<Base64>(text).unwrap().0.as_ref(), [0xfb, 0xff]);
        }
        assert!(serde_json::from_str::<Base64>("\"a b\"").is_err());
    }
}
