//! Numbers of invoices, and how they are found in the purpose of a payment.

use std::fmt;

/// Maximum length of a payment's purpose, in characters; banks cut what is longer. Source: Bank of Russia, rule 762-P,
/// appendix 1, requisite 24.
pub const MAX_PURPOSE_CHARS: usize = 210;
/// Added to the serials, so that every number has at least [`MIN_DIGITS`] digits and is not taken for a day or a sum.
const FIRST_SERIAL: i64 = 100_000;
/// Digits of the smallest number.
const MIN_DIGITS: usize = 7;
/// Maximum number of digits. Source: T-API, `invoiceNumber`.
const MAX_DIGITS: usize = 15;
/// Largest serial: a number of [`MAX_DIGITS`] digits without its check digit.
const MAX_SERIAL: i64 = 99_999_999_999_999;
/// More numbers than a payer names; the rest of a purpose is not looked at.
const MAX_NUMBERS: usize = 16;

/// A vendor's series has no number left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the series of invoice numbers is exhausted")]
pub struct SeriesExhausted;

/// Number of an invoice: a serial and a check digit (Luhn), so that a mistyped digit or two swapped ones name no invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InvoiceNumber(i64);

impl InvoiceNumber {
    /// The number of a serial; serials count from 1.
    pub fn of_serial(serial: i64) -> Result<Self, SeriesExhausted> {
        let padded = serial.checked_add(FIRST_SERIAL).filter(|padded| *padded <= MAX_SERIAL && serial >= 1);
        let padded = padded.ok_or(SeriesExhausted)?;
        Ok(Self(padded * 10 + check_digit(padded)))
    }

    /// A number that somebody wrote; `None` if its check digit or its length is wrong.
    pub fn written(number: i64) -> Option<Self> {
        let padded = number / 10;
        let valid = padded > FIRST_SERIAL && padded <= MAX_SERIAL && number % 10 == check_digit(padded);
        valid.then_some(Self(number))
    }

    /// The number as an integer.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for InvoiceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Luhn's check digit.
fn check_digit(serial: i64) -> i64 {
    let (mut rest, mut sum, mut doubled) = (serial, 0, true);
    while rest > 0 {
        let digit = rest % 10;
        sum += match (doubled, digit) {
            (true, 5..) => digit * 2 - 9,
            (true, _) => digit * 2,
            (false, _) => digit,
        };
        (rest, doubled) = (rest / 10, !doubled);
    }
    (10 - sum % 10) % 10
}

/// Consecutive digits of a text.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// Their value; meaningless for more than [`MAX_DIGITS`] digits.
    value: i64,
    /// Their number.
    len: usize,
    /// Whether one blank or hyphen separates it from the run before it.
    follows: bool,
}

impl Run {
    fn push(&mut self, digit: u32) {
        self.len += 1;
        if self.len <= MAX_DIGITS {
            self.value = self.value * 10 + i64::from(digit);
        }
    }

    /// Both runs as one.
    fn joined(self, next: Self) -> Self {
        let len = self.len + next.len;
        let shifted = u32::try_from(next.len).ok().and_then(|digits| 10_i64.checked_pow(digits));
        let value = shifted.and_then(|factor| self.value.checked_mul(factor)?.checked_add(next.value));
        Self { value: value.unwrap_or_default(), len, follows: self.follows }
    }

    fn number(self) -> Option<InvoiceNumber> {
        let fits = (MIN_DIGITS..=MAX_DIGITS).contains(&self.len);
        fits.then_some(self.value).and_then(InvoiceNumber::written)
    }
}

fn runs(purpose: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // Characters since the last digit, and whether the last of them joins two runs.
    let (mut gap, mut joins, mut length) = (usize::MAX, false, 0_usize);
    for character in purpose.chars() {
        length += 1;
        let Some(digit) = character.to_digit(10) else {
            gap = gap.saturating_add(1);
            joins = matches!(character, ' ' | '\u{a0}' | '\u{202f}' | '-');
            continue;
        };
        if gap > 0 {
            runs.push(Run { follows: gap == 1 && joins, ..Run::default() });
        }
        if let Some(run) = runs.last_mut() {
            run.push(digit);
        }
        gap = 0;
    }
    // The rest of a number may have been cut off.
    if length >= MAX_PURPOSE_CHARS && gap == 0 {
        runs.pop();
    }
    runs
}

/// Numbers of invoices that a purpose may name, in the order of the text, each once.
///
/// A number is a run of digits, or runs with one blank or hyphen between them. Longer runs, such as accounts, contain no
/// number. A number at the end of a text that the bank may have cut is not read.
pub fn numbers_in_purpose(purpose: &str) -> Vec<InvoiceNumber> {
    let runs = runs(purpose);
    let mut found: Vec<InvoiceNumber> = Vec::new();
    let mut add = |run: Run| {
        if let Some(number) = run.number()
            && !found.contains(&number)
            && found.len() < MAX_NUMBERS
        {
            found.push(number);
        }
    };
    let mut group: Option<(Run, usize)> = None;
    for run in runs {
        group = match group {
            Some((whole, parts)) if run.follows => Some((whole.joined(run), parts + 1)),
            other => {
                if let Some((whole, 2..)) = other {
                    add(whole);
                }
                Some((run, 1))
            }
        };
        add(run);
    }
    if let Some((whole, 2..)) = group {
        add(whole);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(serial: i64) -> InvoiceNumber {
        InvoiceNumber::of_serial(serial).unwrap()
    }

    #[test]
    fn a_series_begins_with_seven_digits_and_ends_with_fifteen() {
        assert_eq!(number(1).to_string(), "1000017");
        assert_eq!(number(MAX_SERIAL - FIRST_SERIAL).to_string().len(), MAX_DIGITS);
        for serial in [0, -1, MAX_SERIAL - FIRST_SERIAL + 1, i64::MAX] {
            assert_eq!(InvoiceNumber::of_serial(serial), Err(SeriesExhausted), "{serial}");
        }
    }

    #[test]
    fn a_number_is_found_however_it_is_written() {
        let first = number(1);
        for purpose in [
            "1000017",
            "Оплата по счету № 1000017 от 30.11.2026. НДС не облагается",
            "сч.№1000017",
            "Оплата по сч N1000017",
            "Счет 1000 017, за услуги",
            "счет 1 000 017",
            "сч. 1000-017",
            "Оплата ИНН 7707083893 КПП 770702001 р/с 40702810900000000001 счет 1000017",
            "по счету 1000017 и 1000017",
        ] {
            assert_eq!(numbers_in_purpose(purpose), [first], "{purpose}");
        }
        assert_eq!(numbers_in_purpose("сч. 1000017, 1000025"), [first, number(2)]);
    }

    #[test]
    fn other_digits_are_no_number() {
        for purpose in [
            "",
            "Оплата за ноябрь 2026",
            "Оплата по счету 17 от 30.11.2026 сумма 4990-00",
            // Two digits swapped, one mistyped, one missing, one too many.
            "1000071",
            "1000018",
            "100001",
            "10000170",
            // An account, and a number within longer digits.
            "40702810900001000017",
            "0000000010000170000000",
            "٧٧٠٧٠٨٣",
        ] {
            assert!(numbers_in_purpose(purpose).is_empty(), "{purpose}");
        }
    }

    #[test]
    fn the_end_of_a_cut_purpose_is_not_read() {
        let text = |chars: usize| format!("{} 1000017", "я".repeat(chars - 8));
        assert_eq!(numbers_in_purpose(&text(MAX_PURPOSE_CHARS - 1)), [number(1)]);
        assert!(numbers_in_purpose(&text(MAX_PURPOSE_CHARS)).is_empty());
        let complete = format!("{}.", text(MAX_PURPOSE_CHARS));
        assert_eq!(numbers_in_purpose(&complete), [number(1)]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_numbers_survive_it(before in "[^0-9]{0,40}", after in "[^0-9]{0,40}", serial in 1_i64..1_000_000) {
            let number = number(serial);
            let found = numbers_in_purpose(&format!("{before}{number}{after}"));
            prop_assert_eq!(found, vec![number]);
        }

        #[test]
        fn a_mistyped_digit_names_no_invoice(serial in 1_i64..1_000_000, place in 0_u32..7, by in 1_i64..10) {
            let number = number(serial).get();
            let unit = 10_i64.pow(place);
            let digit = number / unit % 10;
            let mistyped = number - digit * unit + (digit + by) % 10 * unit;
            prop_assert_eq!(InvoiceNumber::written(mistyped), None);
        }
    }
}
