//! Why a delivery of an event got no answer, in Russian. The log stores the errors of Flysk's HTTP client.

use super::labels::label_of;

/// Errors by their text.
const ERRORS: [(&str, &str); 6] = [
    ("timeout", "бэкенд не ответил вовремя"),
    ("connection failed", "соединение не установлено"),
    ("TLS handshake failed", "ошибка TLS: защищённое соединение не установлено или сертификат не принят"),
    ("the host is not on the public Internet", "адрес не из открытого Интернета"),
    ("invalid content coding", "тело ответа закодировано неверно"),
    (
        "the worker stopped before the response arrived: the backend may have received the event",
        "прервано на стороне Flysk до ответа; бэкенд мог получить событие",
    ),
];
/// Errors with a number or a reason, by their beginning.
const BEGINNINGS: [(&str, &str); 4] = [
    ("bad URL: ", "адрес событий не подходит"),
    ("the connection broke ", "соединение прервалось"),
    ("body longer than ", "ответ слишком длинный"),
    ("more than ", "слишком много перенаправлений"),
];

/// The error in Russian; an unknown one as it is.
pub(crate) fn delivery_error(error: &str) -> String {
    let begun = BEGINNINGS.iter().find(|(beginning, _)| error.starts_with(beginning));
    begun.map_or_else(|| label_of(&ERRORS, error).to_owned(), |(_, label)| (*label).to_owned())
}

#[cfg(test)]
mod tests {
    use flysk_clients::outbound::OutboundError;

    use super::*;

    fn is_russian(text: &str) -> bool {
        text.chars().any(|c| ('а'..='я').contains(&c))
    }

    #[test]
    fn errors_of_the_http_client_are_told_in_russian() {
        let errors = [
            OutboundError::TimedOut,
            OutboundError::ForbiddenAddress,
            OutboundError::TooManyRedirects { limit: 3 },
            OutboundError::TooLarge { limit: 10 },
            OutboundError::Cut { times: 2, source: None },
            OutboundError::Coding,
        ];
        for error in errors.iter().map(ToString::to_string) {
            assert!(is_russian(&delivery_error(&error)), "{error}");
        }
        assert_eq!(delivery_error("connection failed"), "соединение не установлено");
        assert_eq!(delivery_error("another error"), "another error");
    }
}
