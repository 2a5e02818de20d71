//! Payments of subscription invoices: saved cards, attempts to pay, refunds and closing receipts.

mod attempts;
mod cards;
mod insert;
mod invariants;
mod receipts;
mod refunds;
mod reviews;
mod row;
mod sealed;

pub use attempts::{
    begin_cancelling, begin_charging, claim_queries, decide_attempt, end_attempt, find_attempt,
    find_open_attempt, list_attempts, list_attempts_of_card, list_attempts_to_compare, lock_attempt,
    lock_paying_attempt, mark_withdrawn, open_form, record_status, set_error_code, set_payment_id,
    set_query_at,
};
pub use cards::{
    Card, CardSeller, ConsentedCard, NewCard, OfferedCard, find_card, find_card_of_payment,
    find_offered_card, insert_card, list_all_cards, list_cards, lock_card, lock_consented_card, unlink_card,
};
pub use insert::{NewAttempt, insert_attempt};
pub use invariants::{PAYMENT_RULES, verify_payments};
pub use receipts::{
    ClosingReceipt, ReceiptState, begin_sending, cancel_receipt, claim_receipts, find_closing_basis,
    find_receipt, find_receipt_of_payment, insert_receipt, make_receipt_due, mark_receipt, refuse_receipt,
    restore_receipt,
};
pub use refunds::{
    BY_SYSTEM, InvoiceRefund, RefundState, find_refund, has_unsaved_card, insert_refund, is_returned,
    list_refunds, list_refunds_of_invoice, list_stuck_refunds, mark_refund,
};
pub use reviews::{reopen_for_review, resolve_review, set_review};
pub use row::Attempt;
pub use sealed::{SealedCard, list_sealed_cards, reseal_card};

use crate::text_column::decode_text;
