//! Classifiers of utterances (SpeechKit, "Speech analysis").

use serde_json::{Value, json};

use super::request::Trigger;
use super::transcript::{Transcript, Utterance};
use super::words::{Word, bare};

/// Reported probability of a hit, and of its absence (`MISS`).
const HIT: f64 = 0.93;
const MISS: f64 = 0.03;

/// Phrases of each word-based classifier; `*` matches any word ending.
fn phrases(classifier: &str) -> &'static [&'static str] {
    match classifier {
        "formal_greeting" => {
            &["здравствуйте", "добрый день", "добрый вечер", "доброе утро", "вас приветствует"]
        }
        "informal_greeting" => &["привет", "здорово", "салют"],
        "formal_farewell" => &["до свидания", "всего доброго", "всего хорошего"],
        "informal_farewell" => &["пока", "давай", "чао"],
        "insult" => &["дурак*", "идиот*", "тупой", "тупая"],
        "profanity" => &["чёрт*", "черт", "хрен*"],
        "negative" => &[
            "плохо",
            "ужас*",
            "третий раз",
            "не работает",
            "сколько можно",
            "безобрази*",
            "недовол*",
            "жалоб*",
        ],
        "answerphone" => &["автоответчик", "после сигнала", "оставьте сообщение"],
        _ => &[],
    }
}

/// Whether the profanity filter masks this word.
pub(super) fn is_profane(word: &str) -> bool {
    ["profanity", "insult"]
        .iter()
        .flat_map(|classifier| phrases(classifier))
        .any(|phrase| matches_word(phrase, &bare(word)))
}

/// The `classifierUpdate` of one classifier for one utterance.
pub(super) fn update(
    classifier: &str,
    trigger: Trigger,
    utterance: &Utterance,
    transcript: &Transcript,
) -> Value {
    let hit = find(classifier, &utterance.words);
    let sure = hit.is_some() || (classifier == "answerphone" && transcript.answerphone);
    let labels = if classifier == "gender" {
        let male = if utterance.tag == 0 { 0.84 } else { 0.21 };
        json!([{ "label": "male", "confidence": male }, { "label": "female", "confidence": 1.0 - male }])
    } else {
        json!([{ "label": "confidence", "confidence": if sure { HIT } else { MISS } }])
    };
    // Only classifiers of single words return highlights.
    let highlights = match hit {
        Some(words) if ["insult", "profanity"].contains(&classifier) => vec![highlight(words)],
        _ => Vec::new(),
    };
    let span = utterance.span();
    json!({
        "windowType": if trigger == Trigger::OnFinal { "LAST_FINAL" } else { "LAST_UTTERANCE" },
        "startTimeMs": span.start_ms.to_string(),
        "endTimeMs": span.end_ms.to_string(),
        "classifierResult": { "classifier": classifier, "highlights": highlights, "labels": labels },
    })
}

fn highlight(words: &[Word]) -> Value {
    let text: Vec<String> = words.iter().map(Word::bare).collect();
    json!({
        "text": text.join(" "),
        "startTimeMs": words.first().map_or(0, |word| word.span.start_ms).to_string(),
        "endTimeMs": words.last().map_or(0, |word| word.span.end_ms).to_string(),
    })
}

/// The first words that match a phrase of the classifier.
fn find<'a>(classifier: &str, words: &'a [Word]) -> Option<&'a [Word]> {
    phrases(classifier).iter().find_map(|phrase| {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        words.windows(wanted.len()).find(|window| {
            window.iter().zip(&wanted).all(|(word, wanted)| matches_word(wanted, &word.bare()))
        })
    })
}

fn matches_word(wanted: &str, word: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(stem) => word.starts_with(stem),
        None => word == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::super::speech::Span;
    use super::super::words::{split, spread};
    use super::*;

    fn confidence(classifier: &str, text: &str) -> f64 {
        let speech = vec![Span::new(0, 3_000)];
        let utterance = Utterance { tag: 1, words: spread(&split(text), &speech), speech };
        let update = update(classifier, Trigger::OnUtterance, &utterance, &Transcript::default());
        update["classifierResult"]["labels"][0]["confidence"].as_f64().unwrap()
    }

    #[test]
    fn phrases_match_whole_words_regardless_of_punctuation() {
        assert!(confidence("negative", "У меня не работает виджет, это очень плохо!") > 0.5);
        assert!(confidence("negative", "Я уже третий раз звоню.") > 0.5);
        assert!(confidence("negative", "Хорошо, выставьте счёт.") < 0.5);
        assert!(confidence("formal_farewell", "Спасибо, до свидания!") > 0.5);
        assert!(confidence("informal_farewell", "Оно не показывает") < 0.5);
    }

    #[test]
    fn a_word_based_classifier_returns_the_word() {
        let speech = vec![Span::new(0, 2_000)];
        let utterance = Utterance { tag: 0, words: spread(&split("Ну и дурак!"), &speech), speech };
        let update = update("insult", Trigger::OnFinal, &utterance, &Transcript::default());
        assert_eq!(update["windowType"], "LAST_FINAL");
        assert_eq!(update["classifierResult"]["highlights"][0]["text"], "дурак");
        assert_eq!(update["classifierResult"]["highlights"][0]["endTimeMs"], "2000");
    }
}
