//! The list of invoices.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::{InvoiceKind, InvoiceState};
use flysk_store::admin::lists::invoices::{self as listed, InvoiceFilter, InvoiceListRow};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// The list of invoices.
pub(crate) struct Invoices;

impl List for Invoices {
    type Filter = InvoiceFilter;
    type Record = InvoiceListRow;

    const TITLE: &'static str = "Счета";
    const PATH: &'static str = "/invoices";
    const HEAD: &'static [&'static str] = &[
        "Выставлен",
        "Счёт",
        "Назначение",
        "Период",
        "Сумма",
        "Возвращено",
        "Состояние",
        "Ошибка списания",
        "Оплачен",
    ];
    const EMPTY: &'static str = "Таких счетов нет.";
    const SORTS: &'static [Sort] =
        &[Sort::largest_first(SortColumn::Amount, 4), Sort::largest_first(SortColumn::Paid, 8)];

    fn filter(query: &Pairs) -> Result<InvoiceFilter, Fault> {
        Ok(InvoiceFilter {
            state: query.parsed("state", "Состояние")?,
            kind: query.parsed("kind", "Вид")?,
            subscription_id: query.parsed("subscription", "Подписка")?,
            install_id: query.parsed("install", "Установка")?,
        })
    }

    fn can_sort_by(filter: &InvoiceFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let states = [InvoiceState::Open, InvoiceState::Paid, InvoiceState::Void];
        let kinds = [InvoiceKind::Start, InvoiceKind::Renewal, InvoiceKind::Change];
        vec![
            Field::filter("state", "Состояние", states.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::filter("kind", "Вид", kinds.map(|kind| (kind.as_str(), kind_name(kind))))
                .value(value("kind")),
            Field::text("subscription", "Подписка").value(value("subscription")).hint("sub_…"),
            Field::text("install", "Установка").value(value("install")).hint("ins_…"),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        InvoiceId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &InvoiceFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<InvoiceListRow>> {
        listed::rows(conn, ids).await
    }

    fn row(invoice: &InvoiceListRow) -> Row {
        let href = format!("/invoices/{}", invoice.id);
        let period =
            format!("{}–{}", invoice.period_from.format("%d.%m.%Y"), invoice.period_until.format("%d.%m.%Y"));
        let refunded = invoice.refunded();
        Row::linked(
            href.clone(),
            vec![
                Cell::time(invoice.created_at),
                Cell::link(href, invoice.id),
                Cell::text(invoice.title.clone()),
                Cell::text(period),
                Cell::roubles(invoice.total()),
                if refunded.is_zero() { Cell::Empty } else { Cell::roubles(refunded) },
                invoice.state().map_or(Cell::Empty, Labeled::cell),
                Cell::maybe(invoice.failure_code.clone()),
                Cell::time(invoice.paid_at),
            ],
        )
    }
}

/// Name of the subject that an invoice pays, in Russian.
pub(super) const fn kind_name(kind: InvoiceKind) -> &'static str {
    match kind {
        InvoiceKind::Start => "первый период",
        InvoiceKind::Renewal => "продление",
        InvoiceKind::Change => "изменение",
    }
}
