//! Words: spelling, and distribution over speech.

use super::speech::{Span, total_ms};

/// A recognised word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As written in normalized text: `Здравствуйте!`.
    pub(crate) written: String,
    pub(crate) span: Span,
}

impl Word {
    /// As in raw recognition: lower case, no punctuation.
    pub(crate) fn bare(&self) -> String {
        bare(&self.written)
    }
}

/// A word in lower case without surrounding punctuation.
pub(crate) fn bare(written: &str) -> String {
    written.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase()
}

/// Splits a text into words. Separate punctuation (a dash) belongs to the previous word.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if bare(part).is_empty() => {
                last.push(' ');
                last.push_str(part);
            }
            _ if bare(part).is_empty() => {}
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Distributes words over parts in proportion to `lengths_ms`, weighted by letters.
pub(crate) fn divide(words: &[String], lengths_ms: &[i64]) -> Vec<Vec<String>> {
    let all_letters = weight(words);
    let all_ms: i64 = lengths_ms.iter().sum();
    let mut shares = vec![Vec::new(); lengths_ms.len()];
    let (mut letters, mut share, mut passed_ms) = (0, 0, 0);
    for word in words {
        let own = weight(std::slice::from_ref(word));
        // Position of the middle of the word.
        let middle_ms = (2 * letters + own) * all_ms / (2 * all_letters).max(1);
        while share + 1 < lengths_ms.len() && middle_ms >= passed_ms + lengths_ms[share] {
            passed_ms += lengths_ms[share];
            share += 1;
        }
        if let Some(share) = shares.get_mut(share) {
            share.push(word.clone());
        }
        letters += own;
    }
    shares
}

/// Distributes words over speech, weighted by letters. The first word begins and the last one ends with the
/// speech.
pub(crate) fn spread(words: &[String], speech: &[Span]) -> Vec<Word> {
    let all_letters = weight(words).max(1);
    let all_ms = total_ms(speech);
    let mut letters = 0;
    words
        .iter()
        .map(|word| {
            let start_ms = moment(speech, letters * all_ms / all_letters, false);
            letters += weight(std::slice::from_ref(word));
            let end_ms = moment(speech, letters * all_ms / all_letters, true);
            Word { written: word.clone(), span: Span::new(start_ms, end_ms) }
        })
        .collect()
}

/// Normalized text of these words: a capital first letter, and a full stop if the last word has no punctuation.
pub(crate) fn literary(words: &[Word]) -> String {
    let mut text = words.iter().map(|word| word.written.as_str()).collect::<Vec<_>>().join(" ");
    if let Some(first) = text.chars().next() {
        text.replace_range(..first.len_utf8(), &first.to_uppercase().to_string());
    }
    if text.ends_with(char::is_alphanumeric) {
        text.push('.');
    } else if text.ends_with([',', ':', ';', '—', '-']) {
        text.truncate(text.trim_end_matches(|mark: char| !mark.is_alphanumeric()).len());
        text.push('.');
    }
    text
}

/// Number of letters, plus one per word for the gap.
fn weight(words: &[String]) -> i64 {
    let letters: usize = words.iter().map(|word| word.chars().count() + 1).sum();
    i64::try_from(letters).unwrap_or(i64::MAX)
}

/// Time when `spoken_ms` of speech have passed. At a pause this is its end, or its beginning if `ending`.
fn moment(speech: &[Span], spoken_ms: i64, ending: bool) -> i64 {
    let mut left = spoken_ms;
    for span in speech {
        if left < span.duration_ms() || (ending && left == span.duration_ms()) {
            return span.start_ms + left;
        }
        left -= span.duration_ms();
    }
    speech.last().map_or(0, |span| span.end_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_the_speech_and_not_the_pause() {
        let words = split("раз два — три четыре");
        assert_eq!(words, ["раз", "два —", "три", "четыре"]);
        let placed = spread(&words, &[Span::new(1_000, 2_000), Span::new(5_000, 6_000)]);
        assert_eq!(placed[0].span.start_ms, 1_000);
        assert_eq!(placed[3].span.end_ms, 6_000);
        assert!(placed.windows(2).all(|pair| pair[0].span.end_ms <= pair[1].span.start_ms));
    }

    #[test]
    fn words_are_distributed_by_the_length_of_each_part() {
        let words = split("один два шесть семь");
        assert_eq!(divide(&words, &[1_000, 1_000]), [["один", "два"], ["шесть", "семь"]]);
        assert_eq!(divide(&words, &[0, 1_000])[0].len(), 0);
        assert_eq!(divide(&words, &[1_000]), [words]);
    }

    #[test]
    fn literary_text_begins_with_a_capital_and_ends_with_a_mark() {
        let text = |text: &str| literary(&spread(&split(text), &[Span::new(0, 1_000)]));
        assert_eq!(text("добрый день,"), "Добрый день.");
        assert_eq!(text("кто там?"), "Кто там?");
    }
}
