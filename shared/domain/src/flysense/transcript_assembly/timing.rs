//! Times of punctuated text.
//!
//! SpeechKit returns times for words as spoken (`пять тысяч рублей`) and punctuation in the text (`5000 рублей.`). Both
//! sequences are aligned: equal words are anchors, and words between two anchors are distributed over the tokens in
//! order. A split between words is therefore a split of the text, and punctuation marks stay with their words.

use crate::flysense::stream::Word;

/// A token of the text (a word with its punctuation) and its times, ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimedToken {
    pub(super) text: String,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
}

/// Words searched for an anchor, per token without one: more than most numbers and dates have when spoken, but few
/// enough that an inserted "и" is not matched with a distant one.
const LOOK_AHEAD_WORDS: usize = 8;

/// Upper bound of the search for an anchor; avoids quadratic cost for a text that has nothing in common with its words.
const MAX_LOOK_AHEAD_WORDS: usize = 256;

/// Assigns each token of the text the times of its words, or the whole `span` if no word has times.
pub(super) fn time_text(text: &str, words: &[Word], span: (u64, u64)) -> Vec<TimedToken> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let spoken_at = |text: &str, (start_ms, end_ms): (u64, u64)| TimedToken {
        text: text.to_owned(),
        start_ms,
        end_ms: end_ms.max(start_ms),
    };
    if words.iter().all(|word| word.end_time_ms == 0) {
        return tokens.into_iter().map(|token| spoken_at(token, span)).collect();
    }
    let mut result = Vec::with_capacity(tokens.len());
    let (mut token_at, mut word_at) = (0, 0);
    for (token, word) in anchors(&tokens, words).into_iter().chain([(tokens.len(), words.len())]) {
        let between = &tokens[token_at..token];
        let times = share_out(between.len(), &words[word_at..word], edge(words, word_at));
        result.extend(between.iter().zip(times).map(|(token, times)| spoken_at(token, times)));
        if let (Some(text), Some(word)) = (tokens.get(token), words.get(word)) {
            result.push(spoken_at(text, (word.start_time_ms, word.end_time_ms)));
        }
        (token_at, word_at) = (token + 1, word + 1);
    }
    result
}

/// The time between the words before `at` and the following ones, for tokens without a word.
fn edge(words: &[Word], at: usize) -> u64 {
    match at.checked_sub(1).and_then(|before| words.get(before)) {
        Some(before) => before.end_time_ms,
        None => words.first().map_or(0, |first| first.start_time_ms),
    }
}

/// Pairs of equal tokens and words, by index, both ascending.
fn anchors(tokens: &[&str], words: &[Word]) -> Vec<(usize, usize)> {
    let spoken: Vec<String> = words.iter().map(|word| bare(&word.text)).collect();
    let mut anchors = Vec::new();
    let (mut next, mut unmatched) = (0, 0);
    for (at, token) in tokens.iter().enumerate() {
        let token = bare(token);
        let window = spoken
            .iter()
            .enumerate()
            .skip(next)
            .take((LOOK_AHEAD_WORDS * (1 + unmatched)).min(MAX_LOOK_AHEAD_WORDS));
        match window.filter(|(_, word)| !word.is_empty()).find(|(_, word)| **word == token) {
            Some((word, _)) => {
                anchors.push((at, word));
                (next, unmatched) = (word + 1, 0);
            }
            None => unmatched += 1,
        }
    }
    anchors
}

/// Normalizes a word for comparison: lower case, no punctuation, "ё" as "е".
fn bare(word: &str) -> String {
    let letters = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    letters.map(|c| if c == 'ё' { 'е' } else { c }).collect()
}

/// Distributes words over `count` tokens in order. A token may cover several words, and several tokens may share a word.
/// Without words, the tokens are placed at `edge` with zero duration.
fn share_out(count: usize, words: &[Word], edge: u64) -> Vec<(u64, u64)> {
    (0..count)
        .map(|at| {
            let first = at * words.len() / count;
            let last = ((at + 1) * words.len() / count).max(first + 1) - 1;
            match (words.get(first), words.get(last)) {
                (Some(first), Some(last)) => (first.start_time_ms, last.end_time_ms),
                _ => (edge, edge),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of 100 ms each, from 1 s on, written as `раз|два||три`: each bar is 100 ms of silence.
    fn spoken(line: &str) -> Vec<Word> {
        let mut at = 1_000;
        let mut words = Vec::new();
        for word in line.split('|') {
            if !word.is_empty() {
                words.push(Word { text: word.to_owned(), start_time_ms: at, end_time_ms: at + 100 });
                at += 100;
            }
            at += 100;
        }
        words
    }

    fn times(text: &str, words: &str) -> Vec<(String, u64, u64)> {
        let timed = time_text(text, &spoken(words), (0, 9_999));
        timed.into_iter().map(|token| (token.text, token.start_ms, token.end_ms)).collect()
    }

    fn expected(rows: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
        rows.iter().map(|(text, start, end)| ((*text).to_owned(), *start, *end)).collect()
    }

    #[test]
    fn punctuated_words_have_the_times_of_the_words_as_heard() {
        assert_eq!(
            times("Всё, спасибо!", "все|спасибо"),
            expected(&[("Всё,", 1_000, 1_100), ("спасибо!", 1_200, 1_300)])
        );
    }

    #[test]
    fn a_number_spans_the_words_it_was_spoken_in() {
        assert_eq!(
            times("Это 5000 рублей.", "это|пять|тысяч|рублей"),
            expected(&[("Это", 1_000, 1_100), ("5000", 1_200, 1_500), ("рублей.", 1_600, 1_700)])
        );
        assert_eq!(
            times(
                "Номер +7 900 000-00-00 верно?",
                "номер|семь|девятьсот|ноль|ноль|ноль|ноль|ноль|ноль|ноль|верно"
            )
            .last(),
            expected(&[("верно?", 3_000, 3_100)]).last()
        );
    }

    #[test]
    fn a_dash_takes_no_time_and_several_tokens_may_be_one_word() {
        assert_eq!(
            times("— Да — нет", "да|нет"),
            expected(&[
                ("—", 1_000, 1_000),
                ("Да", 1_000, 1_100),
                ("—", 1_100, 1_100),
                ("нет", 1_200, 1_300)
            ])
        );
        assert_eq!(
            times("т. е. да", "тоесть|да"),
            expected(&[("т.", 1_000, 1_100), ("е.", 1_000, 1_100), ("да", 1_200, 1_300)])
        );
    }

    #[test]
    fn text_without_words_has_the_times_of_the_whole() {
        assert_eq!(times("Да нет", ""), expected(&[("Да", 0, 9_999), ("нет", 0, 9_999)]));
    }
}
