//! The list of transfer invoices.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::transfers::{InvoiceNumber, TransferInvoiceState};
use flysk_store::admin::lists::transfer_invoices::{
    self as listed, TransferInvoiceFilter, TransferInvoiceRow,
};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// States for a filter.
const STATES: [TransferInvoiceState; 5] = [
    TransferInvoiceState::Issued,
    TransferInvoiceState::Sending,
    TransferInvoiceState::Paid,
    TransferInvoiceState::Expired,
    TransferInvoiceState::Void,
];

/// The list of transfer invoices.
pub(crate) struct TransferInvoices;

impl List for TransferInvoices {
    type Filter = TransferInvoiceFilter;
    type Record = TransferInvoiceRow;

    const TITLE: &'static str = "Счета для переводов";
    const PATH: &'static str = "/transfer-invoices";
    const HEAD: &'static [&'static str] = &[
        "Выставлен",
        "Номер",
        "Аккаунт",
        "Фирма",
        "ИНН",
        "За что",
        "К оплате",
        "Поступило",
        "Оплатить до",
        "Продавец",
        "Ошибка банка",
        "Состояние",
        "Оплачен",
    ];
    const EMPTY: &'static str = "Таких счетов нет.";
    const SORTS: &'static [Sort] =
        &[Sort::largest_first(SortColumn::Amount, 6), Sort::smallest_first(SortColumn::Due, 8)];

    fn filter(query: &Pairs) -> Result<TransferInvoiceFilter, Fault> {
        let typed: Option<i64> = query.parsed("number", "Номер")?;
        let wrong = || Fault::refused("Такого номера счёта не бывает: проверьте цифры.");
        let number = typed.map(|number| InvoiceNumber::written(number).ok_or_else(wrong)).transpose()?;
        Ok(TransferInvoiceFilter {
            state: query.parsed("state", "Состояние")?,
            vendor_id: query.parsed("vendor", "Продавец")?,
            payer_inn: query.parsed("inn", "ИНН")?,
            number,
            install_id: query.parsed("install", "Установка")?,
            invoice_id: query.parsed("invoice", "Счёт подписки")?,
            due_from: query.day("due_from", "Оплатить с")?,
            due_until: query.day("due_until", "Оплатить по")?,
        })
    }

    fn can_sort_by(filter: &TransferInvoiceFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("number", "Номер").value(value("number")),
            Field::text("inn", "ИНН").value(value("inn")),
            Field::date("due_from", "Оплатить с").value(value("due_from")),
            Field::date("due_until", "Оплатить по").value(value("due_until")),
            Field::text("vendor", "Продавец").value(value("vendor")).hint("vnd_…"),
            Field::text("install", "Установка").value(value("install")).hint("ins_…"),
            Field::text("invoice", "Счёт подписки").value(value("invoice")).hint("inv_…"),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        TransferInvoiceId::first_at(time).to_string()
    }

    async fn ids(
        conn: &mut Conn,
        filter: &TransferInvoiceFilter,
        keyset: &Keyset,
    ) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<TransferInvoiceRow>> {
        listed::rows(conn, ids).await
    }

    fn row(invoice: &TransferInvoiceRow) -> Row {
        let href = format!("/transfer-invoices/{}", invoice.id);
        let account = invoice.account_name.clone().filter(|name| !name.is_empty());
        let paid = invoice.paid();
        Row::linked(
            href.clone(),
            vec![
                Cell::time(invoice.created_at),
                Cell::link(href, invoice.number),
                Cell::link(
                    format!("/accounts/{}", invoice.account_id),
                    account.unwrap_or_else(|| invoice.account_id.to_string()),
                ),
                Cell::text(invoice.payer_name.clone()),
                Cell::code(&invoice.payer_inn),
                Cell::text(invoice.title.clone()),
                Cell::roubles(invoice.amount()),
                if paid.is_zero() { Cell::Empty } else { Cell::roubles(paid) },
                Cell::text(invoice.due_on.format("%d.%m.%Y").to_string()),
                Cell::link(format!("/vendors/{}", invoice.vendor_id), &invoice.vendor_code),
                Cell::maybe(invoice.error_code.clone()),
                invoice.state.cell(),
                Cell::time(invoice.paid_at),
            ],
        )
    }
}
