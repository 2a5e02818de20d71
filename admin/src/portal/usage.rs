//! Usage and revenue of a vendor's widget by month, from figures that a job computes.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use flysk_domain::admin::{WidgetFigure, WidgetFigureUnit};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_store::portal::figures::{self, DailyWidgetFigure};
use poem::Response;

use super::chosen::{widget_filter, widget_of_filter};
use super::filtered::{FilteredPage, NO_WIDGETS};
use crate::http::{Fault, SignedIn, VendorVisit};
use crate::view::{Cell, Row, Section, Table, format};

/// Path of the page.
const PATH: &str = "/portal/usage";
/// Months shown, the current one included.
const MONTHS_SHOWN: u32 = 13;

/// `GET /portal/usage`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let (all, chosen) = widget_of_filter(&visit, &mut conn).await?;
    let mut page = FilteredPage::new(visit.layout("Показатели"), PATH);
    let Some(widget) = chosen else {
        page.text = NO_WIDGETS;
        return visit.page(&page);
    };
    let since = first_month(visit.deps.clock().now().date_naive());
    let (vendor, id) = (visit.who.vendor, widget.id);
    let stored = figures::list_since(&mut conn, vendor, id, since).await?;
    let updated = figures::last_update(&mut conn, vendor, id).await?;
    page.fields = vec![widget_filter(&all, &visit.request.query)];
    page.sections = vec![section(&widget.name, &stored, updated)];
    visit.page(&page)
}

/// The first day of the oldest month that is shown.
fn first_month(today: NaiveDate) -> NaiveDate {
    let month = today.with_day(1).unwrap_or(today);
    month.checked_sub_months(Months::new(MONTHS_SHOWN - 1)).unwrap_or(month)
}

/// Amounts by month, newest first, and figure. Days of a figure are in their order.
fn by_month(stored: &[DailyWidgetFigure]) -> BTreeMap<NaiveDate, BTreeMap<WidgetFigure, Vec<i64>>> {
    let mut months: BTreeMap<NaiveDate, BTreeMap<WidgetFigure, Vec<i64>>> = BTreeMap::new();
    for day in stored {
        let month = day.day.with_day(1).unwrap_or(day.day);
        months.entry(month).or_default().entry(day.figure).or_default().push(day.amount);
    }
    months
}

fn section(name: &str, stored: &[DailyWidgetFigure], updated: Option<DateTime<Utc>>) -> Section {
    let head: Vec<&'static str> =
        std::iter::once("Месяц").chain(WidgetFigure::ALL.iter().map(|figure| figure.label())).collect();
    let row = |(month, figures): (&NaiveDate, &BTreeMap<WidgetFigure, Vec<i64>>)| {
        let amounts = WidgetFigure::ALL.iter().map(|figure| {
            figures.get(figure).map_or(Cell::Empty, |days| cell(*figure, figure.over(days.iter().copied())))
        });
        let month = Cell::Text(month.format("%m.%Y").to_string());
        Row::plain(std::iter::once(month).chain(amounts).collect())
    };
    let months = by_month(stored);
    let text = match updated {
        Some(at) => format!(
            "Месяцы по UTC. Активные установки и подписки: на конец месяца, у текущего сейчас. Обновлено {}.",
            format::moscow(at)
        ),
        None => "Показатели считаются каждые 15 минут.".to_owned(),
    };
    Section::new(
        format!("По месяцам: {name}"),
        Table::new(&head, months.iter().rev().map(row).collect()),
        "Показателей ещё нет.",
    )
    .text(text)
}

fn cell(figure: WidgetFigure, amount: i64) -> Cell {
    match figure.unit() {
        WidgetFigureUnit::Number => Cell::number(amount),
        WidgetFigureUnit::Kopecks => Cell::roubles(Kopecks(amount)),
        WidgetFigureUnit::MicroCoins => Cell::coins(MicroCoins(amount)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_months_are_shown_and_each_has_its_own_days() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(first_month(day("2026-12-31")), day("2025-12-01"));
        let figure =
            |on: &str, amount| DailyWidgetFigure { figure: WidgetFigure::CoinRevenue, day: day(on), amount };
        let months = by_month(&[figure("2026-11-30", 5), figure("2026-12-01", 7), figure("2026-12-02", 1)]);
        let amounts: Vec<_> =
            months.values().map(|month| month[&WidgetFigure::CoinRevenue].clone()).collect();
        assert_eq!(amounts, [vec![5], vec![7, 1]]);
    }
}
