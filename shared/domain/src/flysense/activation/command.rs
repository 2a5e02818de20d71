//! Commands that people write to the bot.

use super::code::ShortCode;
use super::notices::NoticeKind;

/// Command that a text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/help`.
    Help,
    /// `/status`: the accounts that the person is bound to.
    Status,
    /// `/stop`: end all bindings and delete the phone number.
    Stop,
    /// `/settings`: which notices the person gets.
    Settings,
    /// Switch notices of a kind on or off: the label of a button of `/settings`.
    Switch {
        /// The kind.
        kind: NoticeKind,
        /// Whether the person wants it.
        on: bool,
    },
    /// A short code.
    Code(ShortCode),
    /// Anything else.
    Unknown,
}

impl Command {
    /// Reads a text. In Telegram a command may name the bot: `/stop@flysense_bot`.
    pub fn parse(text: &str) -> Self {
        let first = text.split_whitespace().next().unwrap_or_default();
        let word = first.split_once('@').map_or(first, |(command, _)| command);
        match word.to_ascii_lowercase().as_str() {
            "/help" => Self::Help,
            "/status" => Self::Status,
            "/stop" => Self::Stop,
            "/settings" => Self::Settings,
            _ => Self::from_label(text)
                .or_else(|| ShortCode::parse(text).map(Self::Code))
                .unwrap_or(Self::Unknown),
        }
    }

    /// Label of the button that switches notices of a kind on or off.
    pub fn switch_label(kind: NoticeKind, on: bool) -> String {
        let action = if on { SWITCH_ON } else { SWITCH_OFF };
        format!("{action}: {}", kind.label())
    }

    fn from_label(text: &str) -> Option<Self> {
        let (action, label) = text.trim().split_once(": ")?;
        let on = match action {
            SWITCH_ON => true,
            SWITCH_OFF => false,
            _ => return None,
        };
        let kind = NoticeKind::ALL.iter().find(|kind| kind.label() == label)?;
        Some(Self::Switch { kind: *kind, on })
    }
}

const SWITCH_ON: &str = "Включить";
const SWITCH_OFF: &str = "Выключить";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_a_button_is_its_command() {
        for kind in NoticeKind::ALL {
            for on in [true, false] {
                let label = Command::switch_label(*kind, on);
                assert_eq!(Command::parse(&label), Command::Switch { kind: *kind, on }, "{label}");
            }
        }
        assert_eq!(Command::parse("Выключить: всё"), Command::Unknown);
    }

    #[test]
    fn commands_are_read_in_any_case_and_with_the_bots_name() {
        assert_eq!(Command::parse("/stop"), Command::Stop);
        assert_eq!(Command::parse(" /Help@flysense_bot please"), Command::Help);
        assert_eq!(Command::parse("/STATUS"), Command::Status);
        assert!(matches!(Command::parse("7k3m-9qxd"), Command::Code(_)));
        assert_eq!(Command::parse("stop it"), Command::Unknown);
    }
}
