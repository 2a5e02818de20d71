//! The list of closing receipts (54-FZ).

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::ReceiptId;
use flysk_store::admin::lists::receipts::{self, ReceiptFilter, ReceiptRow};
use flysk_store::platform::invoice_payments::ReceiptState;
use flysk_store::{Conn, StoreResult};

use crate::http::{Fault, Pairs};
use crate::lists::{Keyset, List};
use crate::view::{Cell, Field, Labeled, Row, Tone};

/// States for a filter.
const STATES: [ReceiptState; 5] = [
    ReceiptState::Waiting,
    ReceiptState::Unclear,
    ReceiptState::Sending,
    ReceiptState::Sent,
    ReceiptState::Cancelled,
];

/// The list of closing receipts.
pub(crate) struct Receipts;

impl List for Receipts {
    type Filter = ReceiptFilter;
    type Record = ReceiptRow;

    const TITLE: &'static str = "Закрывающие чеки";
    const PATH: &'static str = "/receipts";
    const HEAD: &'static [&'static str] =
        &["Запланирован", "Чек", "Счёт", "Платёж", "Сумма", "Отправить", "Состояние", "Ошибка", "Изменён"];
    const EMPTY: &'static str = "Таких чеков нет.";

    fn filter(query: &Pairs) -> Result<ReceiptFilter, Fault> {
        Ok(ReceiptFilter {
            state: query.parsed("state", "Состояние")?,
            invoice_id: query.parsed("invoice", "Счёт")?,
            is_refused: query.is_set("refused"),
        })
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        vec![
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
            Field::text("invoice", "Счёт").value(value("invoice")).hint("inv_…"),
            Field::check("refused", "Банк отказал").value(value("refused")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        ReceiptId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &ReceiptFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        receipts::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<ReceiptRow>> {
        receipts::rows(conn, ids).await
    }

    fn row(receipt: &ReceiptRow) -> Row {
        let href = format!("/invoices/{}", receipt.invoice_id);
        Row::linked(
            href.clone(),
            vec![
                Cell::time(receipt.created_at),
                Cell::code(receipt.id),
                Cell::link(href, &receipt.title),
                Cell::link(format!("/payments/{}", receipt.payment_row_id), receipt.payment_row_id),
                Cell::roubles(receipt.amount()),
                Cell::time(receipt.send_at()),
                if receipt.is_refused() {
                    Cell::state("банк отказал, уйдёт снова", Tone::Bad)
                } else {
                    receipt.state.cell()
                },
                Cell::maybe(receipt.error_code.clone()),
                Cell::time(receipt.updated_at),
            ],
        )
    }
}
