//! Execution of ledger commands, the only way coins move: lock, load, decide in the domain, write.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{HoldId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::platform::ledger::{Command, Wallet};

use super::changed::Changed;
use super::command::{CommandOutcome, LedgerCommand};
use super::idempotency::{self, Answers};
use super::session::{self, Decision};
use super::wallets::{LockedWallet, NewBalances, WalletRow};
use super::{charges, holds, lots, pending_events, transactions, wallets};
use crate::listed::Lengths;
use crate::{Conn, StoreError, StoreResult};

/// Commands of one wallet, in the order of their execution.
pub(super) struct WalletCommands<'a> {
    pub(super) wallet: WalletId,
    pub(super) commands: Vec<&'a LedgerCommand>,
}

/// When the results of earlier commands under the same keys are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyCheck {
    /// Before anything is decided.
    First,
    /// All keys are taken for new, until they are stored: of one that is not the transaction fails with [`StoreError::Duplicate`], and
    /// its caller repeats it with the other check. This saves a statement, as nearly all keys are new. Only the keys of refused
    /// commands are looked for, because they are not stored.
    WhenStored,
}

/// Outcomes of the commands by wallet; an error concerns one wallet alone, of which nothing is written.
pub(super) type Outcomes = BTreeMap<WalletId, StoreResult<Vec<CommandOutcome>>>;

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
    let locked = BTreeMap::from([(wallet, wallets::lock(conn, wallet).await?)]);
    let commands = WalletCommands { wallet, commands: instructions.iter().collect() };
    let mut outcomes = execute(conn, &locked, &[commands], clock, (KeyCheck::First, Lengths::Few)).await?;
    outcomes.remove(&wallet).unwrap_or(Err(StoreError::WrongState { what: "wallet" }))
}

/// [`apply`] for several wallets, each of which is named once. A wallet that another transaction has locked is left out, and so
/// is one that does not exist: it has no outcomes. The connection's cache must have room for statements of [`Lengths::Many`].
pub(super) async fn apply_to_unlocked(
    conn: &mut Conn,
    commands: &[WalletCommands<'_>],
    clock: &dyn Clock,
    check: KeyCheck,
) -> StoreResult<Outcomes> {
    let wallets = commands.iter().map(|one| one.wallet).collect();
    let locked = wallets::lock_unlocked(conn, &wallets).await?;
    execute(conn, &locked, commands, clock, (check, Lengths::Many)).await
}

/// Executes the commands of the locked wallets with one statement per table and kind of write.
async fn execute(
    conn: &mut Conn,
    locked: &BTreeMap<WalletId, LockedWallet>,
    commands: &[WalletCommands<'_>],
    clock: &dyn Clock,
    (check, lengths): (KeyCheck, Lengths),
) -> StoreResult<Outcomes> {
    let mut outcomes = Outcomes::new();
    if locked.is_empty() {
        return Ok(outcomes);
    }
    // The time is read under the locks, so that the transactions of a wallet are ordered by time.
    let now = clock.now();
    let commands =
        commands.iter().filter_map(|one| Some((locked.get(&one.wallet)?, one.commands.as_slice())));
    let commands: Vec<(&LockedWallet, &[&LedgerCommand])> = commands.collect();
    let mut answers = match check {
        KeyCheck::First => idempotency::load(conn, &keys_of(&commands)).await?,
        KeyCheck::WhenStored => Answers::default(),
    };
    let mut loaded = load(conn, &commands, now).await?;
    let mut decisions = Vec::with_capacity(commands.len());
    for (locked, commands) in &commands {
        let wallet = locked.row.id;
        let Some(before) = loaded.remove(&wallet) else { continue };
        let decided = session::decide(locked, before, commands, &answers, (clock, now)).map(|decision| {
            for (key, answer) in &decision.answered {
                answers.insert(locked.row.widget_id, key, *answer);
            }
            let ended = decision.outcomes.clone();
            decisions.push(decision);
            ended
        });
        outcomes.insert(wallet, decided);
    }
    if check == KeyCheck::WhenStored {
        recall_refused(conn, &commands, &mut outcomes).await?;
    }
    decisions.retain(|decision| !decision.recorded.is_empty());
    write(conn, &decisions, now, lengths).await?;
    Ok(outcomes)
}

/// Gives refused commands the results that are stored under their keys. What was decided stays right: neither a refused command nor
/// a repeated one has an effect.
async fn recall_refused(
    conn: &mut Conn,
    commands: &[(&LockedWallet, &[&LedgerCommand])],
    outcomes: &mut Outcomes,
) -> StoreResult<()> {
    let mut keys: BTreeMap<WidgetId, Vec<&str>> = BTreeMap::new();
    for (locked, commands) in commands {
        let Some(Ok(decided)) = outcomes.get(&locked.row.id) else { continue };
        for (command, outcome) in commands.iter().zip(decided) {
            if matches!(outcome, CommandOutcome::Refused(_))
                && let Some(key) = &command.key
            {
                keys.entry(locked.row.widget_id).or_default().push(&key.text);
            }
        }
    }
    let answers = idempotency::load(conn, &keys).await?;
    for (locked, commands) in commands {
        let Some(Ok(decided)) = outcomes.get_mut(&locked.row.id) else { continue };
        for (command, outcome) in commands.iter().zip(decided) {
            if matches!(outcome, CommandOutcome::Refused(_))
                && let Some(key) = &command.key
                && let Some(stored) = answers.find(locked.row.widget_id, &key.text)
            {
                *outcome = stored.outcome_for(key);
            }
        }
    }
    Ok(())
}

fn keys_of<'a>(commands: &[(&LockedWallet, &[&'a LedgerCommand])]) -> BTreeMap<WidgetId, Vec<&'a str>> {
    let mut keys: BTreeMap<WidgetId, Vec<&'a str>> = BTreeMap::new();
    for (locked, commands) in commands {
        for key in commands.iter().filter_map(|one| one.key.as_ref()) {
            keys.entry(locked.row.widget_id).or_default().push(&key.text);
        }
    }
    keys
}

/// Rows that commands name, beside those that are always loaded.
#[derive(Default)]
struct Named {
    holds: BTreeSet<HoldId>,
    charges: BTreeSet<TransactionId>,
    lots: BTreeSet<LotId>,
}

impl Named {
    fn add(&mut self, command: &Command) {
        match command {
            Command::Capture { hold, .. } | Command::Release { hold } | Command::Hold { hold, .. } => {
                self.holds.insert(*hold);
            }
            Command::Refund { charge, .. } => {
                self.charges.insert(*charge);
            }
            Command::Withdraw { lots, .. } => self.lots.extend(lots),
            Command::Restore { parts, .. } => self.lots.extend(parts.iter().map(|part| part.lot)),
            Command::Credit { lot, .. } => {
                self.lots.insert(*lot);
            }
            Command::Charge { .. } => {}
        }
    }
}

/// Loads the lots, holds and charges of the wallets that the commands may touch.
async fn load(
    conn: &mut Conn,
    commands: &[(&LockedWallet, &[&LedgerCommand])],
    now: DateTime<Utc>,
) -> StoreResult<BTreeMap<WalletId, Wallet>> {
    let mut named = Named::default();
    commands.iter().flat_map(|(_, commands)| *commands).for_each(|one| named.add(&one.command));
    let wallets: BTreeSet<WalletId> = commands.iter().map(|(locked, _)| locked.row.id).collect();
    let holding = commands.iter().filter(|(locked, commands)| may_have_expired_holds(locked, commands));
    let holding: BTreeSet<WalletId> = holding.map(|(locked, _)| locked.row.id).collect();
    let mut holds = holds::load(conn, &wallets, &holding, &named.holds, now).await?;
    let mut charges = charges::load(conn, &wallets, &named.charges).await?;
    let of_holds = holds.values().flat_map(BTreeMap::values).flat_map(|hold| &hold.parts);
    named.lots.extend(of_holds.map(|part| part.lot));
    let of_charges = charges.values().flat_map(BTreeMap::values).flat_map(|charge| &charge.parts);
    named.lots.extend(of_charges.map(|part| part.lot));
    let mut lots = lots::load(conn, &wallets, &named.lots).await?;
    let wallet = |(locked, _): &(&LockedWallet, &[&LedgerCommand])| {
        let WalletRow { id, available, held, .. } = locked.row;
        let lots = lots.remove(&id).unwrap_or_default();
        let holds = holds.remove(&id).unwrap_or_default();
        let charges = charges.remove(&id).unwrap_or_default();
        (id, Wallet { id, available, held, lots, holds, charges })
    };
    Ok(commands.iter().map(wallet).collect())
}

/// A wallet that holds nothing has no open hold, because each has coins. A sweep, which has no commands, looks nevertheless: it is
/// the one that tells of a wallet whose rows contradict each other.
fn may_have_expired_holds(locked: &LockedWallet, commands: &[&LedgerCommand]) -> bool {
    locked.row.held.is_positive() || commands.is_empty()
}

/// Writes what the commands changed.
async fn write(
    conn: &mut Conn,
    decisions: &[Decision<'_>],
    now: DateTime<Utc>,
    lengths: Lengths,
) -> StoreResult<()> {
    if decisions.is_empty() {
        return Ok(());
    }
    // First, because a key that is not new makes the rest useless.
    let answers = decisions.iter().flat_map(|one| {
        let widget = one.row.widget_id;
        one.answered.iter().map(move |(key, answer)| (widget, *key, *answer))
    });
    idempotency::insert(conn, answers.collect(), now, lengths).await?;
    let recorded = decisions.iter().flat_map(|one| one.recorded.iter().map(move |each| (one.row.id, each)));
    transactions::insert(conn, &recorded.collect::<Vec<_>>(), lengths).await?;
    lots::save(conn, &changed(decisions, |wallet| &wallet.lots)).await?;
    holds::save(conn, &changed(decisions, |wallet| &wallet.holds), now).await?;
    charges::save(conn, &changed(decisions, |wallet| &wallet.charges), lengths).await?;
    let balances = decisions.iter().map(|Decision { row: old, after, .. }| NewBalances {
        old,
        available: after.available,
        held: after.held,
    });
    wallets::update_balances(conn, &balances.collect::<Vec<_>>(), now).await?;
    for Decision { row, low_balance, before, after, .. } in decisions {
        let events = pending_events::caused_by(before, after, *low_balance);
        pending_events::insert(conn, row.id, &events, now).await?;
    }
    Ok(())
}

fn changed<'d, K, V>(
    decisions: &'d [Decision<'_>],
    part: impl Fn(&Wallet) -> &BTreeMap<K, V>,
) -> Vec<Changed<'d, K, V>> {
    let changed = |one: &'d Decision<'_>| Changed {
        wallet: one.row.id,
        before: part(&one.before),
        after: part(&one.after),
    };
    decisions.iter().map(changed).collect()
}
