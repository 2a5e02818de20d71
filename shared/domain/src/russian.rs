//! Numbers and amounts as Russian texts show them.

mod words;

use chrono::NaiveDate;

use crate::money::{Kopecks, MicroCoins};

pub use words::roubles_in_words;

/// No-break space: keeps an amount on one line.
pub const NO_BREAK_SPACE: char = '\u{a0}';

/// `1 500 ₽`, `499,05 ₽`.
pub fn roubles(amount: Kopecks) -> String {
    let text = amount.to_string();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "00"));
    let rest = if rest == "00" { String::new() } else { format!(",{rest}") };
    format!("{}{rest}{NO_BREAK_SPACE}₽", grouped(whole))
}

/// `1 500`, `962,5`, `0,004167`: not rounded, without trailing zeros.
pub fn coins(amount: MicroCoins) -> String {
    let text = amount.to_string();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { grouped(whole) } else { format!("{},{rest}", grouped(whole)) }
}

fn grouped(whole: &str) -> String {
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(NO_BREAK_SPACE);
        }
        text.push(digit);
    }
    text
}

/// `10 000`, `−5`.
pub fn number(number: i64) -> String {
    grouped(&number.to_string())
}

/// `31.12.2026`.
pub fn day(day: NaiveDate) -> String {
    day.format("%d.%m.%Y").to_string()
}

/// The form of "day" for a number: `день`, `дня` or `дней`.
pub const fn days_word(days: u32) -> &'static str {
    match (days % 10, days % 100) {
        (_, 11..=14) => "дней",
        (1, _) => "день",
        (2..=4, _) => "дня",
        _ => "дней",
    }
}

/// Number of seats: `1 место`, `3 места`, `5 мест`.
pub fn seats(seats: u32) -> String {
    let word = match (seats % 10, seats % 100) {
        (_, 11..=14) => "мест",
        (1, _) => "место",
        (2..=4, _) => "места",
        _ => "мест",
    };
    format!("{seats} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_in_russian() {
        for (kopecks, text) in [(150_000, "1 500 ₽"), (49_905, "499,05 ₽"), (100_000_000, "1 000 000 ₽")]
        {
            assert_eq!(roubles(Kopecks(kopecks)).replace(NO_BREAK_SPACE, " "), text);
        }
        for (micro, text) in
            [(0, "0"), (962_500_000, "962,5"), (1_234_567_000_000, "1 234 567"), (-4_167, "−0,004167")]
        {
            assert_eq!(coins(MicroCoins(micro)).replace(NO_BREAK_SPACE, " "), text);
        }
    }

    #[test]
    fn long_numbers_are_grouped_by_thousands() {
        assert_eq!(number(10_000).replace(NO_BREAK_SPACE, " "), "10 000");
        assert_eq!(roubles(Kopecks(-49_905)).replace(NO_BREAK_SPACE, " "), "−499,05 ₽");
    }

    #[test]
    fn seats_are_counted_as_in_russian() {
        for (number, text) in [
            (1, "1 место"),
            (2, "2 места"),
            (5, "5 мест"),
            (11, "11 мест"),
            (21, "21 место"),
            (112, "112 мест"),
        ] {
            assert_eq!(seats(number), text);
        }
    }

    #[test]
    fn days_are_counted_as_in_russian() {
        for (days, word) in
            [(1, "день"), (2, "дня"), (5, "дней"), (11, "дней"), (21, "день"), (90, "дней"), (112, "дней")]
        {
            assert_eq!(days_word(days), word, "{days}");
        }
    }
}
