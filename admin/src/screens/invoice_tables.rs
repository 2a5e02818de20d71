//! Tables about invoices that several pages show.

use flysk_domain::platform::subscriptions::QuoteLine;
use flysk_store::platform::invoice_payments::InvoiceRefund;

use crate::view::{Cell, Labeled as _, Row, Table};

/// Lines of an invoice or of a quote.
pub(super) fn lines_table(lines: &[QuoteLine]) -> Table {
    let row = |line: &QuoteLine| {
        let (from, until) = (line.period.from.format("%d.%m.%Y"), line.period.until.format("%d.%m.%Y"));
        Row::plain(vec![
            Cell::text(line.title.clone()),
            Cell::text(format!("{from}–{until}")),
            Cell::number(line.seats),
            Cell::roubles(line.amount),
        ])
    };
    Table::new(&["Строка", "Дни", "Мест", "Сумма"], lines.iter().map(row).collect())
}

/// Refunds of an invoice or of a payment.
pub(super) fn refunds_table(refunds: &[InvoiceRefund]) -> Table {
    let row = |refund: &InvoiceRefund| {
        Row::plain(vec![
            Cell::time(refund.created_at),
            Cell::roubles(refund.amount),
            refund.state.cell(),
            Cell::text(refund.requested_by.clone()),
            Cell::text(refund.reason.clone()),
            Cell::link(format!("/payments/{}", refund.payment_row_id), refund.payment_row_id),
            Cell::time(refund.updated_at),
        ])
    };
    let head = ["Запрошен", "Сумма", "Состояние", "Кем", "Причина", "Платёж", "Изменён"];
    Table::new(&head, refunds.iter().map(row).collect())
}
