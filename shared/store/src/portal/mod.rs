//! The vendors' portal: its own tables, and what a vendor sees of the product.
//!
//! Every read and write here names the vendor or its user, in the statement. A widget of the portal is an [`OwnWidget`], which only
//! [`widgets`] makes, so what takes one cannot be called for a widget of another vendor.

pub mod api_calls;
pub mod deliveries;
pub mod figures;
pub mod invitations;
pub mod prices;
pub mod recovery_codes;
pub mod sessions;
pub mod users;
pub mod widgets;

pub use widgets::OwnWidget;

/// The row before which the newest page of a log begins.
pub const NEWEST: u64 = u64::MAX;
