//! Messengers with a bot of FlySense.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A messenger.
    Messenger {
        /// Telegram.
        Telegram = "telegram", "Telegram";
        /// MAX.
        Max = "max", "MAX";
    }
);

impl Messenger {
    /// URL that opens the bot and passes `payload` to it when the person presses "Start".
    ///
    /// Telegram allows 64 characters of `A-Z a-z 0-9 _ -`, MAX 128. Sources: Telegram docs, features#deep-linking;
    /// dev.max.ru, help/deeplinks.
    pub fn deep_link(self, username: &str, payload: &str) -> String {
        let site = match self {
            Self::Telegram => "https://t.me",
            Self::Max => "https://max.ru",
        };
        format!("{site}/{username}?start={payload}")
    }

    /// Maximum length of a message's text, characters. Sources: Telegram Bot API, sendMessage; dev.max.ru, POST /messages.
    pub const fn max_text_chars(self) -> usize {
        match self {
            Self::Telegram => 4_096,
            Self::Max => 4_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_link_names_the_bot_and_carries_the_payload() {
        let link = |messenger: Messenger| messenger.deep_link("flysense_bot", "k3Jd0_x-");
        assert_eq!(link(Messenger::Telegram), "https://t.me/flysense_bot?start=k3Jd0_x-");
        assert_eq!(link(Messenger::Max), "https://max.ru/flysense_bot?start=k3Jd0_x-");
    }
}
