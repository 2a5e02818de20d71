//! Sums in words, as invoices and acts repeat them.

use crate::money::Kopecks;

/// The grammatical gender of a counted noun, on which the words for 1 and 2 depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gender {
    Masculine,
    Feminine,
}

/// A counted noun: with 1, with 2 to 4, and with 5 and more.
#[derive(Debug, Clone, Copy)]
struct Noun {
    forms: [&'static str; 3],
    gender: Gender,
}

const ROUBLE: Noun = Noun { forms: ["рубль", "рубля", "рублей"], gender: Gender::Masculine };
const KOPECK: Noun =
    Noun { forms: ["копейка", "копейки", "копеек"], gender: Gender::Feminine };

/// Powers of a thousand, largest first. An `i64` of kopecks has fewer than 10¹⁷ roubles.
const GROUPS: [(u64, Noun); 5] = [
    (
        1_000_000_000_000_000,
        Noun {
            forms: ["квадриллион", "квадриллиона", "квадриллионов"], gender: Gender::Masculine
        },
    ),
    (
        1_000_000_000_000,
        Noun {
            forms: ["триллион", "триллиона", "триллионов"], gender: Gender::Masculine
        },
    ),
    (
        1_000_000_000,
        Noun {
            forms: ["миллиард", "миллиарда", "миллиардов"], gender: Gender::Masculine
        },
    ),
    (
        1_000_000,
        Noun {
            forms: ["миллион", "миллиона", "миллионов"], gender: Gender::Masculine
        },
    ),
    (1_000, Noun { forms: ["тысяча", "тысячи", "тысяч"], gender: Gender::Feminine }),
];

const HUNDREDS: [&str; 10] =
    ["", "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот"];
const TENS: [&str; 10] = [
    "",
    "",
    "двадцать",
    "тридцать",
    "сорок",
    "пятьдесят",
    "шестьдесят",
    "семьдесят",
    "восемьдесят",
    "девяносто",
];
/// 0 to 19, masculine.
const UNITS: [&str; 20] = [
    "",
    "один",
    "два",
    "три",
    "четыре",
    "пять",
    "шесть",
    "семь",
    "восемь",
    "девять",
    "десять",
    "одиннадцать",
    "двенадцать",
    "тринадцать",
    "четырнадцать",
    "пятнадцать",
    "шестнадцать",
    "семнадцать",
    "восемнадцать",
    "девятнадцать",
];

/// `Одна тысяча четыреста девяносто девять рублей 05 копеек`: roubles in words, kopecks in two digits.
pub fn roubles_in_words(amount: Kopecks) -> String {
    let kopecks_per_rouble = Kopecks::PER_UNIT.unsigned_abs();
    let magnitude = amount.0.unsigned_abs();
    let (roubles, kopecks) = (magnitude / kopecks_per_rouble, magnitude % kopecks_per_rouble);
    let mut words = Vec::new();
    if amount.0 < 0 {
        words.push("минус");
    }
    if roubles == 0 {
        words.push("ноль");
    }
    for (size, noun) in GROUPS {
        let count = roubles / size % 1_000;
        if count > 0 {
            push_below_thousand(&mut words, count, noun.gender);
            words.push(form(noun, count));
        }
    }
    push_below_thousand(&mut words, roubles % 1_000, ROUBLE.gender);
    words.push(form(ROUBLE, roubles));
    let text = words.join(" ");
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    let capitalised: String = first.into_iter().flatten().chain(letters).collect();
    format!("{capitalised} {kopecks:02} {}", form(KOPECK, kopecks))
}

/// Adds the words of a number below 1,000; nothing for 0.
fn push_below_thousand(words: &mut Vec<&'static str>, number: u64, gender: Gender) {
    let below_hundred = number % 100;
    let (tens, units) =
        if below_hundred < 20 { (0, below_hundred) } else { (below_hundred / 10, below_hundred % 10) };
    let unit = match (units, gender) {
        (1, Gender::Feminine) => "одна",
        (2, Gender::Feminine) => "две",
        _ => word(&UNITS, units),
    };
    let found = [word(&HUNDREDS, number / 100 % 10), word(&TENS, tens), unit];
    words.extend(found.into_iter().filter(|word| !word.is_empty()));
}

/// The word at an index that is within the table.
fn word(table: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| table.get(index).copied()).unwrap_or_default()
}

/// The form of a noun after a number.
const fn form(noun: Noun, number: u64) -> &'static str {
    let [one, few, many] = noun.forms;
    match (number % 10, number % 100) {
        (_, 11..=14) => many,
        (1, _) => one,
        (2..=4, _) => few,
        _ => many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_in_words() {
        for (kopecks, text) in [
            (0, "Ноль рублей 00 копеек"),
            (1, "Ноль рублей 01 копейка"),
            (100, "Один рубль 00 копеек"),
            (2_202, "Двадцать два рубля 02 копейки"),
            (1_111, "Одиннадцать рублей 11 копеек"),
            (49_905, "Четыреста девяносто девять рублей 05 копеек"),
            (100_000, "Одна тысяча рублей 00 копеек"),
            (1_200_000, "Двенадцать тысяч рублей 00 копеек"),
            (249_900, "Две тысячи четыреста девяносто девять рублей 00 копеек"),
            (10_000_100, "Сто тысяч один рубль 00 копеек"),
            (100_000_000, "Один миллион рублей 00 копеек"),
            (
                123_456_789_021,
                "Один миллиард двести тридцать четыре миллиона пятьсот шестьдесят семь тысяч восемьсот девяносто рублей \
                 21 копейка",
            ),
            (-150, "Минус один рубль 50 копеек"),
        ] {
            assert_eq!(roubles_in_words(Kopecks(kopecks)), text);
        }
    }

    #[test]
    fn the_largest_amounts_have_words() {
        for kopecks in [i64::MAX, i64::MIN] {
            let text = roubles_in_words(Kopecks(kopecks));
            let lower = text.to_lowercase();
            assert!(lower.contains("девяносто два квадриллиона") && lower.contains("рублей"), "{text}");
            assert!(!text.contains("  "), "{text}");
        }
    }
}
