//! Errors that the API answered to the widgets of all vendors. The vendors' portal has the same filter and columns for one widget.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_store::admin::lists::api_errors::{self, ApiErrorFilter};
use flysk_store::portal::api_calls::{ErrorFilter, LoggedError};
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::request::form::query_string;
use crate::view::{Cell, Field, Row};

/// Columns of a table of errors of one widget.
pub(crate) const COLUMNS: [&str; 6] = ["Когда", "Операция", "Статус", "Код", "Описание", "Запрос"];
/// Columns of a table of errors of several widgets.
const COLUMNS_OF_ALL: [&str; 7] = {
    let [time, operation, status, code, detail, request] = COLUMNS;
    [time, operation, status, code, detail, request, "Виджет"]
};

/// The list of errors.
pub(crate) struct ApiErrors;

impl List for ApiErrors {
    type Filter = ApiErrorFilter;
    type Record = LoggedError;

    const TITLE: &'static str = "Ошибки API";
    const PATH: &'static str = "/api-errors";
    const HEAD: &'static [&'static str] = &COLUMNS_OF_ALL;
    const EMPTY: &'static str = "Таких ошибок нет. Они хранятся 7 дней.";
    const DATED: bool = false;

    fn filter(query: &Pairs) -> Result<ApiErrorFilter, Fault> {
        let widget: Option<WidgetId> = query.parsed("widget", "Виджет")?;
        match (widget, filter_of(query)?) {
            (Some(widget), filter) => Ok(ApiErrorFilter::OfWidget(widget, filter)),
            (None, ErrorFilter::All) => Ok(ApiErrorFilter::All),
            (None, ErrorFilter::Request(request)) => Ok(ApiErrorFilter::Request(request)),
            // All of them would be read: their indexes begin with the widget.
            (None, ErrorFilter::Operation(_) | ErrorFilter::Status(_) | ErrorFilter::Code(_)) => {
                Err(Fault::refused("Операцию, статус и код можно выбрать у одного виджета: укажите и его."))
            }
        }
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let mut fields = vec![
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
            Field::text("operation", "Операция").value(value("operation")).hint("chargeFlycoins; у виджета"),
        ];
        fields.extend(word_fields(query));
        fields
    }

    fn first_id_at(_time: DateTime<Utc>) -> String {
        String::new()
    }

    async fn ids(conn: &mut Conn, filter: &ApiErrorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        api_errors::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<LoggedError>> {
        api_errors::rows(conn, ids).await
    }

    fn row(error: &LoggedError) -> Row {
        let mut cells = cells(error);
        cells.push(Cell::link(format!("/widgets/{}", error.widget_id), error.widget_id));
        Row::plain(cells)
    }

    fn links(query: &Pairs) -> Vec<Cell> {
        let Some(request) = query.get("request") else { return Vec::new() };
        let correlation = query_string(&[("correlation".to_owned(), request.to_owned())]);
        vec![
            Cell::link(format!("/jobs{correlation}"), "Задания запроса"),
            Cell::link(format!("/audit{correlation}"), "Действия запроса"),
        ]
    }
}

/// The errors of a request, newest first.
pub(super) async fn errors_of_request(
    conn: &mut Conn,
    request_id: &str,
    limit: u32,
) -> StoreResult<Vec<LoggedError>> {
    let filter = ApiErrorFilter::Request(request_id.to_owned());
    let ids = api_errors::ids(conn, &filter, &Keyset::newest(limit)).await?;
    api_errors::rows(conn, &ids).await
}

/// An error as a result of the search box, which leads to the list of all errors of its request.
pub(super) fn found_row(error: &LoggedError) -> Row {
    let query = query_string(&[("request".to_owned(), error.request_id.clone())]);
    Row::linked(format!("{}{query}", ApiErrors::PATH), ApiErrors::row(error).cells)
}

/// An error in a table with [`COLUMNS`].
pub(crate) fn cells(error: &LoggedError) -> Vec<Cell> {
    vec![
        Cell::time(error.happened_at),
        Cell::text(error.operation.clone()),
        Cell::number(error.status),
        Cell::code(&error.code),
        Cell::text(error.detail.clone()),
        Cell::code(&error.request_id),
    ]
}

/// Fields of the filter that every page of errors has.
pub(crate) fn word_fields(query: &Pairs) -> [Field; 2] {
    let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
    [
        Field::text("code", "Статус или код").value(value("code")).hint("404 или install_not_found"),
        Field::text("request", "Номер запроса").value(value("request")).hint("X-Request-Id"),
    ]
}

/// The filter of errors of one widget. One of its fields excludes the others, because each has an index of its own.
pub(crate) fn filter_of(query: &Pairs) -> Result<ErrorFilter, Fault> {
    match (query.get("operation"), query.get("code"), query.get("request")) {
        (None, None, None) => Ok(ErrorFilter::All),
        (Some(operation), None, None) => Ok(ErrorFilter::Operation(word(operation)?)),
        (None, Some(code), None) => match code.parse() {
            Ok(status) => Ok(ErrorFilter::Status(status)),
            Err(_) => Ok(ErrorFilter::Code(word(code)?)),
        },
        (None, None, Some(request)) => Ok(ErrorFilter::Request(word(request)?)),
        _ => Err(Fault::refused("Выберите что-то одно: операцию, статус или код, номер запроса.")),
    }
}

/// A word as the log may have it.
fn word(text: &str) -> Result<String, Fault> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then(|| text.to_owned()).ok_or_else(|| {
        Fault::refused("Операция, код и номер запроса: латинские буквы, цифры и знаки, без пробелов.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &str) -> Pairs {
        Pairs::parse(query.as_bytes())
    }

    #[test]
    fn a_filter_is_an_operation_or_a_status_or_a_code_or_a_request() {
        for (query, filter) in [
            ("widget=wgt_1", ErrorFilter::All),
            ("operation=chargeFlycoins&code=", ErrorFilter::Operation("chargeFlycoins".to_owned())),
            ("code=404", ErrorFilter::Status(404)),
            ("code=install_not_found", ErrorFilter::Code("install_not_found".to_owned())),
            ("request=req-1", ErrorFilter::Request("req-1".to_owned())),
        ] {
            assert!(filter_of(&pairs(query)).is_ok_and(|found| found == filter), "{filter:?}");
        }
        for query in ["code=404&request=req-1", "operation=a&code=404", "code=two+words", "request=%D1%8F"] {
            assert!(filter_of(&pairs(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn all_widgets_have_a_filter_by_request_only() {
        let widget = "wgt_01KC0000000000000000000000";
        let of_widget = |filter| ApiErrorFilter::OfWidget(widget.parse().unwrap(), filter);
        for (query, filter) in [
            (String::new(), ApiErrorFilter::All),
            ("request=req-1".to_owned(), ApiErrorFilter::Request("req-1".to_owned())),
            (format!("widget={widget}"), of_widget(ErrorFilter::All)),
            (format!("widget={widget}&code=402"), of_widget(ErrorFilter::Status(402))),
        ] {
            let found = ApiErrors::filter(&pairs(&query));
            assert!(found.is_ok_and(|found| found == filter), "{filter:?}");
        }
        for query in ["code=402", "code=install_not_found", "operation=chargeFlycoins", "widget=wgt_1"] {
            assert!(ApiErrors::filter(&pairs(query)).is_err(), "{query}");
        }
    }
}
