//! Payment of invoices by bank transfer: requisites, numbers of invoices, and where the money of a statement lands.
//!
//! A firm types number and sum by hand, in another bank. So a number has a check digit, money without a number is matched by
//! payer and exact sum only if that is unambiguous, and everything else waits for a person.

mod due;
mod fingerprint;
mod index;
mod label;
mod landing;
mod number;
mod order;
mod requisites;
mod state;

pub use due::{
    DAYS_IN_TRANSIT, DueTerms, InvalidDueDays, MAX_DUE_DAYS, READING_OVERLAP_DAYS, is_past_due,
    reading_begins,
};
pub use fingerprint::{DailyOccurrences, Fingerprint, StatementLine, believes_repetition};
pub use index::{Candidate, InvoiceIndex, Reception};
pub use label::label_ru;
pub use landing::{ACQUIRER_INN, Landing, Portion, QueueReason, Transfer};
pub use number::{InvoiceNumber, MAX_PURPOSE_CHARS, SeriesExhausted, numbers_in_purpose};
pub use order::{InvalidOrderNumber, MAX_ORDER_NUMBER_CHARS, PaymentOrder};
pub use requisites::{Inn, InvalidRequisites, MAX_PAYER_NAME_CHARS, Payer};
pub use state::{
    ActState, AllocationTarget, BalanceCause, OperationState, PaymentSubject, PdfState, TransferInvoiceState,
};
