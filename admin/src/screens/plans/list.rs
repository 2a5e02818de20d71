//! The list of plans, version by version.

use chrono::{DateTime, Utc};
use flysk_domain::id::PlanId;
use flysk_store::admin::lists::offers::{OfferFilter, Offered, plans};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::subscriptions::Plan;
use flysk_store::platform::widgets;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::acts;
use super::show::{HEAD, row};
use crate::http::{Billing, Fault, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::screens::packages::{SALE_STATES, active_of, widget_cell};
use crate::view::{Field, Row};

/// Columns of a table of the versions of several widgets.
const HEAD_OF_ALL: [&str; 8] = {
    let [code, version, title, prices, seats, state, created] = HEAD;
    [code, version, title, prices, seats, state, created, "Виджет"]
};

/// The list of versions.
pub(crate) struct Plans;

impl List for Plans {
    type Filter = OfferFilter;
    type Record = Offered<Plan>;

    const TITLE: &'static str = "Тарифы";
    const PATH: &'static str = "/plans";
    const HEAD: &'static [&'static str] = &HEAD_OF_ALL;
    const EMPTY: &'static str = "Таких тарифов нет.";
    const ID_POSITION: usize = 6;
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Code, 0), Sort::smallest_first(SortColumn::Name, 2)];

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
        PlanId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &OfferFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        plans::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Offered<Plan>>> {
        plans::rows(conn, ids).await
    }

    fn row(listed: &Offered<Plan>) -> Row {
        let mut shown = row(Self::PATH, &listed.offer);
        shown.cells.push(widget_cell(listed.offer.widget_id, listed.widget_code.as_deref()));
        shown
    }
}

/// `GET /plans`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let mut acts = Vec::new();
    if visit.who.may::<Billing>() {
        let all = widgets::list(&mut *visit.deps.read().await?).await?;
        acts.push(acts::offer_form(&all));
    }
    lists::show_with_acts::<Plans, Support>(visit, acts).await
}
