//! Inserts attempts to pay invoices.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum;
use flysk_domain::id::{CardId, InstallId, InvoiceId, InvoicePaymentId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use flysk_domain::platform::subscriptions::ReceiptBasis;

use super::row::Attempt;
use crate::error::unless_duplicate_of;
use crate::{Conn, StoreResult};

/// An attempt to be inserted, in the state `opening`.
#[derive(Debug, Clone, Copy)]
pub struct NewAttempt<'a> {
    /// Id, sent to the bank as the order number.
    pub id: InvoicePaymentId,
    /// The invoice to pay.
    pub invoice_id: InvoiceId,
    /// Subscription of the invoice.
    pub subscription_id: SubscriptionId,
    /// Install of the subscription.
    pub install_id: InstallId,
    /// Way of taking the money.
    pub kind: AttemptKind,
    /// Charged by the schedule, not by a person.
    pub is_automatic: bool,
    /// Whether the payer agreed to save the card.
    pub save_card: bool,
    /// The card to charge.
    pub card_id: Option<CardId>,
    /// T-Bank terminal at which the money is taken.
    pub terminal_key: &'a str,
    /// Amount to pay.
    pub amount: Kopecks,
    /// What its receipt says.
    pub receipt: &'a ReceiptBasis,
    /// When the bank is asked, unless an update arrives earlier.
    pub query_at: DateTime<Utc>,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

impl NewAttempt<'_> {
    /// The attempt as it is after its insertion.
    pub fn inserted(&self) -> Attempt {
        Attempt {
            id: self.id,
            invoice_id: self.invoice_id,
            subscription_id: self.subscription_id,
            install_id: self.install_id,
            kind: self.kind,
            state: AttemptState::Opening,
            is_withdrawn: false,
            is_automatic: self.is_automatic,
            save_card: self.save_card,
            card_id: self.card_id,
            terminal_key: self.terminal_key.to_owned(),
            amount: self.amount,
            receipt: Some(self.receipt.clone()),
            payment_id: None,
            payment_url: None,
            status: None,
            error_code: None,
            discrepancy: None,
            charge_sent_at: None,
            paid_at: None,
            created_at: self.now,
            updated_at: self.now,
        }
    }
}

/// Inserts an attempt; `false` if the invoice has another one that may still take money.
pub async fn insert_attempt(conn: &mut Conn, new: &NewAttempt<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO invoice_payments (id, invoice_id, subscription_id, install_id, kind, open_slot, state,
             is_automatic, save_card, card_id, terminal_key, amount_kopecks, receipt_kind, receipt_taxation,
             receipt_vat, query_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, 1, 'opening', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.invoice_id.to_string())
    .bind(new.subscription_id.to_string())
    .bind(new.install_id.to_string())
    .bind(new.kind.as_str())
    .bind(new.is_automatic)
    .bind(new.save_card)
    .bind(new.card_id.map(|id| id.to_string()))
    .bind(new.terminal_key)
    .bind(new.amount.0)
    .bind(new.receipt.kind.as_str())
    .bind(new.receipt.taxation.as_deref())
    .bind(new.receipt.vat.map(TextEnum::as_str))
    .bind(new.query_at)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "invoice_payments_open")
}
