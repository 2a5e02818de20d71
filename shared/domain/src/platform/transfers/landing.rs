//! Rule that allocates the money of an operation.

use crate::UnknownText;
use crate::id::{InstallId, TransferInvoiceId};
use crate::money::Kopecks;

/// INN of the bank's own acquiring, which pays the sums of cards as one lump sum; they are counted elsewhere.
pub const ACQUIRER_INN: &str = "7710140679";

/// Money that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    /// Whole sum of the operation; nothing lands unless it is above zero.
    pub amount: Kopecks,
    /// The payer's INN, as the bank gives it; foreign payers have none.
    pub payer_inn: &'a str,
    /// Purpose of the payment.
    pub purpose: &'a str,
}

/// Why a person must decide about money.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueReason {
    /// The number names an invoice to another INN.
    OtherPayer,
    /// Several invoices of the payer ask for this sum, and no number tells which is meant.
    SeveralInvoices,
    /// Several numbers, and the sum is not that of their invoices.
    SeveralNumbers,
    /// Neither number nor payer and sum fit an invoice.
    Unknown,
}

/// Target that kopecks of an operation are allocated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// Kopecks that pay this invoice.
    Invoice(TransferInvoiceId),
    /// In the balance of the payer with this install.
    Balance(InstallId),
    /// They wait for a person.
    Queue(QueueReason),
    /// Not a payment of a customer.
    Foreign,
}

/// A part of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// Target of the part.
    pub landing: Landing,
    /// Amount, above zero.
    pub kopecks: Kopecks,
}

impl Portion {
    pub(super) const fn new(landing: Landing, kopecks: Kopecks) -> Self {
        Self { landing, kopecks }
    }
}
