//! Requisites of a payer.

use std::fmt;
use std::str::FromStr;

use crate::platform::subscriptions::check_inn;

/// Maximum length of a payer's name, in characters. Source: T-API, `payer.name`.
pub const MAX_PAYER_NAME_CHARS: usize = 512;
/// Digits of the INN of a person; organisations have ten.
const PERSON_INN_LEN: usize = 12;
/// Digits of a KPP.
const KPP_LEN: usize = 9;

/// Why requisites are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequisites {
    /// Empty, too long or with line breaks.
    #[error("a payer's name has 1 to {MAX_PAYER_NAME_CHARS} characters on one line")]
    Name,
    /// Wrong number of digits, or wrong check digits.
    #[error("the INN must have 10 or 12 digits with correct check digits")]
    Inn,
    /// An organisation without a KPP, or a KPP of another length.
    #[error("the KPP of an organisation has 9 digits")]
    Kpp,
    /// A person has no KPP.
    #[error("an entrepreneur has no KPP")]
    KppOfPerson,
}

/// Taxpayer number (INN) with correct check digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inn {
    digits: [u8; PERSON_INN_LEN],
    len: usize,
}

impl Inn {
    /// The digits.
    pub fn as_str(&self) -> &str {
        self.digits.get(..self.len).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default()
    }

    /// Whether the payer is a person: an entrepreneur or a self-employed one.
    pub const fn is_person(&self) -> bool {
        self.len == PERSON_INN_LEN
    }
}

impl FromStr for Inn {
    type Err = InvalidRequisites;

    fn from_str(text: &str) -> Result<Self, InvalidRequisites> {
        let text = text.trim();
        check_inn(text).map_err(|_| InvalidRequisites::Inn)?;
        let mut digits = [0; PERSON_INN_LEN];
        let place = digits.get_mut(..text.len()).ok_or(InvalidRequisites::Inn)?;
        place.copy_from_slice(text.as_bytes());
        Ok(Self { digits, len: text.len() })
    }
}

impl fmt::Display for Inn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Inn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inn({self})")
    }
}

/// Payer of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// Name of the organisation or the entrepreneur.
    pub name: String,
    /// Taxpayer number.
    pub inn: Inn,
    /// Code of the reason of registration; only organisations have one.
    pub kpp: Option<String>,
}

impl Payer {
    /// Checks requisites as they were typed.
    pub fn new(name: &str, inn: &str, kpp: Option<&str>) -> Result<Self, InvalidRequisites> {
        let name = name.trim();
        if !(1..=MAX_PAYER_NAME_CHARS).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(InvalidRequisites::Name);
        }
        let inn: Inn = inn.parse()?;
        let kpp = kpp.map(str::trim).filter(|kpp| !kpp.is_empty());
        match kpp {
            Some(_) if inn.is_person() => return Err(InvalidRequisites::KppOfPerson),
            None if !inn.is_person() => return Err(InvalidRequisites::Kpp),
            Some(kpp) if kpp.len() != KPP_LEN || !kpp.bytes().all(|digit| digit.is_ascii_digit()) => {
                return Err(InvalidRequisites::Kpp);
            }
            _ => {}
        }
        Ok(Self { name: name.to_owned(), inn, kpp: kpp.map(ToOwned::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_has_a_kpp_and_a_person_has_none() {
        let firm = Payer::new(" ООО «Ромашка» ", "7707083893", Some(" 770701001 ")).unwrap();
        assert_eq!((firm.name.as_str(), firm.inn.as_str()), ("ООО «Ромашка»", "7707083893"));
        assert_eq!(firm.kpp.as_deref(), Some("770701001"));
        let person = Payer::new("ИП Иванов И. И.", "500100732259", Some("")).unwrap();
        assert!(person.inn.is_person() && person.kpp.is_none());
        for (name, inn, kpp, wanted) in [
            ("", "7707083893", Some("770701001"), InvalidRequisites::Name),
            ("ООО\nРомашка", "7707083893", Some("770701001"), InvalidRequisites::Name),
            ("ООО Ромашка", "7707083894", Some("770701001"), InvalidRequisites::Inn),
            ("ООО Ромашка", "", Some("770701001"), InvalidRequisites::Inn),
            ("ООО Ромашка", "7707083893", None, InvalidRequisites::Kpp),
            ("ООО Ромашка", "7707083893", Some("77070100"), InvalidRequisites::Kpp),
            ("ООО Ромашка", "7707083893", Some("77070100x"), InvalidRequisites::Kpp),
            ("ИП Иванов", "500100732259", Some("770701001"), InvalidRequisites::KppOfPerson),
        ] {
            assert_eq!(Payer::new(name, inn, kpp), Err(wanted), "{name} {inn} {kpp:?}");
        }
    }
}
