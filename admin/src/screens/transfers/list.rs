//! The list of money that waits for a person.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::BankOperationId;
use flysk_domain::platform::transfers::QueueReason;
use flysk_store::admin::lists::transfers::{self as listed, QueuedOperationFilter};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::platform::transfers::{self, BankOperation};
use flysk_store::{Conn, StoreResult};

use super::show::{reason_label, some};
use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Row, Section, Table};

const HEAD: [&str; 6] = ["День", "Сумма", "Плательщик", "ИНН", "Назначение", "Почему ждёт"];
/// Reasons for a filter.
const REASONS: [QueueReason; 4] = [
    QueueReason::OtherPayer,
    QueueReason::SeveralInvoices,
    QueueReason::SeveralNumbers,
    QueueReason::Unknown,
];

/// The list of waiting operations.
pub(crate) struct Transfers;

impl List for Transfers {
    type Filter = QueuedOperationFilter;
    type Record = BankOperation;

    const TITLE: &'static str = "Переводы на разбор";
    const PATH: &'static str = "/transfers";
    const HEAD: &'static [&'static str] = &HEAD;
    const EMPTY: &'static str = "Все переводы разобраны.";
    const TEXT: &'static str =
        "Деньги, которые пришли на счёт продавца, но сами ни к одному счёту не подошли.";
    const SORTS: &'static [Sort] = &[Sort::largest_first(SortColumn::Amount, 1)];

    fn filter(query: &Pairs) -> Result<QueuedOperationFilter, Fault> {
        Ok(QueuedOperationFilter {
            vendor_id: query.parsed("vendor", "Продавец")?,
            payer_inn: query.parsed("inn", "ИНН")?,
            reason: query.parsed("why", "Почему ждёт")?,
        })
    }

    fn can_sort_by(_filter: &QueuedOperationFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let reasons = REASONS.map(|reason| (reason.as_str(), reason_label(reason)));
        vec![
            Field::text("vendor", "Продавец").value(value("vendor")).hint("vnd_…"),
            Field::text("inn", "ИНН").value(value("inn")),
            Field::filter("why", "Почему ждёт", reasons).value(value("why")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        BankOperationId::first_at(time).to_string()
    }

    async fn ids(
        conn: &mut Conn,
        filter: &QueuedOperationFilter,
        keyset: &Keyset,
    ) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BankOperation>> {
        listed::rows(conn, ids).await
    }

    fn row(operation: &BankOperation) -> Row {
        let href = format!("/transfers/{}", operation.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, operation.booked_on.format("%d.%m.%Y")),
                Cell::roubles(operation.amount),
                Cell::text(operation.payer_name.clone()),
                Cell::maybe_code(some(&operation.payer_inn)),
                Cell::text(operation.purpose.clone()),
                Cell::text(operation.queue_reason.map_or("", reason_label)),
            ],
        )
    }

    fn links(_query: &Pairs) -> Vec<Cell> {
        vec![Cell::link("/transfer-invoices", "Счета для переводов")]
    }
}

/// Money that waits for a person, oldest first.
pub(in crate::screens) async fn queue_section(conn: &mut Conn, limit: u32) -> StoreResult<Section> {
    let waiting = transfers::list_queued_operations(conn, None, limit).await?;
    let table = Table::new(&HEAD, waiting.iter().map(Transfers::row).collect());
    Ok(Section::new("Переводы ждут решения", table, Transfers::EMPTY))
}
