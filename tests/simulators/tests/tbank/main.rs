//! Tests that the T-Bank simulator is as strict as the bank's documents and simulates faults of its
//! notifications.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod cancel;
mod cards;
mod charge;
mod fixture;
mod form;
mod init;
mod notifications;
