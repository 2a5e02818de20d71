//! Payment by bank transfer: invoices, operations of statements, where their kopecks are, and balances of firms.
//!
//! Lock order: the operation's row, then the transfer invoice, then the balance, then what is paid for.

mod access;
mod acts;
mod allocations;
mod balances;
mod cursors;
mod invariants;
mod invoice_writes;
mod invoices;
mod letters;
mod lists;
mod operations;
mod subject;

pub use access::{
    TApiAccess, find_access, find_due_terms, list_accesses, reseal_access, set_access, set_due_terms,
};
pub use acts::{
    NewAct, TransferAct, find_act, insert_act, list_acts, list_due_acts, lock_act, mark_act_issued,
    take_act_number,
};
pub use allocations::{Allocation, InvoiceMoney, insert_allocation, list_allocations, list_money_of_invoice};
pub use balances::{
    BalanceOwner, change_balance, find_balance, list_balances, list_owned_balances, read_balance,
    sum_returned_since, take_returned,
};
pub use cursors::{StatementCursor, find_cursor, lock_reading, record_failed_reading, record_reading};
pub use invariants::{TRANSFER_RULES, TransferViolation, verify_transfers};
pub use invoice_writes::{
    NewTransferInvoiceRow, begin_sending, cover_invoice, insert_transfer_invoice, mark_issued,
    mark_transfer_ended, mark_transfer_paid, record_bank_status, record_refused_sending,
    record_sending_error, reseal_transfer_email, reseal_transfer_link, set_paid_kopecks, set_transfer_pdf,
    take_serial,
};
pub use invoices::{
    TransferInvoice, find_open_transfer_invoice, find_transfer_invoice, find_transfer_invoice_by_number,
    find_waiting_of_firm, list_transfer_invoices, lock_transfer_invoice,
};
pub use letters::{
    find_transfer_letter, insert_transfer_letter, list_without_letter, set_transfer_letter_state,
};
pub use lists::{
    list_invoices_to_send, list_past_due, list_sealed_transfer_invoices, list_superseded, list_to_ask_about,
    list_with_pdf_state,
};
pub use operations::{
    BankOperation, NewOperation, QueueSize, find_listed_operation, find_operation, insert_operation,
    list_new_operations, list_operations_by_ids, list_queued_operations, lock_operation, note_operation_id,
    read_queue_size, set_operation_state,
};
pub use subject::{await_transfer, hold_subject};
