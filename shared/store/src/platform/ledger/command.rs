//! Commands of the ledger and their outcomes.

use flysk_domain::id::{HoldId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, LedgerRefusal};
use serde::{Deserialize, Serialize};

/// An idempotency key. Unique per widget; at most 120 ASCII characters, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key as sent by the caller.
    pub text: String,
    /// SHA-256 of operation and body, lower-case hex. The same key with another body is refused.
    pub body_hash: String,
}

/// A command and the data stored with its transaction.
#[derive(Debug, Clone)]
pub struct LedgerCommand {
    /// `ltx_…`, chosen by the caller.
    pub transaction: TransactionId,
    /// Movement of coins to be executed.
    pub command: Command,
    /// Idempotency key: a repeated command returns the first outcome.
    pub key: Option<IdempotencyKey>,
    /// Purpose, at most 200 characters.
    pub reference: Option<String>,
    /// The receipt, stored as JSON.
    pub details: Option<serde_json::Value>,
}

impl LedgerCommand {
    /// A command without key, reference and details.
    pub fn new(transaction: TransactionId, command: Command) -> Self {
        Self { transaction, command, key: None, reference: None, details: None }
    }

    /// The command under an idempotency key.
    #[must_use]
    pub fn keyed(self, key: IdempotencyKey) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// Result of an executed command, stored under its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Row of `ledger_transactions`.
    pub transaction: TransactionId,
    /// The hold that the command placed or ended.
    pub hold: Option<HoldId>,
    /// Balance after the transaction.
    pub available: MicroCoins,
    /// Held coins after the transaction.
    pub held: MicroCoins,
}

/// What became of one command of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Executed.
    Done(Posted),
    /// Already executed under the same key: the stored result, nothing changed.
    Replayed(Posted),
    /// Refused: nothing changed and nothing is stored under its key.
    Refused(LedgerRefusal),
    /// The key was used with another body: nothing changed.
    KeyReused,
}
