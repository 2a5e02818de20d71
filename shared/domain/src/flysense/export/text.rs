//! Plain text.

use super::{Document, clock, one_line};

/// The document as plain text with `\n` line ends; `with_times` puts the start before each turn.
pub fn txt(document: &Document, with_times: bool) -> String {
    let mut text = document.header().iter().map(|line| one_line(line)).collect::<Vec<_>>().join("\n");
    text.push('\n');
    if let Some(summary) = &document.summary {
        text.push_str("\nИтог\n");
        text.push_str(summary.trim());
        text.push('\n');
    }
    text.push_str("\nДиалог\n");
    for turn in &document.turns {
        if with_times {
            text.push('[');
            text.push_str(&clock(turn.start_ms));
            text.push_str("] ");
        }
        text.push_str(&turn.speaker);
        text.push_str(": ");
        text.push_str(&one_line(&turn.text));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::document;
    use super::*;

    #[test]
    fn turns_are_lines_with_or_without_times() {
        let document =
            document(&[("Оператор", 0, 900, "Добрый день"), ("Клиент", 65_000, 66_000, "Мне\nсчёт")]);
        let text = txt(&document, true);
        assert!(
            text.ends_with("Диалог\n[00:00] Оператор: Добрый день\n[01:05] Клиент: Мне счёт\n"),
            "{text}"
        );
        assert!(
            text.contains("\nИтог\nКлиент просит счёт.\n") && text.contains(super::super::MACHINE_MADE_RU)
        );
        assert!(txt(&document, false).ends_with("Диалог\nОператор: Добрый день\nКлиент: Мне счёт\n"));
    }
}
