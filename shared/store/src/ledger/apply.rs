//! The one way coins move: lock, load, let the domain decide, write.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{HoldId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Posting, Refusal, Wallet};
use serde::{Deserialize, Serialize};

use super::idempotency::{self, Given, IdempotencyKey};
use super::transactions::{self, Recorded};
use super::wallets::WalletRow;
use super::{charges, holds, lots, wallets};
use crate::{Conn, StoreError, StoreResult};

/// A command, and what is kept with it.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// The id of the transaction it becomes.
    pub transaction: TransactionId,
    /// What to do.
    pub command: Command,
    /// Makes a repeated instruction give the first answer.
    pub key: Option<IdempotencyKey>,
    /// What for, at most 200 characters.
    pub reference: Option<String>,
    /// The receipt.
    pub details: Option<serde_json::Value>,
}

impl Instruction {
    /// A command without anything else.
    pub fn new(transaction: TransactionId, command: Command) -> Self {
        Self { transaction, command, key: None, reference: None, details: None }
    }

    /// The same under an idempotency key.
    #[must_use]
    pub fn keyed(self, key: IdempotencyKey) -> Self {
        Self { key: Some(key), ..self }
    }
}

/// What an instruction came to, kept under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The transaction.
    pub transaction: TransactionId,
    /// The hold it placed or ended.
    pub hold: Option<HoldId>,
    /// What can be spent after it.
    pub available: MicroCoins,
    /// What is set aside after it.
    pub held: MicroCoins,
}

/// How an instruction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out.
    Done(Answer),
    /// Was carried out before under the same key; nothing happened now.
    Replayed(Answer),
    /// Refused; nothing happened, nothing is kept under its key.
    Refused(Refusal),
    /// The key was used with another body; nothing happened.
    KeyReused,
}

/// Carries instructions out in order, each for itself: a refused one leaves the others alone.
///
/// Runs inside the caller's transaction, which must be at READ COMMITTED (as [`crate::connect`] sets it) or
/// have read nothing before. An empty list only frees what is over. Dropping the transaction undoes all.
pub async fn apply(
    conn: &mut Conn,
    wallet: WalletId,
    instructions: &[Instruction],
    clock: &dyn Clock,
) -> StoreResult<Vec<Outcome>> {
    let row = wallets::lock(conn, wallet).await?;
    // The time is taken under the lock, so that a wallet's transactions are in order of their time.
    let now = clock.now();
    let keys: Vec<&str> =
        instructions.iter().filter_map(|one| Some(one.key.as_ref()?.text.as_str())).collect();
    let given = idempotency::load(conn, row.widget_id, &keys).await?;
    let before = load(conn, &row, instructions, now).await?;
    let mut book = Book { wallet: before.clone(), given, recorded: Vec::new(), fresh: Vec::new() };
    book.sweep(clock, now)?;
    let outcomes = instructions.iter().map(|one| book.carry_out(one, now)).collect();
    book.sweep(clock, now)?;
    if !book.recorded.is_empty() {
        let after = &book.wallet;
        transactions::insert(conn, wallet, &book.recorded).await?;
        lots::save(conn, wallet, &before.lots, &after.lots).await?;
        holds::save(conn, wallet, &before.holds, &after.holds, now).await?;
        charges::save(conn, wallet, &before.charges, &after.charges).await?;
        idempotency::insert(conn, row.widget_id, &book.fresh, now).await?;
        wallets::update_balances(conn, &row, after.available, after.held, now).await?;
    }
    Ok(outcomes)
}

/// What is decided in memory before anything is written.
struct Book<'a> {
    wallet: Wallet,
    given: BTreeMap<String, Given>,
    recorded: Vec<Recorded<'a>>,
    fresh: Vec<(&'a IdempotencyKey, Answer)>,
}

impl<'a> Book<'a> {
    fn sweep(&mut self, clock: &dyn Clock, now: DateTime<Utc>) -> StoreResult<()> {
        let swept = self.wallet.sweep(now, || TransactionId::generate(clock)).map_err(|refusal| {
            StoreError::Corrupt { what: "wallet", reason: format!("what is over cannot be freed: {refusal}") }
        })?;
        for posting in swept {
            self.record(posting, None)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, one: &'a Instruction, now: DateTime<Utc>) -> Outcome {
        if let Some(key) = &one.key
            && let Some(given) = self.given.get(&key.text)
        {
            return given.outcome_for(key);
        }
        let posting = match self.wallet.apply(one.transaction, &one.command, now) {
            Ok(posting) => posting,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let answer = Answer {
            transaction: posting.id,
            hold: posting.hold,
            available: self.wallet.available,
            held: self.wallet.held,
        };
        let recorded =
            Recorded { posting, reference: one.reference.as_deref(), details: one.details.as_ref() };
        self.recorded.push(recorded);
        if let Some(key) = &one.key {
            self.given.insert(key.text.clone(), Given { body_hash: key.body_hash.clone(), answer });
            self.fresh.push((key, answer));
        }
        Outcome::Done(answer)
    }

    fn record(&mut self, posting: Posting, reference: Option<&'a str>) -> StoreResult<()> {
        if !posting.is_balanced() {
            let reason = format!("{} does not sum to zero", posting.id);
            return Err(StoreError::Corrupt { what: "transaction", reason });
        }
        self.recorded.push(Recorded { posting, reference, details: None });
        Ok(())
    }
}

/// Loads what the instructions may touch.
async fn load(
    conn: &mut Conn,
    row: &WalletRow,
    instructions: &[Instruction],
    now: DateTime<Utc>,
) -> StoreResult<Wallet> {
    let (mut named_holds, mut named_charges) = (Vec::new(), Vec::new());
    let mut named_lots: BTreeSet<LotId> = BTreeSet::new();
    for instruction in instructions {
        match &instruction.command {
            Command::Capture { hold, .. } | Command::Release { hold } | Command::Hold { hold, .. } => {
                named_holds.push(*hold);
            }
            Command::Refund { charge, .. } => named_charges.push(*charge),
            Command::Withdraw { lots, .. } => named_lots.extend(lots),
            Command::Restore { parts, .. } => named_lots.extend(parts.iter().map(|part| part.lot)),
            Command::Credit { lot, .. } => named_lots.extend([*lot]),
            Command::Charge { .. } => {}
        }
    }
    let holds = holds::load(conn, row.id, &named_holds, now).await?;
    let charges = charges::load(conn, row.id, &named_charges).await?;
    named_lots.extend(holds.values().flat_map(|hold| hold.parts.iter().map(|part| part.lot)));
    named_lots.extend(charges.values().flat_map(|charge| charge.parts.iter().map(|part| part.lot)));
    let named_lots: Vec<LotId> = named_lots.into_iter().collect();
    let lots = lots::load(conn, row.id, &named_lots).await?;
    Ok(Wallet { id: row.id, available: row.available, held: row.held, lots, holds, charges })
}
