//! Table `flysense_payments`: what each run of a call costs, and how far its payment is.
//!
//! Every write says which states it leaves, so that one that comes late or twice changes nothing
//! ([`crate::StoreError::Stale`]).

mod read;
mod write;

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{PaymentState, ReceiptLine, Work};
use flysk_domain::id::{AccountId, HoldId, TransactionId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use sqlx::types::Json;

pub use read::{accounts_to_ask, find, list_waiting, lock};
pub use write::{
    Hold, Paid, Price, cover, drop_hold, mark_free, mark_held, mark_held_in_vain, mark_owed, mark_paid,
    mark_releasing, mark_short, plan, postpone,
};

/// Which run of which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOf {
    /// The call.
    pub id: TranscriptionId,
    /// Its run.
    pub run: u32,
}

/// The payment of one run of a call.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Payment {
    /// The call.
    #[sqlx(try_from = "String")]
    pub transcription_id: TranscriptionId,
    /// Its run.
    pub run: u32,
    /// Who pays.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// How far it is.
    #[sqlx(try_from = "String")]
    pub state: PaymentState,
    seconds: u64,
    summaries: u32,
    estimate_micro: Option<i64>,
    estimate: Option<Json<Vec<ReceiptLine>>>,
    /// Which hold of the run is, or will be, asked for.
    pub hold_number: u32,
    hold_id: Option<String>,
    /// When the hold frees itself.
    pub hold_expires_at: Option<DateTime<Utc>>,
    held_micro: Option<i64>,
    charged_micro: Option<i64>,
    transaction_id: Option<String>,
    receipt: Option<Json<Vec<ReceiptLine>>>,
    /// Since when the wallet has been short of it, if it is.
    pub short_since: Option<DateTime<Utc>>,
    /// Whether the call waited for coins, so that its recording may be gone.
    pub was_parked: bool,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
}

impl Payment {
    /// The work: as planned until there is a result, then as done.
    pub fn work(&self) -> Work {
        Work { seconds: self.seconds, summaries: self.summaries }
    }

    /// Which run it is of.
    pub fn run_of(&self) -> RunOf {
        RunOf { id: self.transcription_id, run: self.run }
    }

    /// Whether work that costs may begin at `now`.
    pub fn allows_work(&self, now: DateTime<Utc>) -> bool {
        self.state.allows_work(self.hold_expires_at, now)
    }

    /// What it was estimated to cost, before the work.
    pub fn estimated(&self) -> Option<MicroCoins> {
        self.estimate_micro.map(MicroCoins)
    }

    /// By which prices it was estimated.
    pub fn estimate(&self) -> &[ReceiptLine] {
        self.estimate.as_ref().map_or(&[], |lines| lines.0.as_slice())
    }

    /// The hold, while it is not known to have ended.
    pub fn hold(&self) -> Option<HoldId> {
        self.hold_id.as_deref().and_then(|id| id.parse().ok())
    }

    /// How much was set aside.
    pub fn held(&self) -> Option<MicroCoins> {
        self.held_micro.map(MicroCoins)
    }

    /// What it cost in the end.
    pub fn charged(&self) -> Option<MicroCoins> {
        self.charged_micro.map(MicroCoins)
    }

    /// The platform's transaction that took the coins.
    pub fn transaction(&self) -> Option<TransactionId> {
        self.transaction_id.as_deref().and_then(|id| id.parse().ok())
    }

    /// By which prices it was paid.
    pub fn receipt(&self) -> &[ReceiptLine] {
        self.receipt.as_ref().map_or(&[], |lines| lines.0.as_slice())
    }
}
