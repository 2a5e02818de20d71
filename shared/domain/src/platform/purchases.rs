//! Buying Flycoins: what is on offer, what news from the bank means for a purchase, what can be given back.
//!
//! One purchase is one attempt is one order at T-Bank is at most one payment: the bank knows no idempotency,
//! so a purchase that failed is never tried again under the same id; the buyer begins another one.

mod contact;
mod news;
mod package;
mod refund;
mod schedule;
mod state;

pub use contact::{Email, InvalidEmail};
pub use news::{Doubt, Known, News, Source, Step};
pub use package::{InvalidPackage, PackageCode, PackageTerms};
pub use refund::{Asked, Fate, Refundable, Share, Unrefundable};
pub use schedule::{LINK_LIVES, MUST_OPEN_WITHIN, next_look};
pub use state::{PurchaseState, failure_ru, label_ru};
