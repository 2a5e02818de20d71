//! Amounts as people read them in Russian.

use flysk_domain::money::{Kopecks, MicroCoins};

/// Keeps an amount on one line.
const SPACE: char = '\u{a0}';

/// `1 500 ₽`, `499,05 ₽`.
pub(super) fn roubles(amount: Kopecks) -> String {
    let text = amount.to_string();
    let (whole, rest) = text.split_once('.').unwrap_or((&text, "00"));
    let rest = if rest == "00" { String::new() } else { format!(",{rest}") };
    format!("{}{rest}{SPACE}₽", grouped(whole))
}

/// `1 500`, `962,5`, `0,004167`: never rounded, no idle zeros.
pub(super) fn coins(amount: MicroCoins) -> String {
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
            text.push(SPACE);
        }
        text.push(digit);
    }
    text
}

/// `день`, `дня`, `дней`, whichever goes with the number.
pub(super) const fn days_word(days: u32) -> &'static str {
    match (days % 10, days % 100) {
        (_, 11..=14) => "дней",
        (1, _) => "день",
        (2..=4, _) => "дня",
        _ => "дней",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_in_russian() {
        for (kopecks, text) in [(150_000, "1 500 ₽"), (49_905, "499,05 ₽"), (100_000_000, "1 000 000 ₽")]
        {
            assert_eq!(roubles(Kopecks(kopecks)).replace(SPACE, " "), text);
        }
        for (micro, text) in
            [(0, "0"), (962_500_000, "962,5"), (1_234_567_000_000, "1 234 567"), (-4_167, "−0,004167")]
        {
            assert_eq!(coins(MicroCoins(micro)).replace(SPACE, " "), text);
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
