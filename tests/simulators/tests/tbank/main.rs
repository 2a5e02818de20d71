//! The T-Bank simulator is as strict as the bank's documents, and as unreliable as its notices.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod bank;
mod cancel;
mod charge;
mod form;
mod init;
mod notices;
