//! Subtitles in the format SRT: numbered cues of at most two lines of 42 characters, each at least a second long.

use super::{Document, MACHINE_MADE_RU, one_line};

/// Maximum length of a line, in characters.
const LINE_CHARS: usize = 42;
/// Maximum number of lines of a cue.
const CUE_LINES: usize = 2;
/// Minimum duration of a cue, ms.
const MIN_CUE_MS: u64 = 1_000;

/// The dialogue as SRT. A long turn becomes several cues, which share its time by their length. The first cue carries the
/// note that a machine made it.
pub fn srt(document: &Document) -> String {
    let mut cues: Vec<(u64, u64, String)> = Vec::new();
    for (index, turn) in document.turns.iter().enumerate() {
        let mark = if index == 0 { format!("({MACHINE_MADE_RU}) ") } else { String::new() };
        let lines = wrap(&format!("{mark}{}: {}", turn.speaker, one_line(&turn.text)));
        let parts: Vec<&[String]> = lines.chunks(CUE_LINES).collect();
        let length = |part: &[String]| part.iter().map(|line| char_count(line)).sum::<u64>();
        let whole: u64 = parts.iter().map(|part| length(part)).sum::<u64>().max(1);
        let duration_ms = turn.end_ms.saturating_sub(turn.start_ms).max(MIN_CUE_MS);
        let mut said = 0;
        for part in parts {
            let from = turn.start_ms + duration_ms * said / whole;
            said += length(part);
            let to = (turn.start_ms + duration_ms * said / whole).max(from + MIN_CUE_MS);
            cues.push((from, to, part.join("\n")));
        }
    }
    let cue = |(index, (from, to, text)): (usize, &(u64, u64, String))| {
        format!("{}\n{} --> {}\n{text}\n", index + 1, time(*from), time(*to))
    };
    cues.iter().enumerate().map(cue).collect::<Vec<_>>().join("\n")
}

fn char_count(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// `01:02:03,456`.
fn time(ms: u64) -> String {
    format!("{:02}:{:02}:{:02},{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

/// Breaks a text into lines at words; a longer word is broken too.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let chars: Vec<char> = word.chars().collect();
        for piece in chars.chunks(LINE_CHARS) {
            let piece: String = piece.iter().collect();
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + piece.chars().count() <= LINE_CHARS => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::document;
    use super::*;

    #[test]
    fn cues_are_short_and_last_a_second_and_the_first_says_who_made_them() {
        let long = "слово ".repeat(40);
        let text = srt(&document(&[("Оператор", 100, 200, "Да"), ("Клиент", 3_600_000, 3_612_000, &long)]));
        let first =
            "1\n00:00:00,100 --> 00:00:01,100\n(Распознано автоматически, возможны\nошибки) Оператор: Да\n";
        assert!(text.starts_with(first), "{text}");
        let mut cues = 0;
        for cue in text.split("\n\n").filter(|cue| !cue.trim().is_empty()) {
            let lines: Vec<&str> = cue.trim().lines().collect();
            cues += 1;
            assert_eq!(lines[0], cues.to_string());
            assert!(lines.len() <= 2 + CUE_LINES, "{cue}");
            assert!(lines.iter().skip(2).all(|line| line.chars().count() <= LINE_CHARS), "{cue}");
        }
        assert!(cues > 3 && text.contains("01:00:00,000 --> "), "{text}");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken() {
        assert_eq!(
            wrap(&"я".repeat(50)).iter().map(|line| line.chars().count()).collect::<Vec<_>>(),
            [42, 8]
        );
    }
}
