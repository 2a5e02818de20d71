//! Failure codes of transcriptions, with explanations for users.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Reason why a transcription failed: a code, and an explanation in Russian for the user.
    FailureCode {
        /// The file is empty.
        Empty = "empty", "Телефония отдала пустой файл. Проверьте, что запись разговора сохранилась, и запустите расшифровку ещё раз.";
        /// The file is not audio: a page, a picture, noise.
        NotAudio = "not_audio", "По ссылке не запись разговора, а другой файл или страница входа. Откройте ссылку в карточке и проверьте доступ к записям в телефонии.";
        /// The audio format is not supported.
        UnsupportedCodec = "unsupported_codec", "Формат записи не поддерживается. Выберите в настройках телефонии MP3, WAV или OGG.";
        /// The audio is longer than 4 h.
        TooLong = "too_long", "Запись длиннее 4 часов, такие не расшифровываются.";
        /// The file is larger than 1 GB.
        TooLarge = "too_large", "Файл записи больше 1 ГБ. Выберите в настройках телефонии сжатый формат, например MP3.";
        /// The file starts as audio but cannot be decoded.
        Damaged = "damaged", "Файл записи повреждён. Если в телефонии запись проигрывается, запустите расшифровку ещё раз.";
        /// Decoding exceeded its time limit.
        DecodeTimeout = "decode_timeout", "Запись не удалось прочитать за отведённое время: скорее всего, файл повреждён.";
        /// Decoding exceeded its memory limit.
        DecodeMemory = "decode_memory", "Запись не удалось прочитать: на неё не хватило отведённой памяти, скорее всего, файл повреждён. Выберите в настройках телефонии MP3, WAV или OGG.";
        /// The note never received a link.
        LinkMissing = "link_missing", "Телефония не передала ссылку на запись. Проверьте, что запись разговоров включена.";
        /// The same call is noted on another card and transcribed there.
        SameCall = "same_call", "Этот же звонок уже расшифровывается в другой карточке. Если расшифровка нужна и здесь, запустите её.";
        /// The link leads to a forbidden address.
        LinkForbiddenAddress = "link_forbidden_address", "Ссылка на запись ведёт во внутреннюю сеть или на недопустимый адрес. Попросите администратора телефонии открыть записи из интернета.";
        /// The host refused or did not answer until the retries ended.
        RecordingUnavailable = "recording_unavailable", "Запись не удалось скачать: сервер телефонии не отдаёт файл. Проверьте, что запись ещё хранится, и запустите расшифровку ещё раз.";
        /// amoCRM does not allow reading the note any more.
        AccountDisconnected = "account_disconnected", "Нет доступа к amoCRM: администратору нужно заново подключить виджет.";
        /// SpeechKit refused the file.
        RecognitionRefused = "recognition_refused", "Сервис распознавания не принял запись. Повтор не поможет, напишите в поддержку.";
        /// SpeechKit accepted the file and failed.
        RecognitionFailed = "recognition_failed", "Сервис распознавания не справился с записью. Запустите расшифровку ещё раз.";
        /// SpeechKit did not finish in time.
        RecognitionTimeout = "recognition_timeout", "Сервис распознавания не ответил вовремя. Запустите расшифровку ещё раз.";
        /// The result was available and has been deleted (kept for 3 days).
        ResultExpired = "result_expired", "Результат распознавания не успели забрать, срок его хранения истёк. Запустите расшифровку ещё раз.";
        /// The object storage failed until the retries ended.
        StorageUnavailable = "storage_unavailable", "Временное хранилище записей недоступно. Запустите расшифровку через несколько минут.";
        /// An internal error.
        Internal = "internal", "Ошибка на нашей стороне. Запустите расшифровку позже; если не поможет, напишите в поддержку.";
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_fit_the_column() {
        let codes: std::collections::BTreeSet<_> =
            FailureCode::ALL.iter().map(|failure| failure.code()).collect();
        assert_eq!(codes.len(), FailureCode::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= 32));
    }
}
