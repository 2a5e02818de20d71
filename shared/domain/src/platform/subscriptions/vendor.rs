//! Vendors: who sells a widget.

/// T-Bank's codes of taxation. Source: T-Bank API v2, `Receipt.Taxation`.
pub const TAXATIONS: [&str; 5] = ["osn", "usn_income", "usn_income_outcome", "esn", "patent"];
/// Maximum length of a legal name, in characters.
const MAX_LEGAL_NAME_LEN: usize = 200;
/// Maximum length of a terminal's key and password. Source: T-Bank API v2, `TerminalKey`.
const MAX_TERMINAL_LEN: usize = 20;

/// Why a vendor's data is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVendor {
    /// Not 2 to 64 of a–z, 0–9 and `-`.
    #[error("a vendor's code is 2 to 64 of a-z, 0-9 and `-`")]
    Code,
    /// Empty, too long, or with a control character.
    #[error("a legal name has 1 to {MAX_LEGAL_NAME_LEN} characters on one line")]
    LegalName,
    /// Not 10 or 12 digits with correct check digits.
    #[error("the INN must have 10 or 12 digits with correct check digits")]
    Inn,
    /// Invalid telephone number.
    #[error("write the telephone number like +74951234567")]
    Phone,
    /// Neither `R` nor `I`.
    #[error("the charge initiator is R for an ECOM terminal, I for an AFT terminal")]
    ChargeInitiator,
    /// Unknown taxation.
    #[error("the taxation is one of osn, usn_income, usn_income_outcome, esn and patent")]
    Taxation,
    /// Empty, too long, or with another character than letters and digits.
    #[error("a terminal's key has 1 to {MAX_TERMINAL_LEN} letters and digits")]
    TerminalKey,
    /// Empty password of a terminal.
    #[error("a terminal's password is empty")]
    TerminalPassword,
}

/// Accepts 2 to 64 of a–z, 0–9 and `-`.
pub fn check_vendor_code(code: &str) -> Result<(), InvalidVendor> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let valid = (2..=64).contains(&code.len()) && code.bytes().all(plain);
    if valid { Ok(()) } else { Err(InvalidVendor::Code) }
}

/// Accepts 1 to 200 characters without control characters; blanks at both ends do not count.
pub fn check_legal_name(name: &str) -> Result<(), InvalidVendor> {
    let length = name.trim().chars().count();
    let valid = (1..=MAX_LEGAL_NAME_LEN).contains(&length) && !name.chars().any(char::is_control);
    if valid { Ok(()) } else { Err(InvalidVendor::LegalName) }
}

/// Checks a telephone number: `+` and 10 to 15 digits.
pub fn check_phone(phone: &str) -> Result<(), InvalidVendor> {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    let valid = (10..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    if valid { Ok(()) } else { Err(InvalidVendor::Phone) }
}

/// Checks who starts recurring charges: T-Bank's `OperationInitiatorType`.
pub fn check_charge_initiator(initiator: &str) -> Result<(), InvalidVendor> {
    if matches!(initiator, "R" | "I") { Ok(()) } else { Err(InvalidVendor::ChargeInitiator) }
}

/// Checks a code of taxation.
pub fn check_taxation(taxation: &str) -> Result<(), InvalidVendor> {
    if TAXATIONS.contains(&taxation) { Ok(()) } else { Err(InvalidVendor::Taxation) }
}

/// Accepts 1 to 20 ASCII letters and digits.
pub fn check_terminal_key(key: &str) -> Result<(), InvalidVendor> {
    let valid = (1..=MAX_TERMINAL_LEN).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric());
    if valid { Ok(()) } else { Err(InvalidVendor::TerminalKey) }
}

/// Checks a taxpayer number (INN) and its check digits. Source: order of the tax service ММВ-7-6/435@, appendix.
pub fn check_inn(inn: &str) -> Result<(), InvalidVendor> {
    const LAST: [u32; 9] = [2, 4, 10, 3, 5, 9, 4, 6, 8];
    const SECOND_LAST: [u32; 10] = [7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    const LAST_OF_PERSON: [u32; 11] = [3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8];
    let digits: Option<Vec<u32>> = inn.chars().map(|digit| digit.to_digit(10)).collect();
    let digits = digits.filter(|_| inn.is_ascii()).ok_or(InvalidVendor::Inn)?;
    let control = |weights: &[u32]| {
        let sum: u32 = weights.iter().zip(&digits).map(|(weight, digit)| weight * digit).sum();
        sum % 11 % 10
    };
    let valid = match digits.as_slice() {
        [.., last] if digits.len() == 10 => control(&LAST) == *last,
        [.., second_last, last] if digits.len() == 12 => {
            control(&SECOND_LAST) == *second_last && control(&LAST_OF_PERSON) == *last
        }
        _ => false,
    };
    if valid { Ok(()) } else { Err(InvalidVendor::Inn) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_inn_is_refused() {
        // Known numbers of organisations (10 digits) and a person's number composed by the rule (12 digits).
        for inn in ["7707083893", "7710140679", "500100732259"] {
            assert_eq!(check_inn(inn), Ok(()), "{inn}");
        }
        for inn in
            ["", "7707083894", "770708389", "77070838931", "50010073225a", "500100732258", "٧٧٠٧٠٨٣٨٩٣"]
        {
            assert!(check_inn(inn).is_err(), "{inn}");
        }
    }

    #[test]
    fn a_vendors_data_is_checked_field_by_field() {
        assert!(check_vendor_code("romashka-2").is_ok() && check_vendor_code("Ромашка").is_err());
        assert!(check_vendor_code("x").is_err());
        assert!(check_legal_name("ООО «Ромашка»").is_ok() && check_legal_name(&"я".repeat(200)).is_ok());
        for name in ["", "  ", "ООО\nЗАО", &"я".repeat(201)] {
            assert_eq!(check_legal_name(name), Err(InvalidVendor::LegalName), "{name}");
        }
        assert!(check_phone("+74951234567").is_ok());
        for phone in ["84951234567", "+7495", "+7495123456x", ""] {
            assert_eq!(check_phone(phone), Err(InvalidVendor::Phone), "{phone}");
        }
        assert!(check_charge_initiator("R").is_ok() && check_charge_initiator("X").is_err());
        assert!(TAXATIONS.into_iter().all(|code| check_taxation(code).is_ok()));
        assert!(check_taxation("usn").is_err());
        assert!(check_terminal_key("1700000000000DEMO").is_ok());
        for key in ["", "with space", "1234567890123456789012"] {
            assert_eq!(check_terminal_key(key), Err(InvalidVendor::TerminalKey), "{key}");
        }
    }
}
