//! The form in which e-mail addresses and phone numbers are hashed, so that they are found however they are typed.

use std::fmt;

/// Digits of a Russian number with its country code.
const RUSSIAN_DIGITS: usize = 11;
/// Digits of a Russian number without country code, as people often write it.
const NATIONAL_DIGITS: usize = 10;
/// Fewest digits of a text that is looked for as a phone number, so that short numbers stay numbers of other things.
const MIN_TYPED_DIGITS: usize = 10;
/// Most digits of a phone number (ITU-T E.164).
const MAX_TYPED_DIGITS: usize = 15;

/// A normalised e-mail address or phone number: `email:anna@example.ru`, `phone:79161234567`. Personal data: `Debug` shows only
/// which of both it is.
#[derive(Clone, PartialEq, Eq)]
pub struct ContactTerm(String);

impl ContactTerm {
    /// An e-mail address: without blanks around it, in lower case.
    pub fn of_email(email: &str) -> Self {
        Self(format!("email:{}", email.trim().to_lowercase()))
    }

    /// A phone number in any notation: its digits. A Russian number begins with 7, also if it was written with 8 or without a
    /// country code.
    pub fn of_phone(phone: &str) -> Self {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        // No country code begins with 89, and in Russia 8 replaces it. After `+`, other numbers with 8 are foreign: +84 is Vietnam.
        let is_foreign = phone.trim_start().starts_with('+') && !digits.starts_with("89");
        match digits.strip_prefix('8') {
            Some(rest) if digits.len() == RUSSIAN_DIGITS && !is_foreign => Self(format!("phone:7{rest}")),
            None if digits.len() == NATIONAL_DIGITS && digits.starts_with('9') && !is_foreign => {
                Self(format!("phone:7{digits}"))
            }
            _ => Self(format!("phone:{digits}")),
        }
    }

    /// What a text stands for that somebody typed into a search box; empty if it is neither an e-mail address nor a phone number.
    /// A number that may be Russian or foreign stands for both.
    pub fn typed(text: &str) -> Vec<Self> {
        let text = text.trim();
        if let Some((name, host)) = text.split_once('@') {
            let is_email = !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace);
            return if is_email { vec![Self::of_email(text)] } else { Vec::new() };
        }
        let is_notation =
            |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '(' | ')' | '.' | ' ' | '\u{a0}');
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if !text.chars().all(is_notation) || !(MIN_TYPED_DIGITS..=MAX_TYPED_DIGITS).contains(&digits.len()) {
            return Vec::new();
        }
        let (normal, plain) = (Self::of_phone(text), Self(format!("phone:{digits}")));
        if normal == plain { vec![normal] } else { vec![normal, plain] }
    }

    /// The e-mail address, if it is one.
    pub fn email(&self) -> Option<&str> {
        self.0.strip_prefix("email:")
    }

    /// The text to hash. It must not be stored or logged.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ContactTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.0.split(':').next().unwrap_or_default();
        write!(f, "ContactTerm({kind}:…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_every_notation() {
        for text in ["Anna@Example.RU", " anna@example.ru ", "anna@example.ru\t"] {
            assert_eq!(ContactTerm::of_email(text).as_str(), "email:anna@example.ru", "{text:?}");
            assert_eq!(ContactTerm::typed(text), [ContactTerm::of_email("anna@example.ru")], "{text:?}");
        }
    }

    #[test]
    fn a_russian_number_is_the_same_with_7_with_8_and_without_a_country_code() {
        let stored = ContactTerm::of_phone("+79161234567");
        assert_eq!(stored.as_str(), "phone:79161234567");
        for text in [
            "+7 (916) 123-45-67",
            "8 916 123 45 67",
            "89161234567",
            "+89161234567",
            "9161234567",
            "8-916-123-45-67",
        ] {
            assert_eq!(ContactTerm::of_phone(text), stored, "{text}");
            assert!(ContactTerm::typed(text).contains(&stored), "{text}");
        }
        assert_eq!(ContactTerm::of_phone("8 (495) 123-45-67"), ContactTerm::of_phone("+74951234567"));
    }

    #[test]
    fn a_foreign_number_keeps_its_country_code() {
        for text in ["+84912345678", "+380501234567", "+12025550123", "+9981234567"] {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(ContactTerm::of_phone(text).as_str(), format!("phone:{digits}"));
            assert!(
                ContactTerm::typed(&digits).contains(&ContactTerm::of_phone(text)),
                "{text} typed without +"
            );
        }
    }

    #[test]
    fn other_texts_are_no_contacts() {
        for text in [
            "",
            "31234567",
            "demo.amocrm.ru",
            "pur_01KC0000000000000000000000",
            "@",
            "anna@",
            "@example.ru",
            "a b@example.ru",
            "1234567890123456",
            "+7 916 abc 45 67",
        ] {
            assert!(ContactTerm::typed(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_address_is_not_shown() {
        assert_eq!(format!("{:?}", ContactTerm::of_email("anna@example.ru")), "ContactTerm(email:…)");
        assert_eq!(format!("{:?}", ContactTerm::of_phone("+79161234567")), "ContactTerm(phone:…)");
    }
}
