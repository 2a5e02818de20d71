//! The first sentence of a summary, shown below a call's record.

/// Maximum length, in characters; a longer sentence is cut at a word.
pub const MAX_CHARS: usize = 160;

/// The first sentence of a text, at most [`MAX_CHARS`] long; empty for a blank text.
///
/// A full stop ends a sentence if white space and no lower-case letter follow: "на 10 тыс. рублей" goes on.
pub fn first_sentence(text: &str) -> String {
    let text = text.trim();
    let mut end = text.len();
    for (at, char) in text.char_indices() {
        if char == '\n' {
            end = at;
            break;
        }
        if !matches!(char, '.' | '!' | '?' | '…') {
            continue;
        }
        let after = text.get(at + char.len_utf8()..).unwrap_or_default();
        let next = after.trim_start();
        let is_end = after.is_empty() || (after.len() != next.len() && !next.starts_with(char::is_lowercase));
        if is_end {
            end = at + char.len_utf8();
            break;
        }
    }
    cut(text.get(..end).unwrap_or(text).trim_end())
}

fn cut(sentence: &str) -> String {
    if sentence.chars().count() <= MAX_CHARS {
        return sentence.to_owned();
    }
    let head: String = sentence.chars().take(MAX_CHARS - 1).collect();
    let whole_words = head.rsplit_once(char::is_whitespace).map_or(head.as_str(), |(words, _)| words);
    format!("{}…", whole_words.trim_end_matches([',', ';', ':', '-', '–', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_where_a_reader_would_end_it() {
        for (text, first) in [
            ("Клиент просит счёт. Оператор обещает.", "Клиент просит счёт."),
            ("Сумма 10 тыс. рублей. Дальше", "Сумма 10 тыс. рублей."),
            ("Версия 2.0 не подходит! Нужна 3.", "Версия 2.0 не подходит!"),
            ("Без точки", "Без точки"),
            ("Строка\nДругая", "Строка"),
            ("  ", ""),
        ] {
            assert_eq!(first_sentence(text), first, "{text}");
        }
    }

    #[test]
    fn a_long_sentence_is_cut_at_a_word() {
        let long = first_sentence(&"слово ".repeat(60));
        assert!(long.chars().count() <= MAX_CHARS && long.ends_with("слово…"), "{long}");
        assert_eq!(first_sentence(&"я".repeat(500)).chars().count(), MAX_CHARS);
    }
}
