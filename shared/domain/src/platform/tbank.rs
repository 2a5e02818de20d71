//! Meaning of T-Bank's statuses and error codes.
//!
//! Sources: T-Bank acquiring API v2 ("EACQ"), payment statuses and table of error codes. The classes and their
//! consequences are ours.

mod error_class;
mod status;

pub use error_class::{ErrorClass, class_of};
pub use status::{PaymentOutcome, PaymentStatus, StatusOrder};
