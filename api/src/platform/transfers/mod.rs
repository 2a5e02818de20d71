//! Invoices that firms pay by bank transfer, for widgets. The hosted pages share the rules.

mod issue;
mod operations;
mod view;

pub(crate) use crate::platform::transfer_offers::{find_due_day, takes_transfers};
pub(crate) use issue::{
    Firm, cancel_invoice, cover_invoice, find_latest_of, find_of_install, invoice_for_coins,
    invoice_for_subscription, list_of_install,
};
pub(crate) use operations::TransferInvoicesApi;
