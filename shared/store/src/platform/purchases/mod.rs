//! Purchases of Flycoins: packages, purchases, refunds, notifications of T-Bank, and discrepancies.
//!
//! Lock order: the purchase's row first, then its wallet, never the other way round.

mod discrepancies;
mod notifications;
mod packages;
mod read;
mod refunds;
mod row;
mod sealed;
mod write;

pub use discrepancies::{DiscrepancyRow, insert_discrepancy, is_known_discrepancy, list_discrepancies};
pub use notifications::{
    NewNotification, NotificationRow, NotificationState, PaidAttempt, find_notification_of_paid,
    insert_notification, list_new_notifications, list_unapplied_notifications, mark_notifications,
};
pub use packages::{
    Package, find_package, list_all_packages, list_packages_by_ids, list_packages_on_offer, package_for_sum,
    retire_package, set_package,
};
pub use read::{
    count_open_purchases, find_purchase, find_purchase_asked, find_purchase_just_asked,
    find_purchase_of_order, list_due_purchases, list_purchases, list_purchases_to_compare, lock_purchase,
};
pub use refunds::{
    NewRefund, Refund, RefundState, find_refund, insert_refund, list_refunds, list_stuck_refunds, mark_refund,
};
pub use row::Purchase;
pub use sealed::{
    SealedNotification, SealedPurchase, list_sealed_notifications, list_sealed_purchases,
    reseal_notification, reseal_purchase,
};
pub use write::{
    Credited, NewPurchase, clear_discrepancy, insert_purchase, mark_credited, mark_failed, mark_form_open,
    mark_opening, record_payment_status, resolve_review, save_card, set_discrepancy, set_poll_at,
    set_refunded, set_review,
};

use crate::text_column::decode_text;

/// Cuts a text of the bank to a column of `most` ASCII characters, so that an unexpected value does not block a
/// purchase.
pub(crate) fn truncate_ascii(word: &str, most: usize) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::truncate_ascii;

    #[test]
    fn a_word_of_any_length_and_script_fits_its_column() {
        assert_eq!(truncate_ascii("CONFIRMED", 32), "CONFIRMED");
        assert_eq!(truncate_ascii("ОТКАЗ\n5", 16), "??????5");
        assert_eq!(truncate_ascii(&"A".repeat(40), 32).len(), 32);
    }
}
