//! Phone numbers of people who confirmed them in a messenger.

use std::fmt;

/// The text contains no phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a phone number has 7 to 15 digits")]
pub struct InvalidPhone;

/// A phone number, as digits with a leading `+` (E.164). Personal data: `Debug` shows the masked number only.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Reads a number in any notation. Messengers send it with or without `+`, and with blanks, dashes and brackets.
    ///
    /// The number comes from the messenger, not from a person who types it, so it begins with the country's code.
    pub fn parse(text: &str) -> Result<Self, InvalidPhone> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if (7..=15).contains(&digits.len()) { Ok(Self(format!("+{digits}"))) } else { Err(InvalidPhone) }
    }

    /// The number: `+79161234567`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number with its middle hidden: `+7 *** ***-45-67`.
    pub fn masked(&self) -> String {
        let tail = &self.0[self.0.len() - 4..];
        format!("{} *** ***-{}-{}", &self.0[..2], &tail[..2], &tail[2..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_in_every_notation() {
        for text in ["79161234567", "+79161234567", "+7 (916) 123-45-67"] {
            assert_eq!(Phone::parse(text).unwrap().as_str(), "+79161234567", "{text}");
        }
        for text in ["", "+7", "no number", "1234567890123456"] {
            assert_eq!(Phone::parse(text), Err(InvalidPhone), "{text}");
        }
    }

    #[test]
    fn a_masked_number_shows_the_country_and_four_digits() {
        let phone = Phone::parse("79161234567").unwrap();
        assert_eq!(phone.masked(), "+7 *** ***-45-67");
        assert_eq!(format!("{phone:?}"), "Phone(+7 *** ***-45-67)");
        assert_eq!(Phone::parse("1234567").unwrap().masked(), "+1 *** ***-45-67");
    }
}
