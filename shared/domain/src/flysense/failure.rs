//! Why a call has no transcript, in words a manager can act on.

use super::coded::coded_enum;

coded_enum!(
    /// The reason a transcription failed: a code for machines, an explanation for the manager.
    FailureCode {
        /// The file has no bytes.
        Empty = "empty", "Телефония отдала пустой файл. Проверьте, что запись разговора сохранилась, и запустите расшифровку ещё раз.";
        /// The file is something else: a page, a picture, noise.
        NotAudio = "not_audio", "По ссылке не запись разговора, а другой файл или страница входа. Откройте ссылку в карточке и проверьте доступ к записям в телефонии.";
        /// Audio we cannot read.
        UnsupportedCodec = "unsupported_codec", "Формат записи не поддерживается. Выберите в настройках телефонии MP3, WAV или OGG.";
        /// Longer than 4 h.
        TooLong = "too_long", "Запись длиннее 4 часов, такие не расшифровываются.";
        /// More than 1 GB.
        TooLarge = "too_large", "Файл записи больше 1 ГБ. Выберите в настройках телефонии сжатый формат, например MP3.";
        /// Begins as audio, cannot be decoded.
        Damaged = "damaged", "Файл записи повреждён. Если в телефонии запись проигрывается, запустите расшифровку ещё раз.";
        /// Decoding took longer than any sane file needs.
        DecodeTimeout = "decode_timeout", "Запись не удалось прочитать за отведённое время: скорее всего, файл повреждён.";
        /// Decoding took more memory than any sane file needs.
        DecodeMemory = "decode_memory", "Запись не удалось прочитать: на неё не хватило отведённой памяти, скорее всего, файл повреждён. Выберите в настройках телефонии MP3, WAV или OGG.";
        /// The note never got a link.
        LinkMissing = "link_missing", "Телефония не передала ссылку на запись. Проверьте, что запись разговоров включена.";
        /// The same call is on another card too, and transcribed there.
        SameCall = "same_call", "Этот же звонок уже расшифровывается в другой карточке. Если расшифровка нужна и здесь, запустите её.";
        /// The link leads where we do not go.
        LinkForbiddenAddress = "link_forbidden_address", "Ссылка на запись ведёт во внутреннюю сеть или на недопустимый адрес. Попросите администратора телефонии открыть записи из интернета.";
        /// The host answered with a refusal, or not at all, for as long as we tried.
        RecordingUnavailable = "recording_unavailable", "Запись не удалось скачать: сервер телефонии не отдаёт файл. Проверьте, что запись ещё хранится, и запустите расшифровку ещё раз.";
        /// amoCRM does not let us read the note any more.
        AccountDisconnected = "account_disconnected", "Нет доступа к amoCRM: администратору нужно заново подключить виджет.";
        /// The recogniser did not take the file.
        RecognitionRefused = "recognition_refused", "Сервис распознавания не принял запись. Повтор не поможет, напишите в поддержку.";
        /// The recogniser took it and failed.
        RecognitionFailed = "recognition_failed", "Сервис распознавания не справился с записью. Запустите расшифровку ещё раз.";
        /// The recogniser did not end in time.
        RecognitionTimeout = "recognition_timeout", "Сервис распознавания не ответил вовремя. Запустите расшифровку ещё раз.";
        /// The result was there and is gone (kept for 3 days).
        ResultExpired = "result_expired", "Результат распознавания не успели забрать, срок его хранения истёк. Запустите расшифровку ещё раз.";
        /// The object storage failed for as long as we tried.
        StorageUnavailable = "storage_unavailable", "Временное хранилище записей недоступно. Запустите расшифровку через несколько минут.";
        /// A defect of ours.
        Internal = "internal", "Ошибка на нашей стороне. Запустите расшифровку позже; если не поможет, напишите в поддержку.";
    }
);

impl FailureCode {
    /// Whether the same recording may succeed when asked for again; the rest needs a different file or setting.
    pub const fn is_worth_asking_again(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Damaged
                | Self::LinkMissing
                | Self::SameCall
                | Self::RecordingUnavailable
                | Self::AccountDisconnected
                | Self::RecognitionFailed
                | Self::RecognitionTimeout
                | Self::ResultExpired
                | Self::StorageUnavailable
                | Self::Internal
                | Self::NotAudio
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_that_says_try_again_belongs_to_a_failure_where_that_may_help() {
        for failure in FailureCode::ALL {
            let advises = failure.label().contains("запустите") || failure.label().contains("Запустите");
            assert!(!advises || failure.is_worth_asking_again(), "{failure}");
        }
    }

    #[test]
    fn codes_are_distinct_and_fit_the_column() {
        let codes: std::collections::BTreeSet<_> =
            FailureCode::ALL.iter().map(|failure| failure.code()).collect();
        assert_eq!(codes.len(), FailureCode::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= 32));
    }
}
