//! The list of attempts to pay invoices.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoicePaymentId;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use flysk_store::admin::lists::payments::{self, PaymentFilter, PaymentRow};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::sorting::Sort;
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row};

/// States for a filter.
const STATES: [AttemptState; 7] = [
    AttemptState::Paid,
    AttemptState::Review,
    AttemptState::Failed,
    AttemptState::Charging,
    AttemptState::Open,
    AttemptState::Opening,
    AttemptState::Cancelling,
];

/// The list of payments.
pub(crate) struct Payments;

impl List for Payments {
    type Filter = PaymentFilter;
    type Record = PaymentRow;

    const TITLE: &'static str = "Платежи по счетам";
    const PATH: &'static str = "/payments";
    const HEAD: &'static [&'static str] = &[
        "Начат",
        "Платёж",
        "Аккаунт",
        "Счёт",
        "Чем",
        "Сумма",
        "Номер в банке",
        "Статус банка",
        "Ошибка",
        "Состояние",
    ];
    const EMPTY: &'static str = "Таких платежей нет.";
    const SORTS: &'static [Sort] = &[Sort::largest_first(SortColumn::Amount, 5)];

    fn filter(query: &Pairs) -> Result<PaymentFilter, Fault> {
        Ok(PaymentFilter {
            state: query.parsed("state", "Состояние")?,
            invoice_id: query.parsed("invoice", "Счёт")?,
            install_id: query.parsed("install", "Установка")?,
            payment_id: query.ascii("payment"),
        })
    }

    fn can_sort_by(filter: &PaymentFilter, column: SortColumn) -> bool {
        filter.can_sort_by(column)
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("payment", "Номер в банке").value(value("payment")),
            Field::text("invoice", "Счёт").value(value("invoice")).hint("inv_…"),
            Field::text("install", "Установка").value(value("install")).hint("ins_…"),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        InvoicePaymentId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &PaymentFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        payments::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PaymentRow>> {
        payments::rows(conn, ids).await
    }

    fn row(payment: &PaymentRow) -> Row {
        let href = format!("/payments/{}", payment.id);
        let account = payment.account_name.clone().filter(|name| !name.is_empty());
        Row::linked(
            href.clone(),
            vec![
                Cell::time(payment.created_at),
                Cell::link(href, payment.id),
                Cell::link(
                    format!("/accounts/{}", payment.account_id),
                    account.unwrap_or_else(|| payment.account_id.to_string()),
                ),
                Cell::link(format!("/invoices/{}", payment.invoice_id), &payment.title),
                Cell::text(kind_name(payment.kind)),
                Cell::roubles(payment.amount()),
                Cell::maybe_code(payment.payment_id.clone()),
                Cell::maybe(payment.bank_status.clone()),
                Cell::maybe(payment.error_code.clone()),
                payment.state.cell(),
            ],
        )
    }
}

/// Name of the way in which an attempt takes the money, in Russian.
pub(super) const fn kind_name(kind: AttemptKind) -> &'static str {
    match kind {
        AttemptKind::Form => "форма банка",
        AttemptKind::Charge => "списание с карты",
    }
}
