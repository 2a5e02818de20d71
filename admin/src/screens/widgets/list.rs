//! The list of widgets.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::WidgetId;
use flysk_domain::platform::crm::Crm;
use flysk_store::admin::lists::widgets::{self, WidgetFilter};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::register;
use crate::http::{Fault, Operator, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::view::{Cell, Field, Row};

/// Columns of a table of widgets.
pub(crate) const HEAD: [&str; 7] =
    ["Код", "Название", "Сервис", "Flycoins", "Подписки", "Адрес событий", "Зарегистрирован"];

/// The list of widgets.
pub(crate) struct Widgets;

impl List for Widgets {
    type Filter = WidgetFilter;
    type Record = Widget;

    const TITLE: &'static str = "Виджеты";
    const PATH: &'static str = "/widgets";
    const HEAD: &'static [&'static str] = &HEAD;
    const EMPTY: &'static str = "Таких виджетов нет.";
    const ID_POSITION: usize = 6;
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Code, 0), Sort::smallest_first(SortColumn::Name, 1)];

    fn filter(query: &Pairs) -> Result<WidgetFilter, Fault> {
        Ok(WidgetFilter {
            vendor_id: query.parsed("vendor", "Продавец")?,
            name: query.get("name").map(str::to_owned),
            crm: query.parsed("platform", "Сервис")?,
            uses_flycoins: query.is_set("flycoins"),
            uses_subscriptions: query.is_set("subscriptions"),
        })
    }

    fn can_sort_by(_filter: &WidgetFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let services = [Crm::Amocrm, Crm::Kommo].map(|crm| (crm.as_str(), crm.as_str()));
        vec![
            Field::text("vendor", "Продавец").value(value("vendor")).hint("vnd_…"),
            Field::text("name", "Название начинается с").value(value("name")),
            Field::filter("platform", "Сервис", services).value(value("platform")),
            Field::check("flycoins", "С Flycoins").value(value("flycoins")),
            Field::check("subscriptions", "С подписками").value(value("subscriptions")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        WidgetId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &WidgetFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        widgets::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Widget>> {
        widgets::rows(conn, ids).await
    }

    fn row(widget: &Widget) -> Row {
        row(widget)
    }
}

/// `GET /widgets`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let acts =
        if visit.who.may::<Operator>() { vec![register::form("/widgets/register")] } else { Vec::new() };
    lists::show_with_acts::<Widgets, Support>(visit, acts).await
}

/// A widget in a table with the columns [`HEAD`].
pub(crate) fn row(widget: &Widget) -> Row {
    row_below(Widgets::PATH, widget)
}

/// A widget in a table with the columns [`HEAD`], with a link to its page below a path.
pub(crate) fn row_below(list: &str, widget: &Widget) -> Row {
    let href = format!("{list}/{}", widget.id);
    Row::linked(
        href.clone(),
        vec![
            Cell::link(href, &widget.code),
            Cell::text(widget.name.clone()),
            Cell::text(widget.crm.as_str()),
            Cell::flag(widget.uses_flycoins),
            Cell::flag(widget.uses_subscriptions),
            Cell::maybe(widget.event_url.clone()),
            Cell::time(widget.created_at),
        ],
    )
}
