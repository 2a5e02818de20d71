//! What a request to the bank says about an invoice, as it is stored.

use flysk_domain::id::InvoiceId;
use flysk_store::platform::subscriptions::{self, Invoice, PayableInvoice, Seller};
use flysk_store::{Conn, StoreResult};

/// What the request and the receipt of a payment are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptFacts {
    /// The invoice.
    pub invoice: Invoice,
    /// Its seller.
    pub seller: Seller,
    /// The address of receipts: the invoice to which it belongs, and the address, sealed for
    /// `subscription_invoices.contact:<id>`. `None` if no payer of the subscription has given one.
    pub contact: Option<(InvoiceId, String)>,
}

impl ReceiptFacts {
    /// Reads the facts about an invoice; `None` if there is no such invoice.
    ///
    /// # Errors
    ///
    /// The database fails, or a stored value cannot be read.
    pub async fn find(conn: &mut Conn, invoice: InvoiceId) -> StoreResult<Option<Self>> {
        let found = subscriptions::find_payable_invoice(conn, invoice).await?;
        let Some(PayableInvoice { invoice, seller, .. }) = found else { return Ok(None) };
        let last = match invoice.contact_sealed {
            Some(_) => None,
            None => subscriptions::find_last_contact(conn, invoice.subscription_id).await?,
        };
        Ok(Some(Self::new(invoice, seller, last)))
    }

    /// The facts about an invoice that was read. A renewal has the address of the last payment with a form.
    pub(super) fn new(invoice: Invoice, seller: Seller, last_contact: Option<(InvoiceId, String)>) -> Self {
        let own = invoice.contact_sealed.clone().map(|sealed| (invoice.id, sealed));
        Self { contact: own.or(last_contact), invoice, seller }
    }
}
