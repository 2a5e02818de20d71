//! States of invoices, documents and operations.

use crate::UnknownText;
use crate::id::{InvoiceId, PurchaseId};

/// Subject that an invoice pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentSubject {
    /// An invoice of a subscription.
    Invoice(InvoiceId),
    /// A purchase of Flycoins.
    Purchase(PurchaseId),
}

/// State of an invoice that is paid by transfer.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransferInvoiceState {
    /// The bank has not confirmed it yet. It can be paid: the firm knows number and requisites.
    Sending,
    /// The bank has it.
    Issued,
    /// The sum arrived, and the subject was granted.
    Paid,
    /// The due day passed; money that had arrived is in the firm's balance.
    Expired,
    /// Withdrawn: what it was to pay is void or was paid otherwise; what had arrived of it is in the firm's balance.
    Void,
}

impl TransferInvoiceState {
    /// Whether it waits for money.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sending | Self::Issued)
    }
}

/// Whether we have the document of an invoice.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PdfState {
    /// There is no document of the bank yet.
    None,
    /// The bank has a link to it.
    Wanted,
    /// Stored in object storage.
    Stored,
    /// The bank's link ended before the document was fetched, or the bank never gave one: ours is made instead.
    Lost,
}

/// Progress of an act of services.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActState {
    /// To be issued on its day.
    Due,
    /// Has a number, and its content is stored.
    Issued,
}

/// State of an operation of a statement.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationState {
    /// Read, but not matched yet.
    New,
    /// All of it is with an invoice or in a balance.
    Landed,
    /// Waits for a person.
    Queued,
    /// Not a payment of a customer.
    Foreign,
    /// Sent back to the payer by a payment order in the bank, as a person has recorded.
    Returned,
}

/// Target that kopecks of an operation are allocated to.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllocationTarget {
    /// Kopecks that pay an invoice.
    Invoice,
    /// In a firm's balance.
    Balance,
    /// They wait for a person.
    Queue,
    /// Not a payment of a customer.
    Foreign,
    /// Back with the payer.
    Returned,
}

/// Why a balance changed.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BalanceCause {
    /// Money of an operation came in.
    Received,
    /// An invoice took it.
    Applied,
    /// An invoice ended and gave back what it had.
    Released,
    /// A person sent it back to the firm by a payment order in the bank.
    Returned,
}
