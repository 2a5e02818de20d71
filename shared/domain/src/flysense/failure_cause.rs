//! What exactly kept a recording from us, where the code of the failure leaves that open.

use super::coded::coded_enum;

coded_enum!(
    /// The cause behind a [`FailureCode`](super::failure::FailureCode): a code for machines, and an explanation for the manager
    /// that stands in place of the code's own.
    FailureCause {
        /// 401 or 407: no login in the link, or one that the host does not take.
        LoginRequired = "login_required", "Сервер телефонии просит логин и пароль или не принимает те, что указаны в ссылке. Попросите администратора телефонии открыть доступ к записям по ссылке и запустите расшифровку ещё раз.";
        /// An HTML page in place of the file.
        LoginPage = "login_page", "По ссылке открывается веб-страница, скорее всего страница входа, а не запись разговора. Откройте ссылку в карточке без входа в телефонию и проверьте доступ к записям.";
        /// JSON, XML or text in place of the file.
        Document = "document", "По ссылке не запись, а текстовый ответ сервера телефонии: запись не готова или к ней нет доступа. Откройте ссылку в карточке и запустите расшифровку ещё раз.";
        /// 403, 404 or 410.
        LinkExpired = "link_expired", "По ссылке записи нет: срок ссылки истёк или запись удалена. Проверьте, что запись ещё хранится в телефонии, и запустите расшифровку ещё раз.";
        /// Another status that is not a success, or an answer that cannot be read.
        HostRefused = "host_refused", "Сервер телефонии отвечает ошибкой и не отдаёт запись. Попросите администратора телефонии проверить ссылку и запустите расшифровку ещё раз.";
        /// No name, no connection, no answer in time.
        HostAway = "host_away", "Сервер телефонии не отвечает: он выключен или недоступен из интернета. Запустите расшифровку ещё раз, когда он заработает.";
        /// The connection broke each time.
        ConnectionBroken = "connection_broken", "Соединение с сервером телефонии каждый раз обрывается, и запись не удаётся скачать целиком. Запустите расшифровку ещё раз позже.";
        /// The certificate is self-signed, expired, or another host's.
        CertificateRefused = "certificate_refused", "Сертификат сервера телефонии не принят: он самоподписанный, просрочен или выдан на другое имя. Попросите администратора телефонии установить действующий сертификат и запустите расшифровку ещё раз.";
        /// A private address, ours or theirs.
        InternalNetwork = "internal_network", "Ссылка на запись ведёт во внутреннюю сеть. Попросите администратора телефонии открыть записи из интернета.";
        /// Not an http or https address.
        NotALink = "not_a_link", "Ссылка на запись неверна: это не адрес http или https. Попросите администратора телефонии исправить ссылку.";
        /// More redirects than are followed.
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
