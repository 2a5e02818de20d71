//! Table `flysense_payments`: price and payment state of each run.
//!
//! Every write requires a certain present state, so that a late or repeated one changes nothing
//! ([`crate::StoreError::WrongState`]).

mod read;
mod write;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{PaymentState, ReceiptLine, Work};
use flysk_domain::id::{AccountId, HoldId, TransactionId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use sqlx::types::Json;

use crate::TextColumn;

pub use read::{Shortage, find, find_shortage, list_due_accounts, list_waiting, lock};
pub use write::{
    Hold, Paid, Price, clear_hold, mark_covered, mark_held, mark_hold_unused, mark_insufficient_funds,
    mark_not_charged, mark_owed, mark_paid, mark_releasing, plan, set_retry_at,
};

/// Key of a payment: a run of a transcription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOf {
    /// `tr_…`, ordered by the time of creation.
    pub id: TranscriptionId,
    /// Number of the run.
    pub run: u32,
}

/// Row of `flysense_payments`: the money of one run.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Payment {
    /// Row of `transcriptions`.
    #[sqlx(try_from = "String")]
    pub transcription_id: TranscriptionId,
    /// Number of the run.
    pub run: u32,
    /// The account that pays.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Of the money, apart from the state of the transcription.
    #[sqlx(try_from = "TextColumn")]
    pub state: PaymentState,
    seconds: u64,
    summaries: u32,
    estimate_micro: Option<i64>,
    estimate: Option<Json<Vec<ReceiptLine>>>,
    /// Number of the run's current or next hold.
    pub hold_number: u32,
    hold_id: Option<String>,
    /// When the hold expires.
    pub hold_expires_at: Option<DateTime<Utc>>,
    held_micro: Option<i64>,
    charged_micro: Option<i64>,
    transaction_id: Option<String>,
    receipt: Option<Json<Vec<ReceiptLine>>>,
    /// Since when the balance has been insufficient, if it is.
    pub short_since: Option<DateTime<Utc>>,
    /// Whether the call waited for coins, so that its recording may have been deleted.
    pub was_parked: bool,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
}

impl Payment {
    /// The work: planned until there is a result, then actual.
    pub fn work(&self) -> Work {
        Work { seconds: self.seconds, summaries: self.summaries }
    }

    /// Key of the payment.
    pub fn run_of(&self) -> RunOf {
        RunOf { id: self.transcription_id, run: self.run }
    }

    /// Whether billable work may start at `now`.
    pub fn allows_work(&self, now: DateTime<Utc>) -> bool {
        self.state.allows_work(self.hold_expires_at, now)
    }

    /// Estimated price, before the work.
    pub fn estimated(&self) -> Option<MicroCoins> {
        self.estimate_micro.map(MicroCoins)
    }

    /// What the estimated price consists of; empty before the estimate.
    pub fn estimate(&self) -> &[ReceiptLine] {
        self.estimate.as_ref().map_or(&[], |lines| lines.0.as_slice())
    }

    /// Id of the hold, until it is known to have ended.
    pub fn hold(&self) -> Option<HoldId> {
        self.hold_id.as_deref().and_then(|id| id.parse().ok())
    }

    /// Coins reserved by the hold.
    pub fn held(&self) -> Option<MicroCoins> {
        self.held_micro.map(MicroCoins)
    }

    /// Final price charged.
    pub fn charged(&self) -> Option<MicroCoins> {
        self.charged_micro.map(MicroCoins)
    }

    /// The platform's transaction that charged the coins.
    pub fn transaction(&self) -> Option<TransactionId> {
        self.transaction_id.as_deref().and_then(|id| id.parse().ok())
    }

    /// Receipt lines of the charge.
    pub fn receipt(&self) -> &[ReceiptLine] {
        self.receipt.as_ref().map_or(&[], |lines| lines.0.as_slice())
    }
}
