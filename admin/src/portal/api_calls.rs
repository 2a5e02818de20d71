//! Answers of the API to a vendor's widget in the last days: calls by day and operation, and the errors, newest first.

use std::collections::BTreeSet;

use chrono::Days;
use flysk_store::portal::NEWEST;
use flysk_store::portal::api_calls::{self, DayCalls, ErrorFilter, LoggedError};
use poem::Response;

use super::chosen::{widget_filter, widget_of_filter};
use super::filtered::{BEFORE, FilteredPage, NO_WIDGETS};
use crate::http::{Fault, Pairs, SignedIn, VendorVisit};
use crate::view::{Cell, Field, Row, Section, Table};

/// Path of the page.
const PATH: &str = "/portal/api-calls";
/// Days shown, today included.
const DAYS_SHOWN: u64 = 7;
/// Errors per page.
const PAGE_SIZE: u32 = 50;

/// `GET /portal/api-calls`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let query = &visit.request.query;
    let (filter, before) = (filter_of(query)?, query.parsed(BEFORE, BEFORE)?);
    let mut conn = visit.deps.read().await?;
    let (all, chosen) = widget_of_filter(&visit, &mut conn).await?;
    let mut page = FilteredPage::new(visit.layout("Вызовы API"), PATH);
    let Some(widget) = chosen else {
        page.text = NO_WIDGETS;
        return visit.page(&page);
    };
    let today = visit.deps.clock().now().date_naive();
    let since = today.checked_sub_days(Days::new(DAYS_SHOWN - 1)).unwrap_or(today);
    let (vendor, id) = (visit.who.vendor, widget.id);
    let days = api_calls::list_days(&mut conn, vendor, id, since).await?;
    let newest = before.unwrap_or(NEWEST);
    let log = api_calls::list_errors(&mut conn, vendor, id, filter, newest, PAGE_SIZE).await?;
    page.set_links(query, before, log.errors.last().filter(|_| log.has_more).map(|last| last.id));
    page.fields = fields(query, widget_filter(&all, query), &days);
    page.sections = vec![errors_section(&log.errors), days_section(&days)];
    visit.page(&page)
}

/// The filter. One of its fields excludes the others, because each has an index of its own.
fn filter_of(query: &Pairs) -> Result<ErrorFilter<'_>, Fault> {
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
fn word(text: &str) -> Result<&str, Fault> {
    let is_word = text.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then_some(text).ok_or_else(|| {
        Fault::refused("Операция, код и номер запроса: латинские буквы, цифры и знаки, без пробелов.")
    })
}

/// The operations to choose from are those that had errors.
fn fields(query: &Pairs, widget: Field, days: &[DayCalls]) -> Vec<Field> {
    let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let with_errors = days.iter().filter(|day| day.refused + day.failed > 0);
    let chosen = query.get("operation");
    let operations: BTreeSet<&str> = with_errors.map(|day| day.operation.as_str()).chain(chosen).collect();
    let operations = operations.into_iter().map(|operation| (operation, operation));
    vec![
        widget,
        Field::filter("operation", "Операция", operations).value(value("operation")),
        Field::text("code", "Статус или код").value(value("code")).hint("404 или install_not_found"),
        Field::text("request", "Номер запроса").value(value("request")).hint("X-Request-Id"),
    ]
}

fn errors_section(errors: &[LoggedError]) -> Section {
    let row = |error: &LoggedError| {
        Row::plain(vec![
            Cell::time(error.happened_at),
            Cell::text(error.operation.clone()),
            Cell::number(error.status),
            Cell::code(&error.code),
            Cell::text(error.detail.clone()),
            Cell::code(&error.request_id),
        ])
    };
    let head = ["Когда", "Операция", "Статус", "Код", "Описание", "Запрос"];
    let table = Table::new(&head, errors.iter().map(row).collect());
    Section::new("Последние ошибки", table, "Таких ошибок не было.").text(
        "Хранятся 7 дней. Если ошибок очень много, записана часть. Номер запроса был в заголовке ответа X-Request-Id.",
    )
}

fn days_section(days: &[DayCalls]) -> Section {
    let row = |day: &DayCalls| {
        Row::plain(vec![
            Cell::Text(day.day.format("%d.%m.%Y").to_string()),
            Cell::text(day.operation.clone()),
            Cell::number(day.good),
            Cell::number(day.refused),
            Cell::number(day.failed),
        ])
    };
    let head = ["День (UTC)", "Операция", "Успешно", "Отказы (4xx)", "Сбои (5xx)"];
    Section::new("Вызовы по дням", Table::new(&head, days.iter().map(row).collect()), "Вызовов не было.")
        .text("Запросы бэкенда с проектным токеном и виджета в браузере, по id операций в описании API. Появляются через несколько секунд.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_operation_or_a_status_or_a_code_or_a_request() {
        for (query, filter) in [
            ("widget=wgt_1", ErrorFilter::All),
            ("operation=chargeFlycoins&code=", ErrorFilter::Operation("chargeFlycoins")),
            ("code=404", ErrorFilter::Status(404)),
            ("code=install_not_found", ErrorFilter::Code("install_not_found")),
            ("request=req-1", ErrorFilter::Request("req-1")),
        ] {
            let query = Pairs::parse(query.as_bytes());
            assert!(filter_of(&query).is_ok_and(|found| found == filter), "{filter:?}");
        }
        for query in ["code=404&request=req-1", "operation=a&code=404", "code=two+words", "request=%D1%8F"] {
            assert!(filter_of(&Pairs::parse(query.as_bytes())).is_err(), "{query}");
        }
    }
}
