//! The list of vendors.

use chrono::{DateTime, Utc};
use flysk_domain::id::VendorId;
use flysk_store::admin::lists::vendors::{self, VendorFilter};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::vendors::Vendor;
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::edit;
use super::show::terminal_cell;
use crate::http::{Fault, Operator, Pairs, Support, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::view::{Cell, Field, Row};

/// Columns of a table of vendors.
pub(crate) const HEAD: [&str; 6] = ["Код", "Название", "ИНН", "Терминал", "E-mail", "Создан"];

/// The list of vendors.
pub(crate) struct Vendors;

impl List for Vendors {
    type Filter = VendorFilter;
    type Record = Vendor;

    const TITLE: &'static str = "Продавцы";
    const PATH: &'static str = "/vendors";
    const HEAD: &'static [&'static str] = &HEAD;
    const EMPTY: &'static str = "Таких продавцов нет.";
    const ID_POSITION: usize = 5;
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Code, 0), Sort::smallest_first(SortColumn::Name, 1)];

    fn filter(query: &Pairs) -> Result<VendorFilter, Fault> {
        Ok(VendorFilter {
            name: query.get("name").map(str::to_owned),
            inn: query.ascii("inn"),
            has_terminal: query.is_set("terminal"),
        })
    }

    fn can_sort_by(_filter: &VendorFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::text("name", "Название начинается с").value(value("name")),
            Field::text("inn", "ИНН").value(value("inn")),
            Field::check("terminal", "Со своим терминалом").value(value("terminal")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        VendorId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &VendorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        vendors::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Vendor>> {
        vendors::rows(conn, ids).await
    }

    fn row(vendor: &Vendor) -> Row {
        row(vendor)
    }
}

/// `GET /vendors`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let acts = if visit.who.may::<Operator>() { vec![edit::create_form()] } else { Vec::new() };
    lists::show_with_acts::<Vendors, Support>(visit, acts).await
}

/// A vendor in a table with the columns [`HEAD`].
pub(crate) fn row(vendor: &Vendor) -> Row {
    let href = format!("/vendors/{}", vendor.id);
    Row::linked(
        href.clone(),
        vec![
            Cell::link(href, &vendor.code),
            Cell::text(vendor.legal_name.clone()),
            Cell::maybe_code(vendor.inn.clone()),
            terminal_cell(vendor),
            Cell::maybe(vendor.email.clone()),
            Cell::time(vendor.created_at),
        ],
    )
}
