//! The list of prices, version by version.

use chrono::{DateTime, Utc};
use flysk_domain::platform::subscriptions::day_start;
use flysk_store::admin::lists::prices::{self, PriceFilter, PriceListRow};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::ledger;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::acts::{form_at, seen_field};
use super::versions::tariff_text;
use crate::http::{Billing, Fault, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::view::{Cell, Field, Row};

/// The list of versions.
pub(crate) struct Prices;

impl List for Prices {
    type Filter = PriceFilter;
    type Record = PriceListRow;

    const TITLE: &'static str = "Цены услуг";
    const PATH: &'static str = "/prices";
    const HEAD: &'static [&'static str] =
        &["Услуга", "Версия", "Цена", "Действует с", "Действует до", "Записана"];
    const EMPTY: &'static str = "Таких цен нет.";
    const TEXT: &'static str =
        "Версия действует, пока не началась следующая этой услуги. Прежние остаются: по ним списаны деньги.";
    const ID_POSITION: usize = 5;
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Code, 0), Sort::largest_first(SortColumn::Start, 3)];

    fn filter(query: &Pairs) -> Result<PriceFilter, Fault> {
        let day = query.day("on", "В силе в начале дня")?;
        Ok(PriceFilter { service: query.ascii("service"), at: day.map(day_start) })
    }

    fn can_sort_by(_filter: &PriceFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::text("service", "Услуга").value(value("service")).hint("flysense.recognition"),
            Field::date("on", "В силе в начале дня").value(value("on")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        prices::first_id_at(time)
    }

    async fn ids(conn: &mut Conn, filter: &PriceFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        prices::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PriceListRow>> {
        prices::rows(conn, ids).await
    }

    fn row(price: &PriceListRow) -> Row {
        Row::plain(vec![
            Cell::text(price.rule.service.as_str()),
            Cell::number(price.rule.version),
            Cell::text(tariff_text(price.rule.tariff)),
            Cell::time(price.valid_from),
            Cell::time(price.valid_until),
            Cell::time(price.created_at),
        ])
    }
}

/// `GET /prices`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let mut acts = Vec::new();
    if visit.who.may::<Billing>() {
        let versions = ledger::list_price_versions(&mut *visit.deps.read().await?).await?;
        let service =
            Field::text("service", "Услуга").required().hint("Код виджета и услуга: flysense.recognition");
        acts.push(form_at("/prices/set", vec![service]).field(seen_field(&versions)));
    }
    lists::show_with_acts::<Prices, Support>(visit, acts).await
}
