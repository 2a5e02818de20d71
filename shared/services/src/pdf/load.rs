//! Contents of an invoice's documents, from its rows.

use chrono::NaiveDate;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::subscriptions::{InvoiceKind, QuoteLine};
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::transfers::{TransferInvoice, find_access, find_act};
use flysk_store::platform::vendors;
use flysk_store::{Conn, StoreError, StoreResult};

use super::act::{Act, ActLine, Firm};
use super::invoice::{BankAccount, TransferInvoicePdf};

/// Loads the contents of an invoice's PDF. The account is that of the vendor's access to the bank.
pub async fn load_transfer_invoice(
    conn: &mut Conn,
    invoice: &TransferInvoice,
) -> StoreResult<TransferInvoicePdf> {
    let access = find_access(conn, invoice.vendor_id).await?;
    Ok(TransferInvoicePdf {
        number: invoice.number.get(),
        date: invoice.issued_on,
        due_on: invoice.due_on,
        seller: seller_of(conn, invoice).await?,
        account: BankAccount { number: access.map(|access| access.account).unwrap_or_default() },
        buyer: buyer_of(invoice),
        lines: match paid_invoice(conn, invoice).await? {
            Some(subscription) => lines_of(&subscription),
            None => vec![coins_line(invoice)],
        },
        vat: invoice.vat,
        total: invoice.total,
        from_balance: invoice.from_balance,
        amount: invoice.amount,
        purpose: invoice.purpose.clone(),
    })
}

/// Composes the act of a paid invoice as if it were issued now, under a number of the seller's series: the seller as it is called now,
/// everything else as it was invoiced and paid.
pub(crate) async fn compose_act(
    conn: &mut Conn,
    invoice: &TransferInvoice,
    (number, date): (i64, NaiveDate),
) -> StoreResult<Act> {
    let lines = match paid_invoice(conn, invoice).await? {
        Some(subscription) => lines_of(&subscription),
        None => vec![coins_line(invoice)],
    };
    Ok(Act {
        number,
        date,
        invoice_number: invoice.number.get(),
        invoiced_on: invoice.issued_on,
        seller: seller_of(conn, invoice).await?,
        buyer: buyer_of(invoice),
        lines,
        vat: invoice.vat,
        total: invoice.total,
    })
}

/// The issued act of an invoice, as it was issued; `None` before that.
pub async fn find_issued_act(conn: &mut Conn, invoice: TransferInvoiceId) -> StoreResult<Option<Act>> {
    let content = find_act(conn, invoice).await?.and_then(|act| act.content);
    let read = |content: String| {
        serde_json::from_str(&content)
            .map_err(|error| StoreError::InvalidRow { what: "content of an act", reason: error.to_string() })
    };
    content.map(read).transpose()
}

/// The subscription's invoice that is paid; `None` for coins.
async fn paid_invoice(conn: &mut Conn, invoice: &TransferInvoice) -> StoreResult<Option<Invoice>> {
    match invoice.subject {
        PaymentSubject::Invoice(id) => {
            let found = subscriptions::find_invoice(conn, id).await?;
            found.map(Some).ok_or(StoreError::WrongState { what: "invoice" })
        }
        PaymentSubject::Purchase(_) => Ok(None),
    }
}

/// The lines of a subscription's invoice. A whole period has the days that the payment gave it, which may begin later than they
/// were quoted.
fn lines_of(invoice: &Invoice) -> Vec<ActLine> {
    let line = |line: &QuoteLine| {
        // The title ends with the quoted days, which have a column of their own.
        let quoted = format!(", {}", line.period);
        let period = if invoice.kind == InvoiceKind::Change { line.period } else { invoice.period };
        ActLine {
            title: line.title.strip_suffix(&quoted).unwrap_or(&line.title).to_owned(),
            days: Some((period.from, period.last_day())),
            seats: Some(line.seats),
            amount: line.amount,
        }
    };
    invoice.lines.iter().map(line).collect()
}

fn coins_line(invoice: &TransferInvoice) -> ActLine {
    ActLine { title: invoice.title.clone(), days: None, seats: None, amount: invoice.total }
}

async fn seller_of(conn: &mut Conn, invoice: &TransferInvoice) -> StoreResult<Firm> {
    let vendor = vendors::find_vendor(conn, invoice.vendor_id).await?;
    let vendor = vendor.ok_or(StoreError::WrongState { what: "vendor" })?;
    Ok(Firm { name: vendor.legal_name.trim().to_owned(), inn: vendor.inn, kpp: None })
}

fn buyer_of(invoice: &TransferInvoice) -> Firm {
    let payer = &invoice.payer;
    Firm { name: payer.name.clone(), inn: Some(payer.inn.to_string()), kpp: payer.kpp.clone() }
}
