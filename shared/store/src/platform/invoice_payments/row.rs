//! Rows of `invoice_payments`.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{CardId, InstallId, InvoiceId, InvoicePaymentId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState, PaymentSnapshot};
use flysk_domain::platform::purchases::Discrepancy;
use flysk_domain::platform::subscriptions::ReceiptBasis;
use flysk_domain::platform::tbank::PaymentStatus;

use super::decode_text;
use crate::StoreError;

/// An attempt to pay an invoice: one order at the bank with at most one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Id of the attempt; also the bank's order number.
    pub id: InvoicePaymentId,
    /// The invoice to pay.
    pub invoice_id: InvoiceId,
    /// Subscription of the invoice.
    pub subscription_id: SubscriptionId,
    /// Install of the subscription; also the bank's `CustomerKey`.
    pub install_id: InstallId,
    /// Way of taking the money.
    pub kind: AttemptKind,
    /// `Paid` and `Failed` are final; `Review` waits for a person.
    pub state: AttemptState,
    /// The payer must not pay it any more.
    pub is_withdrawn: bool,
    /// Charged by the schedule, not by a person.
    pub is_automatic: bool,
    /// Whether the payer agreed to save the card.
    pub save_card: bool,
    /// The card to charge.
    pub card_id: Option<CardId>,
    /// Key of the terminal on which it was opened.
    pub terminal_key: String,
    /// Amount to pay.
    pub amount: Kopecks,
    /// What its receipt says; `None` in rows of an earlier release.
    pub receipt: Option<ReceiptBasis>,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// URL of the bank's payment form.
    pub payment_url: Option<String>,
    /// Last known status of the payment.
    pub status: Option<PaymentStatus>,
    /// Why it failed: the bank's code or one of ours.
    pub error_code: Option<String>,
    /// Contradiction to the bank's answers; an operator has to review it.
    pub discrepancy: Option<Discrepancy>,
    /// When `Charge` was about to be sent.
    pub charge_sent_at: Option<DateTime<Utc>>,
    /// When the money was taken, as far as we know.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Attempt {
    /// The part of the row that decides the effect of an update.
    pub fn snapshot(&self, now: DateTime<Utc>) -> PaymentSnapshot<'_> {
        PaymentSnapshot {
            kind: self.kind,
            state: self.state,
            payment_id: self.payment_id.as_deref(),
            status: self.status.as_ref(),
            amount: self.amount,
            since_charge: self.charge_sent_at.map(|sent| now - sent),
        }
    }

    /// Time since the bank was first asked for something that may have taken money.
    pub fn age(&self, now: DateTime<Utc>) -> TimeDelta {
        now - self.charge_sent_at.unwrap_or(self.created_at)
    }
}

pub(super) const SELECT_ATTEMPT: &str =
    "SELECT id, invoice_id, subscription_id, install_id, kind, state, is_withdrawn,
        is_automatic, save_card, card_id, terminal_key, amount_kopecks, receipt_kind, receipt_taxation, receipt_vat,
        payment_id, payment_url, bank_status, error_code, discrepancy, charge_sent_at, paid_at, created_at, updated_at
     FROM invoice_payments WHERE ";

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    invoice_id: String,
    subscription_id: String,
    install_id: String,
    kind: String,
    state: String,
    is_withdrawn: bool,
    is_automatic: bool,
    save_card: bool,
    card_id: Option<String>,
    terminal_key: String,
    amount_kopecks: i64,
    receipt_kind: Option<String>,
    receipt_taxation: Option<String>,
    receipt_vat: Option<String>,
    payment_id: Option<String>,
    payment_url: Option<String>,
    bank_status: Option<String>,
    error_code: Option<String>,
    discrepancy: Option<String>,
    charge_sent_at: Option<DateTime<Utc>>,
    paid_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Attempt {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let receipt = match &row.receipt_kind {
            Some(kind) => Some(ReceiptBasis {
                kind: decode_text("receipt kind", kind)?,
                taxation: row.receipt_taxation,
                vat: row.receipt_vat.as_deref().map(|text| decode_text("VAT rate", text)).transpose()?,
            }),
            None => None,
        };
        Ok(Self {
            id: decode_text("invoice payment id", &row.id)?,
            invoice_id: decode_text("invoice id", &row.invoice_id)?,
            subscription_id: decode_text("subscription id", &row.subscription_id)?,
            install_id: decode_text("install id", &row.install_id)?,
            kind: decode_text("attempt kind", &row.kind)?,
            state: decode_text("attempt state", &row.state)?,
            is_withdrawn: row.is_withdrawn,
            is_automatic: row.is_automatic,
            save_card: row.save_card,
            card_id: row.card_id.as_deref().map(|id| decode_text("card id", id)).transpose()?,
            terminal_key: row.terminal_key,
            amount: Kopecks(row.amount_kopecks),
            receipt,
            payment_id: row.payment_id,
            payment_url: row.payment_url,
            status: row.bank_status.map(PaymentStatus::from),
            error_code: row.error_code,
            discrepancy: row
                .discrepancy
                .as_deref()
                .map(|text| decode_text("discrepancy", text))
                .transpose()?,
            charge_sent_at: row.charge_sent_at,
            paid_at: row.paid_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
