//! Buying Flycoins: packages, purchases, refunds, the bank's notices, and where the bank and we disagree.
//!
//! Whoever moves a purchase locks its row first and its wallet after it; nobody takes them the other way round.

mod differences;
mod notices;
mod packages;
mod read;
mod refunds;
mod row;
mod sealed;
mod write;

pub use differences::{Difference, insert_difference, list_differences};
pub use notices::{
    NewNotice, NoticeRow, NoticeState, find_notice, insert_notice, list_unapplied_notices, mark_notice,
};
pub use packages::{
    Package, find_package, list_all_packages, list_packages_on_offer, retire_package, set_package,
};
pub use read::{
    count_open_purchases, find_purchase, find_purchase_asked, find_purchase_just_asked,
    find_purchase_of_order, list_due_purchases, list_purchases, list_purchases_to_compare, lock_purchase,
};
pub use refunds::{
    NewRefund, Refund, RefundState, find_refund, insert_refund, list_refunds, list_stuck_refunds,
    lock_refund, mark_refund,
};
pub use row::Purchase;
pub use sealed::{
    SealedNotice, SealedPurchase, list_sealed_notices, list_sealed_purchases, reseal_notice, reseal_purchase,
};
pub use write::{
    Credited, Heard, NewPurchase, drop_doubt, insert_purchase, keep_card, mark_credited, mark_failed,
    mark_form_open, mark_heard, mark_looked_at, mark_opening, put_off, set_doubt, set_refunded, set_review,
};

use std::str::FromStr;

use crate::StoreError;

/// Reads a column's text.
fn read_text<T: FromStr<Err: std::fmt::Display>>(what: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|reason: T::Err| StoreError::Corrupt { what, reason: reason.to_string() })
}

/// A word of the bank as far as a column of `most` ASCII characters keeps it: a word of a new kind must not be
/// what stops a purchase.
fn kept(word: &str, most: usize) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(most).collect()
}

/// Reads a column's code.
fn known<T>(what: &'static str, code: &str, found: Option<T>) -> Result<T, StoreError> {
    found.ok_or_else(|| StoreError::Corrupt { what, reason: format!("`{code}` is unknown") })
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn a_word_of_any_length_and_script_fits_its_column() {
        assert_eq!(kept("CONFIRMED", 32), "CONFIRMED");
        assert_eq!(kept("ОТКАЗ\n5", 16), "??????5");
        assert_eq!(kept(&"A".repeat(40), 32).len(), 32);
    }
}
