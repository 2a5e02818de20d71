//! The terminal of purchases that are paid by transfer.

/// Stands for the terminal of purchases that are paid by transfer; no terminal of the bank has this key.
pub const TRANSFER_TERMINAL: &str = "transfer";
