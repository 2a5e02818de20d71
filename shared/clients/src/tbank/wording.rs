//! The bank's words about a refusal, as far as they may be kept.

/// So many digits in a row (spaces, dashes and brackets between them) may be a phone or a card.
const LONG: usize = 7;
/// More than a sentence helps nobody.
const LONGEST: usize = 300;

/// The bank's words without what may name a person: `Details` echo fields of the request, a payer's address and
/// phone among them, and go into logs and into `jobs.last_error`.
pub(super) fn nameless(words: &str) -> String {
    let plain: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let spared: Vec<&str> =
        plain.split(' ').map(|word| if word.contains('@') { "[address]" } else { word }).collect();
    without_numbers(spared.join(" ").trim()).chars().take(LONGEST).collect()
}

fn without_numbers(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        kept.push_str(before);
        let within = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '*');
        let run = &number[..number.find(|c| !within(c)).unwrap_or(number.len())];
        let run = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        let digits = run.chars().filter(char::is_ascii_digit).count();
        kept.push_str(if digits >= LONG { "[number]" } else { run });
        rest = &number[run.len()..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::nameless;

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
            assert_eq!(nameless(said), kept);
        }
        assert_eq!(nameless(&"ы".repeat(1_000)).chars().count(), 300);
    }
}
