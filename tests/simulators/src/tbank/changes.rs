//! What happened to payments, in the bank's order, whether or not its notifications arrive.

use chrono::{DateTime, Utc};
use flysk_domain::Clock as _;
use serde::Serialize;

use super::TBank;
use super::notifications::Notification;
use crate::lock::locked;

/// A change of a payment's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// `PaymentId`.
    pub payment_id: String,
    /// `OrderId` of the shop.
    pub order_id: String,
    /// Key of the terminal.
    pub terminal: String,
    /// Status after the change.
    pub status: String,
    /// Error code of a declined payment; otherwise 0.
    pub error_code: u32,
    /// Amount of `Init`, kopecks.
    pub amount: i64,
    /// Amount that is left after refunds, kopecks.
    pub left: i64,
    /// Number of the card, once it is known.
    pub card: Option<String>,
    /// `DATA.OperationInitiatorType`: `R` for a charge of a saved card.
    pub initiator: Option<String>,
}

impl Change {
    /// The change that a notification tells.
    fn told_by(notification: &Notification, at: DateTime<Utc>) -> Self {
        let payment = &notification.payment;
        Self {
            at,
            payment_id: payment.id.clone(),
            order_id: payment.order_id.clone(),
            terminal: payment.terminal.clone(),
            status: notification.status.clone(),
            error_code: notification.error_code,
            amount: payment.amount,
            left: payment.left,
            card: payment.card.clone(),
            initiator: payment.initiator.clone(),
        }
    }
}

impl TBank {
    /// Changes from this place on, oldest first.
    pub fn changes_from(&self, index: usize) -> Vec<Change> {
        locked(&self.inner.changes).iter().skip(index).cloned().collect()
    }

    /// The notifications of the next `changes` changes are lost: none is sent.
    pub fn lose_notifications(&self, changes: u32) {
        *locked(&self.inner.losses) = changes;
    }

    /// Number of changes whose notifications are still to be lost.
    pub fn losses(&self) -> u32 {
        *locked(&self.inner.losses)
    }

    /// Notes the changes that these notifications tell; whether the notifications are lost.
    pub(super) fn note_changes(&self, notifications: &[Notification]) -> bool {
        if notifications.is_empty() {
            return false;
        }
        let at = self.control().clock().now();
        locked(&self.inner.changes)
            .extend(notifications.iter().map(|notification| Change::told_by(notification, at)));
        let mut losses = locked(&self.inner.losses);
        let is_lost = *losses > 0;
        *losses = losses.saturating_sub(1);
        is_lost
    }
}
