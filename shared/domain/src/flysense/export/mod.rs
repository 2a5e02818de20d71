//! A dialogue as a document. Every document says that a machine made it.

mod subtitles;
mod text;

use chrono::{DateTime, FixedOffset};

pub use subtitles::srt;
pub use text::txt;

/// Note in every document.
pub const MACHINE_MADE_RU: &str = "Распознано автоматически, возможны ошибки";

/// A dialogue and what its document says about the call.
#[derive(Debug, Clone)]
pub struct Document {
    /// Title, such as `Входящий звонок`.
    pub title: String,
    /// Time of the call in the reader's time zone; `None` if unknown.
    pub called_at: Option<DateTime<FixedOffset>>,
    /// Duration of the recording, ms; `None` if unknown.
    pub duration_ms: Option<u64>,
    /// Address of the card.
    pub link: String,
    /// Summary; `None` without one.
    pub summary: Option<String>,
    /// Labels and tags.
    pub tags: Vec<String>,
    /// The turns in order of time.
    pub turns: Vec<Turn>,
}

/// One utterance of an exported document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Name of the speaker.
    pub speaker: String,
    /// Milliseconds from the beginning of the recording.
    pub start_ms: u64,
    /// End, ms; never before the start.
    pub end_ms: u64,
    /// Words of the utterance, as a user may have edited them.
    pub text: String,
}

impl Document {
    /// Lines above the dialogue, without the summary.
    pub fn header(&self) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        if let Some(time) = self.called_at {
            lines.push(format!("Время звонка: {}", time.format("%d.%m.%Y %H:%M")));
        }
        if let Some(duration_ms) = self.duration_ms {
            lines.push(format!("Длительность: {}", clock(duration_ms)));
        }
        lines.push(format!("Карточка: {}", self.link));
        if !self.tags.is_empty() {
            lines.push(format!("Теги: {}", self.tags.join(", ")));
        }
        lines.push(format!("{MACHINE_MADE_RU}. FlySense AI, SpeechKit"));
        lines
    }
}

/// `05:07`, or `1:05:07` from an hour on.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// One line without control characters, as a document needs it.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(super) fn document(turns: &[(&str, u64, u64, &str)]) -> Document {
        let turn = |&(speaker, start_ms, end_ms, text): &(&str, u64, u64, &str)| Turn {
            speaker: speaker.to_owned(),
            start_ms,
            end_ms,
            text: text.to_owned(),
        };
        Document {
            title: "Входящий звонок".to_owned(),
            called_at: DateTime::parse_from_rfc3339("2026-11-30T13:05:00+03:00").ok(),
            duration_ms: Some(3_907_000),
            link: "https://demo.amocrm.ru/leads/detail/700001#flysense=tr_1".to_owned(),
            summary: Some("Клиент просит счёт.".to_owned()),
            tags: vec!["Негатив".to_owned(), "перезвонить".to_owned()],
            turns: turns.iter().map(turn).collect(),
        }
    }

    #[test]
    fn a_document_says_which_call_it_is_and_that_a_machine_made_it() {
        assert_eq!(
            document(&[]).header(),
            [
                "Входящий звонок",
                "Время звонка: 30.11.2026 13:05",
                "Длительность: 1:05:07",
                "Карточка: https://demo.amocrm.ru/leads/detail/700001#flysense=tr_1",
                "Теги: Негатив, перезвонить",
                "Распознано автоматически, возможны ошибки. FlySense AI, SpeechKit",
            ]
        );
    }
}
