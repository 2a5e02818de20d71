//! Answers of the API to a vendor's widget in the last days: calls by day and operation, and the latest errors.

use chrono::Days;
use flysk_store::portal::api_calls::{self, DayCalls, LoggedError};
use poem::Response;

use super::chosen::{widget_filter, widget_of_filter};
use super::filtered::{FilteredPage, NO_WIDGETS};
use crate::http::{Fault, SignedIn, VendorVisit};
use crate::view::{Cell, Row, Section, Table};

/// Path of the page.
const PATH: &str = "/portal/api-calls";
/// Days shown, today included.
const DAYS_SHOWN: u64 = 7;
/// Errors shown.
const ERRORS_SHOWN: u32 = 100;

/// `GET /portal/api-calls`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
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
    let errors = api_calls::list_errors(&mut conn, vendor, id, ERRORS_SHOWN).await?;
    page.fields = vec![widget_filter(&all, &visit.request.query)];
    page.sections = vec![errors_section(&errors), days_section(&days)];
    visit.page(&page)
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
    Section::new("Последние ошибки", Table::new(&head, errors.iter().map(row).collect()), "Ошибок не было.").text(
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
