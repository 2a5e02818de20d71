//! Why a request gets no page of its own.

use flysk_clients::storage::StorageError;
use flysk_domain::admin::{OperatorRight, OperatorRole};
use flysk_store::{Contention, StoreError};
use poem::http::StatusCode;

use crate::area::Area;

/// Role or right that an operator lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A larger role.
    Role(OperatorRole),
    Right(OperatorRight),
}

/// Reason for an error page. Texts are Russian and say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no such page or object.
    #[error("not found")]
    NotFound,
    /// The form's contents cannot be accepted.
    #[error("{0}")]
    Refused(String),
    /// The content of a field cannot be accepted.
    #[error("{text}")]
    WrongField {
        /// Name of the field.
        field: &'static str,
        /// What is wrong.
        text: String,
    },
    /// The object has changed since the form was opened, or is in another state.
    #[error("{0}")]
    Conflict(String),
    /// The operator's role is too small, or a right is missing.
    #[error("needs {0:?}")]
    Forbidden(Missing),
    /// The session has ended in the middle of a form.
    #[error("the session has ended")]
    SessionEnded,
    /// The form's CSRF token belongs to another session.
    #[error("the form is out of date")]
    StaleForm,
    /// The request was sent by another site.
    #[error("the request came from another site")]
    CrossSite,
    /// Too many attempts to sign in.
    #[error("locked")]
    Locked,
    /// The panel changes nothing at present.
    #[error("read-only")]
    ReadOnly,
    /// The form is too large.
    #[error("the form is too large")]
    TooLarge,
    /// The database did not answer, or a statement took too long.
    #[error("database: {0}")]
    Unavailable(StoreError),
    /// Object storage did not answer.
    #[error("object storage: {0}")]
    Storage(StorageError),
    /// A defect; the text is for the log.
    #[error("{0}")]
    Internal(String),
}

impl Fault {
    /// A refusal with this text.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// A refusal of a field by its name.
    pub(crate) fn wrong_field(field: &'static str, text: impl Into<String>) -> Self {
        Self::WrongField { field, text: text.into() }
    }

    /// A refusal of a field that is not JSON, with the place of the error.
    pub(crate) fn not_json(label: &str, error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Refused(format!("Поле «{label}»: это не JSON, ошибка в строке {line}, знак {column}."))
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::Conflict(text.into())
    }

    /// A defect described by `error`.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }

    /// Status of the error page.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused(_) | Self::WrongField { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Forbidden(_) | Self::StaleForm | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::SessionEnded => StatusCode::UNAUTHORIZED,
            Self::Locked => StatusCode::TOO_MANY_REQUESTS,
            Self::ReadOnly | Self::Unavailable(_) | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Title and advice for the user of an application.
    pub(crate) fn text(&self, area: Area) -> (&'static str, String) {
        match self {
            Self::NotFound if area.has_search() => (
                "Не найдено",
                "Такой страницы или записи нет. Проверьте адрес или найдите запись поиском.".to_owned(),
            ),
            Self::NotFound => ("Не найдено", "Такой страницы или записи нет. Проверьте адрес.".to_owned()),
            Self::Refused(text) | Self::WrongField { text, .. } => ("Не выполнено", text.clone()),
            Self::Conflict(text) => ("Данные изменились", text.clone()),
            Self::Forbidden(Missing::Role(role)) => (
                "Недостаточно прав",
                format!("Для этого нужна роль «{}». Попросите владельца панели.", role.label()),
            ),
            Self::Forbidden(Missing::Right(right)) => (
                "Недостаточно прав",
                format!("Для этого нужно право «{}». Попросите владельца панели.", right.label()),
            ),
            Self::SessionEnded => (
                "Сеанс закончился",
                "Введённое ниже сохранено. Войдите в новой вкладке, вернитесь сюда и отправьте ещё раз."
                    .to_owned(),
            ),
            Self::StaleForm => (
                "Форма устарела",
                "Ничего не изменено. Проверьте введённое ниже и отправьте ещё раз.".to_owned(),
            ),
            Self::CrossSite => (
                "Запрос пришёл с другого сайта",
                "Ничего не изменено. Откройте нужную страницу панели и повторите действие там.".to_owned(),
            ),
            Self::Locked => (
                "Слишком много попыток",
                "Вход для этой учётной записи или адреса закрыт на 15 минут.".to_owned(),
            ),
            Self::ReadOnly => (
                "Панель в режиме чтения",
                "Во время инцидента изменения выключены. Ничего не изменено.".to_owned(),
            ),
            Self::TooLarge => ("Слишком большая форма", "Форма может занимать не больше 512 КБ.".to_owned()),
            Self::Unavailable(_) => (
                "База данных не ответила вовремя",
                "Сузьте фильтр или повторите через минуту. Если действие меняло данные, проверьте журнал."
                    .to_owned(),
            ),
            Self::Storage(_) => (
                "Хранилище файлов не ответило",
                "Повторите через минуту. Если это не проходит, сообщите дежурному.".to_owned(),
            ),
            Self::Internal(_) => (
                "Ошибка панели",
                "Мы записали её в журнал. Сообщите разработчикам номер запроса внизу страницы.".to_owned(),
            ),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::WrongState { what } => {
                tracing::info!(what, "a write found another state");
                Self::conflict("Запись уже изменилась. Обновите страницу и повторите.")
            }
            StoreError::InvalidRow { .. } | StoreError::Defect(_) | StoreError::Duplicate { .. } => {
                Self::Internal(error.to_string())
            }
            StoreError::Conflict(_) | StoreError::Database(_) => Self::Unavailable(error),
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::internal(error)
    }
}

impl Contention for Fault {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Unavailable(error) if error.is_contended())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_is_advised_only_where_there_is_one() {
        let advice = |area| Fault::NotFound.text(area).1;
        assert!(advice(Area::Panel).contains("поиском"));
        assert!(!advice(Area::Portal).contains("поиском"));
    }
}
