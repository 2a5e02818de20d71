//! T-Bank's vocabulary, as far as our decisions depend on it: what a status and an error code mean.
//!
//! Sources: T-Bank acquiring API v2 ("EACQ"), payment statuses and table of error codes. The classes and
//! what follows from them are ours.

mod error_class;
mod status;

pub use error_class::{ErrorClass, class_of};
pub use status::{Charged, PaymentStatus, Progress};
