//! Invoices and acts as PDF: pages with Russian text, and what the documents say.

mod act;
mod document;
mod font;
mod invoice;
mod load;
mod pages;
#[cfg(test)]
mod reader;
mod vat;

pub use act::{Act, ActLine, Firm, act_pdf};
pub use invoice::{BankAccount, TransferInvoicePdf, invoice_pdf};
pub(crate) use load::compose_act;
pub use load::{find_issued_act, load_transfer_invoice};
