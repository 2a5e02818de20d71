//! Execution of ledger commands, the only way coins move: lock, load, decide in the domain, write.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{HoldId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, LedgerRefusal, Posting, Wallet};
use serde::{Deserialize, Serialize};

use super::idempotency::{self, IdempotencyKey, StoredAnswer};
use super::transactions::{self, Recorded};
use super::wallets::{LockedWallet, WalletRow};
use super::{charges, holds, lots, pending_events, wallets};
use crate::{Conn, StoreError, StoreResult};

/// A command and the data stored with its transaction.
#[derive(Debug, Clone)]
pub struct LedgerCommand {
    /// Id of the transaction that the command creates.
    pub transaction: TransactionId,
    /// The command.
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
    /// The transaction.
    pub transaction: TransactionId,
    /// The hold that the command placed or ended.
    pub hold: Option<HoldId>,
    /// Balance after the transaction.
    pub available: MicroCoins,
    /// Held coins after the transaction.
    pub held: MicroCoins,
}

/// The outcome of a command.
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

/// Executes commands in order and independently: a refused command does not affect the others.
///
/// Runs inside the caller's transaction, which must be at READ COMMITTED (as [`crate::connect`] sets it) or have
/// read nothing before. An empty list only releases expired holds and removes expired lots. Rolling the
/// transaction back undoes everything.
pub async fn apply(
    conn: &mut Conn,
    wallet: WalletId,
    instructions: &[LedgerCommand],
    clock: &dyn Clock,
) -> StoreResult<Vec<CommandOutcome>> {
    let LockedWallet { row, low_balance } = wallets::lock(conn, wallet).await?;
    // The time is read under the lock, so that the transactions of a wallet are ordered by time.
    let now = clock.now();
    let keys: Vec<&str> =
        instructions.iter().filter_map(|one| Some(one.key.as_ref()?.text.as_str())).collect();
    let given = idempotency::load(conn, row.widget_id, &keys).await?;
    let before = load(conn, &row, instructions, now).await?;
    let mut session = Session { wallet: before.clone(), given, recorded: Vec::new(), fresh: Vec::new() };
    session.sweep(clock, now)?;
    let outcomes = instructions.iter().map(|one| session.execute(one, now)).collect();
    session.sweep(clock, now)?;
    if !session.recorded.is_empty() {
        let after = &session.wallet;
        transactions::insert(conn, wallet, &session.recorded).await?;
        lots::save(conn, wallet, &before.lots, &after.lots).await?;
        holds::save(conn, wallet, &before.holds, &after.holds, now).await?;
        charges::save(conn, wallet, &before.charges, &after.charges).await?;
        idempotency::insert(conn, row.widget_id, &session.fresh, now).await?;
        wallets::update_balances(conn, &row, after.available, after.held, now).await?;
        let events = pending_events::caused_by(&before, after, low_balance);
        pending_events::insert(conn, wallet, &events, now).await?;
    }
    Ok(outcomes)
}

/// The loaded wallet and the changes of the commands, before anything is written.
struct Session<'a> {
    wallet: Wallet,
    given: BTreeMap<String, StoredAnswer>,
    recorded: Vec<Recorded<'a>>,
    fresh: Vec<(&'a IdempotencyKey, Posted)>,
}

impl<'a> Session<'a> {
    fn sweep(&mut self, clock: &dyn Clock, now: DateTime<Utc>) -> StoreResult<()> {
        let swept = self.wallet.sweep(now, || TransactionId::generate(clock)).map_err(|refusal| {
            StoreError::InvalidRow {
                what: "wallet",
                reason: format!("what is over cannot be freed: {refusal}"),
            }
        })?;
        for posting in swept {
            self.record(posting, None)?;
        }
        Ok(())
    }

    fn execute(&mut self, one: &'a LedgerCommand, now: DateTime<Utc>) -> CommandOutcome {
        if let Some(key) = &one.key
            && let Some(given) = self.given.get(&key.text)
        {
            return given.outcome_for(key);
        }
        let posting = match self.wallet.apply(one.transaction, &one.command, now) {
            Ok(posting) => posting,
            Err(refusal) => return CommandOutcome::Refused(refusal),
        };
        let answer = Posted {
            transaction: posting.id,
            hold: posting.hold,
            available: self.wallet.available,
            held: self.wallet.held,
        };
        let recorded =
            Recorded { posting, reference: one.reference.as_deref(), details: one.details.as_ref() };
        self.recorded.push(recorded);
        if let Some(key) = &one.key {
            self.given.insert(key.text.clone(), StoredAnswer { body_hash: key.body_hash.clone(), answer });
            self.fresh.push((key, answer));
        }
        CommandOutcome::Done(answer)
    }

    fn record(&mut self, posting: Posting, reference: Option<&'a str>) -> StoreResult<()> {
        if !posting.is_balanced() {
            let reason = format!("{} does not sum to zero", posting.id);
            return Err(StoreError::InvalidRow { what: "transaction", reason });
        }
        self.recorded.push(Recorded { posting, reference, details: None });
        Ok(())
    }
}

/// Loads the lots, holds and charges that the commands may touch.
async fn load(
    conn: &mut Conn,
    row: &WalletRow,
    instructions: &[LedgerCommand],
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
