//! Redacts personal data in T-Bank's error messages.

/// Minimum digits in a row (with spaces, dashes and brackets between them) that may be a phone or card number.
const MIN_REDACTED_DIGITS: usize = 7;
/// Maximum length of a redacted message.
const MAX_MESSAGE_CHARS: usize = 300;

/// Removes personal data from T-Bank's message. `Details` repeats fields of the request, such as the payer's e-mail
/// address and phone, and is stored in logs and in `jobs.last_error`.
pub(super) fn redact_message(message: &str) -> String {
    let plain: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let redacted: Vec<&str> =
        plain.split(' ').map(|word| if word.contains('@') { "[address]" } else { word }).collect();
    redact_numbers(redacted.join(" ").trim()).chars().take(MAX_MESSAGE_CHARS).collect()
}

fn redact_numbers(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        kept.push_str(before);
        let within = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '*');
        let run = &number[..number.find(|c| !within(c)).unwrap_or(number.len())];
        let run = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        let digits = run.chars().filter(char::is_ascii_digit).count();
        kept.push_str(if digits >= MIN_REDACTED_DIGITS { "[number]" } else { run });
        rest = &number[run.len()..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::redact_message;

    #[test]
    fn what_may_name_a_person_is_left_out_and_the_rest_is_kept() {
        for (said, kept) in [
            ("Поле Receipt.Email: buh@example.test неверно", "Поле Receipt.Email: [address] неверно"),
            ("Email=<buh@example.test>, повторите", "[address] повторите"),
            ("Телефон +7 (916) 123-45-67 не принят", "Телефон +[number] не принят"),
            ("Карта 220138******0013 отклонена", "Карта [number] отклонена"),
            ("Платёж 3093639567: статус 4, сумма 49900", "Платёж [number]: статус 4, сумма 49900"),
            ("Недостаточно\nсредств", "Недостаточно средств"),
            ("", ""),
        ] {
            assert_eq!(redact_message(said), kept);
        }
        assert_eq!(redact_message(&"ы".repeat(1_000)).chars().count(), 300);
    }
}
