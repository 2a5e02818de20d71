//! The list of packages, version by version.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PackageId, WidgetId};
use flysk_store::admin::lists::offers::{OfferFilter, Offered, packages};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::purchases::{self, Package};
use flysk_store::platform::widgets;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::acts::{offer_form_at, on_offer, retire_form_at, seen_field, widget_field};
use crate::http::{Billing, Fault, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::view::{Cell, Field, Form, Row, Tone};

/// Columns of a table of versions.
pub(crate) const HEAD: [&str; 9] =
    ["Код", "Версия", "Название", "Цена", "Flycoins", "Бонус", "Срок бонуса, дней", "Состояние", "Создана"];
/// Columns of a table of the versions of several widgets.
const HEAD_OF_ALL: [&str; 10] = {
    let [code, version, title, price, coins, bonus, days, state, created] = HEAD;
    [code, version, title, price, coins, bonus, days, state, created, "Виджет"]
};
/// Whether a version is sold, for a filter.
pub(in crate::screens) const SALE_STATES: [(&str, &str); 2] = [(SOLD, "продаётся"), (RETIRED, "снята")];
const SOLD: &str = "sold";
const RETIRED: &str = "retired";

/// The list of versions.
pub(crate) struct Packages;

impl List for Packages {
    type Filter = OfferFilter;
    type Record = Offered<Package>;

    const TITLE: &'static str = "Пакеты Flycoins";
    const PATH: &'static str = "/packages";
    const HEAD: &'static [&'static str] = &HEAD_OF_ALL;
    const EMPTY: &'static str = "Таких пакетов нет.";
    const ID_POSITION: usize = 8;
    const SORTS: &'static [Sort] = &[
        Sort::smallest_first(SortColumn::Code, 0),
        Sort::smallest_first(SortColumn::Name, 2),
        Sort::largest_first(SortColumn::Amount, 3),
    ];

    fn filter(query: &Pairs) -> Result<OfferFilter, Fault> {
        Ok(OfferFilter {
            widget_id: query.parsed("widget", "Виджет")?,
            code: query.ascii("code"),
            active: active_of(query)?,
        })
    }

    fn can_sort_by(_filter: &OfferFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::text("widget", "Виджет").value(value("widget")).hint("wgt_…"),
            Field::text("code", "Код").value(value("code")),
            Field::filter("state", "Состояние", SALE_STATES).value(value("state")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        PackageId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &OfferFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        packages::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Offered<Package>>> {
        packages::rows(conn, ids).await
    }

    fn row(listed: &Offered<Package>) -> Row {
        let mut shown = row(&listed.offer);
        shown.cells.push(widget_cell(listed.offer.widget_id, listed.widget_code.as_deref()));
        shown
    }
}

/// Whether the versions of a filter are sold.
pub(in crate::screens) fn active_of(query: &Pairs) -> Result<Option<bool>, Fault> {
    match query.get("state") {
        None => Ok(None),
        Some(SOLD) => Ok(Some(true)),
        Some(RETIRED) => Ok(Some(false)),
        Some(_) => Err(Fault::refused("Состояние: продаётся или снята.")),
    }
}

/// A link to the page of a widget.
pub(in crate::screens) fn widget_cell(id: WidgetId, code: Option<&str>) -> Cell {
    Cell::link(format!("/widgets/{id}"), code.map_or_else(|| id.to_string(), str::to_owned))
}

/// `GET /packages`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let acts = if visit.who.may::<Billing>() { forms(&visit).await? } else { Vec::new() };
    lists::show_with_acts::<Packages, Support>(visit, acts).await
}

/// The forms, which know all packages on offer, whatever the filter.
async fn forms(visit: &Visit<Support>) -> Result<Vec<Form>, Fault> {
    let mut conn = visit.deps.read().await?;
    let all = widgets::list(&mut conn).await?;
    let mut seen = Vec::new();
    for widget in &all {
        seen.extend(on_offer(&purchases::list_all_packages(&mut conn, widget.id).await?));
    }
    let forms = [
        offer_form_at("/packages/offer", widget_field(&all)),
        retire_form_at("/packages/retire", widget_field(&all)),
    ];
    Ok(forms.into_iter().map(|form| form.field(seen_field(&seen))).collect())
}

/// A row of a table of versions.
pub(crate) fn row(package: &Package) -> Row {
    let terms = &package.terms;
    let state = if package.active {
        Cell::state("продаётся", Tone::Good)
    } else {
        Cell::state("снята", Tone::Quiet)
    };
    Row::plain(vec![
        Cell::code(&package.code),
        Cell::number(package.version),
        Cell::text(terms.title.clone()),
        Cell::roubles(terms.price),
        Cell::coins(terms.coins),
        if terms.bonus.is_zero() { Cell::Empty } else { Cell::coins(terms.bonus) },
        terms.bonus_days.map_or(Cell::Empty, Cell::number),
        state,
        Cell::time(package.created_at),
    ])
}
