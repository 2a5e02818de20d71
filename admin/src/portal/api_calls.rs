//! Answers of the API to a vendor's widget in the last days: calls by day and operation, and the errors, newest first.

use std::collections::BTreeSet;

use chrono::Days;
use flysk_store::portal::NEWEST;
use flysk_store::portal::api_calls::{self, DayCalls, LoggedError};
use poem::Response;

use super::chosen::{widget_filter, widget_of_filter};
use super::filtered::{BEFORE, FilteredPage, NO_WIDGETS};
use crate::http::{Fault, Pairs, SignedIn, VendorVisit};
use crate::screens::api_errors::{COLUMNS, cells, filter_of, word_fields};
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
    let log = api_calls::list_errors(&mut conn, vendor, id, &filter, newest, PAGE_SIZE).await?;
    page.set_links(query, before, log.errors.last().filter(|_| log.has_more).map(|last| last.id));
    page.fields = fields(query, widget_filter(&all, query), &days);
    page.sections = vec![errors_section(&log.errors), days_section(&days)];
    visit.page(&page)
}

/// The operations to choose from are those that had errors.
fn fields(query: &Pairs, widget: Field, days: &[DayCalls]) -> Vec<Field> {
    let with_errors = days.iter().filter(|day| day.refused + day.failed > 0);
    let chosen = query.get("operation");
    let operations: BTreeSet<&str> = with_errors.map(|day| day.operation.as_str()).chain(chosen).collect();
    let operations = operations.into_iter().map(|operation| (operation, operation));
    let operation = Field::filter("operation", "Операция", operations).value(chosen.unwrap_or_default());
    [widget, operation].into_iter().chain(word_fields(query)).collect()
}

fn errors_section(errors: &[LoggedError]) -> Section {
    let rows = errors.iter().map(|error| Row::plain(cells(error))).collect();
    let table = Table::new(&COLUMNS, rows);
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
