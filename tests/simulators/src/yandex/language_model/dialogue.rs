//! Parses the dialogue in a prompt and derives a summary and mood from it.

/// Prefixes of words that express displeasure.
const DISPLEASED: [&str; 12] = [
    "плох",
    "ужас",
    "кошмар",
    "третий раз",
    "не работа",
    "сломал",
    "жалоб",
    "недовол",
    "безобраз",
    "обман",
    "верните",
    "сколько можно",
];

/// Prefixes of words that express satisfaction.
const PLEASED: [&str; 6] = ["отличн", "прекрасн", "замечательн", "супер", "рад", "большое спасибо"];

/// Mood of a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Negative,
    Neutral,
    Positive,
}

impl Mood {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }

    pub(crate) fn in_russian(self) -> &'static str {
        match self {
            Self::Negative => "негативная",
            Self::Neutral => "нейтральная",
            Self::Positive => "позитивная",
        }
    }

    /// Score from -1 to 1.
    pub(crate) fn score(self) -> f64 {
        match self {
            Self::Negative => -0.7,
            Self::Neutral => 0.0,
            Self::Positive => 0.7,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    speaker: String,
    text: String,
}

/// Utterances with their speakers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dialogue {
    lines: Vec<Line>,
}

impl Dialogue {
    /// Parses the lines `[time] Speaker: text` of a prompt. A prompt without such lines is the text of one
    /// speaker.
    pub(crate) fn read(prompt: &str) -> Self {
        let mut lines: Vec<Line> = prompt.lines().filter_map(read_line).collect();
        if lines.is_empty() && !prompt.trim().is_empty() {
            lines.push(Line { speaker: String::new(), text: prompt.trim().to_owned() });
        }
        Self { lines }
    }

    /// Adds an utterance.
    pub(crate) fn push(&mut self, speaker: &str, text: &str) {
        self.lines.push(Line { speaker: speaker.to_owned(), text: text.to_owned() });
    }

    /// The first sentence of each speaker, in order of appearance.
    pub(crate) fn summary(&self) -> String {
        let mut seen: Vec<&str> = Vec::new();
        let mut sentences = Vec::new();
        for line in self.lines.iter().filter(|line| !line.text.is_empty()) {
            if seen.contains(&line.speaker.as_str()) {
                continue;
            }
            seen.push(&line.speaker);
            let sentence = telling_sentence(&line.text);
            sentences.push(match line.speaker.as_str() {
                "" => sentence.to_owned(),
                speaker => format!("{speaker}: {sentence}"),
            });
        }
        if sentences.is_empty() {
            "Разговора не было.".to_owned()
        } else {
            sentences.join(" ")
        }
    }

    /// Mood of the speaker who is not the operator, or of all speakers if no roles are given.
    pub(crate) fn mood(&self) -> Mood {
        match self.telling_line() {
            Some((mood, _)) => mood,
            None => Mood::Neutral,
        }
    }

    /// The sentence that determined the mood, or a statement that there is none.
    pub(crate) fn reason(&self) -> String {
        match self.telling_line() {
            Some((_, text)) => text.to_owned(),
            None => "Ничего особенного не сказано.".to_owned(),
        }
    }

    fn telling_line(&self) -> Option<(Mood, &str)> {
        let mut pleased = None;
        for line in self.lines.iter().filter(|line| !is_operator(&line.speaker)) {
            let text = line.text.to_lowercase();
            if DISPLEASED.iter().any(|stem| text.contains(stem)) {
                return Some((Mood::Negative, &line.text));
            }
            if pleased.is_none() && PLEASED.iter().any(|stem| text.contains(stem)) {
                pleased = Some((Mood::Positive, line.text.as_str()));
            }
        }
        pleased
    }
}

fn is_operator(speaker: &str) -> bool {
    let speaker = speaker.to_lowercase();
    ["оператор", "менеджер", "сотрудник", "operator", "agent"].iter().any(|role| speaker.contains(role))
}

/// Parses `[00:01] Клиент: Добрый день.`; `None` if there is no short name before the first colon.
fn read_line(line: &str) -> Option<Line> {
    let mut rest = line.trim();
    if let Some((_, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        rest = after.trim_start();
    }
    let (speaker, text) = rest.split_once(": ")?;
    let words = speaker.split_whitespace().count();
    let nameable = (1..=3).contains(&words) && !speaker.contains(['.', '"', '{', '?', '!', ',']);
    nameable.then(|| Line { speaker: speaker.trim().to_owned(), text: text.trim().to_owned() })
}

/// The first sentence that is more than a greeting.
fn telling_sentence(text: &str) -> &str {
    let sentences = || text.split_inclusive(['.', '!', '?']).map(str::trim).filter(|part| !part.is_empty());
    sentences()
        .find(|sentence| sentence.split_whitespace().count() > 2)
        .or_else(|| sentences().next())
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_with_time_and_speaker_are_parsed_as_utterances() {
        let dialogue = Dialogue::read(
            "Разговор по телефону.\n[00:01] Оператор: Слушаю вас.\nКлиент: Виджет не работает!",
        );
        assert_eq!(dialogue.summary(), "Оператор: Слушаю вас. Клиент: Виджет не работает!");
        assert_eq!(Dialogue::read("просто текст").summary(), "просто текст");
    }

    #[test]
    fn only_the_clients_displeasure_counts() {
        let angry = Dialogue::read("Оператор: Слушаю.\nКлиент: Я уже третий раз звоню.");
        assert_eq!((angry.mood(), angry.reason().as_str()), (Mood::Negative, "Я уже третий раз звоню."));
        assert_eq!(Dialogue::read("Оператор: У нас всё плохо.\nКлиент: Понятно.").mood(), Mood::Neutral);
    }
}
