//! Payment orders by which money goes back to a firm.

use std::fmt;

use chrono::NaiveDate;

/// Maximum length of an order's number, in characters.
pub const MAX_ORDER_NUMBER_CHARS: usize = 20;
/// Maximum length of a reason with its order, in characters.
const MAX_REASON_CHARS: usize = 500;

/// The text is no number of a payment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of a payment order has 1 to {MAX_ORDER_NUMBER_CHARS} digits or Latin letters")]
pub struct InvalidOrderNumber;

/// A payment order in the bank by which a person has sent money back. Flysk makes none; it records that there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentOrder {
    number: String,
    day: NaiveDate,
}

impl PaymentOrder {
    /// The order with this number of this day, Moscow.
    pub fn new(number: &str, day: NaiveDate) -> Result<Self, InvalidOrderNumber> {
        let number = number.trim();
        let fits = (1..=MAX_ORDER_NUMBER_CHARS).contains(&number.len());
        let valid = fits && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        valid.then(|| Self { number: number.to_owned(), day }).ok_or(InvalidOrderNumber)
    }

    /// Key that is unique among the orders of an account: numbers begin anew each year. At most 29 ASCII characters.
    pub fn key(&self) -> String {
        format!("{}:{}", self.day.format("%Y%m%d"), self.number)
    }

    /// A person's reason with the order, in Russian, at most 500 characters.
    pub fn with_reason(&self, reason: &str) -> String {
        format!("{self}: {reason}").chars().take(MAX_REASON_CHARS).collect()
    }
}

impl fmt::Display for PaymentOrder {
    /// `поручение № 17 от 30.11.2026`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "поручение № {} от {}", self.number, self.day.format("%d.%m.%Y"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_known_by_its_number_and_day() {
        let day: NaiveDate = "2026-11-30".parse().unwrap();
        let order = PaymentOrder::new(" 17 ", day).unwrap();
        assert_eq!(order.key(), "20261130:17");
        assert_eq!(order.with_reason("ошибка"), "поручение № 17 от 30.11.2026: ошибка");
        assert_eq!(order.with_reason(&"я".repeat(600)).chars().count(), MAX_REASON_CHARS);
        for number in ["", " ", "17 18", "17/2", "сто", &"1".repeat(21)] {
            assert_eq!(PaymentOrder::new(number, day), Err(InvalidOrderNumber), "{number}");
        }
    }
}
