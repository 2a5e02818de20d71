//! E-mail address for the fiscal receipt (54-FZ).

use std::fmt;
use std::str::FromStr;

/// The text is not an e-mail address that T-Bank accepts for receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address is `name@host.zone` of at most 64 ASCII characters")]
pub struct InvalidEmail;

/// An e-mail address of at most 64 characters (T-Bank's limit for `Receipt.Email`). Personal data: neither `Debug` nor
/// logs show it, only [`Email::as_str`].
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    /// Refuses only what is certainly invalid; whether the mailbox exists is not checked.
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b',' | b';');
        let (name, host) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let labels = || host.split('.');
        let label =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let good = text.len() <= 64
            && text.bytes().all(plain)
            && !name.is_empty()
            && !name.contains('@')
            && labels().count() >= 2
            && labels().all(label);
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidEmail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_host_with_a_zone() {
        for good in ["buh@example.test", "a.b+c@mail.example.co", " x@y.z "] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        let long = format!("{}@example.test", "x".repeat(60));
        for bad in ["", "@a.b", "a@b", "a b@c.d", "a@b..c", "a@@b.c", "a@b.c,d@e.f", "имя@пример.рф", &long]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", "buh@example.test".parse::<Email>().unwrap()), "Email(…)");
    }
}
