//! Invoices that firms pay by bank transfer: list, the page of one, withdrawal.

mod acts;
mod list;
mod show;

pub(super) use acts::withdraw;
pub(crate) use list::TransferInvoices;
pub(super) use show::show;
