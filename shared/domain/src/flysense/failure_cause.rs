//! Detailed causes of failed downloads, where the failure code is too general.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Cause behind a [`FailureCode`](super::failure::FailureCode): a code, and an explanation in Russian that replaces the
    /// code's own.
    FailureCause {
        /// 401 or 407: the link contains no credentials, or the host refuses them.
        LoginRequired = "login_required", "Сервер телефонии просит логин и пароль или не принимает те, что указаны в ссылке. Попросите администратора телефонии открыть доступ к записям по ссылке и запустите расшифровку ещё раз.";
        /// An HTML page instead of the file.
        LoginPage = "login_page", "По ссылке открывается веб-страница, скорее всего страница входа, а не запись разговора. Откройте ссылку в карточке без входа в телефонию и проверьте доступ к записям.";
        /// JSON, XML or text instead of the file.
        Document = "document", "По ссылке не запись, а текстовый ответ сервера телефонии: запись не готова или к ней нет доступа. Откройте ссылку в карточке и запустите расшифровку ещё раз.";
        /// 403, 404 or 410.
        LinkExpired = "link_expired", "По ссылке записи нет: срок ссылки истёк или запись удалена. Проверьте, что запись ещё хранится в телефонии, и запустите расшифровку ещё раз.";
        /// Another unsuccessful status, or a malformed response.
        HostRefused = "host_refused", "Сервер телефонии отвечает ошибкой и не отдаёт запись. Попросите администратора телефонии проверить ссылку и запустите расшифровку ещё раз.";
        /// The host's name is not resolved, or it does not accept connections or respond in time.
        HostAway = "host_away", "Сервер телефонии не отвечает: он выключен или недоступен из интернета. Запустите расшифровку ещё раз, когда он заработает.";
        /// The connection was lost at every try.
        ConnectionBroken = "connection_broken", "Соединение с сервером телефонии каждый раз обрывается, и запись не удаётся скачать целиком. Запустите расшифровку ещё раз позже.";
        /// The TLS certificate is self-signed, expired, or for another host.
        CertificateRefused = "certificate_refused", "Сертификат сервера телефонии не принят: он самоподписанный, просрочен или выдан на другое имя. Попросите администратора телефонии установить действующий сертификат и запустите расшифровку ещё раз.";
        /// A private address, ours or the host's.
        InternalNetwork = "internal_network", "Ссылка на запись ведёт во внутреннюю сеть. Попросите администратора телефонии открыть записи из интернета.";
        /// Not an http or https URL.
        NotALink = "not_a_link", "Ссылка на запись неверна: это не адрес http или https. Попросите администратора телефонии исправить ссылку.";
        /// Too many redirects.
        RedirectLoop = "redirect_loop", "Ссылка на запись слишком много раз перенаправляет на другие адреса: так бывает, если сначала нужно войти. Попросите администратора телефонии открыть доступ к записям по ссылке.";
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_code_and_words_of_its_own() {
        let codes: std::collections::BTreeSet<_> =
            FailureCause::ALL.iter().map(|cause| cause.code()).collect();
        let labels: std::collections::BTreeSet<_> =
            FailureCause::ALL.iter().map(|cause| cause.label()).collect();
        assert_eq!((codes.len(), labels.len()), (FailureCause::ALL.len(), FailureCause::ALL.len()));
        assert!(codes.iter().all(|code| code.len() <= 32));
    }
}
